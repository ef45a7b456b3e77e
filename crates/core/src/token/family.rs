//! A family ends as a whole: its refresh token at once, and its access tokens by one revocation.

use crate::name::Key;
use crate::record::{Revocation, Revoked, TokenFamily, revocation_of};
use crate::refusal::Fault;
use crate::store::Records;
use crate::world::World;

/// Ends every token of a family. Ending it again changes nothing.
pub fn revoke_family(records: &mut Records<'_>, world: &World<'_>, key: Key) -> Result<(), Fault> {
    let Some(family) = records.read::<TokenFamily>(key)? else { return Ok(()) };
    if family.revoked_at.is_some() {
        return Ok(());
    }
    let (realm, until) = (family.realm, family.access_until);
    records.update(&TokenFamily { revoked_at: Some(world.now), ..family })?;
    let target = Revoked::Family(key);
    if world.now < until && records.find::<Revocation>(revocation_of(realm, target))?.is_none() {
        records.insert(&Revocation { key: world.new_key("family revocation"), realm, target, until })?;
    }
    Ok(())
}
