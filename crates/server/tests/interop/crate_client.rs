//! The crate `oauth2` gets a token by client credentials; this file is its driver.

use super::drivers::Record;
use super::plan::{Client, Target};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use oauth2::basic::{BasicClient, BasicErrorResponse};
use oauth2::{AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, Scope, TokenResponse, TokenUrl};
use std::path::Path;
use std::time::Duration;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What one way came to: outcome and detail.
type Outcome = (&'static str, String);

const LONGEST: Duration = Duration::from_secs(10);

/// Tries every way at every target.
pub fn run(top: &Path, client: &Client, targets: &[Target]) -> Vec<Record> {
    let version = locked_version(top, &client.name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let mut records = Vec::new();
    for target in targets {
        for way in ["default", "header", "form", "both", "wrong-secret"] {
            let tried = runtime.block_on(async { tokio::time::timeout(LONGEST, attempt(target, way)).await });
            let (outcome, detail) = tried.unwrap_or(("fail", "no end within ten seconds".to_owned()));
            records.push(Record {
                client: client.name.clone(),
                version: version.clone(),
                target: target.name.clone(),
                way: way.to_owned(),
                outcome: outcome.to_owned(),
                detail,
            });
        }
    }
    records
}

async fn attempt(target: &Target, way: &str) -> Outcome {
    let (way, secret) = match way {
        "wrong-secret" => (target.document_way.as_str(), format!("not-{}", target.client_secret)),
        _ => (way, target.client_secret.clone()),
    };
    let mut client = BasicClient::new(ClientId::new(target.client_id.clone()))
        .set_client_secret(ClientSecret::new(secret.clone()))
        .set_token_uri(TokenUrl::new(target.token_url()).expect("the plan's address is one"));
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
        request = request.add_extra_param("client_id", target.client_id.clone()).add_extra_param("client_secret", secret);
    }
    match request.request_async(&send).await {
        Ok(token) => call_api(target, token.access_token().secret()).await,
        Err(error) => explain(&error),
    }
}

fn explain<E: std::error::Error + 'static>(error: &RequestTokenError<E, BasicErrorResponse>) -> Outcome {
    match error {
        RequestTokenError::ServerResponse(said) => ("refused", format!("ServerResponse: {}", said.error().as_ref())),
        RequestTokenError::Parse(error, _) => ("fail", format!("Parse: {error}")),
        other => ("fail", other.to_string()),
    }
}

async fn call_api(target: &Target, token: &str) -> Outcome {
    let mut request = http::Request::get(target.api_url()).header("authorization", format!("Bearer {token}"));
    if let (Some(name), Some(key)) = (&target.api_key_header, &target.api_key) {
        request = request.header(name, key);
    }
    let request = request.body(Vec::new()).expect("the plan's texts make a request");
    match send(request).await {
        Err(error) => ("fail", error.to_string()),
        Ok(answer) => {
            let same = serde_json::from_slice::<serde_json::Value>(answer.body()).is_ok_and(|body| body == target.api_answer);
            if answer.status() == 200 && same {
                ("pass", "token and API call".to_owned())
            } else {
                ("fail", format!("the API answered {}: {}", answer.status(), String::from_utf8_lossy(answer.body())))
            }
        }
    }
}

/// The HTTP client that the crate is given: one connection, one request.
async fn send(request: HttpRequest) -> Result<HttpResponse, oauth2::HttpClientError<std::io::Error>> {
    exchange(request).await.map_err(|error| oauth2::HttpClientError::Other(error.to_string()))
}

async fn exchange(request: HttpRequest) -> Result<HttpResponse, Failure> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().ok_or("the address has no host")?.to_string();
    let stream = tokio::net::TcpStream::connect(&authority).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    parts.headers.insert("host", authority.parse()?);
    parts.uri = parts.uri.path_and_query().ok_or("the address has no path")?.as_str().parse()?;
    let answer = sender.send_request(http::Request::from_parts(parts, Full::new(Bytes::from(body)))).await?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    connection.abort();
    Ok(http::Response::from_parts(head, body))
}

/// The version in Cargo.lock.
fn locked_version(top: &Path, name: &str) -> String {
    let lock = std::fs::read_to_string(top.join("Cargo.lock")).expect("the lock file can be read");
    let lock: toml::Table = lock.parse().expect("the lock file is TOML");
    let packages = lock["package"].as_array().expect("the lock file lists packages");
    let package = packages.iter().find(|package| package["name"].as_str() == Some(name)).expect("the client is locked");
    package["version"].as_str().expect("a package has a version").to_owned()
}
