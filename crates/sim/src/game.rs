//! The game is a deployment in motion: its store, its nodes, what should be, and the one way to send a request and look at the answer.

use crate::ask::Ask;
use crate::budget::{self, Budgets};
use crate::chance::Chance;
use crate::deployment::{self, Maker};
use crate::model::Model;
use crate::node::{Answered, Node};
use crate::oracle::{self, Verdict};
use crate::plant::{self, Plant, PlantedStore};
use crate::scribe::Scribe;
use crate::spell;
use crate::watch::{self, Broken, Seen, Weather};
use bytes::Bytes;
use http::{Request, Response};
use jeton_core::event::{Event, Outcome};
use jeton_core::name::{RequestId, Time};
use jeton_core::record::{Client, ClientKind, KINDS, Record, SecretHash};
use jeton_core::store::{Batch, MemoryStore, Store, Write};
use jeton_core::world::{Facts, Random, World};
use jeton_wire::dialect::{Dialect, Dialects, ReplySource};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// A deployment in motion.
pub struct Game {
    /// The seed's stream.
    pub chance: Chance,
    /// What the clock shows.
    pub now: Time,
    /// Milliseconds of a clock that only runs.
    pub steady: i64,
    /// What should be.
    pub model: Model,
    /// The processes.
    pub nodes: Vec<Node>,
    /// The store under all of them.
    pub store: Arc<MemoryStore>,
    /// Whether the store can be asked.
    pub weather: Weather,
    /// The conversation.
    pub scribe: Scribe,
    /// The built-in dialects.
    pub dialects: Arc<Dialects>,
    /// The exact reasons of every refusal.
    pub reasons: BTreeSet<&'static str>,
    /// The clients about whom this seed is.
    pub busy: Vec<usize>,
    /// How many calls to the API passed.
    pub calls: usize,
    /// How many tokens were handed out again.
    pub repeats: usize,
    late: Vec<(IpAddr, Ask)>,
    pub(crate) budgets: Budgets,
    /// How often the right secret passed where wrong ones had been too many.
    pub passes: usize,
    pub(crate) plant: Plant,
    pub(crate) digest: ([u8; 32], [u8; 32]),
    /// How often a refresh token rotated.
    pub rotations: usize,
    /// How often an old one was noticed.
    pub replays: usize,
    front: Arc<dyn Store>,
    seal: [u8; 32],
}

/// What surrounds one decision; a [`World`] borrows it.
pub(crate) struct Around {
    random: Random,
    request_id: RequestId,
    facts: Facts,
    source: IpAddr,
    now: Time,
}

impl Around {
    /// The world.
    pub(crate) fn world(&self) -> World<'_> {
        World { now: self.now, random: &self.random, request_id: &self.request_id, source: self.source, facts: &self.facts }
    }
}

/// An answer that was looked at.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Its status.
    pub status: u16,
    /// The access token that it brought, by its place in the model.
    pub token: Option<usize>,
    /// The refresh token that it brought.
    pub refresh: Option<usize>,
}

impl Game {
    /// The deployment of a seed, with a planted fault or none.
    ///
    /// # Panics
    /// If it cannot be built; that would be a fault of the simulator.
    #[must_use]
    pub fn new(seed: u64, plant: Plant) -> Self {
        let mut chance = Chance::new(seed);
        let now = Time::from_seconds(1_790_000_000 + i64::from(u32::from_be_bytes(chance.bytes()) >> 6));
        let store = Arc::new(MemoryStore::new());
        let front: Arc<dyn Store> = Arc::new(PlantedStore::new(Arc::clone(&store), plant));
        let dialects = Arc::new(Dialects::built_in().expect("the built-in dialects"));
        let seal = chance.bytes();
        let first = around(&mut chance, now);
        let node = Node::start(Arc::clone(&front), seal, &first.world(), 0).expect("a new store opens");
        let model = deployment::plan(&dialects, &mut Maker { now, chance: &mut chance, data: node.engine.data() });
        let writing = around(&mut chance, now);
        node.engine.transact(&writing.world(), |records, _| deployment::write(records, &model)).expect("it is written");
        let nodes = vec![node];
        let mut game = Self {
            chance,
            now,
            steady: 0,
            model,
            nodes,
            store,
            weather: Weather::Fair,
            scribe: Scribe::default(),
            reasons: BTreeSet::new(),
            busy: Vec::new(),
            calls: 0,
            repeats: 0,
            late: Vec::new(),
            budgets: Budgets::default(),
            passes: 0,
            dialects,
            plant,
            digest: ([0; 32], [0; 32]),
            rotations: 0,
            replays: 0,
            front,
            seal,
        };
        if !game.chance.once_in(4) {
            let second = game.start_node();
            game.nodes.push(second);
        }
        game.busy = game.some_clients();
        game.digest = watch::digest(&game.store);
        game
    }

