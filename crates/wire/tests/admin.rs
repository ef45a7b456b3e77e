//! The admin API over HTTP values: who is let in, what is answered, and how it is described.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test keeps golden files and asks a validator on the machine"
)]

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use jeton_core::name::{Issuer, RequestId, Time};
use jeton_core::run::Engine;
use jeton_core::store::MemoryStore;
use jeton_core::world::{Facts, KeyPair, Need, Random, World};
use jeton_jose::{SealKey, SigningKey};
use jeton_wire::Served;
use jeton_wire::admin::{Admin, Caller, guide, openapi};
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const OWNER: Caller = Caller::Local { uid: 1000 };

/// The admin face of an installation in memory.
struct Desk {
    engine: Arc<Engine>,
    admin: Admin,
    count: Cell<u64>,
}

impl Desk {
    fn new() -> Self {
        let (facts, id) = (Facts::default(), RequestId::parse("request-0000000000000001").expect("an id"));
        let random = Random::from_seed([9; 32]);
        let world = World {
            now: Time::from_seconds(1_700_000_000),
            random: &random,
            request_id: &id,
            source: World::INSIDE,
            facts: &facts,
        };
        let engine = Engine::open(Arc::new(MemoryStore::new()), &SealKey::from_bytes([1; 32]), &world).expect("opens");
        let engine = Arc::new(engine);
        let admin = Admin::new(Arc::clone(&engine), 1000).expect("the dialects are right");
        let issuer = Issuer::parse("http://127.0.0.1:8401").expect("an issuer");
        engine.bootstrap(&world, &issuer, admin.offers()).expect("makes the admin realm");
        Self { engine, admin, count: Cell::new(1) }
    }

    fn serve(&self, request: &Request<Bytes>, caller: Caller) -> Response<Bytes> {
        self.count.set(self.count.get() + 1);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.count.get().to_be_bytes());
        let now = Time::from_seconds(1_700_000_000 + i64::try_from(self.count.get()).expect("few"));
        let (random, id) = (Random::from_seed(seed), RequestId::parse("request-0000000000000001").expect("an id"));
        let mut facts = Facts::default();
        loop {
            let world = World { now, random: &random, request_id: &id, source: World::INSIDE, facts: &facts };
            match self.admin.serve(&world, request, caller) {
                Served::Answer(response, _) => return response,
                Served::Need(Need::KeyPair(algorithm)) => {
                    let (_, pkcs8) = SigningKey::generate(algorithm).expect("a key pair");
                    facts.key_pairs.push(KeyPair { algorithm, pkcs8: pkcs8.as_slice().into() });
                }
                Served::Need(need) => self.engine.meet(now, &need, &mut facts).expect("reads"),
            }
        }
    }

    fn ask(&self, caller: Caller, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let response = self.serve(&request(method, path, body, None), caller);
        (response.status(), json_of(&response))
    }

    /// A token of the admin realm with this scope.
    fn token(&self, client: &str, scope: &str) -> String {
        let wanted = json!({"client": client, "scope": scope.split(' ').collect::<Vec<_>>(), "secret": "main"});
        let (status, made) = self.ask(OWNER, "POST", "/v1/realms/admin/clients", &wanted);
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let secret = made["secret"]["value"].as_str().expect("a secret");
        let form = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}");
        let request = Request::post("/token")
            .header(header::HOST, "127.0.0.1:8401")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .expect("a request");
        let answer = json_of(&self.serve(&request, Caller::Network));
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

fn request(method: &str, path: &str, body: &Value, token: Option<&str>) -> Request<Bytes> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:8401");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    request.header(header::CONTENT_TYPE, "application/json").body(bytes).expect("a request")
}

fn json_of(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).expect("JSON")
}

