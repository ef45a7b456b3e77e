//! Forged access tokens at the sample API: rows JW of the attack catalogue, and tokens of one tenant at another.
//!
//! The realm gets a key pair that the test knows, so that a forgery can differ from a right token in one single thing.

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
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const ISSUER: &str = "https://login.acme.example";

/// A server whose realm `acme` publishes a key of ours.
struct Forge {
    server: Server,
    connection: Connection,
    before: Before,
    key: SigningKey,
}

impl Forge {
    fn start() -> Self {
        Self::with_key(KeyState::Retiring)
    }

    fn with_key(state: KeyState) -> Self {
        let mut key = None;
        let server = Server::start_prepared(&text("fixture.toml"), |data| key = Some(plant_key(data, state)));
        let key = key.expect("a key was planted");
        liveness(&server).expect("the server is well");
        let before = Before::of(&server);
        let connection = Connection::open(server.listen).expect("a connection");
        Self { server, connection, before, key }
    }

    /// The header of a right token.
    fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.key.kid() })
    }

    /// Signs bytes as they are.
    fn sign(&self, header: &[u8], claims: &[u8]) -> String {
        let signed = format!("{}.{}", b64::encode(header), b64::encode(claims));
        let signature = self.key.sign(signed.as_bytes()).expect("it signs");
        format!("{signed}.{}", b64::encode(&signature))
    }

    /// A right token with another header.
    fn with_header(&self, header: &Value) -> String {
        self.sign(header.to_string().as_bytes(), claims().to_string().as_bytes())
    }

    /// A right token in which members of the header are others; null takes one away.
    fn with_members(&self, changes: Value) -> String {
        self.with_header(&changed(self.header(), changes))
    }

    /// A right token in which claims are others; null takes one away.
    fn with_claims(&self, changes: Value) -> String {
        self.with_text(&changed(claims(), changes).to_string())
    }

    /// A right header and this text as claims.
    fn with_text(&self, claims: &str) -> String {
        self.sign(self.header().to_string().as_bytes(), claims.as_bytes())
    }

    /// What the API says to a token.
    fn status(&mut self, token: &str, path: &str) -> u16 {
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

    fn accepts(&mut self, what: &str, token: &str) {
        assert_eq!(self.status(token, "/acme/data"), 200, "{what} should pass: {token}");
    }

    fn refuses(&mut self, what: &str, token: &str) {
        assert_eq!(self.status(token, "/acme/data"), 401, "{what} should be refused: {token}");
    }

    /// The right token still passes, and the server is unharmed.
    fn close(mut self) {
        let token = self.with_claims(json!({}));
        self.accepts("the right token", &token);
        self.connection = Connection::open(self.server.listen).expect("a connection");
        drop(self.connection);
        let faults = self.before.compare(&mut self.server, &[token]);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).expect("a clock")
}

/// The claims of a right token.
fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "build-7", "aud": "https://api.acme.example", "client_id": "build-7",
        "iat": now() - 1, "exp": now() + 600, "jti": "forged", "scope": "read",
    })
}

fn changed(mut value: Value, changes: Value) -> Value {
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
fn plant_key(data: &Path, state: KeyState) -> SigningKey {
    let random = Random::from_seed([7; 32]);
    let (facts, request_id) = (Facts::default(), RequestId::parse("planting").expect("an id"));
    let world = World { now: Time::from_seconds(now()), random: &random, request_id: &request_id, facts: &facts };
    let store = SqliteStore::open(data).expect("the store opens");
    let engine = Engine::open(Arc::new(store), &crate::harness::seal_key(data), &world).expect("the engine opens");
    let name = RealmName::parse("acme").expect("a name");
    let realm = engine.memory.snapshot.load().realm_by_name(&name).expect("the realm").realm.key;
    let (key, pkcs8) = SigningKey::generate(Algorithm::Es256).expect("a key");
    let record = SigningKeyRecord {
        key: Key::new(world.now, random.draw("key")),
        realm,
        purpose: KeyPurpose::AccessToken,
        algorithm: Algorithm::Es256,
        kid: key.kid().to_owned(),
        state,
        sealed: engine.data().seal_signing_key(random.draw("nonce"), realm, key.kid(), &pkcs8),
    };
    engine.transact(&world, |records, _| Ok(records.insert(&record)?)).expect("the key is stored");
    key
}

/// HMAC-SHA-256 (RFC 2104), for tokens that only a confused server would accept.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    match key.len() > 64 {
        true => block[..32].copy_from_slice(&sha256(key)),
        false => block[..key.len()].copy_from_slice(key),
    }
    let inner = sha256(&[&block.map(|byte| byte ^ 0x36)[..], message].concat());
    sha256(&[&block.map(|byte| byte ^ 0x5c)[..], &inner].concat())
}

