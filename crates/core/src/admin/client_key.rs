//! A client has public keys of its own, by which it signs who it is; their private parts never leave it (RFC 7523 §2.2).

use super::client::{CLIENT, REALM, target};
use super::command::{Answer, Command, Effect, Field, FieldKind, Param, ParamKind};
use super::secret::{READ, WRITE};
use super::{Act, AdminStop, Args, show};
use crate::client_auth::public_key;
use crate::name::{Label, Time};
use crate::record::{AuthMethod, Client, ClientKey, ClientKind, LastUse};
use jeton_jose::JoseError;
use serde_json::{Value, json};

const NAME: Param = Param::word(2, "name", "Its name within the client.");
/// Most keys of one client.
const MOST: usize = 10;

/// A public key of a client, as it is shown.
const SHOWN: &[Field] = &[
    Field::shown("name", FieldKind::Text, "Its name within the client."),
    Field::shown("algorithm", FieldKind::Text, "The one algorithm with which it signs."),
    Field::shown("kid", FieldKind::Text, "By what an assertion names it."),
    Field::shown("last_used_at", FieldKind::Time, "When it last served, true to about a minute."),
    Field::hidden("created_at", FieldKind::Time, "When it was registered."),
];

/// The commands about clients' keys.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "client-key.add",
        scope: WRITE,
        summary: "Register a public key of a client, which then may authenticate by private_key_jwt.",
        params: &[
            REALM,
            CLIENT,
            NAME,
            Param::option("jwk", ParamKind::Document, "The public key, a JWK with its alg: RS256, PS256, ES256 or EdDSA.")
                .required(),
        ],
        answer: Answer::One(SHOWN),
        examples: &[(
            r#"echo '{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}' | jeton client-key add acme build-7 main --jwk -"#,
            "a key whose private part stays where it was made",
        )],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/keys",
        effect: Effect::Changes,
        run: add,
    },
    Command {
        name: "client-key.list",
        scope: READ,
        summary: "List the public keys of a client.",
        params: &[REALM, CLIENT],
        answer: Answer::List(SHOWN),
        examples: &[("jeton client-key list acme build-7", "which there are, and when each last served")],
        method: "GET",
        path: "/v1/realms/{realm}/clients/{client}/keys",
        effect: Effect::Reads,
        run: list,
    },
    Command {
        name: "client-key.remove",
        scope: WRITE,
        summary: "Take a public key away at once; tokens got with it live on until they end or the client is disabled.",
        params: &[REALM, CLIENT, NAME],
        answer: Answer::One(SHOWN),
        examples: &[("jeton client-key remove acme build-7 main --yes", "what it signs is refused from now on")],
        method: "DELETE",
        path: "/v1/realms/{realm}/clients/{client}/keys/{name}",
        effect: Effect::Destroys(
            "Public key {name} of client {client} goes at once; what the client signs with it is refused from now on.",
        ),
        run: remove,
    },
];

fn add(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let mut client = act.client(&realm, args.word("client")?)?;
    let jwk =
        args.document("jwk").and_then(Value::as_object).ok_or_else(|| AdminStop::Invalid("jwk must be an object".into()))?;
    // RFC 7517 §4.4: alg is optional; here a key has one algorithm and says which.
    if !jwk.contains_key("alg") {
        return Err(AdminStop::Invalid("jwk: it needs alg, one of RS256, PS256, ES256 and EdDSA".into()));
    }
    let Value::Object(jwk) = public_key(jwk).map_err(|error| refused(&error))?.to_jwk() else {
        return Err(AdminStop::Invalid("jwk must be an object".into()));
    };
    let key = ClientKey { key: act.new_key("client key"), name: Label::parse(args.word("name")?)?, jwk };
    let id = &client.client_id;
    let ClientKind::Confidential { auth_methods, keys, .. } = &mut client.kind else {
        return Err(AdminStop::Invalid(format!("client {id} is public: it runs on people's devices and holds no key")));
    };
    if keys.iter().any(|known| known.name == key.name || known.jwk.get("kid") == key.jwk.get("kid")) {
        return Err(AdminStop::Taken(format!(
            "client {id} has a key of this name or this kid already; jeton client-key list shows them"
        )));
    }
    if keys.len() >= MOST {
        return Err(AdminStop::Invalid(format!("client {id} has {MOST} keys; remove one first")));
    }
    auth_methods.insert(AuthMethod::PrivateKeyJwt);
    keys.push(key.clone());
    act.update(&client)?;
    let (view, target) = (view(&key, None), format!("{}/key/{}", target(&realm, &client), key.name));
    act.audit(&realm, "client-key.add", target, view.clone())?;
    Ok(view)
}

fn refused(error: &JoseError) -> AdminStop {
    AdminStop::Invalid(match error {
        JoseError::SecretKey => {
            "jwk: this is a private or symmetric key. Consider it leaked, make a new one, and register its public part only"
                .into()
        }
        JoseError::WeakKey => "jwk: the key is weak: RSA needs 2048 to 8192 bits, and a point must be on its curve".into(),
        JoseError::UnsupportedKey | JoseError::UnknownAlgorithm | JoseError::AlgorithmMismatch => {
            "jwk: expected a signing key for RS256, PS256, ES256 or EdDSA, with the alg that fits it".into()
        }
        _ => "jwk: this is no public JWK (RFC 7517)".into(),
    })
}

fn list(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm(args.word("realm")?)?;
    let client = act.client(&realm, args.word("client")?)?;
    let mut items = Vec::new();
    for key in keys_of(&client) {
        let used: Option<LastUse> = act.records.read(key.key)?;
        items.push(view(key, used.map(|used| used.at)));
    }
    Ok(show::list(items, None))
}

fn remove(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let mut client = act.client(&realm, args.word("client")?)?;
    let name = args.word("name")?;
    let missing = || AdminStop::NotFound(format!("client {} has no key {name}", client.client_id));
    let gone = keys_of(&client).iter().find(|key| key.name.as_str() == name).cloned().ok_or_else(missing)?;
    if let ClientKind::Confidential { keys, .. } = &mut client.kind {
        keys.retain(|key| key.key != gone.key);
    }
    act.update(&client)?;
    let (view, target) = (view(&gone, None), format!("{}/key/{name}", target(&realm, &client)));
    act.audit(&realm, "client-key.remove", target, view.clone())?;
    Ok(view)
}

fn keys_of(client: &Client) -> &[ClientKey] {
    match &client.kind {
        ClientKind::Confidential { keys, .. } => keys,
        ClientKind::Public => &[],
    }
}

fn view(key: &ClientKey, last_used_at: Option<Time>) -> Value {
    json!({
        "name": key.name, "algorithm": key.jwk.get("alg"), "kid": key.jwk.get("kid"),
        "last_used_at": last_used_at.map(show::moment), "created_at": show::moment(key.key.created_at()),
    })
}
