//! The providers' published conversations, replayed against wire over the store in memory: the deployment is the apply file that
//! the transcript names, the clock is a value, and the exact reason of every refusal is compared as well.
//!
//! The demo and the binary's own tests replay the same files over sockets; here they also say how much of each there must be.

use crate::generated::expect_at_least;
use bytes::Bytes;
use http::Request;
use jeton_core::admin::document::Document;
use jeton_core::admin::{AdminStop, Args, DialectOffer, Powers, command};
use jeton_core::event::Outcome;
use jeton_core::name::{RequestId, Time};
use jeton_core::record::Actor;
use jeton_core::run::Caller;
use jeton_core::store::{MemoryStore, Store};
use jeton_core::world::{Facts, KeyPair, Need, Random, World};
use jeton_jose::sha256;
use jeton_sim::keys;
use jeton_sim::node::{Answered, Node};
use jeton_wire::dialect::{Dialect, Dialects};
use jeton_wire::transcript::{Answer, Filled, Step, Transcript, Variables, check, parse, same_answer};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the clock shows unless a step says something else.
const NOW: &str = "2026-11-22T12:00:00Z";
const PORT: &str = "8400";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dialects")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("dialects/{name}: {error}"))
}

/// A deployment for one transcript.
struct House {
    node: Node,
    requests: u32,
}

/// One moment: what a request is decided in.
struct Moment {
    now: Time,
    random: Random,
    request_id: RequestId,
}

impl Moment {
    fn new(number: u32, now: Time) -> Self {
        let id = format!("replayed-request-{number:06}");
        let random = Random::from_seed(sha256(id.as_bytes()));
        Self { now, random, request_id: RequestId::parse(&id).expect("letters, digits and hyphens") }
    }

    fn world<'a>(&'a self, facts: &'a Facts) -> World<'a> {
        World { now: self.now, random: &self.random, request_id: &self.request_id, source: World::INSIDE, facts }
    }
}

impl House {
    /// Makes the realms that an apply file describes.
    fn new(fixture: &str) -> Self {
        let document: Document =
            toml::from_str(&text(fixture).replace("{port}", PORT)).unwrap_or_else(|error| panic!("dialects/{fixture}: {error}"));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let first = Moment::new(0, Time::parse_rfc3339(NOW).expect("a time"));
        let mut facts = Facts::default();
        let node = Node::start(store, SEAL, &first.world(&facts), 0).expect("a new store opens");
        let dialects = Dialects::built_in().expect("the built-in dialects");
        let offers: Vec<DialectOffer> = dialects.iter().map(offer).collect();
        let row = command("apply").expect("there is a command apply");
        let given = json!({ "document": serde_json::to_value(&document).expect("a document is JSON") });
        let args = Args::parse(row, given.as_object().cloned().expect("an object")).expect("the command takes it");
        let caller = Caller { actor: &Actor::System, powers: Powers::Whole, dialects: &offers };
        loop {
            match node.engine.administer(&first.world(&facts), row, &args, &caller) {
                Ok(_) => return Self { node, requests: 0 },
                Err(AdminStop::Need(Need::KeyPair(algorithm))) => {
                    let (pkcs8, _) = keys::pair(algorithm, facts.key_pairs.len());
                    facts.key_pairs.push(KeyPair { algorithm, pkcs8: pkcs8.into() });
                }
                Err(stop) => panic!("dialects/{fixture}: {stop}"),
            }
            assert!(facts.key_pairs.len() < 16, "dialects/{fixture} needs more and more keys");
        }
    }

