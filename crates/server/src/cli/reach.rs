//! A command reaches the installation by the socket of its running server, or else opens the store itself under the same lock.

use super::input::Given;
use crate::admin::own_uid;
use crate::request::{Moment, key_pair};
use crate::serve::{ADMIN_SOCKET, make_directory, open};
use crate::settings::Settings;
use crate::workers::seal_audit;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use jeton_core::admin::{AdminStop, Args, Command, DialectOffer, Effect, Needed, Powers};
use jeton_core::record::Actor;
use jeton_core::run::{Caller, Engine};
use jeton_core::store::MemoryStore;
use jeton_core::world::{Facts, Need};
use jeton_jose::SealKey;
use jeton_wire::admin::{offers, segment};
use jeton_wire::dialect::Dialects;
use serde_json::{Map, Value};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Most key pairs that one command may need.
const MOST_NEEDS: usize = 10_000;

/// Why a command was not run.
#[derive(Debug)]
pub struct Failure {
    /// One sentence.
    pub sentence: String,
    /// Permissions that must be accepted first.
    pub needs: Vec<Needed>,
}

impl Failure {
    fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), needs: Vec::new() }
    }
}

/// How an installation is reached.
pub enum Reach {
    /// By the socket of its server.
    Socket(Box<tokio::runtime::Runtime>, UnixStream),
    /// By opening its store.
    Store(Box<Engine>, Vec<DialectOffer>, Actor),
}

impl Reach {
    /// Finds the installation that the settings name. A command that changes something may make a new one.
    pub fn find(settings: &Settings, effect: Effect) -> Result<Self, Failure> {
        if settings.database_url.is_none() {
            // A socket without a listener is what a server left that was killed.
            if let Ok(stream) = UnixStream::connect(settings.data.join(ADMIN_SOCKET)) {
                return Self::by_socket(stream);
            }
            match effect {
                Effect::Changes | Effect::Destroys(_) => {}
                _ if settings.data.exists() => {}
                Effect::Explains => return Self::nothing(settings),
                Effect::Reads => {
                    let data = settings.data.display();
                    return Err(Failure::new(format!("there is no installation in {data}; name its directory with --data")));
                }
            }
        }
        make_directory(&settings.data).map_err(|error| Failure::new(error.to_string()))?;
        let (engine, _) = open(settings).map_err(|error| Failure::new(error.to_string()))?;
        let dialects = Dialects::built_in().map_err(|error| Failure::new(error.to_string()))?;
        Ok(Self::Store(Box::new(engine), offers(&dialects), Actor::Local { uid: own_uid(&settings.data) }))
    }

    /// An installation in memory, with nothing in it.
    fn nothing(settings: &Settings) -> Result<Self, Failure> {
        let moment = Moment::present();
        let facts = Facts::default();
        let world = moment.world(&facts);
        let seal = SealKey::from_bytes(moment.random.draw("seal key of nothing"));
        let engine = Engine::open(Arc::new(MemoryStore::new()), &seal, &world);
        let engine = engine.map_err(|fault| Failure::new(fault.to_string()))?;
        Ok(Self::Store(Box::new(engine), Vec::new(), Actor::Local { uid: own_uid(&settings.data) }))
    }

    fn by_socket(stream: UnixStream) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("a thread cannot be started: {error}")))?;
        stream.set_nonblocking(true).map_err(|error| Failure::new(format!("the admin socket: {error}")))?;
        Ok(Self::Socket(Box::new(runtime), stream))
    }

    /// Runs a command.
    pub fn run(&self, command: &Command, given: Given) -> Result<Value, Failure> {
        match self {
            Self::Socket(runtime, stream) => {
                let stream = stream.try_clone().map_err(|error| Failure::new(format!("the admin socket: {error}")))?;
                let (status, answer) = runtime.block_on(ask(stream, request(command, given)?))?;
                if (200..300).contains(&status) { Ok(answer) } else { Err(refused(&answer)) }
            }
            Self::Store(engine, offers, actor) => {
                let args = Args::parse(command, given).map_err(|stop| stopped(&stop))?;
                let answer = alone(engine, command, &args, &Caller { actor, powers: Powers::Whole, dialects: offers })?;
                if matches!(command.effect, Effect::Changes | Effect::Destroys(_)) {
                    // Nobody else may be there to do it. What cannot be sealed now is sealed by the next server.
                    seal_audit(engine);
                }
                Ok(answer)
            }
        }
    }
}

/// Runs a command on our own engine; key pairs are made here.
fn alone(engine: &Engine, command: &Command, args: &Args, caller: &Caller<'_>) -> Result<Value, Failure> {
    let moment = Moment::present();
    let mut facts = Facts::default();
    for _ in 0..MOST_NEEDS {
        let world = moment.world(&facts);
        match engine.administer(&world, command, args, caller) {
            Ok(answer) => return Ok(answer),
            Err(AdminStop::Need(Need::KeyPair(algorithm))) => {
                facts.key_pairs.push(key_pair(algorithm).map_err(|fault| Failure::new(fault.to_string()))?);
            }
            Err(stop) => return Err(stopped(&stop)),
        }
    }
    Err(Failure::new("the command needs more and more"))
}

