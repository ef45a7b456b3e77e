//! The token endpoint: authenticate the client, find the grant, may this client use it, exchange, mint (RFC 6749 §3.2).

use super::thrift;
use crate::client_auth::{AuthenticatedClient, Credentials, Known, authenticate};
use crate::event::Concerned;
use crate::grant::{self, Asked};
use crate::refusal::{Fault, Why};
use crate::store::Changing;
use crate::token::{Issued, mint};
use crate::world::{Presented, Stop, World};

/// Why a client gets no token when the clock went back far behind its last revocation.
pub const CLOCK_BEHIND: &str = "the clock is behind the last revocation";
/// Seconds by which a new token may count from later than now because its realm's tokens were ended: as much as a check allows.
const REALM_AHEAD: i64 = jeton_jose::jwt::CLOCK_SKEW;
/// The same because its client's tokens were ended: so little that ending all of a realm's leaves none (admin/realm.rs).
const CLIENT_AHEAD: i64 = 1;

/// One token request, whatever its spelling was.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// Every credential found.
    pub credentials: Credentials,
    /// RFC 6749 `grant_type`.
    pub grant_type: Option<String>,
    /// RFC 6749 §3.3.
    pub scope: Option<String>,
    /// RFC 8707 §2.
    pub resources: Vec<String>,
    /// RFC 6749 §6.
    pub refresh_token: Option<Presented>,
}

/// A refused request and whom it concerns, as far as that is known.
#[derive(Debug)]
pub struct Stopped {
    /// Why.
    pub stop: Stop,
    /// The client that the request named.
    pub client: Option<Concerned>,
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self { stop: fault.into(), client: None }
    }
}

/// Decides a token request. Grants that change records do so in `change`.
pub fn token(
    known: Known<'_>,
    world: &World<'_>,
    change: &mut Changing<'_, '_>,
    request: &TokenRequest,
) -> Result<(Issued, AuthenticatedClient), Stopped> {
    // RFC 6749 §4: without a grant type it is no token request, whoever asks.
    let Some(wire) = request.grant_type.as_deref() else {
        return Err(Stopped { stop: Why::RequestGrantTypeMissing.into(), client: None });
    };
    let client = authenticate(known, world, change, &request.credentials).map_err(|(stop, client)| Stopped { stop, client })?;
    let asked = Asked {
        realm: known.realm,
        memory: known.memory,
        client: &client,
        world,
        from: world.now.max(client.client().not_before).max(known.realm.realm.not_before),
        scope: request.scope.as_deref(),
        resources: &request.resources,
        refresh_token: request.refresh_token.as_ref(),
    };
    match exchange(known, &asked, change, wire) {
        Ok(issued) => Ok((issued, client)),
        Err(stop) => Err(Stopped { stop, client: Some(Concerned::from(&**client.client())) }),
    }
}

fn exchange(known: Known<'_>, asked: &Asked<'_>, change: &mut Changing<'_, '_>, wire: &str) -> Result<Issued, Stop> {
    let (client, world) = (asked.client.client(), asked.world);
    // RFC 9700 §2.4: the password grant MUST NOT be used; it cannot be switched on.
    if matches!(wire, "password" | "implicit") {
        return Err(Why::GrantPasswordNever.into());
    }
    let grant = grant::by_wire_name(wire).ok_or(Why::GrantUnknown)?;
    // RFC 6749 §5.2, unauthorized_client.
    if !client.grants.contains(&grant.name) {
        return Err(Why::GrantNotAllowed.into());
    }
    let issue = (grant.exchange)(asked, change)?;
    // Token times are whole seconds: in the second in which a client was stopped and let go on, a new token counts from the next
    // one, so that it is told apart from those that died.
    let (of_client, of_realm) = (client.not_before, asked.realm.realm.not_before);
    if of_client > world.now.plus_seconds(CLIENT_AHEAD) || of_realm > world.now.plus_seconds(REALM_AHEAD) {
        return Err(Fault::Unavailable(CLOCK_BEHIND.into()).into());
    }
    let from = World { now: asked.from, ..world.clone() };
    // Thrift is about tokens in a client's own name, with a family or without; those of people are left alone.
    if issue.subject != client.client_id.as_str() {
        return mint(asked.realm, &from, issue);
    }
    thrift::issue(known, asked, change, &from, issue)
}
