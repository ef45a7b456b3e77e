//! A token is revoked by one row that lasts as long as the token would have (RFC 7009).

use super::presented::Genuine;
use crate::name::Key;
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