    /// Four clients that can ask for tokens.
    fn some_clients(&mut self) -> Vec<usize> {
        let can_ask = |party: &usize| matches!(self.model.parties[*party].states.latest().kind, ClientKind::Confidential { .. });
        let all: Vec<usize> = self.ordinary().into_iter().filter(can_ask).collect();
        (0..4).map(|_| *self.chance.pick(&all)).collect()
    }

    /// What surrounds the next decision.
    pub(crate) fn around(&mut self) -> Around {
        self.model.latest = self.model.latest.max(self.now);
        around(&mut self.chance, self.now)
    }

    /// Time passes, on every clock.
    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now = self.now.plus_seconds(seconds);
        self.steady += seconds * 1000;
    }

    fn start_node(&mut self) -> Node {
        let around = self.around();
        Node::start(Arc::clone(&self.front), self.seal, &around.world(), self.model.change).expect("the store opens again")
    }

    /// A process dies and starts anew over the same store.
    pub(crate) fn crash(&mut self, node: usize) {
        if self.weather == Weather::Fair {
            self.scribe.note(format!("node {node} dies and starts again"));
            self.nodes[node] = self.start_node();
            self.budgets.forget(node);
        }
    }

    /// The dialect of a realm.
    ///
    /// # Panics
    /// Never: realms are made from built-in dialects.
    #[must_use]
    pub fn dialect(&self, house: usize) -> &Dialect {
        self.dialects.by_name(&self.model.houses[house].realm.dialect).expect("a built-in dialect")
    }

    /// Sends a request. It may come late, or twice; nothing comes back if it is on its way or its answer is lost.
    pub(crate) fn send(&mut self, who: &str, ask: &Ask) -> Result<Option<Looked>, Broken> {
        self.send_from(budget::home(&self.model, ask), who, ask)
    }

    /// The same, from this address.
    pub(crate) fn send_from(&mut self, source: IpAddr, who: &str, ask: &Ask) -> Result<Option<Looked>, Broken> {
        match self.chance.below(25) {
            0 => {
                self.late.push((source, ask.clone()));
                return Ok(None);
            }
            1 => self.late.push((source, ask.clone())),
            _ => {}
        }
        self.deliver(who, source, ask)
    }

    /// Lets some request arrive that was delayed or doubled on its way, whatever has changed since.
    pub(crate) fn arrive(&mut self) -> Result<(), Broken> {
        if self.late.is_empty() {
            return Ok(());
        }
        let at = self.chance.below(self.late.len());
        let (source, ask) = self.late.swap_remove(at);
        self.deliver("Somebody, some time ago,", source, &ask).map(drop)
    }

    /// Brings a request to some node, looks at the answer, and remembers what it brought.
    fn deliver(&mut self, who: &str, source: IpAddr, ask: &Ask) -> Result<Option<Looked>, Broken> {
        let at = self.chance.below(self.nodes.len());
        let dialects = Arc::clone(&self.dialects);
        let dialect = dialects.by_name(&self.model.houses[ask.house()].realm.dialect).expect("a built-in dialect");
        let request = spell::request(ask, &self.model.houses[ask.house()], dialect, &mut self.chance);
        let mut request = request;
        match self.plant {
            Plant::MixRealms => self.mix(&mut request),
            Plant::ForgetFailures if self.weather == Weather::Fair => self.nodes[at] = self.start_node(),
            _ => {}
        }
        let asked = (at, ask, source);
        let verdict = self.with_budgets(asked, oracle::judge(&self.model, &self.nodes[at], self.now, ask));
        let spent = self.is_spent(at, ask, source);
        let opinions = match ask {
            Ask::Token(ask) => oracle::token_opinions(&self.model, &self.nodes[at], self.now, ask),
            _ => Vec::new(),
        };
        // A commit that was spoilt beforehand may become this request's.
        let weather = if self.store.has_plans() { Weather::Outage } else { self.weather };
        let around = Around { source, ..self.around() };
        let answered = self.nodes[at].serve(&around.world(), &request);
        let title = format!("{who} {} at node {at}", ask.describe());
        let (response, event) = match answered {
            Answered::Answer(response, event) if self.plant == Plant::LockOut && spent => plant::lock_out(response, event),
            Answered::Answer(response, event) => self.spoil(response, event),
            Answered::Unavailable(fault) => {
                self.scribe.exchange(&title, self.now, &request, None);
                let expected = self.weather == Weather::Outage;
                return if expected { Ok(None) } else { Err(Broken::new(watch::NO_FAULT, fault.to_string())) };
            }
        };
        self.scribe.exchange(&title, self.now, &request, Some(&response));
        let seen = Seen { model: &self.model, ask, verdict, weather, dialect, response: &response, event: event.as_ref() };
        seen.check()?;
        let outcome = event.map(|event| event.outcome);
        self.counted(asked, outcome.as_ref())?;
        self.passes += usize::from(spent && verdict == Verdict::Pass && response.status() == 200);
        match &outcome {
            Some(Outcome::Refused(why)) => drop(self.reasons.insert(why.row().id)),
            Some(Outcome::Repeated) => self.repeats += 1,
            Some(Outcome::Permitted) if matches!(ask, Ask::Call(_)) => self.calls += 1,
            _ => {}
        }
        if let Ask::About(ask) = ask {
            self.looked_at_token(at, ask, &response)?;
        }
        self.unchanged((at, ask), outcome.as_ref(), &response)?;
        let mut looked = Looked { status: response.status().as_u16(), token: None, refresh: None };
        if let Ask::Token(ask) = ask
            && looked.status == 200
        {
            self.issued(at, ask, (&response, &around, &opinions), &mut looked)?;
        }
        // The process dies between its commit and its answer: the caller never learns.
        if self.chance.once_in(60) {
            self.scribe.note("the answer is lost");
            self.crash(at);
            return Ok(None);
        }
        Ok(Some(looked))
    }

    /// A request changes no row but that of a family, whatever becomes of it.
    fn unchanged(
        &mut self,
        (at, ask): (usize, &Ask),
        outcome: Option<&Outcome>,
        response: &Response<Bytes>,
    ) -> Result<(), Broken> {
        if self.plant == Plant::WriteOnRefusal && response.status().is_client_error() && self.chance.once_in(5) {
            self.write_stray();
        }
        let refresh = self.reply_field(ask.house(), response, &ReplySource::RefreshToken);
        self.unchanged_but_families((at, ask), outcome, (response, refresh.as_deref()))
    }

    /// A field of a token answer.
    pub(crate) fn reply_field(&self, house: usize, response: &Response<Bytes>, source: &ReplySource) -> Option<String> {
        let body: Value = serde_json::from_slice(response.body()).ok()?;
        let field = self.dialect(house).file.token_reply.iter().find(|field| field.from == *source)?;
        Some(body.get(&field.name)?.as_str()?.to_owned())
    }

    /// The tally was written down: slow hashes of secrets that were shown may be replaced, and nothing else of a client.
    pub(crate) fn adopted(&mut self, at: usize) -> Result<(), Broken> {
        for party in 0..self.model.parties.len() {
            let before = self.model.parties[party].states.latest();
            let stored = self.stored_client(party);
            if stored.as_ref() == Some(before) {
                continue;
            }
            let Some(stored) = stored.filter(|stored| without_hashes(stored) == without_hashes(before)) else {
                return Err(Broken::new(watch::NOTHING_IS_LOST, "the tally changed more of a client than a hash"));
            };
            let change = self.model.next_change();
            self.nodes[at].made(stored.key, change);
            self.model.parties[party].states.push(change, stored);
        }
        Ok(())
    }

    /// A client as the store has it.
    pub(crate) fn stored_client(&self, party: usize) -> Option<Client> {
        let key = self.model.parties[party].states.latest().key;
        self.stored(|row| row.key == key).pop()
    }

    /// Records as the store has them.
    pub(crate) fn stored<T: Record>(&self, wanted: impl Fn(&jeton_core::store::Row) -> bool) -> Vec<T> {
        let rows = self.store.dump().into_iter().filter(|(of, row)| *of == T::KIND.name && wanted(row));
        rows.map(|(_, row)| serde_json::from_slice(&row.body).expect("a record is JSON")).collect()
    }

    /// After a change that was meant: no raw value stands in a row.
    pub(crate) fn settle(&mut self) -> Result<(), Broken> {
        self.digest = watch::digest(&self.store);
        watch::rows(&self.store.dump(), &self.model)
    }

    fn spoil(&mut self, mut response: Response<Bytes>, event: Option<Event>) -> (Response<Bytes>, Option<Event>) {
        match self.plant {
            Plant::LeakSecret if self.chance.once_in(10) => {
                let mut body = response.body().to_vec();
                body.extend_from_slice(self.model.secrets[0].value.as_bytes());
                *response.body_mut() = Bytes::from(body);
                (response, event)
            }
            Plant::LoseEvents if self.chance.once_in(10) => (response, None),
            _ => (response, event),
        }
    }

    fn mix(&mut self, request: &mut Request<Bytes>) {
        let of = |house: &crate::model::House| house.realm.mounts[0].host.clone().unwrap_or_default();
        let asked = request.headers().get(http::header::HOST).cloned();
        let twin = self.model.houses.iter().rev().find(|house| {
            let same = self.model.houses.iter().find(|other| asked.as_ref().is_some_and(|asked| *asked == of(other)));
            same.is_some_and(|same| same.realm.dialect == house.realm.dialect && of(same) != of(house))
                && spell::mount(house).is_empty()
        });
        if let Some(host) = twin.and_then(|house| of(house).parse().ok()) {
            request.headers_mut().insert(http::header::HOST, host);
        }
    }

    fn write_stray(&mut self) {
        let key = jeton_core::name::Key::new(self.now, self.chance.bytes());
        let kind = KINDS.iter().find(|kind| kind.columns.len() == 1).copied().unwrap_or(KINDS[0]);
        let id = jeton_core::name::Key::new(self.now, self.chance.bytes());
        let batch = Batch { id, now: self.now, guards: Vec::new(), writes: vec![Write::Insert(kind, plant::stray_row(key))] };
        let _ = self.store.commit(batch);
    }
}

fn around(chance: &mut Chance, now: Time) -> Around {
    let request_id = RequestId::parse(&chance.text(24)).expect("letters and digits");
    let seed: [u8; 32] = chance.bytes();
    Around { random: Random::from_seed(seed), request_id, facts: Facts::default(), source: World::INSIDE, now }
}

/// A client but for how its secrets are kept.
fn without_hashes(client: &Client) -> Client {
    let mut client = client.clone();
    if let ClientKind::Confidential { secrets, .. } = &mut client.kind {
        secrets.iter_mut().for_each(|secret| secret.hash = SecretHash::Keyed { mac: String::new() });
    }
    client
}
