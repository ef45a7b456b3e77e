//! The audit shows who changed what, and why requests were refused: the changes and the journal on one line of time.

use super::command::{Answer, Command, Effect, Field, FieldKind, Param, ParamKind};
use super::{Act, AdminStop, Args, show};
use crate::name::{Key, RequestId, Time};
use crate::record::{
    Actor, Audit, Client, JournalEntry, Lookup, Realm, Usage, audit_of_realm, audit_of_request, entries_of_client,
    entries_of_request, usage_of_client,
};
use crate::refusal::Why;
use crate::store::{Order, Place};
use serde_json::{Value, json};

use FieldKind::{Object, Text};

/// The commands about what happened.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "audit.list",
        scope: "admin:audit:read",
        summary: "List changes and refusals, newest first, each refusal with its exact reason.",
        params: &[
            Param::option("realm", ParamKind::Text, "Only this realm.").at(0),
            Param::option("client", ParamKind::Text, "Only this client of the realm, with its refusals.").at(1),
            Param::option("request_id", ParamKind::Text, "Only this request, by the id in its answer."),
            Param::option("limit", ParamKind::Integer, "Most lines, 1 to 1000; left out, 50."),
        ],
        answer: Answer::List(LINE),
        examples: &[
            ("jeton audit list", "the last fifty changes"),
            ("jeton audit list acme build-7", "what was changed about a client, and why it was refused"),
        ],
        method: "GET",
        path: "/v1/audit",
        effect: Effect::Reads,
        run: list,
    },
    Command {
        name: "usage.show",
        scope: "admin:usage:read",
        summary: "Show how many tokens a client got, hour by hour, newest first.",
        params: &[
            super::client::REALM,
            super::client::CLIENT,
            Param::option(
                "hours",
                ParamKind::Integer,
                "Most hours, 1 to 1000; left out, 24. Hours without a request are left out.",
            ),
        ],
        answer: Answer::List(show::USAGE),
        examples: &[("jeton usage show acme build-7", "the last day")],
        method: "GET",
        path: "/v1/realms/{realm}/clients/{client}/usage",
        effect: Effect::Reads,
        run: usage,
    },
];

const LINE: &[Field] = &[
    Field::shown("at", FieldKind::Time, "When."),
    Field::hidden("kind", Text, "change or refusal."),
    Field::shown("who", Text, "Who changed it, or which endpoint refused."),
    Field::shown("what", Text, "The command, or the exact reason of the refusal."),
    Field::shown("target", Text, "What was changed, or the client that was refused."),
    Field::shown("advice", Text, "What to change, for refusals."),
    Field::shown("request_id", Text, "The id in the answer of the request."),
    Field::hidden("detail", Object, "What changed: names and new values, never a secret."),
];

/// Most lines that are looked at to find those of one client.
const MOST_LOOKED_AT: usize = 100_000;
const PAGE: usize = 1000;

fn list(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let limit = usize::try_from(args.integer("limit").unwrap_or(50).clamp(1, 1000)).unwrap_or(1);
    let realm = args.text("realm").map(|name| act.realm(name)).transpose()?;
    let mut lines = match (args.text("request_id"), &realm, args.text("client")) {
        (Some(id), _, _) => of_request(act, &RequestId::parse(id)?)?,
        (None, Some(realm), Some(id)) => {
            let id = crate::name::ClientId::parse(id)?;
            let client = act.find_client(realm, &id)?;
            let client = client.ok_or_else(|| AdminStop::NotFound(format!("realm {} has no client {id}", realm.name)))?;
            of_client(act, realm, &client, limit)?
        }
        (None, None, Some(_)) => return Err(AdminStop::Invalid("name the client's realm too".into())),
        (None, Some(realm), None) => of_realm(act, realm, limit)?,
        (None, None, None) => {
            let all = Lookup { index: None, prefix: Vec::new(), guard: None };
            act.records.scan(all, None, Order::Descending, limit)?.iter().map(change).collect()
        }
    };
    lines.sort_by_key(|line: &Line| std::cmp::Reverse((line.at, line.key)));
    lines.truncate(limit);
    Ok(show::list(lines.into_iter().map(|line| line.view).collect(), None))
}

/// One line, with the time it is sorted by.
struct Line {
    at: Time,
    key: Key,
    view: Value,
}

