//! Webhooks: what is written for them, who may send it, and what becomes of a message that nobody takes.

use super::{Desk, chance};
use jeton_core::chain;
use jeton_core::name::{Key, Time};
use jeton_core::notice::{self, Attempt, Quiet};
use jeton_core::record::{Actor, Audit, Delivery, Lookup, Webhook, webhooks};
use jeton_core::store::Order;
use jeton_core::world::Facts;
use serde_json::{Value, json};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

impl Desk {
    fn webhook(&self) -> Key {
        let now = Time::from_seconds(self.now.get());
        let all: Vec<Webhook> = self.engine.read(now, |reader| reader.scan(webhooks(), None, Order::Ascending, 9)).expect("read");
        all.first().expect("a webhook").key
    }

    fn waiting(&self) -> Vec<Delivery> {
        let all = Lookup { index: None, prefix: Vec::new(), guard: None };
        let now = Time::from_seconds(self.now.get());
        self.engine.read(now, |reader| reader.scan(all.clone(), None, Order::Ascending, 99)).expect("read")
    }

    fn due(&self) -> usize {
        let now = Time::from_seconds(self.now.get());
        self.engine.read(now, |reader| notice::due(reader, now, &mut Quiet::default())).expect("read").len()
    }

    fn claim(&self) -> Option<Attempt> {
        self.runs.set(self.runs.get() + 1);
        let mut chance = chance(self.runs.get());
        chance.now = Time::from_seconds(self.now.get());
        let (facts, webhook) = (Facts::default(), self.webhook());
        let claimed = self
            .engine
            .transact(&chance.world(&facts), |records, world| notice::claim(records, world, self.engine.data(), webhook));
        claimed.expect("it is read")
    }

    fn settle(&self, attempt: &Attempt, outcome: Result<(), &str>) {
        self.runs.set(self.runs.get() + 1);
        let mut chance = chance(self.runs.get());
        chance.now = Time::from_seconds(self.now.get());
        let (facts, outcome) = (Facts::default(), outcome.map_err(str::to_owned));
        let settled =
            self.engine.transact(&chance.world(&facts), |records, world| notice::settle(records, world, attempt, &outcome));
        settled.expect("it is written");
    }

    fn told(kinds: &[&str]) -> Self {
        let desk = Self::furnished();
        let url = "https://hooks.acme.example/jeton";
        desk.run("webhook.create", json!({"name": "siem", "url": url, "kind": kinds, "secret": SECRET}));
        desk
    }

    fn shown(&self) -> Value {
        self.run("webhook.list", json!({}))["items"][0].clone()
    }
}

#[test]
fn a_message_is_written_with_the_change_and_sent_until_it_is_taken() {
    let desk = Desk::told(&["client.suspended"]);
    assert_eq!(desk.due(), 0);
    desk.run("client.suspend", json!({"realm": "acme", "client": "build-7", "reason": "Found out"}));
    assert_eq!((desk.due(), desk.waiting().len()), (1, 1));
    let first = desk.claim().expect("a message");
    let body: Value = serde_json::from_str(&first.body).expect("JSON");
    assert_eq!(body["type"], "client.suspended");
    assert_eq!(body["data"], json!({"realm": "acme", "client_id": "build-7", "detail": {"reason": "Found out"}}));
    assert!(desk.claim().is_none(), "two nodes sent the same message at once");
    desk.settle(&first, Err("the receiver answered 500"));
    let shown = desk.shown();
    assert_eq!((&shown["status"], &shown["last_error"]), (&json!("retrying"), &json!("the receiver answered 500")));
    assert_eq!((desk.due(), desk.claim().is_none()), (0, true), "a failure is followed by a wait");
    desk.now.set(desk.now.get() + 5);
    let second = desk.claim().expect("the message again");
    assert_eq!((&second.id, &second.body), (&first.id, &first.body));
    assert_ne!((second.timestamp, &second.signature), (first.timestamp, &first.signature));
    desk.settle(&second, Ok(()));
    assert_eq!((desk.due(), desk.waiting().len(), &desk.shown()["status"]), (0, 0, &json!("on")));
}

#[test]
fn a_node_that_dies_with_a_message_delays_it_and_does_not_lose_it() {
    let desk = Desk::told(&["client.suspended"]);
    desk.run("webhook.test", json!({"name": "siem"}));
    let lost = desk.claim().expect("a message");
    desk.now.set(desk.now.get() + 59);
    assert!(desk.claim().is_none());
    desk.now.set(desk.now.get() + 2);
    assert_eq!(desk.claim().expect("the message again").id, lost.id);
}

#[test]
fn the_audit_trail_is_told_block_by_block_and_is_never_given_up() {
    let desk = Desk::told(&["audit"]);
    assert!(desk.seal() > 0 && desk.due() == 1);
    let first = desk.claim().expect("a block");
    desk.settle(&first, Err("no connection could be made"));
    // Ten days later everything is still there, and the webhook is shown as failing.
    desk.now.set(desk.now.get() + 10 * 86_400);
    assert_eq!(desk.shown()["status"], "failing");
    desk.run("client.set", json!({"realm": "acme", "client": "build-7", "title": "Later"}));
    desk.seal();
    let mut verifier = chain::Verifier::new(chain::Expected::default());
    for (number, id) in [(1, Some(&first.id)), (2, None)] {
        let attempt = desk.claim().expect("a block");
        let body: Value = serde_json::from_str(&attempt.body).expect("JSON");
        let block = &body["data"]["lines"][0];
        assert_eq!(block["block"], number);
        // A restored store has another block at this place, and a receiver must not take it for one that it has.
        let key = block["key"].as_str().expect("the block's key");
        assert!(id.is_none_or(|id| *id == attempt.id) && attempt.id.ends_with(&format!("_{key}")), "{}", attempt.id);
        body["data"]["lines"].as_array().expect("lines").iter().for_each(|line| verifier.line(line));
        desk.settle(&attempt, Ok(()));
    }
    assert!(desk.claim().is_none());
    let report = verifier.finish();
    assert_eq!((report.blocks, report.findings.len(), report.withheld), (2, 0, 0));
}