    /// Sends one request; the answer, and the name of the exact reason if it was refused.
    fn send(&mut self, filled: &Filled, at: Option<Time>) -> (Answer, Option<&'static str>) {
        self.requests += 1;
        let moment = Moment::new(self.requests, at.unwrap_or_else(|| Time::parse_rfc3339(NOW).expect("a time")));
        let mut request = Request::builder().method(filled.method.as_str()).uri(&filled.target);
        for (name, value) in &filled.headers {
            request = request.header(name, value);
        }
        let request = request.body(Bytes::from(filled.body.clone())).expect("a request that a server would hand on");
        let Answered::Answer(response, event) = self.node.serve(&moment.world(&Facts::default()), &request) else {
            panic!("the store in memory always answers");
        };
        let why = event.and_then(|event| match event.outcome {
            Outcome::Refused(why) => Some(why.row().id),
            _ => None,
        });
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let mut headers: Vec<(String, String)> = headers.collect();
        // What the server adds to every answer.
        headers.push(("x-request-id".to_owned(), moment.request_id.as_str().to_owned()));
        (Answer { status: Some(response.status().as_u16()), headers, body: response.body().to_vec() }, why)
    }
}

/// The seal key of replayed deployments; it seals nothing that is kept.
const SEAL: [u8; 32] = [7; 32];

fn offer(dialect: &Dialect) -> DialectOffer {
    DialectOffer {
        name: dialect.file.name.clone(),
        title: dialect.file.title.as_str().to_owned(),
        paths: dialect.paths(),
        needs: dialect.file.needs.clone(),
        defaults: dialect.file.realm_defaults.clone(),
    }
}

/// Takes every step that can be taken without a socket; what is wrong, and how many steps were taken.
fn replay(transcript: &Transcript) -> (Vec<String>, i64) {
    let fixture = transcript.directives.fixture.as_deref().unwrap_or_else(|| panic!("{} names no fixture", transcript.file));
    let mut house = House::new(fixture);
    let mut variables = Variables::default();
    variables.set("port", PORT);
    let (mut wrong, mut taken, mut answers) = (Vec::new(), 0, BTreeMap::new());
    for step in transcript.steps.iter().filter(|step| step.directives.skip.is_none()) {
        let filled =
            step.request.fill(&variables).unwrap_or_else(|unfilled| panic!("{}:{}: {unfilled}", transcript.file, step.line));
        let Some(filled) = filled else { continue };
        let (answer, why) = house.send(&filled, step.directives.at);
        taken += 1;
        wrong.extend(check(transcript, step, &answer, &mut variables).err().map(|mismatch| mismatch.to_string()));
        wrong.extend(reason_differs(transcript, step, why));
        if let Some(title) = &step.directives.same_as {
            let earlier: Option<&Answer> = answers.get(title.as_str());
            let same = earlier.is_some_and(|earlier| same_answer(earlier, &answer).is_ok());
            wrong.extend(
                (!same).then(|| format!("{}:{}: the answer differs from that of \"{title}\"", transcript.file, step.line)),
            );
        }
        answers.insert(step.title.as_str(), answer);
    }
    (wrong, taken)
}

fn reason_differs(transcript: &Transcript, step: &Step, why: Option<&'static str>) -> Option<String> {
    let wanted = step.directives.why?.row().id;
    (why != Some(wanted)).then(|| format!("{}:{}: the reason should be {wanted} and is {why:?}", transcript.file, step.line))
}

#[test]
fn every_provider_gets_the_answers_that_its_document_promises() {
    let dialects = Dialects::built_in().expect("the built-in dialects");
    let (mut wrong, mut counts) = (Vec::new(), Vec::new());
    for dialect in dialects.iter() {
        let file = format!("{}.http", dialect.file.name);
        let transcript = parse(&file, &text(&file)).unwrap_or_else(|error| panic!("{error}"));
        let (found, taken) = replay(&transcript);
        wrong.extend(found);
        counts.push((dialect.file.name.to_string(), taken));
    }
    assert!(wrong.is_empty(), "{} steps are wrong:\n{}", wrong.len(), wrong.join("\n"));
    expect_at_least("transcript_steps", &counts);
}

/// A harness proves itself: with one wrong byte in what is expected, the replay fails.
#[test]
fn a_wrong_expectation_is_noticed() {
    let spoilt = text("rfc.http").replacen("\"token_type\":\"Bearer\"", "\"token_type\":\"Bear\"", 1);
    let transcript = parse("rfc.http", &spoilt).expect("it can still be read");
    assert_eq!(replay(&transcript).0.len(), 1);
}
