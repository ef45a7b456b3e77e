//! HTTP messages to and from the core: routes, dialects and the admin API, without sockets.
//!
//! Every request makes three hops: decode by the realm's dialect, decide in the core, encode by the same dialect.

use crate::cors::Openness;
use crate::dialect::{Dialect, DialectError, Dialects, Filling};
use crate::encode::UsedBasic;
use crate::route::{Endpoint, Place, Routes, Serves};
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Method, Request, Response, header};
use jeton_core::bucket::Pace;
use jeton_core::client_auth::AuthenticatedClient;
use jeton_core::endpoint::{AboutToken, Ending, Stopped, TokenRequest, introspect, revoke_token, token};
use jeton_core::event::{Concerned, Event, Outcome};
use jeton_core::guard::{self, Policy};
use jeton_core::name::{ClientId, Key};
use jeton_core::refusal::Why;
use jeton_core::run::Engine;
use jeton_core::snapshot::RealmState;
use jeton_core::token::Told;
use jeton_core::world::{Need, Stop, World};
use std::sync::Arc;

pub mod accept;
pub mod admin;
pub mod cors;
pub mod decode;
pub mod dialect;
pub mod encode;
pub mod metadata;
pub mod route;
pub mod transcript;

/// The methods of the endpoints, as `Allow` names them.
const POST_METHODS: &str = "POST, OPTIONS";
const DOCUMENT_METHODS: &str = "GET, HEAD, OPTIONS";

/// What a request led to.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives on the stack of one request; nearly all are answers")]
pub enum Served {
    /// An answer, and what log, counters and journal are told.
    Answer(Response<Bytes>, Option<Event>),
    /// A fact is missing: find it out, add it to the world's facts, and serve the same request again.
    Need(Need),
}

/// What a listener serves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether the built-in sample API answers at the resource servers' operations.
    pub sample_api: bool,
    /// Which realms answer here.
    pub serves: Serves,
}

/// The protocol's face of an engine.
pub struct Wire {
    engine: Arc<Engine>,
    dialects: Arc<Dialects>,
    fallback: Dialect,
    routes: ArcSwap<Routes>,
    options: Options,
}

/// Everything that the answer to one request at one realm depends on.
struct Asked<'a> {
    state: &'a RealmState,
    dialect: &'a Dialect,
    world: &'a World<'a>,
    request: &'a Request<Bytes>,
}

impl Wire {
    /// Serves an engine's realms.
    pub fn new(engine: Arc<Engine>, options: Options) -> Result<Self, DialectError> {
        let dialects = Arc::new(Dialects::built_in()?);
        let fallback = Dialect::parse(include_str!("../../../dialects/rfc.toml"))?;
        let routes = ArcSwap::from_pointee(Routes::new(&engine.memory.snapshot.load(), &dialects, options.serves));
        Ok(Self { engine, dialects, fallback, routes, options })
    }

    /// The dialects of this version.
    #[must_use]
    pub fn dialects(&self) -> &Arc<Dialects> {
        &self.dialects
    }