/// The public key of ours in every form in which somebody may have it.
fn public_forms(key: &SigningKey) -> Vec<(&'static str, Vec<u8>)> {
    let jwk = key.public().to_jwk();
    let part = |name: &str| b64::decode(jwk[name].as_str().expect("a coordinate").as_bytes()).expect("base64url");
    let point = [vec![4], part("x"), part("y")].concat();
    let prefix = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
        0x01, 0x07, 0x03, 0x42, 0x00,
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

#[test]
fn jw_01_the_algorithm_cannot_be_chosen() {
    let mut forge = Forge::start();
    for alg in [json!("none"), json!("None"), json!("noNe"), json!("NONE"), json!(""), json!(1), json!(["ES256"]), json!(true), json!({}), json!("es256"), json!("ES256 "), json!("RS256"), json!("PS256"), json!("EdDSA"), json!("ES384"), json!("HS256")] {
        let signed = forge.with_members(json!({ "alg": alg }));
        forge.refuses(&format!("alg {alg}"), &signed);
        let (unsigned, _) = signed.rsplit_once('.').expect("a signature");
        forge.refuses(&format!("alg {alg} without a signature"), &format!("{unsigned}."));
    }
    let token = forge.with_members(json!({ "alg": null }));
    forge.refuses("no alg", &token);
    forge.close();
}

#[test]
fn jw_02_jw_03_a_public_key_is_no_hmac_key() {
    let mut forge = Forge::start();
    for (what, key) in public_forms(&forge.key) {
        for alg in ["HS256", "ES256"] {
            for kid in [json!(forge.key.kid()), json!(null), json!("unknown"), json!("")] {
                let header = changed(forge.header(), json!({ "alg": alg, "kid": kid }));
                let signed = format!("{}.{}", b64::encode(header.to_string().as_bytes()), b64::encode(claims().to_string().as_bytes()));
                let token = format!("{signed}.{}", b64::encode(&hmac(&key, signed.as_bytes())));
                forge.refuses(&format!("{alg} with {what} and kid {kid}"), &token);
            }
        }
    }
    forge.close();
}

#[test]
fn jw_05_a_key_id_is_only_looked_up() {
    let mut forge = Forge::start();
    let own = forge.key.kid().to_owned();
    for kid in ["../../dev/null", "/dev/null", "' OR 1=1--", "", "\0", "unknown", " ", "%00", "http://127.0.0.1/", &own[1..], &format!("{own} "), &format!("{own}\0"), &own.to_lowercase(), &"k".repeat(129), &"k".repeat(3000)] {
        let token = forge.with_members(json!({ "kid": kid }));
        if kid != own {
            forge.refuses(&format!("kid {kid:?}"), &token);
        }
    }
    for kid in [json!(1), json!([own]), json!({}), json!(true)] {
        let token = forge.with_members(json!({ "kid": kid }));
        forge.refuses(&format!("kid {kid}"), &token);
    }
    // The key of one tenant under the name of another's: the signature decides.
    let beta = forge.connection.ask(&http::get("/beta/jwks", &[])).expect("keys").answer;
    let beta: Value = serde_json::from_slice(&beta.body).expect("JSON");
    let token = forge.with_members(json!({ "kid": beta["keys"][0]["kid"] }));
    forge.refuses("another tenant's kid", &token);
    // 64 KiB do not pass the listener.
    let token = forge.with_members(json!({ "kid": "k".repeat(65_536) }));
    assert_eq!(forge.status(&token, "/acme/data"), 431);
    forge.close();
}

#[test]
fn jw_06_jw_07_a_token_brings_no_key() {
    let mut forge = Forge::start();
    let trap = TcpListener::bind("127.0.0.1:0").expect("a listener");
    trap.set_nonblocking(true).expect("it does not block");
    let url = format!("http://{}/jwks", trap.local_addr().expect("an address"));
    let (other, _) = SigningKey::generate(Algorithm::Es256).expect("a key");
    let jwk = other.public().to_jwk();
    for changes in [
        json!({ "jku": url }),
        json!({ "x5u": url }),
        json!({ "jku": "http://169.254.169.254/latest/meta-data" }),
        json!({ "jku": "file:///etc/passwd" }),
        json!({ "x5u": "file:///etc/passwd" }),
        json!({ "jwk": jwk }),
        json!({ "jwk": jwk, "kid": null }),
        json!({ "jwk": jwk, "kid": jwk["kid"] }),
        json!({ "x5c": ["MIIB"] }),
        json!({ "jku": url, "kid": null }),
        json!({ "crit": ["exp"] }),
        json!({ "crit": [] }),
        json!({ "crit": ["b64"], "b64": false }),
    ] {
        let header = changed(forge.header(), changes.clone());
        let ours = forge.with_header(&header);
        forge.refuses(&format!("{changes} with the right signature"), &ours);
        let signed = format!("{}.{}", b64::encode(header.to_string().as_bytes()), b64::encode(claims().to_string().as_bytes()));
        let signature = other.sign(signed.as_bytes()).expect("it signs");
        forge.refuses(&format!("{changes} signed with the key it brings"), &format!("{signed}.{}", b64::encode(&signature)));
    }
    assert!(trap.accept().is_err(), "nothing may be fetched");
    forge.close();
}

#[test]
fn jw_09_only_access_tokens_pass() {
    let mut forge = Forge::start();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        let token = forge.with_members(json!({ "typ": typ }));
        forge.accepts(typ, &token);
    }
    for typ in [json!("JWT"), json!("dpop+jwt"), json!("logout+jwt"), json!("id+jwt"), json!(""), json!("at+jwt "), json!("at"), json!("text/at+jwt"), json!("application/application/at+jwt"), json!("secevent+jwt"), json!(1), json!(["at+jwt"])] {
        let token = forge.with_members(json!({ "typ": typ }));
        forge.refuses(&format!("typ {typ}"), &token);
    }
    let token = forge.with_members(json!({ "typ": null }));
    forge.refuses("no typ", &token);
    forge.close();
}

