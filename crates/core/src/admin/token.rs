//! A token is explained in words: what its header and claims say, whose key signed it, and how long it lives.
//!
//! Explaining lets nobody in: what passes is decided by `token::check` alone.

use super::command::{Answer, Command, Effect, Field, FieldKind, Param, ParamKind};
use super::{Act, AdminStop, Args, show};
use crate::name::Time;
use crate::record::{Client, ClientKind, Realm, SigningKeyRecord, Status, keys_of_realm};
use crate::snapshot::RealmState;
use crate::store::Order;
use crate::token::{AccessToken, genuine, open_opaque};
use jeton_jose::{JoseError, KeySet, b64, json::parse_object, jwt::MAX_TOKEN, parse_compact};
use serde_json::{Map, Value, json};

/// The commands about tokens.
pub(super) const COMMANDS: &[Command] = &[Command {
    name: "token.decode",
    scope: "admin:tokens:read",
    summary: "Explain a token: header and claims in words, times, and whether its signature is one of ours.",
    params: &[
        Param::option("token", ParamKind::Token, "The token.").required().at(0),
        Param::option("jwks", ParamKind::Document, "Verify with these keys, a JWK Set, instead of those of the realm."),
    ],
    answer: Answer::List(LINE),
    examples: &[(
        "printf %s eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln | jeton token decode -",
        "what a token says, and what is wrong with it",
    )],
    method: "POST",
    path: "/v1/tokens/decode",
    effect: Effect::Explains,
    run: decode,
}];

const LINE: &[Field] = &[
    Field::shown("part", FieldKind::Text, "header, claims or verdict."),
    Field::shown("name", FieldKind::Text, "The member."),
    Field::shown("value", FieldKind::Text, "What it says; times as RFC 3339."),
    Field::shown("meaning", FieldKind::Text, "In words."),
];

/// What is known about registered members: name, meaning.
const MEANINGS: &[(&str, &str)] = &[
    ("alg", "signature algorithm (RFC 7515 section 4.1.1)"),
    ("typ", "kind of token (RFC 8725 section 3.11)"),
    ("kid", "name of the key that signed it"),
    ("iss", "who issued it"),
    ("sub", "as whom it acts"),
    ("aud", "for whom it is"),
    ("client_id", "the client that asked for it"),
    ("cid", "the client that asked for it"),
    ("scope", "what it allows"),
    ("scp", "what it allows"),
    ("jti", "its own id"),
    ("ver", "version of the set of claims"),
];

/// Claims that are moments.
const MOMENTS: &[(&str, &str)] = &[
    ("exp", "refused from then on"),
    ("iat", "issued"),
    ("nbf", "refused until then"),
    ("auth_time", "when the person logged in"),
];

/// The lines of an explanation.
struct Lines {
    items: Vec<Value>,
    now: Time,
}

impl Lines {
    fn add(&mut self, part: &str, name: &str, value: impl Into<Value>, meaning: &str) {
        let value = match value.into() {
            Value::String(text) => text,
            Value::Array(items) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
            }
            other => other.to_string(),
        };
        self.items.push(json!({ "part": part, "name": name, "value": value, "meaning": meaning }));
    }

    /// A member of a header or of a set of claims.
    fn member(&mut self, part: &str, name: &str, value: &Value) {
        let seconds = value.as_i64().filter(|seconds| (0..=253_402_300_799).contains(seconds));
        match (MOMENTS.iter().find(|(known, _)| *known == name), seconds) {
            (Some((_, meaning)), Some(seconds)) => self.moment(part, name, Time::from_seconds(seconds), meaning),
            _ => {
                let meaning = MEANINGS.iter().find(|(known, _)| *known == name).map_or("", |(_, meaning)| meaning);
                self.add(part, name, value.clone(), meaning);
            }
        }
    }

    fn moment(&mut self, part: &str, name: &str, time: Time, meaning: &str) {
        let meaning = format!("{meaning}, {}", relative(time.seconds() - self.now.seconds()));
        self.add(part, name, time.to_rfc3339().replace(".000Z", "Z"), &meaning);
    }
}

