//! Variables are the values that a run knows: what the fixture gave it, and what earlier answers told it.

use std::collections::BTreeMap;
use std::fmt;

/// Names and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Adds a value, or replaces it.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// The value of a name.
    ///
    /// # Errors
    /// When there is none.
    pub fn value(&self, name: &str) -> Result<&str, Unfilled> {
        self.0.get(name).map(String::as_str).ok_or_else(|| Unfilled(format!("`{{{{{name}}}}}`")))
    }

    /// Every name and value, in order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A placeholder for which there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfilled(pub String);

impl fmt::Display for Unfilled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "there is no value for {}", self.0)
    }
}

impl std::error::Error for Unfilled {}