#[test]
fn jw_10_jw_11_times_are_whole_seconds_and_hold() {
    let mut forge = Forge::start();
    for exp in [json!(now() - 1), json!(now() - 11), json!(0), json!(-1), json!((now() + 600).to_string()), json!(now() as f64 + 600.5), json!(1e30), json!(true), json!([now() + 600]), json!({})] {
        let token = forge.with_claims(json!({ "exp": exp }));
        forge.refuses(&format!("exp {exp}"), &token);
    }
    for text in ["null", "4102444800.0", "41024448e2", "-0.0", "1e400", "00004102444800", "0xF4865700"] {
        let token = forge.with_text(&claims().to_string().replacen(&format!("\"exp\":{}", now() + 600), &format!("\"exp\":{text}"), 1));
        forge.refuses(&format!("exp {text}"), &token);
    }
    let token = forge.with_claims(json!({ "exp": null }));
    forge.refuses("no exp", &token);
    for claim in ["nbf", "iat"] {
        for (ahead, passes) in [(8, true), (14, false), (60, false), (86_400 * 365, false)] {
            let token = forge.with_claims(json!({ claim: now() + ahead, "exp": now() + 86_400 * 400 }));
            match passes {
                true => forge.accepts(&format!("{claim} in {ahead} s"), &token),
                false => forge.refuses(&format!("{claim} in {ahead} s"), &token),
            }
        }
        for odd in [json!("1"), json!(1.5), json!(true), json!([1]), json!({})] {
            let token = forge.with_claims(json!({ claim: odd }));
            forge.refuses(&format!("{claim} {odd}"), &token);
        }
    }
    let token = forge.with_claims(json!({ "iat": null }));
    forge.refuses("no iat", &token);
    forge.close();
}

#[test]
fn jw_13_the_issuer_is_compared_byte_for_byte() {
    let mut forge = Forge::start();
    for iss in [json!("https://login.beta.example"), json!(format!("{ISSUER}/")), json!("https://LOGIN.acme.example"), json!("HTTPS://login.acme.example"), json!("https://login.acme.example:443"), json!("https://login.аcme.example"), json!("https://login.acme.example."), json!(""), json!([ISSUER]), json!(1)] {
        let token = forge.with_claims(json!({ "iss": iss }));
        forge.refuses(&format!("iss {iss}"), &token);
    }
    for claim in ["iss", "sub", "aud", "client_id", "scope"] {
        let token = forge.with_claims(json!({ claim: null }));
        let status = forge.status(&token, "/acme/data");
        assert!(matches!(status, 401 | 403), "without {claim}: {status}");
    }
    for aud in [json!("https://api.beta.example"), json!("https://billing.acme.example"), json!([]), json!("https://api.acme.example/"), json!(1), json!({})] {
        let token = forge.with_claims(json!({ "aud": aud }));
        forge.refuses(&format!("aud {aud}"), &token);
    }
    for id in [json!("nobody"), json!("BUILD-7"), json!(""), json!(["build-7"]), json!(7)] {
        let token = forge.with_claims(json!({ "client_id": id, "sub": id }));
        forge.refuses(&format!("client_id {id}"), &token);
    }
    forge.close();
}

