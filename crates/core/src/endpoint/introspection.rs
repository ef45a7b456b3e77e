//! Introspection tells a client, or an API by its own client, what a token says and whether it lives (RFC 7662, RFC 9701).

use super::{AboutToken, AnswerForm, Stopped};
use crate::client_auth::{AuthenticatedClient, Known, authenticate};
use crate::event::Concerned;
use crate::record::{Actor, Audit, KeyPurpose, KeyState, SigningKeyRecord, keys_of_realm};
use crate::refusal::{Fault, Why};
use crate::snapshot::ANSWER_TYP;
use crate::store::{Changing, Order, Records};
use crate::token::{TokenStatus, status};
use crate::world::{KeyPair, Need, Stop, World};
use jeton_jose::json::append_text;
use jeton_jose::{Algorithm, SigningKey, sign_compact};
use std::sync::Arc;

/// Signed answers have this algorithm, whatever the realm's access tokens have.
pub const ANSWER_ALGORITHM: Algorithm = Algorithm::Es256;
/// Most keys of a realm that are looked at.
const MOST_KEYS: usize = 1000;

/// Decides a request for introspection, and writes its answer in the form that was asked for.
pub fn introspect(
    known: Known<'_>,
    world: &World<'_>,
    change: &mut Changing<'_, '_>,
    request: &AboutToken,
) -> Result<(Vec<u8>, AuthenticatedClient), Stopped> {
    // RFC 7662 §2.1: the token is REQUIRED; without it is no such request, whoever asks.
    let Some(presented) = &request.token else {
        return Err(Stopped { stop: Why::RequestParameterMissing.into(), client: None });
    };
    // RFC 7662 §2.1: the server MUST require some form of authorization.
    let asker = authenticate(known, world, change, &request.credentials).map_err(|(stop, client)| Stopped { stop, client })?;
    let stopped = |stop: Stop| Stopped { stop, client: Some(Concerned::from(&**asker.client())) };
    known.fresh(world.now, known.realm.realm.settings.staleness.check).map_err(|fault| stopped(fault.into()))?;
    let status = status(known, world, change, (asker.client(), presented.expose())).map_err(stopped)?;
    let answer = match request.form {
        AnswerForm::Json => {
            let mut json = Vec::with_capacity(512);
            status.write(known.realm.realm.issuer.as_str(), &mut json);
            json
        }
        AnswerForm::Signed => signed(known, world, change, &claims(known, world, &asker, &status)).map_err(stopped)?,
    };
    Ok((answer, asker))
}

/// RFC 9701 §5: no `sub` and no `exp` at the top, so that the answer resembles no access token.
fn claims(known: Known<'_>, world: &World<'_>, asker: &AuthenticatedClient, status: &TokenStatus) -> Vec<u8> {
    let issuer = known.realm.realm.issuer.as_str();
    let mut json = Vec::with_capacity(768);
    json.extend_from_slice(br#"{"iss":"#);
    append_text(issuer, &mut json);
    json.extend_from_slice(br#","aud":"#);
    append_text(asker.client().client_id.as_str(), &mut json);
    json.extend_from_slice(format!(r#","iat":{},"token_introspection":"#, world.now.seconds()).as_bytes());
    status.write(issuer, &mut json);
    json.push(b'}');
    json
}

/// Signs an answer. A realm makes the key for that when it is first asked for one: most never are.
fn signed(known: Known<'_>, world: &World<'_>, change: &mut Changing<'_, '_>, claims: &[u8]) -> Result<Vec<u8>, Stop> {
    let failed = |_| Stop::Fault(Fault::Broken("an answer about a token cannot be signed"));
    if let Some(signer) = &known.realm.answer_signer {
        return signer.sign(claims).map(String::into_bytes).map_err(failed);
    }
    let lacking = || world.facts.fault.clone().map_or(Stop::Need(Need::KeyPair(ANSWER_ALGORITHM)), Stop::Fault);
    let pair = world.facts.key_pairs.iter().find(|pair| pair.algorithm == ANSWER_ALGORITHM).ok_or_else(lacking)?;
    let key = signing_key(known, world, change.records()?, pair)?;
    sign_compact(&key, ANSWER_TYP, claims).map(String::into_bytes).map_err(failed)
}

/// The key for signed answers that another request made meanwhile, or this pair from now on.
fn signing_key(known: Known<'_>, world: &World<'_>, records: &mut Records<'_>, pair: &KeyPair) -> Result<Arc<SigningKey>, Fault> {
    let realm = known.realm.realm.key;
    let keys: Vec<SigningKeyRecord> = records.scan(keys_of_realm(realm), None, Order::Ascending, MOST_KEYS)?;
    let serves = |key: &&SigningKeyRecord| key.purpose == KeyPurpose::Introspection && key.state.is_active();
    if let Some(record) = keys.iter().find(serves) {
        return known.data.open_signing_key(record).map(Arc::new);
    }
    let made = SigningKey::from_pkcs8(pair.algorithm, &pair.pkcs8)
        .map_err(|_| Fault::Broken("a key pair made for us cannot be read"))?;
    let nonce = world.random.draw("sealing of the key for answers");
    records.insert(&SigningKeyRecord {
        key: world.new_key("key for answers"),
        realm,
        purpose: KeyPurpose::Introspection,
        algorithm: pair.algorithm,
        kid: made.kid().to_owned(),
        published_at: world.now,
        state: KeyState::Active { from: world.now },
        outlasted: known.realm.realm.settings.access_token.lifetime,
        sealed: known.data.seal_signing_key(nonce, realm, made.kid(), &pair.pkcs8),
    })?;
    records.insert(&Audit {
        key: world.new_key("audit of the key for answers"),
        actor: Actor::System,
        realm: Some(realm),
        action: "key.create".to_owned(),
        target: format!("{}/key/{}", known.realm.realm.name, made.kid()),
        detail: serde_json::json!({ "algorithm": pair.algorithm.name(), "purpose": "introspection" }),
        request_id: world.request_id.clone(),
    })?;
    Ok(Arc::new(made))
}
