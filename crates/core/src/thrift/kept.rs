//! A kept token is one that can be handed out again, as long as everything that it says is still so.

use crate::name::{Scope, Time};
use crate::record::Client;
use std::sync::Arc;

/// A token that was issued to a client that wastes them.
#[derive(Clone)]
pub struct Kept {
    /// The token.
    pub access_token: String,
    /// When it ends.
    pub expires_at: Time,
    /// As whom it acts.
    pub subject: String,
    /// What it allows.
    pub scope: Scope,
    /// For whom it is.
    pub audience: Vec<String>,
    /// The state of the realm by which it was made (`RealmState::stamp`).
    pub stamp: u64,
    /// The client as it was then. Any change of it makes another one.
    pub client: Arc<Client>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept(… until {})", self.expires_at.to_rfc3339())
    }
}