fn decode(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let text = args.word("token")?.trim();
    let text = text.strip_prefix("Bearer ").unwrap_or(text);
    let keys = match args.document("jwks").and_then(Value::as_object) {
        Some(jwks) => {
            let wrong = |error| AdminStop::Invalid(format!("jwks is not a JWK Set that can be used: {error}"));
            Some(KeySet::from_json(jwks).map_err(wrong)?)
        }
        None => None,
    };
    let mut lines = Lines { items: Vec::new(), now: act.now() };
    if text.contains('.') {
        jwt(act, text, keys.as_ref(), &mut lines)?
    } else {
        opaque(act, text, &mut lines)?
    }
    Ok(show::list(lines.items, None))
}

fn jwt(act: &mut Act<'_, '_>, text: &str, given: Option<&KeySet>, lines: &mut Lines) -> Result<(), AdminStop> {
    let parts: Vec<&str> = text.split('.').collect();
    if text.len() > MAX_TOKEN || parts.len() != 3 {
        return Err(AdminStop::Invalid(format!("a JWT has three parts with dots between them and at most {MAX_TOKEN} bytes")));
    }
    let object = |what: &str, part: &str| {
        let read = b64::decode(part.as_bytes()).and_then(|bytes| parse_object(&bytes, MAX_TOKEN));
        read.map_err(|error| AdminStop::Invalid(format!("the {what} is not base64url of one JSON object: {error}")))
    };
    let (header, claims) = (object("header", parts[0])?, object("set of claims", parts[1])?);
    header.iter().for_each(|(name, value)| lines.member("header", name, value));
    claims.iter().for_each(|(name, value)| lines.member("claims", name, value));
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    let realm = act.realms()?.into_iter().find(|realm| realm.issuer.as_str() == issuer);
    match (given, &realm) {
        (Some(keys), _) => signature(text, keys, "of the given set", lines),
        (None, Some(realm)) => {
            let state = state_of(act, realm)?;
            signature(text, &state.published, &format!("of realm {}", realm.name), lines);
            revocation(act, &state, text, lines)?;
        }
        (None, None) => {
            lines.add("verdict", "signature", "not checked", "no realm here has this issuer; give its keys as a JWK Set");
        }
    }
    life(&claims, lines);
    if let Some(realm) = &realm {
        let named = ["client_id", "cid", "sub"].iter().find_map(|name| claims.get(*name).and_then(Value::as_str));
        let issued = claims.get("iat").and_then(Value::as_i64).unwrap_or_default();
        client(act, realm, named.unwrap_or_default(), issued, lines)?;
    }
    Ok(())
}

/// A realm with its keys, ready for opening tokens.
pub(super) fn state_of(act: &mut Act<'_, '_>, realm: &Realm) -> Result<RealmState, AdminStop> {
    let keys: Vec<SigningKeyRecord> =
        act.records.scan(keys_of_realm(realm.key), None, Order::Ascending, super::act::MOST_ROWS)?;
    Ok(RealmState::open(realm.clone(), Vec::new(), &keys, act.data())?)
}

/// Whether a token was ended before its time.
fn revocation(act: &mut Act<'_, '_>, state: &RealmState, text: &str, lines: &mut Lines) -> Result<(), AdminStop> {
    let Ok(token) = genuine(state, lines.now, text) else { return Ok(()) };
    if act.is_revoked(&state.realm, &token)? {
        lines.add("verdict", "revocation", "revoked", "it was ended before its time");
    }
    Ok(())
}

fn signature(text: &str, keys: &KeySet, whose: &str, lines: &mut Lines) {
    let verified = parse_compact(text.as_bytes(), MAX_TOKEN).and_then(|unverified| {
        let key = match &unverified.header().kid {
            Some(kid) => keys.by_kid(kid),
            None => keys.only(),
        };
        let typ = unverified.header().typ.clone().unwrap_or_default();
        unverified.verify(key.ok_or(JoseError::UnknownKey)?, &[&typ])
    });
    match verified {
        Ok(_) => lines.add("verdict", "signature", "valid", &format!("signed by a key {whose}")),
        Err(JoseError::UnknownKey) => {
            lines.add("verdict", "signature", "invalid", &format!("its kid names no key {whose}; those keys may have changed"));
        }
        Err(error) => lines.add("verdict", "signature", "invalid", &error.to_string()),
    }
}

