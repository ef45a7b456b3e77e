//! A forge makes access tokens that differ from a right one in one single thing.
//!
//! For that a realm of the running server gets a key pair that the test knows, as an administrator's import would.

use crate::harness::Server;
use crate::harness::http::{self, Connection};
use crate::invariants::{Before, liveness};
use crate::replay::text;
use jeton_core::name::{Key, RealmName, RequestId, Time};
use jeton_core::record::{KeyPurpose, KeyState, SigningKeyRecord};
use jeton_core::run::Engine;
use jeton_core::world::{Facts, Random, World};
use jeton_jose::{Algorithm, SigningKey, b64, sha256};
use jeton_store::SqliteStore;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The issuer of `acme`.
pub const ISSUER: &str = "https://login.acme.example";

/// A server whose realm `acme` publishes a key of ours.
pub struct Forge {
    pub server: Server,
    pub connection: Connection,
    before: Before,
    /// The key.
    pub key: SigningKey,
}

impl Forge {
    /// Starts a server that knows the key and signs with another.
    pub fn start() -> Self {
        let now = Time::from_seconds(now());
        Self::with_key(KeyPurpose::AccessToken, KeyState::Retiring { from: now, since: now, until: now.plus_seconds(3600) })
    }

    /// Starts a server where the key has this purpose and is in this state.
    pub fn with_key(purpose: KeyPurpose, state: KeyState) -> Self {
        let mut key = None;
        let server = Server::start_prepared(&text("fixture.toml"), |data| key = Some(plant_key(data, purpose, state)));
        let key = key.expect("a key was planted");
        liveness(&server).expect("the server is well");
        let before = Before::of(&server);
        let connection = Connection::open(server.listen).expect("a connection");
        Self { server, connection, before, key }
    }

    /// The header of a right token.
    pub fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.key.kid() })
    }

    /// Signs bytes as they are.
    pub fn sign(&self, header: &[u8], claims: &[u8]) -> String {
        let signed = format!("{}.{}", b64::encode(header), b64::encode(claims));
        let signature = self.key.sign(signed.as_bytes()).expect("it signs");
        format!("{signed}.{}", b64::encode(&signature))
    }

    /// A right token with another header.
    pub fn with_header(&self, header: &Value) -> String {
        self.sign(header.to_string().as_bytes(), claims().to_string().as_bytes())
    }

    /// A right token in which members of the header are others; null takes one away.
    pub fn with_members(&self, changes: Value) -> String {
        self.with_header(&changed(self.header(), changes))
    }

    /// A right token in which claims are others; null takes one away.
    pub fn with_claims(&self, changes: Value) -> String {
        self.with_text(&changed(claims(), changes).to_string())
    }

    /// A right header and this text as claims.
    pub fn with_text(&self, claims: &str) -> String {
        self.sign(self.header().to_string().as_bytes(), claims.as_bytes())
    }

    /// What the API says to a token.
    pub fn status(&mut self, token: &str, path: &str) -> u16 {
        let request = http::get(path, &[&format!("Authorization: Bearer {token}")]);
        let received = match self.connection.ask(&request) {
            Ok(received) => received,
            Err(_) => {
                self.connection = Connection::open(self.server.listen).expect("a connection");
                self.connection.ask(&request).expect("an answer")
            }
        };
        let answer = received.answer;
        if answer.status == Some(401) {
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""), "{challenge}");
        }
        if received.closed || answer.header("connection") == Some("close") {
            self.connection = Connection::open(self.server.listen).expect("a connection");
        }
        answer.status.unwrap_or_default()
    }

    /// A token passes.
    pub fn accepts(&mut self, what: &str, token: &str) {
        assert_eq!(self.status(token, "/acme/data"), 200, "{what} should pass: {token}");
    }

    /// A token does not pass.
    pub fn refuses(&mut self, what: &str, token: &str) {
        assert_eq!(self.status(token, "/acme/data"), 401, "{what} should be refused: {token}");
    }

    /// The right token still passes, and the server is unharmed.
    pub fn close(mut self) {
        let token = self.with_claims(json!({}));
        self.accepts("the right token", &token);
        self.connection = Connection::open(self.server.listen).expect("a connection");
        drop(self.connection);
        let faults = self.before.compare(&mut self.server, &[token]);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).expect("a clock")
}

/// The claims of a right token.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "build-7", "aud": "https://api.acme.example", "client_id": "build-7",
        "iat": now(), "exp": now() + 600, "jti": "forged", "scope": "read",
    })
}

/// A JSON object with other members; null takes one away.
pub fn changed(mut value: Value, changes: Value) -> Value {
    let members = value.as_object_mut().expect("an object");
    for (name, change) in changes.as_object().expect("an object") {
        match change {
            Value::Null => members.remove(name),
            other => members.insert(name.clone(), other.clone()),
        };
    }
    value
}

/// Gives the realm `acme` a signing key that we know, as an administrator's import would.
fn plant_key(data: &Path, purpose: KeyPurpose, state: KeyState) -> SigningKey {
    let random = Random::from_seed([7; 32]);
    let (facts, request_id) = (Facts::default(), RequestId::parse("planting-00000001").expect("an id"));
    let world = World { now: Time::from_seconds(now()), random: &random, request_id: &request_id, facts: &facts };
    let store = SqliteStore::open(data).expect("the store opens");
    let engine = Engine::open(Arc::new(store), &crate::harness::seal_key(data), &world).expect("the engine opens");
    let name = RealmName::parse("acme").expect("a name");
    let realm = engine.memory.snapshot.load().realm_by_name(&name).expect("the realm").realm.key;
    let (key, pkcs8) = SigningKey::generate(Algorithm::Es256).expect("a key");
    let record = SigningKeyRecord {
        key: Key::new(world.now, random.draw("key")),
        realm,
        purpose,
        algorithm: Algorithm::Es256,
        kid: key.kid().to_owned(),
        published_at: world.now,
        state,
        outlasted: 3600,
        sealed: engine.data().seal_signing_key(random.draw("nonce"), realm, key.kid(), &pkcs8),
    };
    engine
        .transact(&world, |records, _| records.insert(&record).map_err(jeton_core::world::Stop::from))
        .expect("the key is stored");
    key
}

/// HMAC-SHA-256 (RFC 2104), for tokens that only a confused server would accept.
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    match key.len() > 64 {
        true => block[..32].copy_from_slice(&sha256(key)),
        false => block[..key.len()].copy_from_slice(key),
    }
    let inner = sha256(&[&block.map(|byte| byte ^ 0x36)[..], message].concat());
    sha256(&[&block.map(|byte| byte ^ 0x5c)[..], &inner].concat())
}

/// The public key of ours in every form in which somebody may have it.
pub fn public_forms(key: &SigningKey) -> Vec<(&'static str, Vec<u8>)> {
    let jwk = key.public().to_jwk();
    let part = |name: &str| b64::decode(jwk[name].as_str().expect("a coordinate").as_bytes()).expect("base64url");
    let point = [vec![4], part("x"), part("y")].concat();
    let prefix = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
        0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let der = [&prefix[..], &point].concat();
    use base64::Engine as _;
    let pem = base64::engine::general_purpose::STANDARD.encode(&der);
    let lines: Vec<&str> = pem.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    vec![
        ("the PEM", format!("{pem}\n").into_bytes()),
        ("the PEM without a line end", pem.into_bytes()),
        ("the DER", der),
        ("the point", point),
        ("the JWK", jwk.to_string().into_bytes()),
        ("the thumbprint", key.kid().as_bytes().to_vec()),
        ("nothing", Vec::new()),
        ("a NUL", vec![0]),
    ]
}
