//! A dialect may say that token requests are JSON: one object of texts, as strict as a form.

use bytes::Bytes;
use http::Request;
use jeton_core::name::{Issuer, Key, Label, Mount, RealmName, Title};
use jeton_core::record::{Permission, Profile, Realm, Status};
use jeton_core::refusal::Why;
use jeton_core::snapshot::{DataKeys, RealmState};
use jeton_jose::SealKey;
use jeton_wire::decode::token_request;
use jeton_wire::dialect::Dialect;
use std::collections::BTreeSet;

fn json_dialect() -> Dialect {
    let rfc = include_str!("../../../dialects/rfc.toml");
    let json = "body = \"json\"\ngrant_types = { code = \"authorization_code\" }\nparameters = { clientId = \"client_id\" }";
    let json = rfc.replacen("body = \"form\"", json, 1);
    Dialect::parse(&json.replacen("[realm_defaults]", "needs = [\"json-token-request\"]\n\n[realm_defaults]", 1))
        .expect("a dialect")
}

fn realm(dialect: &Dialect) -> RealmState {
    let realm = Realm {
        key: Key::from_bytes([1; 16]),
        name: RealmName::parse("acme").expect("a name"),
        title: Title::parse("Acme").expect("a title"),
        issuer: Issuer::parse("https://auth.acme.example").expect("an issuer"),
        mounts: vec![Mount::new(None, "").expect("a mount")],
        dialect: dialect.file.name.clone(),
        profile: Profile::Compat,
        environment: Label::parse("test").expect("a label"),
        status: Status::Active,
        not_before: jeton_core::name::Time::default(),
        permissions: BTreeSet::from([Permission::JsonTokenRequest, Permission::IgnoreAuthorization]),
        settings: dialect.file.realm_defaults.clone(),
    };
    RealmState::open(realm, Vec::new(), &[], &DataKeys::new(SealKey::from_bytes([2; 32]))).expect("a realm")
}

fn read(content_type: &str, body: &str) -> Result<(String, String, bool), Why> {
    let dialect = json_dialect();
    let request = Request::post("/token").header("content-type", content_type).header("authorization", "OAuth stray");
    let request = request.body(Bytes::from(body.to_owned())).expect("a request");
    let request = token_request(&dialect, &realm(&dialect), &request)?;
    let text = |text: Option<String>| text.unwrap_or_default();
    Ok((text(request.grant_type), text(request.credentials.body_id), request.credentials.body_secret.is_some()))
}

#[test]
fn an_object_of_texts_is_a_token_request() {
    let body = r#"{"clientId":"a","client_secret":"s","grant_type":"code","unknown":"x"}"#;
    let wanted = Ok(("authorization_code".to_owned(), "a".to_owned(), true));
    assert_eq!(read("application/json", body), wanted);
    assert_eq!(read("application/json; charset=utf-8", body), wanted);
    assert_eq!(read("application/json", r#"{"client_id":"a","client_secret":""}"#), Ok((String::new(), "a".to_owned(), false)));
}

#[test]
fn anything_else_is_not() {
    for body in [
        "",
        "[]",
        "null",
        r#"{"client_id":1}"#,
        r#"{"client_id":"a","client_id":"b"}"#,
        r#"{"client_id":"a\u0000"}"#,
        r#"{"client_id":{"a":"b"}}"#,
        "{\"client_id\":\"a\"} x",
        "\u{feff}{}",
    ] {
        assert_eq!(read("application/json", body), Err(Why::RequestMalformed), "{body}");
    }
    for content_type in
        ["application/x-www-form-urlencoded", "text/json", "application/json; charset=utf-16", "application/jsonx"]
    {
        assert_eq!(read(content_type, "{}"), Err(Why::RequestContentType), "{content_type}");
    }
}
