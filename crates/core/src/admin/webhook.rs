//! A webhook is made with its secret, tried out, stopped and let go on; the list says how each of them fares.

use super::act::MOST_ROWS;
use super::command::{Answer, Command, Effect, Field, FieldKind, Param, ParamKind};
use super::{Act, AdminStop, Args, args::unknown, show};
use crate::name::{FetchUrl, Label, Scheme, Time};
use crate::notice::{self, FAILING_SECONDS, KINDS, MOST_WEBHOOKS};
use crate::record::{
    Actor, AuditSeal, Delivery, NoticeKind, Realm, Webhook, WebhookProgress, WebhookSwitch, WebhookTarget, blocks, deliveries_of,
    webhook_by_name, webhooks,
};
use crate::store::Order;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

use FieldKind::{Integer, List, Text};

const READ: &str = "admin:webhooks:read";
const WRITE: &str = "admin:webhooks:write";
/// Who has the audit trail sent somewhere reads it there.
const READ_AUDIT: &str = "admin:audit:read";
const NAME: Param = Param::word(0, "name", "Its name, unique within the installation.");
/// More waiting messages are not counted.
const MOST_COUNTED: usize = 1000;

/// The commands about webhooks.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "webhook.create",
        scope: WRITE,
        summary: "Have an address told what happens, by signed messages.",
        params: &[
            NAME,
            Param::option("url", ParamKind::Text, "Where to: an https URL.").required(),
            Param::option(
                "kind",
                ParamKind::List,
                "What it is told: audit (needs admin:audit:read, too), client.suspended, secret.expiring, thrift.coach.",
            )
            .required(),
            Param::option("realm", ParamKind::Text, "Only what happens in this realm; left out, in every realm."),
            Param::option("secret", ParamKind::Secret, "Its secret (whsec_ and base64); left out, one is made."),
            Param::option(
                "allow_loopback",
                ParamKind::Boolean,
                "The address is on this machine, and http is enough; only from the command line there.",
            ),
        ],
        answer: Answer::One(CREATED),
        examples: &[
            (
                "jeton webhook create siem --url https://hooks.acme.example/jeton --kind audit --kind client.suspended",
                "its secret is shown this once; the receiver checks signatures with it",
            ),
            (
                "jeton webhook create acme-ops --realm acme --url https://ops.acme.example/jeton --kind secret.expiring",
                "only what concerns one realm",
            ),
        ],
        method: "POST",
        path: "/v1/webhooks",
        effect: Effect::Changes,
        run: create,
    },
    Command {
        name: "webhook.list",
        scope: READ,
        summary: "List the webhooks, and how each of them fares.",
        params: &[],
        answer: Answer::List(WEBHOOK),
        examples: &[("jeton webhook list", "who is told what, what waits, and why the last attempt failed")],
        method: "GET",
        path: "/v1/webhooks",
        effect: Effect::Reads,
        run: list,
    },
    Command {
        name: "webhook.test",
        scope: WRITE,
        summary: "Send a message of the kind webhook.test; the list shows what became of it.",
        params: &[NAME],
        answer: Answer::One(WEBHOOK),
        examples: &[("jeton webhook test siem", "then: jeton webhook list")],
        method: "POST",
        path: "/v1/webhooks/{name}/test",
        effect: Effect::Changes,
        run: test,
    },
    Command {
        name: "webhook.disable",
        scope: WRITE,
        summary: "Stop telling an address; messages that wait are dropped.",
        params: &[NAME],
        answer: Answer::One(WEBHOOK),
        examples: &[("jeton webhook disable siem --yes", "for maintenance; the audit trail waits for it")],
        method: "POST",
        path: "/v1/webhooks/{name}/disable",
        effect: Effect::Destroys(
            "Messages that wait for webhook {name} are lost, and so is what happens until it is enabled; the audit trail alone waits for it.",
        ),
        run: |act, args| switch(act, args, "webhook.disable", WebhookSwitch::Off),
    },
    Command {
        name: "webhook.enable",
        scope: WRITE,
        summary: "Tell an address again, at once; for the audit trail this needs admin:audit:read, too.",
        params: &[NAME],
        answer: Answer::One(WEBHOOK),
        examples: &[("jeton webhook enable siem", "also ends the wait behind a failure")],
        method: "POST",
        path: "/v1/webhooks/{name}/enable",
        effect: Effect::Changes,
        run: |act, args| switch(act, args, "webhook.enable", WebhookSwitch::On),
    },
    Command {
        name: "webhook.delete",
        scope: WRITE,
        summary: "Delete a webhook and what waits for it.",
        params: &[NAME],
        answer: Answer::One(WEBHOOK),
        examples: &[("jeton webhook delete acme-ops --yes", "its secret goes with it")],
        method: "DELETE",
        path: "/v1/webhooks/{name}",
        effect: Effect::Destroys(
            "Webhook {name} ends for ever, with its secret, the messages that wait for it and its place in the audit trail.",
        ),
        run: delete,
    },
];