fn stopped(stop: &AdminStop) -> Failure {
    let needs = if let AdminStop::Accept(_, needs) = stop { needs.clone() } else { Vec::new() };
    Failure { sentence: stop.to_string(), needs }
}

fn refused(answer: &Value) -> Failure {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let needs = answer["needs"].as_array().into_iter().flatten();
    let needs = needs.map(|need| Needed { permission: text(&need["permission"]), sentence: text(&need["sentence"]) });
    Failure { sentence: text(&answer["error_description"]), needs: needs.collect() }
}

/// A command as a request of the admin API: words of the path, then query or body.
fn request(command: &Command, mut given: Map<String, Value>) -> Result<http::Request<Full<Bytes>>, Failure> {
    let word = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut path = String::new();
    for part in command.path.split('/').skip(1) {
        let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        let text = match name {
            Some(name) => segment(&word(given.remove(name).unwrap_or_default())),
            None => part.to_owned(),
        };
        path.push('/');
        path.push_str(&text);
    }
    let mut body = Bytes::new();
    if matches!(command.method, "GET" | "DELETE") {
        for (index, (name, value)) in given.into_iter().enumerate() {
            let value = match value {
                Value::Array(words) => words.into_iter().map(word).collect::<Vec<_>>().join(" "),
                value => word(value),
            };
            path.push_str(&format!("{}{name}={}", if index == 0 { '?' } else { '&' }, segment(&value)));
        }
    } else {
        body = Value::Object(given).to_string().into();
    }
    http::Request::builder()
        .method(command.method)
        .uri(path)
        .header(http::header::HOST, "localhost")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(|error| Failure::new(format!("the command cannot be sent: {error}")))
}

/// One request and its answer on a connection of its own.
async fn ask(stream: UnixStream, request: http::Request<Full<Bytes>>) -> Result<(u16, Value), Failure> {
    let lost = |cause: String| Failure::new(format!("the running server did not answer: {cause}"));
    let stream = tokio::net::UnixStream::from_std(stream).map_err(|error| lost(error.to_string()))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(error.to_string()))?;
    let driven = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        Ok::<_, hyper::Error>((status, response.into_body().collect().await?.to_bytes()))
    };
    let (status, body) = answer.await.map_err(|error| lost(error.to_string()))?;
    driven.abort();
    let answer = serde_json::from_slice(&body).map_err(|_| lost(format!("status {status} without JSON")))?;
    Ok((status, answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jeton_core::admin::{command, is_generated};
    use serde_json::json;
    use std::collections::BTreeSet;

    /// Rows: CA-10.
    #[test]
    fn ten_thousand_generated_values_need_no_encoding_and_never_repeat() {
        // A store in memory copies what it holds at every commit, so there are many small ones.
        const STORES: usize = 100;
        const CLIENTS: usize = 50;
        let dialects = offers(&Dialects::built_in().expect("the built-in dialects"));
        let mut seen = BTreeSet::new();
        for _ in 0..STORES {
            let (moment, facts) = (Moment::present(), Facts::default());
            let seal = SealKey::from_bytes([1; 32]);
            let engine = Engine::open(Arc::new(MemoryStore::new()), &seal, &moment.world(&facts)).expect("opens");
            // Each run draws its chance as every command of the binary does.
            let run = |name: &str, given: Value| {
                let command = command(name).expect("a command");
                let args = Args::parse(command, given.as_object().cloned().unwrap_or_default()).expect("arguments");
                let caller = Caller { actor: &Actor::Local { uid: 7 }, powers: Powers::Whole, dialects: &dialects };
                alone(&engine, command, &args, &caller).unwrap_or_else(|failure| panic!("{name}: {}", failure.sentence))
            };
            run("realm.create", json!({"realm": "acme", "issuer": "https://auth.acme.example"}));
            for number in 0..CLIENTS {
                let client = format!("client-{number}");
                let made = run("client.create", json!({"realm": "acme", "client": client, "secret": "main"}));
                let key = run("api-key.create", json!({"realm": "acme", "client": client, "name": "main"}));
                for value in [&made["secret"]["value"], &key["value"]] {
                    let value = value.as_str().expect("a value");
                    // RFC 6749 §2.3.1: form-encoding leaves these as they are, so every way to send the value is the same.
                    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
                    assert!(plain && value.len() >= 43 && is_generated(value), "{value}");
                    assert!(seen.insert(value.to_owned()), "{value} was made twice");
                }
            }
        }
        assert_eq!(seen.len(), 10_000);
    }
}
