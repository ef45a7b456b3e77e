//! A mismatch says which step failed, where it stands, and what was wanted and what came, one difference to a line.

use std::fmt;

/// What did not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The file.
    pub file: String,
    /// The line of the step's answer.
    pub line: usize,
    /// The step's title.
    pub title: String,
    /// Each difference.
    pub differences: Vec<Difference>,
    /// The answer that came, as text.
    pub answer: String,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What was compared: `status`, `header Name`, `body /path`, `claim name`.
    pub what: String,
    /// What should have been there.
    pub wanted: String,
    /// What was there.
    pub got: String,
}

impl Difference {
    /// A difference of these three words.
    pub fn new(what: impl Into<String>, wanted: impl Into<String>, got: impl Into<String>) -> Self {
        Self { what: what.into(), wanted: wanted.into(), got: got.into() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}\n    - {}\n    + {}", self.what, self.wanted, self.got)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}:{}: {}", self.file, self.line, self.title)?;
        for difference in &self.differences {
            writeln!(out, "  {difference}")?;
        }
        writeln!(out, "  the answer was")?;
        for line in self.answer.lines() {
            writeln!(out, "    | {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mismatch {}
