//! Rotation takes one step in the life of a realm's signing keys: published, then signing, then retiring, then gone.

use super::act::{MOST_ROWS, Mode};
use super::key_plan::{self, Step};
use super::{Act, AdminStop};
use crate::name::{Key, RealmName};
use crate::record::{KeyEnd, KeyPurpose, KeyState, Realm, SigningKeyRecord, keys_of_realm};
use crate::refusal::Fault;
use crate::store::Order;
use jeton_jose::{Algorithm, SigningKey};
use serde_json::json;
use std::collections::BTreeSet;

/// A step that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// In which realm.
    pub realm: RealmName,
    /// Of which key.
    pub kid: String,
    /// What was done, as the audit record names it.
    pub action: &'static str,
}

/// Takes the next step that is due in a realm, if one is. `waited` are the keys that were watched for long enough.
///
/// Every step reads all keys of the realm, guarded by the realm's version: of two nodes that take one at once, one is run again
/// and finds nothing to do.
pub fn rotate(act: &mut Act<'_, '_>, realm: Key, waited: &BTreeSet<Key>) -> Result<Option<Rotated>, AdminStop> {
    let Some(realm) = act.records.read::<Realm>(realm)? else { return Ok(None) };
    let keys = keys_of(act, &realm)?;
    let Some(step) = key_plan::step(&realm, &keys, act.now(), waited) else { return Ok(None) };
    let (action, kid) = match step {
        Step::Begin(purpose, algorithm) => ("begin", make(act, &realm, (purpose, algorithm), Start::Now)?.kid),
        Step::Publish(purpose, algorithm) => ("publish", make(act, &realm, (purpose, algorithm), Start::Later)?.kid),
        Step::Activate(next) => ("activate", activate(act, &realm, &keys, next)?.kid),
        Step::Retire(key) => ("retire", retire(act, &realm, key)?.kid),
        Step::Withdraw(key) => ("withdraw", end(act, &realm, key, KeyEnd::Withdrawn)?.kid),
        Step::Expire(key) => ("expire", end(act, &realm, key, KeyEnd::Outlived)?.kid),
        Step::Date(key) => ("date", date(act, &realm, key)?.kid),
        Step::Forget(key) => {
            act.delete(key);
            audit(act, &realm, key, "forget")?;
            ("forget", key.kid.clone())
        }
    };
    Ok(Some(Rotated { realm: realm.name, kid, action }))
}

/// After a realm was made or changed: what must be signed can be, and each key knows how long its tokens may live.
pub(super) fn follow_realm(act: &mut Act<'_, '_>, realm: &Realm) -> Result<(), AdminStop> {
    if act.mode == Mode::Rehearse {
        return Ok(());
    }
    let keys = keys_of(act, realm)?;
    let outlasted = outlasted(act, realm);
    // A key that retired before is known to have retired wherever the new lifetime is known.
    let signs = |state: KeyState| matches!(state, KeyState::Next | KeyState::Active { .. });
    for key in keys.iter().filter(|key| signs(key.state) && key.outlasted < outlasted) {
        act.update(&SigningKeyRecord { outlasted, ..key.clone() })?;
    }
    for (purpose, algorithm) in key_plan::slots(realm) {
        if key_plan::active(&keys, purpose).next().is_none() {
            make(act, realm, (purpose, algorithm), Start::Now)?;
        }
    }
    Ok(())
}

/// Every key of a realm, the oldest first.
pub(super) fn keys_of(act: &mut Act<'_, '_>, realm: &Realm) -> Result<Vec<SigningKeyRecord>, AdminStop> {
    let mut keys: Vec<SigningKeyRecord> = act.records.scan(keys_of_realm(realm.key), None, Order::Ascending, MOST_ROWS)?;
    keys.sort_by_key(|key| key.key);
    Ok(keys)
}

/// When a new key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// At once, for whoever has no time or nobody to warn.
    Now,
    /// After it was published for long enough.
    Later,
}