const WEBHOOK: &[Field] = &[
    Field::shown("name", Text, "Its name."),
    Field::shown("realm", Text, "Whose events it is told; empty is those of every realm."),
    Field::shown("url", Text, "Where it is."),
    Field::shown("kinds", List, "What it is told."),
    Field::shown("status", Text, "on, retrying, failing (for three days) or off."),
    Field::shown("waiting", Integer, "Messages that wait, and blocks of the audit trail."),
    Field::shown("last_error", Text, "Why the last attempt failed."),
    Field::hidden("failing_since", FieldKind::Time, "When the present message first failed."),
    Field::hidden("attempts", Integer, "Failed attempts of the present message."),
    Field::hidden("next_at", FieldKind::Time, "When the next attempt is due."),
    Field::shown("delivered_at", FieldKind::Time, "When a message was last taken."),
    Field::hidden("created_at", FieldKind::Time, "When it was made."),
];

const CREATED: &[Field] = &[
    Field::shown("name", Text, "Its name."),
    Field::shown("realm", Text, "Whose events it is told; empty is those of every realm."),
    Field::shown("url", Text, "Where it is."),
    Field::shown("kinds", List, "What it is told."),
    Field::shown("status", Text, "on."),
    Field::shown("secret", Text, "Its secret; shown this once, unless it was given."),
];

fn create(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let name = Label::parse(args.word("name")?)?;
    let realm = args.text("realm").map(|realm| act.realm_to_change(realm)).transpose()?;
    let url = FetchUrl::parse(args.word("url")?)?;
    let kinds = kinds(args)?;
    may_tell(act, &kinds)?;
    let target = if args.is_set("allow_loopback") { WebhookTarget::Loopback } else { WebhookTarget::Public };
    if target == WebhookTarget::Loopback && !matches!(act.context.actor, Actor::Local { .. }) {
        return Err(AdminStop::Denied("a webhook on this machine is made at the machine: use the command line there".into()));
    }
    if target == WebhookTarget::Public && url.scheme() == Scheme::Http {
        return Err(AdminStop::Invalid("the URL must begin with https: messages tell what others should not read".into()));
    }
    if act.records.find::<Webhook>(webhook_by_name(&name))?.is_some() {
        return Err(AdminStop::Taken(format!("there is a webhook {name} already; choose another name")));
    }
    let known: Vec<Webhook> = act.records.scan(webhooks(), None, Order::Ascending, MOST_WEBHOOKS)?;
    if known.len() >= MOST_WEBHOOKS {
        return Err(AdminStop::Invalid(format!("there are {MOST_WEBHOOKS} webhooks; delete one first")));
    }
    let key = act.new_key("webhook");
    let secret = match args.text("secret") {
        Some(text) => notice::parse_secret(text).map_err(|error| AdminStop::Invalid(error.to_string()))?,
        None => Zeroizing::new(act.draw::<32>("secret of a webhook").to_vec()),
    };
    let sealed_secret = act.data().seal_webhook_secret(act.draw("sealing of a webhook's secret"), key, &secret);
    let of = realm.as_ref().map(|realm| realm.key);
    let webhook = Webhook { key, name, realm: of, url, kinds, sealed_secret, target, switch: WebhookSwitch::On };
    act.insert(&webhook)?;
    let last: Option<AuditSeal> = act.records.scan(blocks(), None, Order::Descending, 1)?.pop();
    act.insert(&WebhookProgress {
        key,
        audit_after: last.map_or(0, |block| block.sequence),
        attempts: 0,
        next_at: act.now(),
        failing_since: None,
        last_error: None,
        delivered_at: None,
    })?;
    let mut view = named(&webhook, realm.as_ref());
    let mut detail = view.clone();
    // The audit trail goes to whoever may read it, and never changes again: a secret must not be in it.
    detail["url"] = webhook.url.place().into();
    if webhook.url.left_out() > 0 {
        detail["url_characters_left_out"] = webhook.url.left_out().into();
    }
    act.audit_in(realm.as_ref(), "webhook.create", format!("webhook/{}", webhook.name), detail)?;
    view["status"] = "on".into();
    if args.text("secret").is_none() {
        view["secret"] = notice::secret_text(&secret).as_str().into();
    }
    Ok(view)
}

