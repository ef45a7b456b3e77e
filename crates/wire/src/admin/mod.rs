//! The admin API is the table of commands over HTTP: JSON in, JSON out, and the realm of administrators beside it.
//!
//! Somebody at the machine is vouched for by the system; somebody on the network shows a token of the admin realm with the
//! command's scope (RFC 6750). What a command does is the core's business.

mod guide;
mod openapi;
mod place;

pub use guide::guide;
pub use openapi::document as openapi;
pub use place::segment;

use place::Found;

use crate::dialect::{DialectError, Dialects};
use crate::{Options, Served, Wire, decode, encode};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use jeton_core::admin::{ADMIN_REALM, ADMIN_RESOURCE, AdminStop, Args, Command, DialectOffer, Powers, is_admin_realm};
use jeton_core::event::{Concerned, Event, Outcome};
use jeton_core::form::Form;
use jeton_core::guard::{self, Policy};
use jeton_core::name::{RealmName, Scope, ScopeToken};
use jeton_core::record::Actor;
use jeton_core::refusal::{Fault, Why};
use jeton_core::run::{self, Engine};
use jeton_core::world::{Need, Stop, World};
use jeton_jose::json::parse_object;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Most bytes of a request's body; the listener has a limit of its own.
const MOST_BYTES: usize = 64 << 20;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A process of this machine, by the socket in the data directory; the system vouches for its user.
    Local {
        /// The user.
        uid: u32,
    },
    /// Somebody on the network, who must show a token.
    Network,
}

/// The face of an engine that administrators see.
pub struct Admin {
    engine: Arc<Engine>,
    wire: Wire,
    offers: Vec<DialectOffer>,
    owner: u32,
}

/// Why no answer can be given yet, or ever.
enum Stopped {
    /// A fact is missing.
    Need(Need),
    /// The caller may not.
    Refused(Why, Option<Concerned>),
    /// The command was not run.
    Admin(AdminStop),
    /// The request is not one of this API: status, code, sentence.
    Http(StatusCode, &'static str, &'static str),
}

impl From<AdminStop> for Stopped {
    fn from(stop: AdminStop) -> Self {
        match stop {
            AdminStop::Need(need) => Self::Need(need),
            stop => Self::Admin(stop),
        }
    }
}

/// Who was let in: the actor of audit records, and the client for the log.
struct Admitted {
    actor: Actor,
    client: Option<Concerned>,
    /// What the token says; who comes by the socket needs none.
    scope: Option<Scope>,
}

impl Admin {
    /// Serves an engine's commands and its admin realm. `owner` is the user that the server runs as: it and the
    /// superuser may come by the socket.
    pub fn new(engine: Arc<Engine>, owner: u32) -> Result<Self, DialectError> {
        let wire = Wire::new(Arc::clone(&engine), Options { sample_api: false, serves: is_admin_realm })?;
        let offers = offers(wire.dialects());
        Ok(Self { engine, wire, offers, owner })
    }

    /// The dialects that a realm can be made from; the default stands first.
    #[must_use]
    pub fn offers(&self) -> &[DialectOffer] {
        &self.offers
    }

    /// Serves one request of the admin listener or of the socket. The whole body is there.
    pub fn serve(&self, world: &World<'_>, request: &Request<Bytes>, caller: Caller) -> Served {
        let path = request.uri().path();
        if path == "/openapi.json" {
            let body = openapi().to_string().into_bytes();
            return Served::Answer(encode::private(StatusCode::OK, JSON, body), None);
        }
        if !path.starts_with("/v1/") {
            return self.wire.serve(world, request);
        }
        let command = match place::find(request.method(), path) {
            Found::Command(command) => command,
            Found::OtherMethods(allow) => return Served::Answer(not_allowed(&allow), None),
            Found::Nothing => {
                return Served::Answer(refused(StatusCode::NOT_FOUND, "not_found", "There is no command here."), None);
            }
        };
        let admitted = match self.admit(world, request, caller, command) {
            Ok(admitted) => admitted,
            Err(stopped) => return self.stopped(stopped, None, command),
        };
        match self.run(world, request, command, &admitted) {
            Ok(answer) => {
                let status = if command.name.ends_with(".create") { StatusCode::CREATED } else { StatusCode::OK };
                let response = encode::private(status, JSON, answer.to_string().into_bytes());
                Served::Answer(response, Some(self.event(admitted.client, Outcome::Permitted)))
            }
            Err(stopped) => self.stopped(stopped, admitted.client, command),
        }
    }

