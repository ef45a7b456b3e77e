//! Failure settings say how often a source may fail to show who it is before it is told to slow down (RFC 6749 §2.3.1).

use serde::{Deserialize, Serialize};

/// A realm's budgets of failed authentication. The right secret passes whatever is left of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FailureSettings {
    /// Failures of one source with one client's id at once; 0 switches both budgets off.
    pub per_client: u32,
    /// Failures of one source at once, with whatever ids and API keys.
    pub per_source: u32,
    /// Either budget is whole again after so many seconds without a failure.
    pub seconds: u32,
}

impl FailureSettings {
    /// The greatest budget.
    pub const MOST: u32 = 1_000_000;
    /// The longest time in which a budget fills.
    pub const LONGEST: u32 = 86_400;

    /// Whether each number is one that can be meant.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.per_client <= Self::MOST
            && (1..=Self::MOST).contains(&self.per_source)
            && (1..=Self::LONGEST).contains(&self.seconds)
    }
}

impl Default for FailureSettings {
    fn default() -> Self {
        Self { per_client: 30, per_source: 300, seconds: 60 }
    }
}