fn kinds(args: &Args) -> Result<BTreeSet<NoticeKind>, AdminStop> {
    let choice = || KINDS.iter().filter(|(kind, ..)| *kind != NoticeKind::Test);
    let kind = |word: &str| {
        let found = choice().find(|(_, name, _)| *name == word).map(|(kind, ..)| *kind);
        found.ok_or_else(|| AdminStop::Invalid(unknown("kind", word, choice().map(|(_, name, _)| *name))))
    };
    let kinds = args.list("kind").unwrap_or_default().into_iter().map(kind).collect::<Result<BTreeSet<_>, _>>()?;
    if kinds.is_empty() {
        return Err(AdminStop::Invalid("name at least one kind; the help names them".into()));
    }
    Ok(kinds)
}

/// Whoever begins to tell an address the audit trail must be allowed to read it.
fn may_tell(act: &Act<'_, '_>, kinds: &BTreeSet<NoticeKind>) -> Result<(), AdminStop> {
    if kinds.contains(&NoticeKind::Audit) { act.needs_scope(READ_AUDIT) } else { Ok(()) }
}

fn list(act: &mut Act<'_, '_>, _: &Args) -> Result<Value, AdminStop> {
    let all: Vec<Webhook> = act.records.scan(webhooks(), None, Order::Ascending, MOST_WEBHOOKS)?;
    let items = all.iter().map(|webhook| view(act, webhook)).collect::<Result<_, _>>()?;
    Ok(show::list(items, None))
}

fn test(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let (webhook, realm) = find(act, args)?;
    if webhook.switch == WebhookSwitch::Off {
        return Err(AdminStop::Invalid(format!("webhook {0} is off; jeton webhook enable {0}", webhook.name)));
    }
    let (key, data) = (act.new_key("delivery"), json!({ "webhook": webhook.name }));
    let message = notice::delivery(key, webhook.key, (NoticeKind::Test, &data), act.now());
    act.insert(&message)?;
    act.audit_in(realm.as_ref(), "webhook.test", format!("webhook/{}", webhook.name), json!({}))?;
    hurry(act, &webhook)?;
    view(act, &webhook)
}

fn switch(act: &mut Act<'_, '_>, args: &Args, action: &str, to: WebhookSwitch) -> Result<Value, AdminStop> {
    let (before, realm) = find(act, args)?;
    if to == WebhookSwitch::On {
        may_tell(act, &before.kinds)?;
    }
    let after = Webhook { switch: to, ..before.clone() };
    if after != before {
        act.update(&after)?;
        act.audit_in(realm.as_ref(), action, format!("webhook/{}", after.name), json!({}))?;
    }
    match to {
        WebhookSwitch::Off => drop_deliveries(act, &after)?,
        WebhookSwitch::On => hurry(act, &after)?,
    }
    view(act, &after)
}

