//! Refresh settings say how long a family of tokens lives, and whether its refresh token rotates (RFC 9700 §4.14.2).

use serde::{Deserialize, Serialize};

/// Refresh tokens that belong to a family, per realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefreshSettings {
    /// Whether every use gives a new one.
    pub rotation: Rotation,
    /// A family ends when it was not used for so many seconds.
    pub idle_lifetime: i64,
    /// A family ends so many seconds after its beginning, however much it is used.
    pub lifetime: i64,
    /// For so many seconds a client whose answer was lost gets the same successor again; 0 switches this off.
    pub grace: i64,
    /// Which refresh token goes with client credentials, where the realm allows one.
    pub with_client_credentials: WithClientCredentials,
}

impl RefreshSettings {
    /// The longest life of a family, in seconds: ten years.
    pub const LONGEST: i64 = 10 * 366 * 86_400;
    /// The longest grace, in seconds. A thief who is as quick may use it, too.
    pub const MOST_GRACE: i64 = 120;
}

impl Default for RefreshSettings {
    fn default() -> Self {
        Self {
            rotation: Rotation::On,
            idle_lifetime: 30 * 86_400,
            lifetime: 365 * 86_400,
            grace: 30,
            with_client_credentials: WithClientCredentials::Sealed,
        }
    }
}

/// Whether the refresh token of a family changes when it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// Every use gives its successor, and what is used twice revokes the family.
    #[default]
    On,
    /// The same one stays good until its family ends (FAPI 2.0 Security Profile §5.3.2.1).
    Off,
}

/// Which refresh token goes with client credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithClientCredentials {
    /// A sealed value that needs no row and stays the same.
    #[default]
    Sealed,
    /// One of a new family.
    Rotating,
}