    /// Serves one request. The whole body is there; limits of framing and size are the listener's.
    pub fn serve(&self, world: &World<'_>, request: &Request<Bytes>) -> Served {
        let snapshot = self.engine.memory.snapshot.load();
        let stored = self.routes.load();
        let made;
        let routes = if stored.revision == snapshot.revision {
            &**stored
        } else {
            // These routes belong to this snapshot, whatever another thread stores meanwhile.
            made = Arc::new(Routes::new(&snapshot, &self.dialects, self.options.serves));
            if stored.revision < snapshot.revision {
                self.routes.store(Arc::clone(&made));
            }
            &*made
        };
        let place = routes.find(request);
        let realm = place.map(|place| match place {
            Place::Endpoint(realm, _) | Place::Operation(realm, ..) | Place::Nothing(realm) => realm,
        });
        let state = realm.and_then(|realm| snapshot.realm(realm));
        let dialect = state.and_then(|state| self.dialects.by_name(&state.realm.dialect));
        let (Some(place), Some(state), Some(dialect)) = (place, state, dialect) else {
            let filling = Filling { request_id: world.request_id, now: world.now };
            let outcome = Outcome::Refused(Why::PlaceUnknown);
            let event = Event { realm: None, client: None, endpoint: "none", outcome, used: None, adopt: None };
            return Served::Answer(encode::refusal(&self.fallback, Why::PlaceUnknown, UsedBasic::No, filling), Some(event));
        };
        let asked = Asked { state, dialect, world, request };
        match place {
            Place::Endpoint(_, Endpoint::Token) => self.token(&asked),
            Place::Endpoint(_, Endpoint::Introspection) => self.introspection(&asked),
            Place::Endpoint(_, Endpoint::Revocation) => self.revocation(&asked),
            Place::Endpoint(_, endpoint) => asked.document(endpoint),
            Place::Operation(_, resource, operation) if self.options.sample_api => self.operation(&asked, resource, operation),
            Place::Operation(..) | Place::Nothing(_) => asked.refuse("none", Why::PlaceUnknown, None),
        }
    }

    fn token(&self, asked: &Asked<'_>) -> Served {
        if cors::asks_options(asked.request) {
            return self.token_options(asked);
        }
        // RFC 6749 §3.2: the client MUST use POST.
        if asked.request.method() != Method::POST {
            return asked.wrong_method("token", POST_METHODS);
        }
        let request = match decode::token_request(asked.dialect, asked.state, asked.request) {
            Ok(request) => request,
            Err(why) => return asked.refuse("token", why, None),
        };
        let mut served = self.issue(asked, &request);
        if let (Served::Answer(response, _), true) = (&mut served, asked.request.headers().contains_key(header::ORIGIN)) {
            // A public client is the one that the body names; the decision has just looked at it.
            let id = request.credentials.body_id.as_deref().and_then(|id| ClientId::parse(id).ok());
            let client =
                id.and_then(|id| self.engine.memory.client(asked.world.facts, asked.state.realm.key, &id).ok().flatten());
            cors::open_to_client(asked.request.headers(), client.as_deref(), response);
        }
        served
    }

    /// A preflight names no client: any of the realm that registered the origin will do.
    fn token_options(&self, asked: &Asked<'_>) -> Served {
        let headers = asked.request.headers();
        let registered = match cors::origin(headers).filter(|_| cors::is_preflight(headers)) {
            Some(origin) => self.engine.memory.web_origin(asked.world.facts, asked.state.realm.key, &origin),
            None => Ok(false),
        };
        let openness = match registered {
            Ok(true) => Openness::Registered,
            Ok(false) => Openness::Foreign,
            Err(stop) => return asked.stop("token", stop, None),
        };
        let response = cors::options(asked.request, POST_METHODS, openness);
        Served::Answer(response, Some(asked.event("token", None, Outcome::Permitted, None)))
    }

    fn issue(&self, asked: &Asked<'_>, request: &TokenRequest) -> Served {
        let (known, world) = (self.engine.known(asked.state), asked.world);
        match self.engine.decide(world, |changing, world| token(known, world, changing, request)) {
            Ok((issued, client)) => {
                let outcome = match issued.told {
                    Told::Nothing => Outcome::Issued,
                    Told::Coached(_) => Outcome::Coached,
                    Told::Repeated(_) => Outcome::Repeated,
                };
                let event = asked.event_of("token", outcome, &client);
                let mut response = encode::token(asked.dialect, &issued);
                encode::advice(&asked.state.realm.settings.thrift, issued.told, &mut response);
                Served::Answer(response, Some(event))
            }
            Err(Stopped { stop, client }) => asked.stop("token", stop, client),
        }
    }