/// Makes a key.
pub(super) fn make(
    act: &mut Act<'_, '_>,
    realm: &Realm,
    (purpose, algorithm): (KeyPurpose, Algorithm),
    start: Start,
) -> Result<SigningKeyRecord, AdminStop> {
    let pkcs8 = &act.key_pair(algorithm)?.pkcs8;
    let made = SigningKey::from_pkcs8(algorithm, pkcs8).map_err(|_| Fault::Broken("a key pair made for us cannot be read"))?;
    let nonce = act.draw("sealing of a signing key");
    let now = act.now();
    let key = SigningKeyRecord {
        key: act.new_key("signing key"),
        realm: realm.key,
        purpose,
        algorithm,
        kid: made.kid().to_owned(),
        published_at: now,
        state: match start {
            Start::Now => KeyState::Active { from: now },
            Start::Later => KeyState::Next,
        },
        outlasted: outlasted(act, realm),
        sealed: act.data().seal_signing_key(nonce, realm.key, made.kid(), pkcs8),
    };
    act.insert(&key)?;
    audit(act, realm, &key, if start == Start::Now { "begin" } else { "publish" })?;
    Ok(key)
}

/// A published key signs from now on; what signed for its purpose retires.
pub(super) fn activate(
    act: &mut Act<'_, '_>,
    realm: &Realm,
    keys: &[SigningKeyRecord],
    next: &SigningKeyRecord,
) -> Result<SigningKeyRecord, AdminStop> {
    for before in key_plan::active(keys, next.purpose) {
        retire(act, realm, before)?;
    }
    let state = KeyState::Active { from: act.now() };
    let outlasted = next.outlasted.max(outlasted(act, realm));
    change(act, realm, SigningKeyRecord { state, outlasted, ..next.clone() }, "activate")
}

/// A key signs no more; it stays published and accepted until its last token has ended.
pub(super) fn retire(act: &mut Act<'_, '_>, realm: &Realm, key: &SigningKeyRecord) -> Result<SigningKeyRecord, AdminStop> {
    let since = act.now();
    let from = if let KeyState::Active { from } = key.state { from } else { since };
    let state = KeyState::Retiring { from, since, until: key_plan::until(key, since) };
    change(act, realm, SigningKeyRecord { state, ..key.clone() }, "retire")
}

/// A key goes, and its private part with it.
pub(super) fn end(
    act: &mut Act<'_, '_>,
    realm: &Realm,
    key: &SigningKeyRecord,
    end: KeyEnd,
) -> Result<SigningKeyRecord, AdminStop> {
    let action = match end {
        KeyEnd::Outlived => "expire",
        KeyEnd::Withdrawn => "withdraw",
        KeyEnd::Revoked => "revoke",
    };
    let gone = key.gone(act.now(), end);
    change(act, realm, gone, action)
}

/// A moment from the future becomes now: the key is used for longer, or watched for longer, and nothing else depends on it.
fn date(act: &mut Act<'_, '_>, realm: &Realm, key: &SigningKeyRecord) -> Result<SigningKeyRecord, AdminStop> {
    let now = act.now();
    let state = if key.state.is_active() { KeyState::Active { from: now } } else { key.state };
    change(act, realm, SigningKeyRecord { published_at: key.published_at.min(now), state, ..key.clone() }, "date")
}

fn change(
    act: &mut Act<'_, '_>,
    realm: &Realm,
    key: SigningKeyRecord,
    action: &'static str,
) -> Result<SigningKeyRecord, AdminStop> {
    act.update(&key)?;
    audit(act, realm, &key, action)?;
    Ok(key)
}

fn audit(act: &mut Act<'_, '_>, realm: &Realm, key: &SigningKeyRecord, action: &str) -> Result<(), AdminStop> {
    let target = format!("{}/key/{}", realm.name, key.kid);
    let detail = json!({ "algorithm": key.algorithm.name(), "purpose": key.purpose, "state": key.state });
    act.audit(realm, &format!("key.{action}"), target, detail)
}

/// For how long a token of this realm can be in force after its key signs no more, by the settings of now.
pub(super) fn outlasted(act: &Act<'_, '_>, realm: &Realm) -> i64 {
    let settings = &realm.settings;
    // decisions.md 16: a node that is cut off goes on with the keys that it knows.
    let alone = if act.context.shared { settings.staleness.issue } else { 0 };
    settings.access_token.lifetime.saturating_add(alone)
}
