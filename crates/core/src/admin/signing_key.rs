//! Signing keys are listed with what happens next to each, and rotated, retired and revoked by an administrator who does not wait.

use super::command::{Answer, Command, Effect, Field, FieldKind, Param, ParamKind};
use super::key_plan::{self, MOST_PUBLISHED};
use super::rotation::{self, Start, keys_of};
use super::{Act, AdminStop, Args, show};
use crate::name::Time;
use crate::record::{KEYS_KEPT, KeyEnd, KeyPurpose, KeyState, Realm, SigningKeyRecord};
use jeton_jose::Algorithm;
use serde_json::{Value, json};

use FieldKind::Text;

const READ: &str = "admin:realms:read";
const WRITE: &str = "admin:realms:write";
const REALM: Param = Param::word(0, "realm", "The realm's name.");
const KID: Param = Param::word(1, "kid", "The key's kid; jeton key list shows it.");

/// The commands about signing keys.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "key.list",
        scope: READ,
        summary: "List the signing keys of a realm, and what happens next to each.",
        params: &[REALM],
        answer: Answer::List(SIGNING_KEY),
        examples: &[("jeton key list acme", "which key signs, which are published, and when that changes")],
        method: "GET",
        path: "/v1/realms/{realm}/keys",
        effect: Effect::Reads,
        run: list,
    },
    Command {
        name: "key.rotate",
        scope: WRITE,
        summary: "Start a rotation: a successor is published now and signs when every verifier can know it.",
        params: &[
            REALM,
            Param::option(
                "now",
                ParamKind::Boolean,
                "The successor signs at once; verifiers that keep the key set refuse its tokens until they fetch it again.",
            ),
        ],
        answer: Answer::One(TURN),
        examples: &[("jeton key rotate acme", "before its time; keys rotate by themselves otherwise")],
        method: "POST",
        path: "/v1/realms/{realm}/keys/rotate",
        effect: Effect::Changes,
        run: rotate,
    },
    Command {
        name: "key.retire",
        scope: WRITE,
        summary: "Let a key sign no more as soon as its successor may; its tokens live to their end.",
        params: &[REALM, KID],
        answer: Answer::One(TURN),
        examples: &[(
            "jeton key retire acme $(jeton key list acme | awk '$4 == \"active\" {print $1}')",
            "the key that signs now goes out of use, and nobody notices",
        )],
        method: "POST",
        path: "/v1/realms/{realm}/keys/{kid}/retire",
        effect: Effect::Changes,
        run: retire,
    },
    Command {
        name: "key.revoke",
        scope: WRITE,
        summary: "End a key that leaked: it and every token that it signed are dead at once, and its successor signs.",
        params: &[REALM, KID],
        answer: Answer::One(TURN),
        examples: &[(
            "jeton key revoke acme $(jeton key list acme | awk '$4 == \"active\" {print $1}') --yes",
            "somebody else has the private key",
        )],
        method: "POST",
        path: "/v1/realms/{realm}/keys/{kid}/revoke",
        effect: Effect::Destroys(
            "Signing key {kid} of realm {realm} ends for ever, and so does every token that it signed; clients must ask for new ones.",
        ),
        run: revoke,
    },
];

/// A signing key, as it is shown.
const SIGNING_KEY: &[Field] = &[
    Field::shown("kid", Text, "RFC 7638 thumbprint."),
    Field::shown("algorithm", Text, "The one algorithm it is used with."),
    Field::shown("purpose", Text, "What it signs: access-token or id-token."),
    Field::shown("state", Text, "next, active, retiring or gone."),
    Field::shown("next", Text, "What happens next."),
    Field::shown("next_at", FieldKind::Time, "When that happens, if a server runs."),
    Field::hidden("published_at", FieldKind::Time, "Since when it is in the key set."),
    Field::hidden("active_from", FieldKind::Time, "Since when it signs or signed."),
    Field::hidden("retired_at", FieldKind::Time, "Since when it signs no more."),
    Field::hidden("gone_at", FieldKind::Time, "Since when it and its tokens are refused."),
    Field::hidden("end", Text, "How it ended: outlived, withdrawn or revoked."),
];

/// What a command did.
const TURN: &[Field] = &[
    Field::shown("kid", Text, "The key that the command was about: for a rotation, the successor."),
    Field::shown("state", Text, "Its state now."),
    Field::shown("successor", Text, "The key that signs instead of it, now or soon."),
    Field::shown("note", Text, "What that means."),
];