fn delete(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let (webhook, realm) = find(act, args)?;
    let shown = view(act, &webhook)?;
    drop_deliveries(act, &webhook)?;
    if let Some(progress) = act.records.read::<WebhookProgress>(webhook.key)? {
        act.records.delete(&progress);
    }
    act.records.delete(&webhook);
    act.audit_in(realm.as_ref(), "webhook.delete", format!("webhook/{}", webhook.name), json!({}))?;
    Ok(shown)
}

/// The webhook that is named, and its realm. One of the admin realm is changed at the machine alone.
fn find(act: &mut Act<'_, '_>, args: &Args) -> Result<(Webhook, Option<Realm>), AdminStop> {
    let name = args.word("name")?;
    let missing = || AdminStop::NotFound(format!("there is no webhook {name}; jeton webhook list shows them"));
    let label = Label::parse(name).map_err(|_| missing())?;
    let webhook: Webhook = act.records.find(webhook_by_name(&label))?.ok_or_else(missing)?;
    let realm: Option<Realm> = webhook.realm.map(|realm| act.records.read(realm)).transpose()?.flatten();
    realm.as_ref().map(|realm| act.may_change(realm)).transpose()?;
    Ok((webhook, realm))
}

fn drop_deliveries(act: &mut Act<'_, '_>, webhook: &Webhook) -> Result<(), AdminStop> {
    let waiting: Vec<Delivery> = act.records.scan(deliveries_of(webhook.key), None, Order::Ascending, MOST_ROWS)?;
    waiting.iter().for_each(|delivery| act.records.delete(delivery));
    Ok(())
}

/// The next attempt is due at once.
fn hurry(act: &mut Act<'_, '_>, webhook: &Webhook) -> Result<(), AdminStop> {
    if let Some(progress) = act.records.read::<WebhookProgress>(webhook.key)? {
        act.update(&WebhookProgress { next_at: act.now(), ..progress })?;
    }
    Ok(())
}

/// What a webhook is, without how it fares and without its secret.
fn named(webhook: &Webhook, realm: Option<&Realm>) -> Value {
    let kinds: Vec<&str> = webhook.kinds.iter().map(|kind| notice::name_of(*kind)).collect();
    json!({ "name": webhook.name, "realm": realm.map(|realm| &realm.name), "url": webhook.url, "kinds": kinds })
}

fn view(act: &mut Act<'_, '_>, webhook: &Webhook) -> Result<Value, AdminStop> {
    let realm: Option<Realm> = webhook.realm.map(|realm| act.records.read(realm)).transpose()?.flatten();
    let progress: Option<WebhookProgress> = act.records.read(webhook.key)?;
    let mut waiting =
        act.records.scan::<Delivery>(deliveries_of(webhook.key), None, Order::Ascending, MOST_COUNTED)?.len() as u64;
    let last: Option<AuditSeal> = act.records.scan(blocks(), None, Order::Descending, 1)?.pop();
    if let (Some(last), Some(progress)) = (last, &progress)
        && webhook.kinds.contains(&NoticeKind::Audit)
    {
        waiting += last.sequence.saturating_sub(progress.audit_after);
    }
    let failing_since = progress.as_ref().and_then(|progress| progress.failing_since);
    let is_old = |since: Time| act.now() >= since.plus_seconds(FAILING_SECONDS);
    let status = match (webhook.switch, failing_since) {
        (WebhookSwitch::Off, _) => "off",
        (WebhookSwitch::On, Some(since)) if is_old(since) => "failing",
        (WebhookSwitch::On, Some(_)) => "retrying",
        (WebhookSwitch::On, None) => "on",
    };
    let mut view = named(webhook, realm.as_ref());
    view["status"] = status.into();
    view["waiting"] = waiting.into();
    view["created_at"] = show::moment(webhook.key.created_at());
    if let Some(progress) = progress {
        view["attempts"] = progress.attempts.into();
        view["last_error"] = progress.last_error.into();
        view["failing_since"] = progress.failing_since.map(show::moment).unwrap_or_default();
        view["delivered_at"] = progress.delivered_at.map(show::moment).unwrap_or_default();
        view["next_at"] = failing_since.map(|_| show::moment(progress.next_at)).unwrap_or_default();
    }
    Ok(view)
}
