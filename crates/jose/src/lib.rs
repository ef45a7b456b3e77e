//! JWS, JWK, JWT and sealing: pure functions over bytes and keys.

use serde::{Deserialize, Serialize};

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// RFC 7518 §3.4.
    Es256,
}
