//! The crate `oauth2` gets a token by client credentials and calls the API with it. It is given a plain HTTP client over std.

use oauth2::basic::{BasicClient, BasicErrorResponse};
use oauth2::{
    AuthType, ClientId, ClientSecret, HttpClientError, HttpRequest, HttpResponse, RequestTokenError, Scope, TokenResponse,
    TokenUrl, http,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error;
use std::io::{Error as IoError, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const NAME: &str = "oauth2";
const LOCK: &str = include_str!("../Cargo.lock");
const LONGEST: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Targets {
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    document_way: String,
    token_url: String,
    client_id: String,
    client_secret: String,
    scope: String,
    api_url: String,
    api_answer: Value,
    api_key_header: Option<String>,
    api_key: Option<String>,
}

/// What one way came to: outcome and detail.
type Outcome = (&'static str, String);

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("the targets file is missing")?;
    let file: Targets = serde_json::from_slice(&std::fs::read(path)?)?;
    for target in &file.targets {
        for way in ["default", "header", "form", "both"] {
            report(target, way, attempt(target, way, &target.client_secret));
        }
        let wrong = format!("not-{}", target.client_secret);
        report(target, "wrong-secret", attempt(target, &target.document_way, &wrong));
    }
    Ok(())
}

fn report(target: &Target, way: &str, (outcome, detail): Outcome) {
    let version = version();
    println!(
        "{}",
        json!({ "client": NAME, "version": version, "target": target.name, "way": way, "outcome": outcome, "detail": detail })
    );
}

fn attempt(target: &Target, way: &str, secret: &str) -> Outcome {
    let url = match TokenUrl::new(target.token_url.clone()) {
        Ok(url) => url,
        Err(error) => return ("fail", error.to_string()),
    };
    let mut client = BasicClient::new(ClientId::new(target.client_id.clone()))
        .set_client_secret(ClientSecret::new(secret.to_owned()))
        .set_token_uri(url);
    match way {
        "header" | "both" => client = client.set_auth_type(AuthType::BasicAuth),
        "form" => client = client.set_auth_type(AuthType::RequestBody),
        _ => {} // as the crate comes
    }
    let mut request = client.exchange_client_credentials();
    for scope in target.scope.split(' ') {
        request = request.add_scope(Scope::new(scope.to_owned()));
    }
    if way == "both" {
        // The header and the form at once: parameters of the user's own stand in the form.
        request = request.add_extra_param("client_id", target.client_id.clone());
        request = request.add_extra_param("client_secret", secret.to_owned());
    }
    match request.request(&send) {
        Ok(token) => call_api(target, token.access_token().secret()).unwrap_or_else(|error| ("fail", error.to_string())),
        Err(error) => explain(&error),
    }
}

fn explain<E: Error + 'static>(error: &RequestTokenError<E, BasicErrorResponse>) -> Outcome {
    match error {
        RequestTokenError::ServerResponse(said) => ("refused", format!("ServerResponse: {}", said.error().as_ref())),
        RequestTokenError::Parse(error, _) => ("fail", format!("Parse: {error}")),
        other => ("fail", other.to_string()),
    }
}

fn call_api(target: &Target, token: &str) -> Result<Outcome, Box<dyn Error>> {
    let mut request = http::Request::get(&target.api_url).header("authorization", format!("Bearer {token}"));
    if let (Some(name), Some(key)) = (&target.api_key_header, &target.api_key) {
        request = request.header(name, key);
    }
    let answer = exchange(&request.body(Vec::new())?)?;
    let body: Option<Value> = serde_json::from_slice(answer.body()).ok();
    if answer.status() == 200 && body.as_ref() == Some(&target.api_answer) {
        return Ok(("pass", "token and API call".to_owned()));
    }
    Ok(("fail", format!("the API answered {}: {}", answer.status(), String::from_utf8_lossy(answer.body()))))
}

/// The HTTP client that the crate is given.
fn send(request: HttpRequest) -> Result<HttpResponse, HttpClientError<IoError>> {
    exchange(&request).map_err(|error| HttpClientError::Other(error.to_string()))
}

/// One connection, one request, and everything until the server closes.
fn exchange(request: &HttpRequest) -> Result<HttpResponse, Box<dyn Error>> {
    let authority = request.uri().authority().ok_or("the address has no host")?.as_str();
    let path = request.uri().path_and_query().ok_or("the address has no path")?;
    let mut head = format!("{} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n", request.method());
    for (name, value) in request.headers() {
        head += &format!("{name}: {}\r\n", value.to_str()?);
    }
    head += &format!("content-length: {}\r\n\r\n", request.body().len());
    let mut stream = TcpStream::connect_timeout(&authority.parse::<SocketAddr>()?, LONGEST)?;
    stream.set_read_timeout(Some(LONGEST))?;
    stream.set_write_timeout(Some(LONGEST))?;
    stream.write_all(&[head.as_bytes(), request.body()].concat())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    read_answer(&bytes)
}

fn read_answer(bytes: &[u8]) -> Result<HttpResponse, Box<dyn Error>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or("the answer has no end of its head")?;
    let mut lines = std::str::from_utf8(&bytes[..end])?.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).ok_or("the answer has no status")?;
    let mut answer = http::Response::builder().status(status);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("a header has no colon")?;
        answer = answer.header(name, value.trim());
    }
    Ok(answer.body(bytes[end + 4..].to_vec())?)
}

/// The crate's version in the lock file.
fn version() -> &'static str {
    let package = LOCK.split("[[package]]").find(|package| package.contains("\nname = \"oauth2\"\n"));
    package.and_then(|package| package.split("version = \"").nth(1)?.split('"').next()).unwrap_or_default()
}