fn list(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm(args.word("realm")?)?;
    let keys = keys_of(act, &realm)?;
    let items = keys.iter().map(|key| view(&realm, &keys, key)).collect::<Result<_, _>>()?;
    Ok(show::list(items, None))
}

fn view(realm: &Realm, keys: &[SigningKeyRecord], key: &SigningKeyRecord) -> Result<Value, AdminStop> {
    let (next, next_at) = outlook(realm, keys, key);
    let mut view = json!({
        "kid": key.kid, "algorithm": key.algorithm.name(), "purpose": show::word(&key.purpose)?, "state": key.state.name(),
        "next": next, "next_at": next_at.map(whole), "published_at": whole(key.published_at),
    });
    match key.state {
        KeyState::Next => {}
        KeyState::Active { from } => view["active_from"] = whole(from),
        KeyState::Retiring { from, since, .. } => {
            view["active_from"] = whole(from);
            view["retired_at"] = whole(since);
        }
        KeyState::Gone { since, end } => {
            view["gone_at"] = whole(since);
            view["end"] = show::word(&end)?.into();
        }
    }
    Ok(view)
}

/// A moment without fractions: steps are taken to about a second.
fn whole(time: Time) -> Value {
    time.to_rfc3339().split_once('.').map_or_else(|| show::moment(time), |(seconds, _)| format!("{seconds}Z").into())
}

/// What happens next to a key, and when.
fn outlook(realm: &Realm, keys: &[SigningKeyRecord], key: &SigningKeyRecord) -> (&'static str, Option<Time>) {
    let signs_at = |next: &SigningKeyRecord| next.published_at.plus_seconds(key_plan::wait(realm));
    let slot = slot_of(realm, keys, key);
    match (key.state, slot) {
        (KeyState::Next, Some(slot)) if slot.1 == key.algorithm => ("it signs", Some(signs_at(key))),
        (KeyState::Next, _) => ("it is not needed and goes", None),
        (KeyState::Active { .. }, None) => ("it is not needed and retires", None),
        (KeyState::Active { .. }, Some(slot)) => match key_plan::successors(keys, slot).first() {
            Some(next) => ("its successor signs", Some(signs_at(next))),
            None => ("a successor is published", key_plan::publish_at(realm, keys, slot)),
        },
        (KeyState::Retiring { until, .. }, _) => ("its last token has ended, and it goes", Some(until)),
        (KeyState::Gone { .. }, _) => ("", None),
    }
}

fn rotate(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let keys = keys_of(act, &realm)?;
    let slot = key_plan::slots(&realm).first().copied();
    let slot = slot.ok_or_else(|| AdminStop::Invalid(format!("realm {} signs nothing: its tokens are opaque", realm.name)))?;
    if args.is_set("now") {
        let next = hurry(act, &realm, &keys, slot)?;
        let note = format!(
            "{next} signs from now on. A verifier that has kept the key set may refuse its tokens for up to {KEYS_KEPT} seconds, \
             unless it fetches the set for a kid that it does not know. Tokens of the keys before it pass until they end."
        );
        return Ok(json!({ "kid": next, "state": "active", "note": note }));
    }
    let known = key_plan::successors(&keys, slot).first().map(|next| (*next).clone());
    let (word, next) = match known {
        Some(next) => ("was published before", next),
        None => ("is published", publish(act, &realm, &keys, slot)?),
    };
    let signs_at = next.published_at.plus_seconds(key_plan::wait(&realm)).to_rfc3339();
    let note = format!("The successor {word}, and signs from {signs_at} on if a server runs. Nobody has to do anything.");
    Ok(json!({ "kid": next.kid, "state": next.state.name(), "note": note }))
}