#[test]
fn who_has_the_audit_trail_sent_somewhere_must_be_allowed_to_read_it() {
    let desk = Desk::new();
    let writer = desk.token("writer", "admin:webhooks:write admin:webhooks:read");
    let auditor = desk.token("auditor", "admin:webhooks:write admin:audit:read");
    let hook = |name: &str, kinds: &[&str]| json!({"name": name, "url": "https://hooks.example/jeton", "kind": kinds});
    let ask = |token: &str, path: &str, body: &Value| desk.serve(&request("POST", path, body, Some(token)), Caller::Network);
    let refused = |response: &Response<Bytes>| {
        let challenge =
            response.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{}", json_of(response));
        assert_eq!(json_of(response)["error"], "insufficient_scope");
        assert!(challenge.contains("scope=\"admin:webhooks:write admin:audit:read\""), "{challenge}");
    };
    for kinds in [["audit"].as_slice(), &["client.suspended", "audit"]] {
        refused(&ask(&writer, "/v1/webhooks", &hook("siem", kinds)));
    }
    assert_eq!(ask(&writer, "/v1/webhooks", &hook("ops", &["client.suspended"])).status(), StatusCode::CREATED);
    assert_eq!(ask(&auditor, "/v1/webhooks", &hook("siem", &["audit"])).status(), StatusCode::CREATED);
    // Whoever was stopped from being told is not told again by somebody who may not read it.
    assert_eq!(ask(&writer, "/v1/webhooks/siem/disable", &Value::Null).status(), StatusCode::OK);
    refused(&ask(&writer, "/v1/webhooks/siem/enable", &Value::Null));
    assert_eq!(desk.ask(OWNER, "GET", "/v1/webhooks", &Value::Null).1["items"][1]["status"], "off");
    assert_eq!(ask(&writer, "/v1/webhooks/ops/enable", &Value::Null).status(), StatusCode::OK);
    assert_eq!(ask(&auditor, "/v1/webhooks/siem/enable", &Value::Null).status(), StatusCode::OK);
    // Somebody at the machine may do everything.
    assert_eq!(desk.ask(OWNER, "POST", "/v1/webhooks", &hook("local", &["audit"])).0, StatusCode::CREATED);
}

#[test]
fn somebody_at_the_machine_is_let_in_if_the_server_is_theirs() {
    let desk = Desk::new();
    let wanted = json!({"realm": "acme", "issuer": "https://auth.acme.example"});
    assert_eq!(desk.ask(Caller::Local { uid: 1001 }, "POST", "/v1/realms", &wanted).0, StatusCode::FORBIDDEN);
    assert_eq!(desk.ask(OWNER, "POST", "/v1/realms", &wanted).0, StatusCode::CREATED);
    assert_eq!(desk.ask(Caller::Local { uid: 0 }, "GET", "/v1/realms/acme", &Value::Null).0, StatusCode::OK);
    let (status, answer) = desk.ask(OWNER, "POST", "/v1/realms", &wanted);
    assert_eq!((status, answer["error"].as_str()), (StatusCode::CONFLICT, Some("conflict")));
    let (_, lines) = desk.ask(OWNER, "GET", "/v1/audit?realm=acme&limit=1", &Value::Null);
    assert_eq!((lines["items"][0]["who"].as_str(), lines["items"].as_array().map(Vec::len)), (Some("user 1000"), Some(1)));
}

