//! A family begins with one permission, goes on with every use of its refresh token, and ends as a whole.

use super::mint::Refresh;
use crate::name::{Key, Scope, Time};
use crate::record::{Client, RefreshSettings, Revocation, Revoked, Rotation, TokenFamily, revocation_of};
use crate::refusal::Fault;
use crate::snapshot::RealmState;
use crate::store::Records;
use crate::world::World;

/// What a family begins with.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// The only client that may use it.
    pub client: &'a Client,
    /// As whom its tokens act.
    pub subject: &'a str,
    /// The most it gives.
    pub scope: &'a Scope,
    /// From when its tokens count.
    pub from: Time,
}

/// Who shows a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A client that has authenticated, or proven that it holds the key to which the token is bound.
    Proven,
    /// Whoever has the token.
    Anybody,
}

/// Begins a family: one new row, from which every later refresh token and access token follows.
pub fn begin_family(
    records: &mut Records<'_>,
    realm: &RealmState,
    world: &World<'_>,
    beginning: Beginning<'_>,
) -> Result<TokenFamily, Fault> {
    let Beginning { client, subject, scope, from } = beginning;
    let settings = &realm.realm.settings;
    let family = TokenFamily {
        key: world.new_key("family"),
        realm: realm.realm.key,
        client: client.key,
        client_id: client.client_id.clone(),
        subject: subject.to_owned(),
        scope: scope.clone(),
        issued_at: from,
        generation: 1,
        rotated_at: None,
        used_at: world.now,
        access_until: from.plus_seconds(settings.access_token.lifetime),
        idle_until: world.now.plus_seconds(settings.refresh_token.idle_lifetime),
        ends_at: world.now.plus_seconds(settings.refresh_token.lifetime),
        revoked_at: None,
    };
    records.insert(&family)?;
    Ok(family)
}

/// The family as the use of its refresh token of this generation leaves it; nothing if that one must not be used again.
#[must_use]
pub fn use_family(
    family: &TokenFamily,
    generation: u64,
    settings: &RefreshSettings,
    holder: Holder,
    now: Time,
) -> Option<TokenFamily> {
    let used = TokenFamily { used_at: now, idle_until: now.plus_seconds(settings.idle_lifetime), ..family.clone() };
    // RFC 9700 §4.14.2: whoever proves nothing gets a new one every time.
    let rotates = settings.rotation == Rotation::On || holder == Holder::Anybody;
    if generation == family.generation {
        return Some(match rotates {
            true => TokenFamily { generation: family.generation.saturating_add(1), rotated_at: Some(now), ..used },
            false => TokenFamily { rotated_at: None, ..used },
        });
    }
    // A client whose answer was lost asks again with what it has, and gets the same successor, as long as nobody has used that.
    // A clock that was set is no reason to wait longer.
    let is_previous = generation.checked_add(1) == Some(family.generation);
    let grace = settings.grace.saturating_mul(1000);
    let in_grace = |rotated_at: Time| now.millis().abs_diff(rotated_at.millis()) <= grace.unsigned_abs();
    let lost = is_previous && holder == Holder::Proven && settings.grace > 0 && family.rotated_at.is_some_and(in_grace);
    lost.then_some(used)
}

impl TokenFamily {
    /// The refresh token that goes with what is issued now.
    #[must_use]
    pub fn refresh(&self) -> Refresh {
        Refresh::OfFamily { family: self.key, generation: self.generation }
    }
}

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
        records.insert(&Revocation { key: world.new_key(&format!("revocation of family {key}")), realm, target, until })?;
    }
    Ok(())
}