fn life(claims: &Map<String, Value>, lines: &mut Lines) {
    let now = lines.now.seconds();
    let at = |name: &str| claims.get(name).and_then(Value::as_i64);
    match (at("nbf"), at("exp")) {
        (Some(start), _) if start > now => {
            lines.add("verdict", "time", "not yet", &format!("it begins {}", relative(start - now)))
        }
        (_, Some(end)) if end <= now => lines.add("verdict", "time", "over", &format!("it ended {}", relative(end - now))),
        (_, Some(end)) => lines.add("verdict", "time", "in force", &format!("it ends {}", relative(end - now))),
        (_, None) => lines.add("verdict", "time", "unknown", "it has no exp"),
    }
}

fn opaque(act: &mut Act<'_, '_>, text: &str, lines: &mut Lines) -> Result<(), AdminStop> {
    for realm in act.realms()? {
        let state = RealmState::open(realm.clone(), Vec::new(), &[], act.data())?;
        if let Ok(token) = open_opaque(&state, text) {
            opened(act, &realm, &token, lines)?;
            return revocation(act, &state, text, lines);
        }
    }
    Err(AdminStop::NotFound("no realm here can open this token; it is damaged, or from another installation".into()))
}

fn opened(act: &mut Act<'_, '_>, realm: &Realm, token: &AccessToken, lines: &mut Lines) -> Result<(), AdminStop> {
    lines.add("claims", "iss", realm.issuer.as_str(), "who issued it");
    lines.add("claims", "client_id", token.client_id.as_str(), "the client that asked for it");
    lines.add("claims", "sub", token.subject.as_str(), "as whom it acts");
    lines.add("claims", "scope", token.scope.to_string(), "what it allows");
    lines.add("claims", "aud", token.audience.join(" "), "for whom it is");
    lines.add("claims", "jti", token.token_id.as_str(), "its own id");
    lines.moment("claims", "iat", token.issued_at, "issued");
    lines.moment("claims", "exp", token.expires_at, "refused from then on");
    lines.add("verdict", "seal", "valid", &format!("an opaque token of realm {}", realm.name));
    life(&Map::from_iter([("exp".to_owned(), token.expires_at.seconds().into())]), lines);
    client(act, realm, token.client_id.as_str(), token.issued_at.seconds(), lines)
}

/// Whether the client still stands behind its token.
fn client(act: &mut Act<'_, '_>, realm: &Realm, id: &str, issued: i64, lines: &mut Lines) -> Result<(), AdminStop> {
    let known: Option<Client> = match crate::name::ClientId::parse(id) {
        Ok(id) => act.find_client(realm, &id)?,
        Err(_) => None,
    };
    let (value, meaning) = match known {
        None => ("unknown", format!("realm {} has no such client", realm.name)),
        Some(client) if issued < client.not_before.max(realm.not_before).seconds() => {
            let from = client.not_before.max(realm.not_before).to_rfc3339();
            ("revoked", format!("its tokens from before {from} are dead"))
        }
        Some(client) => match (&client.status, &client.kind) {
            (Status::Active, ClientKind::Confidential { .. }) => ("active", "a confidential client".to_owned()),
            (Status::Active, ClientKind::Public) => ("active", "a public client".to_owned()),
            (Status::Disabled, _) => ("disabled", "its tokens are dead".to_owned()),
            (Status::Suspended { reason }, _) => ("suspended", reason.to_string()),
            (Status::Deleted, _) => ("deleted", "its tokens are dead".to_owned()),
        },
    };
    lines.add("verdict", "client", value, &meaning);
    Ok(())
}

/// A distance in time as people say it, from the largest unit that fits.
fn relative(seconds: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let size = seconds.saturating_abs();
    let (unit, name) = UNITS.into_iter().find(|(unit, _)| size >= *unit * 2 || *unit == 1).unwrap_or((1, "second"));
    let count = size / unit;
    let plural = if count == 1 { "" } else { "s" };
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {count} {name}{plural}"),
        _ => format!("{count} {name}{plural} ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_said_as_people_say_them() {
        for (seconds, said) in
            [(3_500, "in 58 minutes"), (-1, "1 second ago"), (0, "now"), (7_200, "in 2 hours"), (-200_000, "2 days ago")]
        {
            assert_eq!(relative(seconds), said);
        }
    }
}