    fn introspection(&self, asked: &Asked<'_>) -> Served {
        let request = match asked.about_token("introspection") {
            Ok(request) => request,
            Err(served) => return served,
        };
        let (known, world) = (self.engine.known(asked.state), asked.world);
        match self.engine.decide(world, |changing, world| introspect(known, world, changing, &request)) {
            Ok((answer, client)) => {
                let event = asked.event_of("introspection", Outcome::Permitted, &client);
                Served::Answer(encode::about_token(request.form, answer), Some(event))
            }
            Err(Stopped { stop, client }) => asked.stop("introspection", stop, client),
        }
    }

    fn revocation(&self, asked: &Asked<'_>) -> Served {
        let request = match asked.about_token("revocation") {
            Ok(request) => request,
            Err(served) => return served,
        };
        let (known, world) = (self.engine.known(asked.state), asked.world);
        match self.engine.decide(world, |changing, world| revoke_token(known, world, changing, &request)) {
            Ok((ending, asker)) => {
                // RFC 7009 §2.2 has one answer for all; log, counters and journal tell who wanted to end another's token.
                let outcome = match ending {
                    Ending::Revoked | Ending::Nothing => Outcome::Permitted,
                    Ending::Foreign => Outcome::Refused(Why::TokenOfAnotherClient),
                };
                let event = match asker.authenticated() {
                    Some(client) => asked.event_of("revocation", outcome, client),
                    None => asked.event("revocation", Some(Concerned::from(&**asker.client())), outcome, None),
                };
                Served::Answer(encode::revoked(), Some(event))
            }
            Err(Stopped { stop, client }) => asked.stop("revocation", stop, client),
        }
    }

    fn operation(&self, asked: &Asked<'_>, resource: usize, operation: usize) -> Served {
        let resource = &asked.state.resources[resource];
        let operation = &resource.operations[operation];
        if asked.request.method().as_str() != operation.method {
            // RFC 9110 §15.5.6: the answer MUST name the methods of this place.
            let here = asked.state.resources.iter().flat_map(|resource| &resource.operations);
            let methods: Vec<&str> =
                here.filter(|other| other.path == operation.path).map(|other| other.method.as_str()).collect();
            return asked.wrong_method("api", &methods.join(", "));
        }
        let carried = match decode::carried(asked.dialect, asked.request.headers()) {
            Ok(carried) => carried,
            Err(why) => return asked.refuse("api", why, None),
        };
        let policy = Policy { resource, scope: &operation.scope };
        match guard::decide(self.engine.known(asked.state), policy, &carried, asked.world) {
            Ok(permit) => {
                let of = Some(permit.client().clone());
                let event = asked.event("api", of, Outcome::Permitted, permit.api_key());
                let body = operation.answer.to_string().into_bytes();
                let json = header::HeaderValue::from_static("application/json");
                Served::Answer(encode::private(http::StatusCode::OK, json, body), Some(event))
            }
            Err(denial) => asked.stop("api", denial.stop, denial.client),
        }
    }
}

