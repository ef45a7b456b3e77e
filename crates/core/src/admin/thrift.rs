//! Thrift is shown to administrators: how many tokens a client asked for, how many it needed, and what follows from it.

use super::command::{Answer, Command, Effect, Field, FieldKind, Param, ParamKind};
use super::{Act, AdminStop, Args, show};
use crate::name::Time;
use crate::record::{Client, Realm, Status, Thrift, ThriftPolicy, Usage, thrift_of_realm, usage_of_client};
use crate::store::Order;
use crate::thrift::{Rules, Waste};
use serde_json::{Value, json};

use FieldKind::{Integer, Text};

/// Hours that are counted.
const HOURS: i64 = 24;

/// The commands about thrift.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "client.thrift",
        scope: "admin:usage:read",
        summary: "Show how many tokens a client asked for in the last 24 hours, and how many it needed.",
        params: &[super::client::REALM, super::client::CLIENT],
        answer: Answer::One(THRIFT),
        examples: &[("jeton client thrift acme build-7", "asked, needed, and what follows from it")],
        method: "GET",
        path: "/v1/realms/{realm}/clients/{client}/thrift",
        effect: Effect::Reads,
        run: |act, args| {
            let realm = act.realm(args.word("realm")?)?;
            let client = act.client(&realm, args.word("client")?)?;
            let seen: Option<Thrift> = act.records.read(client.key)?;
            Ok(line(act, &realm, &client, seen.as_ref())?.1)
        },
    },
    Command {
        name: "thrift.list",
        scope: "admin:usage:read",
        summary: "List the clients that wasted tokens in the last 30 days, the most wasteful of the last 24 hours first.",
        params: &[
            super::client::REALM,
            Param::option("limit", ParamKind::Integer, "Most clients to list, 1 to 1000; left out, 100."),
        ],
        answer: Answer::List(THRIFT),
        examples: &[("jeton thrift list acme", "whom to talk to")],
        method: "GET",
        path: "/v1/realms/{realm}/thrift",
        effect: Effect::Reads,
        run: list,
    },
];

const THRIFT: &[Field] = &[
    Field::shown("client_id", Text, "The client."),
    Field::shown("asked", Integer, "Tokens that it asked for in its own name in the last 24 hours."),
    Field::shown("needed", Integer, "Those of them that its instances needed."),
    Field::shown("ratio", Integer, "How many times as many as needed, rounded down."),
    Field::shown("verdict", Text, "thrifty, wasteful, coached, limited or suspended."),
    Field::shown("since", FieldKind::Time, "When it began to waste tokens; nothing if it never did lately."),
    Field::hidden("last_wasted_at", FieldKind::Time, "When it last wasted one."),
    Field::hidden("coached_at", FieldKind::Time, "When it was last coached."),
    Field::hidden("repeated", Integer, "Requests that were answered with the token that it had."),
    Field::hidden("instances", Integer, "How many copies of it run at the same time, as its settings say."),
];

fn list(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm(args.word("realm")?)?;
    let limit = usize::try_from(args.integer("limit").unwrap_or(100).clamp(1, 1000)).unwrap_or(1);
    let seen: Vec<Thrift> = act.records.scan(thrift_of_realm(realm.key), None, Order::Ascending, super::act::MOST_ROWS)?;
    let mut lines = Vec::new();
    for seen in &seen {
        match act.records.read::<Client>(seen.key)? {
            Some(client) if client.status != Status::Deleted => lines.push(line(act, &realm, &client, Some(seen))?),
            _ => {}
        }
    }
    lines.sort_by_key(|(wasted, _)| std::cmp::Reverse(*wasted));
    Ok(show::list(lines.into_iter().take(limit).map(|(_, view)| view).collect(), None))
}

/// One client: how many tokens it wasted in these hours, and everything about it.
fn line(act: &mut Act<'_, '_>, realm: &Realm, client: &Client, seen: Option<&Thrift>) -> Result<(u64, Value), AdminStop> {
    let first = act.now().seconds().div_euclid(3600) - HOURS;
    let hours = usize::try_from(HOURS + 1).unwrap_or(1);
    let rows: Vec<Usage> = act.records.scan(usage_of_client(client.key), None, Order::Descending, hours)?;
    let sum = |count: fn(&Usage) -> u64| rows.iter().filter(|row| row.hour > first).map(count).sum::<u64>();
    let (asked, needed) = (sum(|row| row.asked), sum(|row| row.needed));
    let view = json!({
        "client_id": client.client_id, "asked": asked, "needed": needed, "ratio": asked / needed.max(1),
        "verdict": verdict(realm, client, seen, act.now()), "repeated": sum(|row| row.repeated),
        "instances": client.instances, "since": seen.map(|seen| show::moment(seen.since)),
        "last_wasted_at": seen.map(|seen| show::moment(seen.at)),
        "coached_at": seen.and_then(|seen| seen.coached_at).map(show::moment),
    });
    Ok((asked.saturating_sub(needed), view))
}

/// What a client is at this moment. One that was suspended and goes on begins anew.
fn verdict(realm: &Realm, client: &Client, seen: Option<&Thrift>, now: Time) -> &'static str {
    if matches!(client.status, Status::Suspended { .. }) {
        return "suspended";
    }
    let from = client.not_before.max(realm.not_before);
    let settings = &realm.settings;
    let rules = Rules::new(&settings.thrift, settings.access_token.lifetime, client.instances);
    match seen.filter(|seen| seen.from == from).map(|seen| Waste::new(seen.level, seen.at).level(now)) {
        Some(level) if rules.is_over(level) && rules.policy >= ThriftPolicy::Limit => "limited",
        Some(level) if level >= rules.coach() && rules.policy >= ThriftPolicy::Coach => "coached",
        Some(level) if level > 0 => "wasteful",
        _ => "thrifty",
    }
}