#[test]
fn a_webhook_of_a_quiet_realm_is_due_only_when_there_is_something_for_it() {
    let desk = Desk::furnished();
    desk.run("realm.create", json!({"realm": "quiet", "issuer": "https://quiet.acme.example"}));
    let url = "https://hooks.acme.example/jeton";
    desk.run("webhook.create", json!({"name": "siem", "url": url, "kind": ["audit"], "secret": SECRET, "realm": "quiet"}));
    desk.seal();
    while let Some(attempt) = desk.claim() {
        desk.settle(&attempt, Ok(()));
    }
    let mut quiet = Quiet::default();
    let mut due = |desk: &Desk| {
        let now = Time::from_seconds(desk.now.get());
        desk.engine.read(now, |reader| notice::due(reader, now, &mut quiet)).expect("read").len()
    };
    assert_eq!(due(&desk), 0);
    // The realm beside it is busy.
    for title in ["One", "Two", "Three"] {
        desk.run("client.set", json!({"realm": "acme", "client": "build-7", "title": title}));
        assert!(desk.seal() > 0);
        let before = desk.engine.store().position().expect("a position");
        assert_eq!((due(&desk), due(&desk), desk.claim().is_none()), (0, 0, true));
        assert_eq!(desk.engine.store().position().expect("a position"), before, "something was written");
    }
    desk.run("resource.create", json!({"realm": "quiet", "resource": "https://api.quiet.example"}));
    assert!(desk.seal() > 0);
    assert_eq!((due(&desk), due(&desk)), (1, 1), "until it is told");
    let attempt = desk.claim().expect("the blocks up to its own");
    let body: Value = serde_json::from_str(&attempt.body).expect("JSON");
    let blocks = body["data"]["lines"].as_array().expect("lines").iter().filter(|line| line["hash"].is_string());
    assert!(blocks.count() >= 4, "the chain has no gap: {body:#}");
    desk.settle(&attempt, Ok(()));
    assert_eq!(due(&desk), 0);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let desk = Desk::told(&["audit"]);
    let create = |more: Value| {
        let mut given = json!({"name": "other", "url": "https://a.example/", "kind": ["audit"]});
        given.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        desk.refused("webhook.create", given)
    };
    assert!(create(json!({"name": "siem"})).contains("already"));
    assert!(create(json!({"url": "http://a.example/"})).contains("https"));
    assert!(create(json!({"url": "https://user@a.example/"})).contains("https URL"));
    assert!(create(json!({"kind": ["audits"]})).contains("did you mean audit?"));
    assert!(create(json!({"kind": []})).contains("at least one"));
    assert!(create(json!({"kind": ["webhook.test"]})).contains("there is no kind"));
    assert!(create(json!({"secret": "whsec_short"})).contains("24 to 64"));
    assert!(create(json!({"realm": "nobody"})).contains("no realm"));
    let shown = desk.run("audit.list", json!({"limit": 1000})).to_string() + &desk.shown().to_string();
    assert!(!shown.contains("MfKQ9r8"), "the secret is shown");

    // A secret of the receiver may stand in the URL. Who may see webhooks sees it; the audit trail never holds it.
    let given = json!({"name": "keyed", "url": "https://in.example:8443/jeton?code=S3cretCode", "kind": ["secret.expiring"]});
    assert_eq!(desk.run("webhook.create", given)["url"], "https://in.example:8443/jeton?code=S3cretCode");
    assert!(desk.run("webhook.list", json!({})).to_string().contains("S3cretCode"));
    for name in ["webhook.test", "webhook.disable", "webhook.enable", "webhook.delete"] {
        desk.run(name, json!({"name": "keyed"}));
    }
    let trail = desk.run("audit.list", json!({"limit": 1000}));
    let made = trail["items"].as_array().expect("items").iter().find(|item| item["target"] == "webhook/keyed");
    assert!(made.is_some() && !trail.to_string().contains("S3cretCode"), "{trail:#}");
    let kept: Vec<Audit> = {
        let all = Lookup { index: None, prefix: Vec::new(), guard: None };
        let now = Time::from_seconds(desk.now.get());
        desk.engine.read(now, |reader| reader.scan(all.clone(), None, Order::Ascending, 999)).expect("read")
    };
    let detail = kept.iter().find(|audit| audit.action == "webhook.create" && audit.target == "webhook/keyed");
    let detail = &detail.expect("an audit record").detail;
    assert_eq!((&detail["url"], &detail["url_characters_left_out"]), (&json!("https://in.example:8443/jeton"), &json!(16)));
    assert!(!serde_json::to_string(&kept).expect("JSON").contains("S3cretCode"));

    let afar = Desk { actor: Actor::Client { client_id: "operator".into() }, ..Desk::told(&["audit"]) };
    let given = json!({"name": "inner", "url": "http://127.0.0.1:9999/", "kind": ["audit"], "allow_loopback": true});
    assert!(afar.refused("webhook.create", given).contains("at the machine"));
}