    fn admit(&self, world: &World<'_>, request: &Request<Bytes>, caller: Caller, command: &Command) -> Result<Admitted, Stopped> {
        if let Caller::Local { uid } = caller {
            return if uid == self.owner || uid == 0 {
                Ok(Admitted { actor: Actor::Local { uid }, client: None, scope: None })
            } else {
                Err(AdminStop::Denied("the socket is for the user that the server runs as, and for root".into()).into())
            };
        }
        let snapshot = self.engine.memory.snapshot.load();
        let unavailable = || AdminStop::Fault(Fault::Unavailable("the admin realm is not there yet".into()));
        let name = RealmName::parse(ADMIN_REALM).map_err(AdminStop::from)?;
        let state = snapshot.realm_by_name(&name).ok_or_else(unavailable)?;
        let resource = state.resource(ADMIN_RESOURCE).ok_or_else(unavailable)?;
        let scope = [ScopeToken::parse(command.scope).map_err(AdminStop::from)?];
        let dialect = self.wire.dialects().by_name(&state.realm.dialect).ok_or_else(unavailable)?;
        let carried = decode::carried(dialect, request.headers()).map_err(|why| Stopped::Refused(why, None))?;
        let policy = Policy { resource, scope: &scope };
        let permit = guard::decide(self.engine.known(state), policy, &carried, world).map_err(|denial| match denial.stop {
            Stop::Refuse(why) | Stop::RefuseAnd(why, _) | Stop::RefuseFor(why, _) => Stopped::Refused(why, denial.client),
            Stop::Need(need) => Stopped::Need(need),
            Stop::Fault(fault) => Stopped::Admin(fault.into()),
        })?;
        let id = permit.token().client_id.clone();
        let actor = Actor::Client { client_id: id.as_str().to_owned() };
        let scope = Some(permit.token().scope.clone());
        Ok(Admitted { actor, client: Some(permit.client().clone()), scope })
    }

    fn run(&self, world: &World<'_>, request: &Request<Bytes>, command: &Command, admitted: &Admitted) -> Result<Value, Stopped> {
        let mut given = body(request)?;
        for (name, text) in place::words(command, request.uri().path()).unwrap_or_default() {
            add(&mut given, command, &name, &text)?;
        }
        let query = request.uri().query().unwrap_or_default();
        let form = Form::parse(query.as_bytes(), &[]).map_err(|why| AdminStop::Invalid(why.row().advice.into()))?;
        for (name, text) in form.iter() {
            add(&mut given, command, name, text)?;
        }
        let args = Args::parse(command, given)?;
        let powers = admitted.scope.as_ref().map_or(Powers::Whole, Powers::Scope);
        let caller = run::Caller { actor: &admitted.actor, powers, dialects: &self.offers };
        Ok(self.engine.administer(world, command, &args, &caller)?)
    }