fn of_request(act: &mut Act<'_, '_>, id: &RequestId) -> Result<Vec<Line>, AdminStop> {
    let changes: Vec<Audit> = act.records.scan(audit_of_request(id), None, Order::Ascending, PAGE)?;
    let entries: Vec<JournalEntry> = act.records.scan(entries_of_request(id), None, Order::Ascending, PAGE)?;
    let mut lines: Vec<Line> = changes.iter().map(change).collect();
    for entry in &entries {
        lines.push(refusal(act, entry)?);
    }
    Ok(lines)
}

fn of_realm(act: &mut Act<'_, '_>, realm: &Realm, limit: usize) -> Result<Vec<Line>, AdminStop> {
    let changes: Vec<Audit> = act.records.scan(audit_of_realm(realm.key), None, Order::Descending, limit)?;
    // Refusals that no client could be found for belong to the realm.
    let nobody: Vec<JournalEntry> = act.records.scan(entries_of_client(realm.key, None), None, Order::Descending, limit)?;
    let mut lines: Vec<Line> = changes.iter().map(change).collect();
    for entry in &nobody {
        lines.push(refusal(act, entry)?);
    }
    Ok(lines)
}

fn of_client(act: &mut Act<'_, '_>, realm: &Realm, client: &Client, limit: usize) -> Result<Vec<Line>, AdminStop> {
    let target = super::client::target(realm, client);
    let below = format!("{target}/");
    let mut lines = Vec::new();
    let mut after: Option<Place> = None;
    let mut looked_at = 0;
    while lines.len() < limit && looked_at < MOST_LOOKED_AT {
        let page: Vec<Audit> = act.records.scan(audit_of_realm(realm.key), after, Order::Descending, PAGE)?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(Place { values: Vec::new(), key: last.key });
        looked_at += page.len();
        lines.extend(page.iter().filter(|audit| audit.target == target || audit.target.starts_with(&below)).map(change));
        if page.len() < PAGE {
            break;
        }
    }
    let entries: Vec<JournalEntry> =
        act.records.scan(entries_of_client(realm.key, Some(client.key)), None, Order::Descending, limit)?;
    for entry in &entries {
        lines.push(refusal(act, entry)?);
    }
    Ok(lines)
}

fn change(audit: &Audit) -> Line {
    let who = match &audit.actor {
        Actor::Local { uid } => format!("user {uid}"),
        Actor::Client { client_id } => format!("client {client_id}"),
        Actor::System => "the server".into(),
    };
    let at = audit.key.created_at();
    let view = json!({
        "at": show::moment(at), "kind": "change", "who": who, "what": audit.action, "target": audit.target,
        "request_id": audit.request_id, "detail": audit.detail,
    });
    Line { at, key: audit.key, view }
}

fn refusal(act: &mut Act<'_, '_>, entry: &JournalEntry) -> Result<Line, AdminStop> {
    let realm: Option<Realm> = act.records.read(entry.realm)?;
    let client: Option<Client> = entry.client.map(|key| act.records.read(key)).transpose()?.flatten();
    let target = match (&realm, &client) {
        (Some(realm), Some(client)) => super::client::target(realm, client),
        (Some(realm), None) => realm.name.to_string(),
        (None, _) => String::new(),
    };
    let at = entry.key.created_at();
    let view = json!({
        "at": show::moment(at), "kind": "refusal", "who": format!("endpoint {}", entry.endpoint), "what": entry.why,
        "target": target, "advice": Why::by_id(&entry.why).map(|why| why.row().advice), "request_id": entry.request_id,
    });
    Ok(Line { at, key: entry.key, view })
}

fn usage(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm(args.word("realm")?)?;
    let client = act.client(&realm, args.word("client")?)?;
    let hours = usize::try_from(args.integer("hours").unwrap_or(24).clamp(1, 1000)).unwrap_or(1);
    let rows: Vec<Usage> = act.records.scan(usage_of_client(client.key), None, Order::Descending, hours)?;
    let hour = |row: &Usage| {
        json!({
            "hour": show::moment(Time::from_seconds(row.hour.saturating_mul(3600))), "issued": row.issued, "asked": row.asked,
            "needed": row.needed, "repeated": row.repeated, "refused": row.refused,
        })
    };
    Ok(show::list(rows.iter().map(hour).collect(), None))
}