#[test]
fn somebody_on_the_network_needs_a_token_with_the_scope() {
    let desk = Desk::new();
    let challenge = |response: &Response<Bytes>| {
        response.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let nothing = desk.serve(&request("GET", "/v1/realms", &Value::Null, None), Caller::Network);
    assert_eq!(nothing.status(), StatusCode::UNAUTHORIZED);
    // RFC 6750 §3: no error code where nothing was shown.
    assert_eq!(challenge(&nothing), "Bearer realm=\"admin\", scope=\"admin:realms:read\"");
    let wrong = desk.serve(&request("GET", "/v1/realms", &Value::Null, Some("jat_x")), Caller::Network);
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert!(challenge(&wrong).contains("error=\"invalid_token\""));
    let token = desk.token("reader", "admin:realms:read");
    let asked = |method: &str, path: &str, body: &Value| {
        let response = desk.serve(&request(method, path, body, Some(&token)), Caller::Network);
        (response.status(), challenge(&response), json_of(&response))
    };
    assert_eq!(asked("GET", "/v1/realms", &Value::Null).0, StatusCode::OK);
    let (status, challenge, answer) = asked("POST", "/v1/realms", &json!({"realm": "x", "issuer": "https://x.example"}));
    assert_eq!((status, answer["error"].as_str()), (StatusCode::FORBIDDEN, Some("insufficient_scope")));
    assert!(challenge.contains("scope=\"admin:realms:write\""));
    let writer = desk.token("writer", "admin:clients:write admin:credentials:write");
    let body = json!({"client": "robot", "scope": ["admin:realms:write"]});
    let widening = desk.serve(&request("POST", "/v1/realms/admin/clients", &body, Some(&writer)), Caller::Network);
    assert_eq!(widening.status(), StatusCode::FORBIDDEN, "a scope cannot widen itself");
}

#[test]
fn places_methods_and_bodies_are_strict() {
    let desk = Desk::new();
    for (method, path, body, expected) in [
        ("GET", "/v1/nothing", Value::Null, StatusCode::NOT_FOUND),
        ("PUT", "/v1/realms", Value::Null, StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/v1/realms?colour=red", Value::Null, StatusCode::BAD_REQUEST),
        ("GET", "/v1/realms/none", Value::Null, StatusCode::NOT_FOUND),
        ("POST", "/v1/realms", json!([1]), StatusCode::BAD_REQUEST),
        ("PATCH", "/v1/realms/admin", json!({"realm": "other"}), StatusCode::BAD_REQUEST),
        ("PATCH", "/v1/realms/admin", json!({"title": 7}), StatusCode::BAD_REQUEST),
    ] {
        let (status, answer) = desk.ask(OWNER, method, path, &body);
        assert_eq!(status, expected, "{method} {path}: {answer}");
        assert!(answer["error"].is_string() && answer["error_description"].is_string());
    }
    let mut plain = request("PATCH", "/v1/realms/admin", &json!({"title": "x"}), None);
    plain.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
    assert_eq!(desk.serve(&plain, OWNER).status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let wanted = json!({"realm": "bp", "issuer": "https://bp.example", "dialect": "rfc", "accept": ["text-number"]});
    let (_, answer) = desk.ask(OWNER, "POST", "/v1/realms", &wanted);
    assert_eq!(answer["error_description"], "there is no permission text-number; did you mean text-numbers?");
    let resource = "/v1/realms/admin/resources/urn%3Ajeton%3Aadmin";
    assert_eq!(desk.ask(OWNER, "GET", resource, &Value::Null).0, StatusCode::OK);
}

#[test]
fn a_token_is_explained() {
    let desk = Desk::new();
    let token = desk.token("reader", "admin:realms:read");
    let (status, answer) = desk.ask(OWNER, "POST", "/v1/tokens/decode", &json!({"token": token}));
    assert_eq!(status, StatusCode::OK, "{answer}");
    let line = |name: &str| {
        let found = answer["items"].as_array().into_iter().flatten().find(|item| item["name"] == name);
        found.map(|item| item["value"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    };
    assert_eq!((line("seal"), line("time"), line("client")), ("valid".into(), "in force".into(), "active".into()));
    assert_eq!(line("scope"), "admin:realms:read");
    let (_, stopped) = desk.ask(OWNER, "POST", "/v1/realms/admin/clients/reader/disable", &json!({}));
    assert_eq!(stopped["status"], "disabled");
    let (_, answer) = desk.ask(OWNER, "POST", "/v1/tokens/decode", &json!({"token": token}));
    assert!(answer.to_string().contains("\"revoked\""), "{answer}");
}

fn golden(name: &str, text: &str) {
    let path = root().join("docs/generated").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).expect("the file can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{name} is not what the table says; look at the difference after UPDATE=1 cargo test -p jeton-wire");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_descriptions_are_up_to_date() {
    let description = serde_json::to_string_pretty(&openapi()).expect("JSON");
    golden("openapi.json", &format!("{description}\n"));
    golden("commands.md", &guide());
}

/// A public validator reads the description: PyPI `openapi-spec-validator`, from the environment of `tools/install-interop` or
/// from the machine's own Python.
#[test]
fn the_description_is_valid_openapi() {
    let pythons = [root().join("target/interop/venv/bin/python"), "python3".into()];
    let has = |python: &&PathBuf| {
        let found = Command::new(python).args(["-c", "import openapi_spec_validator"]).output();
        found.is_ok_and(|output| output.status.success())
    };
    let Some(python) = pythons.iter().find(has) else {
        let sentence = "skipped: no Python with openapi-spec-validator; tools/install-interop installs it";
        assert!(std::env::var("JETON_REQUIRE").as_deref() != Ok("all"), "{sentence}");
        eprintln!("{sentence}");
        return;
    };
    let file = root().join("docs/generated/openapi.json");
    let output = Command::new(python).args(["-m", "openapi_spec_validator"]).arg(file).output().expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}
