//! Options of a driver are `key=value`, each at most once, and each known.

use std::collections::HashMap;
use std::error::Error;
use std::str::FromStr;

/// What was given and not yet taken.
pub struct Options(HashMap<String, String>);

impl Options {
    /// Reads the arguments of this process.
    ///
    /// # Errors
    /// The first argument that has no `=`.
    pub fn given() -> Result<Self, Box<dyn Error>> {
        let pairs = std::env::args()
            .skip(1)
            .map(|argument| argument.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or(argument));
        Ok(Self(pairs.collect::<Result<_, _>>().map_err(|argument| format!("no key=value: {argument}"))?))
    }

    /// Takes an option as text.
    pub fn text(&mut self, name: &str, default: &str) -> String {
        self.0.remove(name).unwrap_or_else(|| default.to_owned())
    }

    /// Looks at an option without taking it.
    #[must_use]
    pub fn look(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// Takes an option that has another form.
    ///
    /// # Errors
    /// A value that has not that form.
    pub fn take<T: FromStr>(&mut self, name: &str, default: &str) -> Result<T, Box<dyn Error>> {
        let text = self.text(name, default);
        text.parse().map_err(|_| format!("{name}={text} is not understood").into())
    }

    /// Takes an option that may be left out.
    ///
    /// # Errors
    /// A value that has not that form.
    pub fn maybe<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Box<dyn Error>> {
        if self.0.contains_key(name) { self.take(name, "").map(Some) } else { Ok(None) }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// An option that nobody took.
    pub fn end(self) -> Result<(), Box<dyn Error>> {
        self.0.keys().next().map_or(Ok(()), |name| Err(format!("{name} is no option").into()))
    }
}