    fn stopped(&self, stopped: Stopped, client: Option<Concerned>, command: &Command) -> Served {
        match stopped {
            Stopped::Need(need) => Served::Need(need),
            Stopped::Http(status, code, sentence) => {
                let event = self.event(client, Outcome::Refused(Why::RequestMalformed));
                Served::Answer(refused(status, code, sentence), Some(event))
            }
            Stopped::Refused(why, client) => {
                let event = self.event(client, Outcome::Refused(why));
                Served::Answer(challenge(why, command.scope), Some(event))
            }
            Stopped::Admin(AdminStop::Scope(scope)) => {
                // RFC 6750 §3.1, insufficient_scope: the challenge names all that is needed.
                let event = self.event(client, Outcome::Refused(Why::ScopeInsufficient));
                let needed = format!("{} {scope}", command.scope);
                Served::Answer(challenge(Why::ScopeInsufficient, &needed), Some(event))
            }
            Stopped::Admin(stop) => {
                let status = StatusCode::from_u16(stop.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let mut body = json!({ "error": stop.code(), "error_description": stop.to_string() });
                if let AdminStop::Accept(_, needs) = &stop {
                    let needs = needs.iter().map(|need| json!({ "permission": need.permission, "sentence": need.sentence }));
                    body["needs"] = needs.collect();
                }
                let outcome = match stop {
                    AdminStop::Fault(fault) => Outcome::Faulted(fault),
                    AdminStop::Denied(_) => Outcome::Refused(Why::AdminDenied),
                    _ => Outcome::Refused(Why::AdminDeclined),
                };
                let response = encode::private(status, JSON, body.to_string().into_bytes());
                Served::Answer(response, Some(self.event(client, outcome)))
            }
        }
    }

    fn event(&self, client: Option<Concerned>, outcome: Outcome) -> Event {
        let snapshot = self.engine.memory.snapshot.load();
        let realm = snapshot.realms().find(|state| is_admin_realm(state));
        let realm = realm.map(|state| (state.realm.key, state.realm.name.clone()));
        Event { realm, client, endpoint: "admin", outcome, used: None, adopt: None }
    }
}

/// What the dialects of this version offer to a new realm; the RFCs' own stands first.
#[must_use]
pub fn offers(dialects: &Dialects) -> Vec<DialectOffer> {
    let offer = |dialect: &crate::dialect::Dialect| DialectOffer {
        name: dialect.file.name.clone(),
        title: dialect.file.title.to_string(),
        paths: dialect.paths(),
        needs: dialect.file.needs.clone(),
        defaults: dialect.file.realm_defaults.clone(),
    };
    let mut offers: Vec<DialectOffer> = dialects.iter().map(offer).collect();
    offers.sort_by_key(|offer| offer.name.as_str() != "rfc");
    offers
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The members of a JSON body; none at all counts as an empty object.
fn body(request: &Request<Bytes>) -> Result<Map<String, Value>, Stopped> {
    if request.body().is_empty() {
        return Ok(Map::new());
    }
    let media = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let media = media.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    if !media.eq_ignore_ascii_case(b"application/json") {
        let sentence = "Send the body as application/json.";
        return Err(Stopped::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request", sentence));
    }
    let unreadable = |error| AdminStop::Invalid(format!("the body is not one JSON object: {error}"));
    Ok(parse_object(request.body(), MOST_BYTES).map_err(unreadable)?)
}

/// Adds what stands in the path or in the query. Nothing may be said twice.
fn add(given: &mut Map<String, Value>, command: &Command, name: &str, text: &str) -> Result<(), AdminStop> {
    let value = command.param(name).map_or_else(|| Value::from(text), |param| param.kind.read(text));
    match given.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(AdminStop::Invalid(format!("{name} is given twice"))),
    }
}

fn refused(status: StatusCode, code: &str, sentence: &str) -> Response<Bytes> {
    let body = json!({ "error": code, "error_description": sentence });
    encode::private(status, JSON, body.to_string().into_bytes())
}

fn not_allowed(allow: &str) -> Response<Bytes> {
    let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here.");
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// RFC 6750 §3: the challenge, with an error code only if a token was shown.
fn challenge(why: Why, scope: &str) -> Response<Bytes> {
    let row = why.row();
    let status = StatusCode::from_u16(row.status).unwrap_or(StatusCode::UNAUTHORIZED);
    let mut response = refused(status, row.code.as_str(), row.sentence);
    let challenge = match why {
        Why::TokenMissing => format!("Bearer realm=\"admin\", scope=\"{scope}\""),
        _ => {
            let (code, sentence) = (row.code.as_str(), row.sentence);
            format!("Bearer realm=\"admin\", error=\"{code}\", error_description=\"{sentence}\", scope=\"{scope}\"")
        }
    };
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
