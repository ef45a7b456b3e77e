//! An event is one security decision as it is told to log, counters and journal. Nothing durable is written per token.

use crate::name::{ClientId, Key, RealmName};
use crate::record::Client;
use crate::refusal::{Fault, Why};

/// One decision about one request.
#[derive(Clone, Debug)]
pub struct Event {
    /// The realm that was asked.
    pub realm: Option<(Key, RealmName)>,
    /// The client concerned, as far as it is known.
    pub client: Option<Concerned>,
    /// Where, for example `token`.
    pub endpoint: &'static str,
    /// What was decided.
    pub outcome: Outcome,
    /// The secret or API key that was used with success.
    pub used: Option<Key>,
    /// A secret that shall be kept under a keyed hash from now on.
    pub adopt: Option<Adoption>,
}

/// A secret that was imported under a slow foreign hash has been shown: from now on its keyed hash is kept instead.
#[derive(Clone)]
pub struct Adoption {
    /// The secret, of the event's client.
    pub secret: Key,
    /// Its keyed hash.
    pub mac: String,
}

impl std::fmt::Debug for Adoption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Adoption({})", self.secret)
    }
}

/// The client that an event concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concerned {
    /// Its key.
    pub key: Key,
    /// Its id, as people know it.
    pub client_id: ClientId,
}

impl From<&Client> for Concerned {
    fn from(client: &Client) -> Self {
        Self { key: client.key, client_id: client.client_id.clone() }
    }
}

/// What was decided.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A token was issued.
    Issued,
    /// A token was issued to a client that was told that it wastes them.
    Coached,
    /// A client got the token again that it had.
    Repeated,
    /// A call may pass, or a document was answered.
    Permitted,
    /// Their fault.
    Refused(Why),
    /// Our fault.
    Faulted(Fault),
}