impl Asked<'_> {
    /// The request about a token, or what is answered without one.
    #[expect(clippy::result_large_err, reason = "it is answered at once, on the stack of one request")]
    fn about_token(&self, endpoint: &'static str) -> Result<AboutToken, Served> {
        // RFC 9110 §9.3.7: OPTIONS is answered everywhere. Pages of other origins may ask nothing here.
        if cors::asks_options(self.request) {
            let response = cors::options(self.request, POST_METHODS, Openness::Foreign);
            return Err(Served::Answer(response, Some(self.event(endpoint, None, Outcome::Permitted, None))));
        }
        // RFC 7662 §2.1, RFC 7009 §2.1: the client sends an HTTP POST request.
        if self.request.method() != Method::POST {
            return Err(self.wrong_method(endpoint, POST_METHODS));
        }
        decode::about_token(self.dialect, self.state, self.request).map_err(|why| self.refuse(endpoint, why, None))
    }

    /// Answers a document that anybody may read.
    fn document(&self, endpoint: Endpoint) -> Served {
        let permitted = |response| Served::Answer(response, Some(self.event(endpoint.name(), None, Outcome::Permitted, None)));
        if cors::asks_options(self.request) {
            return permitted(cors::options(self.request, DOCUMENT_METHODS, Openness::Anyone));
        }
        if !matches!(*self.request.method(), Method::GET | Method::HEAD) {
            return self.wrong_method(endpoint.name(), DOCUMENT_METHODS);
        }
        let metadata = &self.dialect.file.metadata;
        let mut response = match endpoint {
            Endpoint::Keys => metadata::public(
                self.request,
                "application/jwk-set+json",
                metadata::KEYS_MAX_AGE,
                &self.state.published.to_json(),
            ),
            Endpoint::AuthorizationServerMetadata => {
                let document = metadata::document(self.state, self.dialect, &metadata.authorization_server);
                metadata::public(self.request, "application/json", metadata::KEYS_MAX_AGE, &document)
            }
            Endpoint::OpenidConfiguration | Endpoint::Token | Endpoint::Introspection | Endpoint::Revocation => {
                let document = metadata::document(self.state, self.dialect, &metadata.openid);
                metadata::public(self.request, "application/json", metadata::KEYS_MAX_AGE, &document)
            }
        };
        cors::open_to_all(&mut response);
        permitted(response)
    }

    fn stop(&self, endpoint: &'static str, stop: Stop, client: Option<Concerned>) -> Served {
        match stop {
            Stop::Refuse(why) | Stop::RefuseAnd(why, _) => self.refuse(endpoint, why, client),
            Stop::RefuseFor(why, pace) => self.refuse_for(endpoint, why, client, pace),
            Stop::Need(need) => Served::Need(need),
            Stop::Fault(fault) => {
                let response = encode::fault(self.dialect, &fault, self.filling());
                Served::Answer(response, Some(self.event(endpoint, client, Outcome::Faulted(fault), None)))
            }
        }
    }

    fn refuse(&self, endpoint: &'static str, why: Why, client: Option<Concerned>) -> Served {
        // RFC 6749 §5.2: whoever used the header is told the scheme that this server knows.
        let used = if self.request.headers().contains_key(header::AUTHORIZATION) { UsedBasic::Yes } else { UsedBasic::No };
        let response = encode::refusal(self.dialect, why, used, self.filling());
        Served::Answer(response, Some(self.event(endpoint, client, Outcome::Refused(why), None)))
    }

    fn refuse_for(&self, endpoint: &'static str, why: Why, client: Option<Concerned>, pace: Pace) -> Served {
        let mut response = encode::refusal(self.dialect, why, UsedBasic::No, self.filling());
        encode::slow_down(pace, &mut response);
        if why == Why::ThriftLimited {
            encode::advice(&self.state.realm.settings.thrift, Told::Coached(pace), &mut response);
        }
        Served::Answer(response, Some(self.event(endpoint, client, Outcome::Refused(why), None)))
    }

    fn wrong_method(&self, endpoint: &'static str, allow: &str) -> Served {
        let response = encode::method_not_allowed(self.dialect, allow, self.filling());
        Served::Answer(response, Some(self.event(endpoint, None, Outcome::Refused(Why::MethodNotAllowed), None)))
    }

    fn filling(&self) -> Filling<'_> {
        Filling { request_id: self.world.request_id, now: self.world.now }
    }

    /// The event of a client that has shown who it is.
    fn event_of(&self, endpoint: &'static str, outcome: Outcome, client: &AuthenticatedClient) -> Event {
        let of = Some(Concerned::from(&**client.client()));
        let adopt = client.adopt().cloned();
        Event { adopt, ..self.event(endpoint, of, outcome, Some(client.credential())) }
    }

    fn event(&self, endpoint: &'static str, client: Option<Concerned>, outcome: Outcome, used: Option<Key>) -> Event {
        let realm = Some((self.state.realm.key, self.state.realm.name.clone()));
        Event { realm, client, endpoint, outcome, used, adopt: None }
    }
}
