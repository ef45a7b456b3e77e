//! Spelling turns what an actor wants into an HTTP request in the words of the realm's dialect, as a provider's document says it.

use crate::ask::{AboutAsk, Ask, CallAsk, GrantAsk, Nonsense, Placed, TokenAsk, Wish};
use crate::chance::Chance;
use crate::model::House;
use bytes::Bytes;
use http::{Method, Request, header};
use jeton_core::record::{BasicEncoding, Placement};
use jeton_wire::dialect::{Dialect, RequestBody};
use jeton_wire::route::Endpoint;
use jeton_wire::transcript::{Spelling, Template, Variables};

/// The request of an ask.
#[must_use]
pub fn request(ask: &Ask, house: &House, dialect: &Dialect, chance: &mut Chance) -> Request<Bytes> {
    match ask {
        Ask::Token(ask) => token(ask, house, dialect, chance),
        Ask::Call(ask) => call(ask, house, dialect),
        Ask::About(ask) => about(ask, house, dialect, chance),
        Ask::Document { endpoint, .. } => {
            let target = format!("{}{}", mount(house), chance.pick(Endpoint::ALL[*endpoint].paths(&dialect.file.endpoints)));
            build(house, (Method::GET, &target), &[], Vec::new())
        }
        Ask::Nonsense(ask) => nonsense(ask, house),
    }
}

/// The path below which a realm answers.
#[must_use]
pub fn mount(house: &House) -> &str {
    &house.realm.mounts[0].path
}

/// The path of a realm's token endpoint.
#[must_use]
pub fn token_path(house: &House, dialect: &Dialect, chance: &mut Chance) -> String {
    format!("{}{}", mount(house), chance.pick(&dialect.file.endpoints.token))
}

/// The registered name of a parameter in the dialect's words.
fn spelled<'a>(names: &'a std::collections::BTreeMap<String, String>, canonical: &'a str) -> &'a str {
    names.iter().find(|(_, to)| *to == canonical).map_or(canonical, |(from, _)| from)
}

fn token(ask: &TokenAsk, house: &House, dialect: &Dialect, chance: &mut Chance) -> Request<Bytes> {
    let file = &dialect.file.token_request;
    let grant_type = match &ask.grant {
        GrantAsk::ClientCredentials => spelled(&file.grant_types, "client_credentials"),
        GrantAsk::Refresh(_) => spelled(&file.grant_types, "refresh_token"),
        GrantAsk::Unknown(name) => name,
    };
    let mut parameters = vec![("grant_type", grant_type)];
    let secret = ask.secret.as_deref();
    if ask.placed != Placed::Header {
        parameters.push(("client_id", &ask.client_id));
        parameters.extend(secret.map(|secret| ("client_secret", secret)));
    }
    parameters.extend(ask.scope.as_deref().map(|scope| ("scope", scope)));
    if let GrantAsk::Refresh(token) = &ask.grant {
        parameters.push(("refresh_token", token));
    }
    let parameters: Vec<(&str, &str)> =
        parameters.iter().map(|(name, value)| (spelled(&file.parameters, name), *value)).collect();
    let (media, body) = match file.body {
        RequestBody::Form => {
            let fields: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", form(value))).collect();
            ("application/x-www-form-urlencoded", fields.join("&"))
        }
        RequestBody::Json => {
            let object: serde_json::Map<String, serde_json::Value> =
                parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
            ("application/json", serde_json::Value::Object(object).to_string())
        }
    };
    let mut headers = vec![("content-type", media.to_owned())];
    if ask.placed != Placed::Body {
        headers.push(("authorization", basic(house, &ask.client_id, secret.unwrap_or_default())));
    }
    let target = token_path(house, dialect, chance);
    build(house, (Method::POST, &target), &headers, body.into_bytes())
}

fn about(ask: &AboutAsk, house: &House, dialect: &Dialect, chance: &mut Chance) -> Request<Bytes> {
    let by = &ask.by;
    let mut fields = vec![format!("token={}", form(&ask.token))];
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
    if by.placed != Placed::Header {
        fields.push(format!("client_id={}", form(&by.client_id)));
        fields.extend(by.secret.as_ref().map(|secret| format!("client_secret={}", form(secret))));
    }
    if by.placed != Placed::Body {
        headers.push(("authorization", basic(house, &by.client_id, by.secret.as_deref().unwrap_or_default())));
    }
    let endpoints = &dialect.file.endpoints;
    let paths = match ask.wish {
        Wish::Introspect => &endpoints.introspection,
        Wish::Revoke => &endpoints.revocation,
    };
    let target = format!("{}{}", mount(house), chance.pick(paths));
    build(house, (Method::POST, &target), &headers, fields.join("&").into_bytes())
}

/// Basic credentials by the realm's interpretation.
fn basic(house: &House, id: &str, secret: &str) -> String {
    let verb = match house.realm.settings.basic {
        BasicEncoding::Form => "basicform",
        BasicEncoding::Raw => "basic",
    };
    format!("Basic {}", fill(&format!("{{{{id|{verb}:secret}}}}"), &[("id", id), ("secret", secret)]))
}

fn form(value: &str) -> String {
    fill("{{value|form}}", &[("value", value)])
}

/// The transcript's own templates encode, so that what is sent is what a saved case would send.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut variables = Variables::default();
    values.iter().for_each(|(name, value)| variables.set(*name, *value));
    let template = Template::parse(template, Spelling::Plain).expect("a template of ours");
    String::from_utf8(template.fill(&variables).expect("every value is there")).expect("encoded values are ASCII")
}

fn call(ask: &CallAsk, house: &House, dialect: &Dialect) -> Request<Bytes> {
    let resource = &house.resources[ask.resource];
    let operation = &resource.operations[ask.operation];
    let mut headers = Vec::new();
    if let (Some(key), Some(name), Placement::Header) = (&ask.api_key, &dialect.file.api.api_key_header, resource.api_key) {
        headers.push((name.as_str(), key.clone()));
    }
    if let Some(token) = &ask.token {
        let scheme = dialect.file.api.schemes.first().map_or("Bearer", String::as_str);
        headers.push(("authorization", format!("{scheme} {token}")));
    }
    let target = format!("{}{}", mount(house), operation.path.replace("{id}", "42"));
    let method = Method::from_bytes(operation.method.as_bytes()).expect("a method of ours");
    build(house, (method, &target), &headers, Vec::new())
}

fn nonsense(ask: &Nonsense, house: &House) -> Request<Bytes> {
    let headers: Vec<(&str, String)> = ask.headers.clone();
    build(house, (ask.method.clone(), &ask.target), &headers, ask.body.clone())
}

fn build(house: &House, (method, target): (Method, &str), headers: &[(&str, String)], body: Vec<u8>) -> Request<Bytes> {
    let host = house.realm.mounts[0].host.as_deref().unwrap_or("localhost");
    let mut request = Request::builder().method(method).uri(target).header(header::HOST, host);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(Bytes::from(body)).expect("a request of ours can be built")
}