#[test]
fn jw_14_jw_15_the_inside_is_strict_json() {
    let mut forge = Forge::start();
    let right = claims().to_string();
    let open = right.strip_suffix('}').expect("an object").to_owned();
    for (what, text) in [
        ("scope twice", format!("{open},\"scope\":\"read write\"}}")),
        ("aud twice, once escaped", format!("{open},\"\\u0061ud\":\"https://api.acme.example\"}}")),
        ("a name of their own twice", format!("{open},\"x\":1,\"x\":1}}")),
        ("a name twice further inside", format!("{open},\"x\":{{\"y\":1,\"y\":1}}}}")),
        ("a byte order mark", format!("\u{feff}{right}")),
        ("bytes behind it", format!("{right}x")),
        ("a second object behind it", format!("{right}{right}")),
        ("a NUL behind it", format!("{right}\0")),
        ("a comment", format!("/* x */{right}")),
        ("a comma at the end", format!("{open},}}")),
        ("NaN", format!("{open},\"x\":NaN}}")),
        ("a lone surrogate", format!("{open},\"x\":\"\\ud800\"}}")),
        ("single quotes", right.replace('"', "'")),
        ("an array", format!("[{right}]")),
        ("a text", json!(right).to_string()),
        ("null", "null".to_owned()),
        ("nothing but space", " ".to_owned()),
        ("a thousand arrays", format!("{open},\"x\":{}{}}}", "[".repeat(1000), "]".repeat(1000))),
    ] {
        let token = forge.with_text(&text);
        forge.refuses(&format!("claims with {what}"), &token);
    }
    let header = forge.header().to_string();
    let open = header.strip_suffix('}').expect("an object").to_owned();
    let utf16: Vec<u8> = header.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (what, bytes) in [
        ("alg twice", format!("{open},\"alg\":\"ES256\"}}").into_bytes()),
        ("typ twice, once escaped", format!("{open},\"\\u0074yp\":\"at+jwt\"}}").into_bytes()),
        ("a byte order mark", format!("\u{feff}{header}").into_bytes()),
        ("UTF-16", utf16),
        ("bytes behind it", format!("{header} x").into_bytes()),
        ("bytes that are not UTF-8", [open.as_bytes(), b",\"x\":\"\xff\"}"].concat()),
        ("a comment", format!("{header}//").into_bytes()),
    ] {
        let token = forge.sign(&bytes, right.as_bytes());
        forge.refuses(&format!("a header with {what}"), &token);
    }
    let mut bytes = claims().to_string().into_bytes();
    bytes.push(0xff);
    let token = forge.sign(header.as_bytes(), &bytes);
    forge.refuses("claims that are not UTF-8", &token);
    forge.close();
}

#[test]
fn jw_17_jw_18_jw_19_jw_21_there_is_one_form() {
    let mut forge = Forge::start();
    let right = forge.with_claims(json!({}));
    let parts: Vec<String> = right.split('.').map(str::to_owned).collect();
    let [header, payload, signature] = parts.as_slice() else { panic!("three parts") };
    // 64 bytes of signature are 86 letters; the last carries two bits, and its four others must be zero.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.find(&signature[85..]).expect("base64url");
    let loose = format!("{}{}", &signature[..85], &alphabet[last + 1..last + 2]);
    let flattened = json!({ "payload": payload, "protected": header, "signature": signature }).to_string();
    let general = json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] }).to_string();
    for (what, token) in [
        ("two parts", format!("{header}.{payload}")),
        ("no signature", format!("{header}.{payload}.")),
        ("no header", format!(".{payload}.{signature}")),
        ("no claims", format!("{header}..{signature}")),
        ("four parts", format!("{right}.{signature}")),
        ("a dot behind it", format!("{right}.")),
        ("a dot before it", format!(".{right}")),
        ("padding", format!("{header}=.{payload}.{signature}")),
        ("padding behind it", format!("{right}==")),
        ("loose bits", format!("{header}.{payload}.{loose}")),
        ("a percent sign", format!("{header}%2E{payload}.{signature}")),
        ("the flattened JSON form", flattened),
        ("the general JSON form", general),
        ("five parts", format!("{header}.{payload}.{signature}.{payload}.{signature}")),
        ("another letter case", right.to_lowercase()),
    ] {
        forge.refuses(what, &token);
    }
    let standard = |part: &str| part.replace('-', "+").replace('_', "/");
    let other = format!("{header}.{payload}.{}", standard(signature));
    if other != right {
        forge.refuses("the other alphabet", &other);
    }
    for changes in [json!({ "enc": "A256GCM" }), json!({ "alg": "RSA-OAEP", "enc": "A256GCM" }), json!({ "alg": "dir", "enc": "A256GCM" }), json!({ "zip": "DEF" }), json!({ "epk": {} }), json!({ "cty": "JWT", "enc": "A128GCM" })] {
        let token = forge.with_members(changes.clone());
        forge.refuses(&changes.to_string(), &token);
    }
    // A token in the place of claims.
    let nested = forge.sign(changed(forge.header(), json!({ "cty": "JWT" })).to_string().as_bytes(), right.as_bytes());
    forge.refuses("a token inside a token", &nested);
    forge.close();
}

