//! A token is revoked by one row that lasts as long as the token would have (RFC 7009).

use super::presented::Genuine;
use crate::name::{Key, Time};
use crate::record::{Revocation, Revoked, revocation_of};
use crate::refusal::Fault;
use crate::store::Records;
use crate::world::World;

/// Whether revoking changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoking {
    /// The token lived until now.
    Done,
    /// It had ended, or was revoked before.
    Ended,
}

/// Revokes a token of this realm. A token that has ended costs no row, and one is revoked once.
pub fn revoke(records: &mut Records<'_>, world: &World<'_>, realm: Key, token: &Genuine) -> Result<Revoking, Fault> {
    let (target, until) = (Revoked::Token(token.digest()), token.expires_at());
    if world.now >= until || is_revoked(records, realm, token)? {
        return Ok(Revoking::Ended);
    }
    records.insert(&Revocation { key: world.new_key("revocation"), realm, target, until })?;
    Ok(Revoking::Done)
}

/// Whether a token of this realm, or the family that it belongs to, is revoked.
pub fn is_revoked(records: &mut Records<'_>, realm: Key, token: &Genuine) -> Result<bool, Fault> {
    for target in [Some(Revoked::Token(token.digest())), token.family().map(Revoked::Family)].into_iter().flatten() {
        if records.find::<Revocation>(revocation_of(realm, target))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// From when tokens of a client count after all of them were ended, now; `before` is from when they counted. Token times are whole
/// seconds, so every token of this second counts as older; and where later ones were issued already, because tokens were ended a
/// moment ago, they do, too (endpoint/token.rs says how much later a token can be).
#[must_use]
pub fn dead_until(before: Time, now: Time) -> Time {
    if before > now { before.plus_seconds(1) } else { Time::from_seconds(now.seconds().saturating_add(1)) }
}

/// From when the tokens of a realm count after all of them were ended, now. A client whose own tokens were ended in this second has
/// new ones from the next second already, so it is the one behind that.
#[must_use]
pub fn realm_dead_until(before: Time, now: Time) -> Time {
    dead_until(before, now).max(dead_until(before, now.plus_seconds(1)))
}