fn retire(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let (realm, keys, key) = named(act, args)?;
    let slot = slot_of(&realm, &keys, &key);
    let (key, successor, note) = match (key.state, slot) {
        (KeyState::Active { .. }, Some(slot)) => {
            let known = key_plan::successors(&keys, slot).first().map(|next| (*next).clone());
            let next = known.map_or_else(|| publish(act, &realm, &keys, slot), Ok)?;
            let signs_at = next.published_at.plus_seconds(key_plan::wait(&realm)).to_rfc3339();
            (key, Some(next.kid), format!("It signs until its successor may, at {signs_at}; then its tokens live to their end."))
        }
        (KeyState::Active { .. }, None) => {
            (rotation::retire(act, &realm, &key)?, None, "Nothing needs it; its tokens live to their end.".to_owned())
        }
        (KeyState::Next, _) => {
            let gone = rotation::end(act, &realm, &key, KeyEnd::Withdrawn)?;
            (gone, None, "It has signed nothing. Another successor is published when one is due.".to_owned())
        }
        (KeyState::Retiring { until, .. }, _) => {
            (key, None, format!("It signs no more already; its last token ends before {}.", until.to_rfc3339()))
        }
        (KeyState::Gone { .. }, _) => (key, None, "It is gone already.".to_owned()),
    };
    Ok(json!({ "kid": key.kid, "state": key.state.name(), "successor": successor, "note": note }))
}

fn revoke(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let (realm, keys, key) = named(act, args)?;
    if !key.state.is_published() {
        let note = "It was gone already: neither it nor a token that it signed passes here.";
        return Ok(json!({ "kid": key.kid, "state": key.state.name(), "note": note }));
    }
    let successor = match slot_of(&realm, &keys, &key) {
        Some(slot) if key.state.is_active() => {
            let others: Vec<SigningKeyRecord> = keys.into_iter().filter(|other| other.key != key.key).collect();
            Some(hurry(act, &realm, &others, slot)?)
        }
        _ => None,
    };
    let gone = rotation::end(act, &realm, &key, KeyEnd::Revoked)?;
    let mut note = format!(
        "It has left the key set, and every node refuses its tokens within a second. A verifier that checks tokens by itself \
         accepts them until it fetches the key set again: for up to {KEYS_KEPT} seconds, or until it is told to."
    );
    if let Some(successor) = &successor {
        note.push_str(&format!(
            " {successor} signs from now on: clients must ask for new tokens, and such a verifier may refuse them just as long."
        ));
    }
    Ok(json!({ "kid": gone.kid, "state": gone.state.name(), "successor": successor, "note": note }))
}

/// The realm, its keys, and the one that was named.
fn named(act: &mut Act<'_, '_>, args: &Args) -> Result<(Realm, Vec<SigningKeyRecord>, SigningKeyRecord), AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let keys = keys_of(act, &realm)?;
    let kid = args.word("kid")?;
    let missing =
        || AdminStop::NotFound(format!("realm {0} has no signing key with this kid; jeton key list {0} shows them", realm.name));
    let key = keys.iter().find(|key| key.kid == kid).cloned().ok_or_else(missing)?;
    Ok((realm, keys, key))
}

fn slot_of(realm: &Realm, keys: &[SigningKeyRecord], key: &SigningKeyRecord) -> Option<(KeyPurpose, Algorithm)> {
    key_plan::slots_in_use(realm, keys).into_iter().find(|(purpose, _)| *purpose == key.purpose)
}

/// Publishes a successor.
fn publish(
    act: &mut Act<'_, '_>,
    realm: &Realm,
    keys: &[SigningKeyRecord],
    slot: (KeyPurpose, Algorithm),
) -> Result<SigningKeyRecord, AdminStop> {
    has_room(realm, keys)?;
    rotation::make(act, realm, slot, Start::Later)
}

/// The first successor, or a new key, signs from now on; its kid.
fn hurry(
    act: &mut Act<'_, '_>,
    realm: &Realm,
    keys: &[SigningKeyRecord],
    slot: (KeyPurpose, Algorithm),
) -> Result<String, AdminStop> {
    if let Some(next) = key_plan::successors(keys, slot).first() {
        return Ok(rotation::activate(act, realm, keys, next)?.kid);
    }
    has_room(realm, keys)?;
    for before in key_plan::active(keys, slot.0) {
        rotation::retire(act, realm, before)?;
    }
    Ok(rotation::make(act, realm, slot, Start::Now)?.kid)
}

fn has_room(realm: &Realm, keys: &[SigningKeyRecord]) -> Result<(), AdminStop> {
    if keys.iter().filter(|key| key.state.is_published()).count() < MOST_PUBLISHED {
        return Ok(());
    }
    Err(AdminStop::Invalid(format!(
        "realm {} publishes {MOST_PUBLISHED} keys already; wait until some of them are gone",
        realm.name
    )))
}