#[test]
fn jw_23_an_odd_signature_is_none() {
    let mut forge = Forge::start();
    let right = forge.with_claims(json!({}));
    let (signed, signature) = right.rsplit_once('.').expect("a signature");
    let bytes = b64::decode(signature.as_bytes()).expect("base64url");
    let (r, s) = bytes.split_at(32);
    let integer = |bytes: &[u8]| {
        let mut bytes: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        if bytes.first().is_some_and(|byte| *byte >= 0x80) {
            bytes.insert(0, 0);
        }
        [vec![2, u8::try_from(bytes.len()).expect("short")], bytes].concat()
    };
    let inner = [integer(r), integer(s)].concat();
    let der = [vec![0x30, u8::try_from(inner.len()).expect("short")], inner].concat();
    let order = b64::decode(b"_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE").expect("base64url");
    for (what, signature) in [
        ("all zero", vec![0; 64]),
        ("r zero", [&[0; 32], s].concat()),
        ("s zero", [r, &[0; 32]].concat()),
        ("r the order", [&order[..], s].concat()),
        ("s the order", [r, &order[..]].concat()),
        ("all ones", vec![255; 64]),
        ("DER", der),
        ("63 bytes", bytes[..63].to_vec()),
        ("65 bytes", [&bytes[..], &[0]].concat()),
        ("65 bytes with a zero first", [&[0], &bytes[..]].concat()),
        ("one byte", vec![1]),
        ("the halves exchanged", [s, r].concat()),
        ("one bit changed", [&[bytes[0] ^ 1], &bytes[1..]].concat()),
    ] {
        forge.refuses(&format!("a signature of {what}"), &format!("{signed}.{}", b64::encode(&signature)));
    }
    let (header, payload) = signed.split_once('.').expect("two parts");
    let wider = b64::encode(changed(claims(), json!({ "scope": "read write" })).to_string().as_bytes());
    forge.refuses("changed claims", &format!("{header}.{wider}.{signature}"));
    let other = b64::encode(changed(forge.header(), json!({ "x": 1 })).to_string().as_bytes());
    forge.refuses("a changed header", &format!("{other}.{payload}.{signature}"));
    forge.close();
}

#[test]
fn jw_26_a_key_counts_from_its_first_use_to_its_end() {
    for (state, status) in [(KeyState::Active, 200), (KeyState::Retiring, 200), (KeyState::Gone, 401), (KeyState::Next, 401)] {
        let mut forge = Forge::with_key(state);
        let token = forge.with_claims(json!({}));
        assert_eq!(forge.status(&token, "/acme/data"), status, "a token of a key that is {state:?}");
    }
}

#[test]
fn tn_01_tn_03_a_key_of_one_tenant_is_nothing_at_another() {
    let mut forge = Forge::start();
    let keys = forge.connection.ask(&http::get("/beta/jwks", &[])).expect("keys").answer;
    assert!(!String::from_utf8_lossy(&keys.body).contains(forge.key.kid()), "beta publishes a key of acme");
    for (iss, aud) in [("https://login.beta.example", "https://api.beta.example"), (ISSUER, "https://api.beta.example"), (ISSUER, "https://api.acme.example")] {
        let token = forge.with_claims(json!({ "iss": iss, "aud": aud }));
        assert_eq!(forge.status(&token, "/beta/data"), 401, "{iss} {aud}");
    }
    forge.close();
}
