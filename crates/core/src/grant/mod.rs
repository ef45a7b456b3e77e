//! A grant exchanges what a client presents for an [`Issue`]. One grant is one file and one line in [`GRANTS`].

use crate::client_auth::AuthenticatedClient;
use crate::name::Time;
use crate::record::GrantName;
use crate::snapshot::{Memory, RealmState};
use crate::store::Changing;
use crate::token::Issue;
use crate::world::{Presented, Stop, World};

mod client_credentials;
mod refresh_token;
mod scope;

/// What a grant is and does.
#[derive(Debug)]
pub struct Grant {
    /// Its name in records.
    pub name: GrantName,
    /// Its `grant_type` (RFC 6749).
    pub wire: &'static str,
    /// Whether a realm offers it, so that its metadata names it.
    pub offered: fn(&RealmState) -> bool,
    /// Decides; what it changes it writes into the records, and a grant that changes nothing asks for none.
    pub exchange: fn(&Asked<'_>, &mut Changing<'_, '_>) -> Result<Issue, Stop>,
}

/// Every grant. Discovery, admin commands and documents read the same table.
pub const GRANTS: &[Grant] = &[client_credentials::GRANT, refresh_token::GRANT];

/// One token request of an authenticated client, as a grant sees it.
pub struct Asked<'a> {
    /// The realm that was asked.
    pub realm: &'a RealmState,
    /// What is remembered.
    pub memory: &'a Memory,
    /// Who asks.
    pub client: &'a AuthenticatedClient,
    /// Time and chance.
    pub world: &'a World<'a>,
    /// From when new tokens count: now, or the coming second if older tokens have just died.
    pub from: Time,
    /// The scope as it was sent.
    pub scope: Option<&'a str>,
    /// RFC 8707 resource indicators.
    pub resources: &'a [String],
    /// The refresh token.
    pub refresh_token: Option<&'a Presented>,
}

/// The grant of this `grant_type`.
#[must_use]
pub fn by_wire_name(wire: &str) -> Option<&'static Grant> {
    GRANTS.iter().find(|grant| grant.wire == wire)
}
