//! A realm is made from a dialect: its settings are copied, its permissions accepted by name, its signing key made.

use super::command::{Answer, Command, Effect, Param, ParamKind};
use super::document::{RealmEntry, Switch};
use super::stop::Needed;
use super::{
    Act, AdminStop, Args, DialectOffer, act::ADMIN_REALM, args::unknown, key_plan, permission, refresh_settings, rotation, show,
};
use crate::name::{Issuer, Label, Mount, RealmName, Time, Title};
use crate::record::{AccessTokenFormat, ClaimSource, FailureSettings, Profile, Realm, RealmSettings, Status};
use crate::token::realm_dead_until;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const READ: &str = "admin:realms:read";
const WRITE: &str = "admin:realms:write";
const NAME: Param = Param::word(0, "realm", "The realm's name.");
const MOUNT: &str = "Where the realm answers: host, host/path or /path; several are possible. Left out, the issuer's own place.";

/// The commands about realms.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "realm.create",
        scope: WRITE,
        summary: "Make a realm from a dialect, with its signing key.",
        params: &[
            NAME,
            Param::option("issuer", ParamKind::Text, "The issuer: an http or https URL; its bytes stand in iss.").required(),
            Param::option("title", ParamKind::Text, "Name for people; left out, the realm's name."),
            Param::option("dialect", ParamKind::Text, "The dialect to make it from; left out, the default one."),
            Param::option("environment", ParamKind::Text, "Environment label such as prod or test; left out, prod."),
            Param::option("mount", ParamKind::List, MOUNT),
            Param::option("accept", ParamKind::List, "Permissions beyond the RFCs that the dialect needs, by name."),
            Param::option("settings", ParamKind::Document, "What differs from the dialect's settings."),
        ],
        answer: Answer::One(show::REALM),
        examples: &[(
            "jeton realm create acme --issuer https://auth.acme.example --title 'Acme APIs'",
            "a realm that follows the RFCs to the letter",
        )],
        method: "POST",
        path: "/v1/realms",
        effect: Effect::Changes,
        run: create,
    },
    Command {
        name: "realm.list",
        scope: READ,
        summary: "List the realms.",
        params: &[],
        answer: Answer::List(show::REALM),
        examples: &[("jeton realm list", "every realm on one line")],
        method: "GET",
        path: "/v1/realms",
        effect: Effect::Reads,
        run: list,
    },
    Command {
        name: "realm.show",
        scope: READ,
        summary: "Show a realm with all its settings.",
        params: &[NAME],
        answer: Answer::One(show::REALM),
        examples: &[("jeton realm show acme", "issuer, mounts, permissions and settings")],
        method: "GET",
        path: "/v1/realms/{realm}",
        effect: Effect::Reads,
        run: show_one,
    },
    Command {
        name: "realm.set",
        scope: WRITE,
        summary: "Change a realm; what is not named stays as it is.",
        params: &[
            NAME,
            Param::option(
                "issuer",
                ParamKind::Text,
                "A new issuer; signed tokens that name the old one are refused from then on.",
            ),
            Param::option("title", ParamKind::Text, "Name for people."),
            Param::option("environment", ParamKind::Text, "Environment label."),
            Param::option("mount", ParamKind::List, MOUNT),
            Param::option("accept", ParamKind::List, "Permissions beyond the RFCs to give to the realm, by name."),
            Param::option("settings", ParamKind::Document, "Settings to change, by their names."),
        ],
        answer: Answer::One(show::REALM),
        examples: &[("jeton realm set acme --environment test", "the label that is shown beside everything of this realm")],
        method: "PATCH",
        path: "/v1/realms/{realm}",
        effect: Effect::Changes,
        run: set,
    },
    Command {
        name: "realm.disable",
        scope: WRITE,
        summary: "Stop a realm: no token is issued and none passes.",
        params: &[NAME],
        answer: Answer::One(show::REALM),
        examples: &[("jeton realm disable acme --yes", "for maintenance")],
        method: "POST",
        path: "/v1/realms/{realm}/disable",
        effect: Effect::Destroys(
            "Realm {realm} stops: all its tokens end for ever, and nobody gets new ones until it is enabled.",
        ),
        run: |act, args| switch(act, args, "realm.disable", Status::Disabled),
    },
    Command {
        name: "realm.suspend",
        scope: WRITE,
        summary: "Stop a realm for a stated reason.",
        params: &[NAME, Param::option("reason", ParamKind::Text, "Why; the owners of its clients may read it.").required()],
        answer: Answer::One(show::REALM),
        examples: &[("jeton realm suspend acme --reason 'Contract ended' --yes", "nobody gets a token, and everybody sees why")],
        method: "POST",
        path: "/v1/realms/{realm}/suspend",
        effect: Effect::Destroys(
            "Realm {realm} stops: all its tokens end for ever, and nobody gets new ones until it is enabled.",
        ),
        run: |act, args| {
            let reason = Title::parse(args.word("reason")?)?;
            switch(act, args, "realm.suspend", Status::Suspended { reason })
        },
    },
    Command {
        name: "realm.enable",
        scope: WRITE,
        summary: "Let a realm serve again.",
        params: &[NAME],
        answer: Answer::One(show::REALM),
        examples: &[("jeton realm enable acme", "tokens are issued again; those from before stay dead")],
        method: "POST",
        path: "/v1/realms/{realm}/enable",
        effect: Effect::Changes,
        run: |act, args| switch(act, args, "realm.enable", Status::Active),
    },
];

fn create(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let mut entry = entry(args)?;
    entry.dialect = args.text("dialect").map(Label::parse).transpose()?;
    entry.settings = args.document("settings").and_then(Value::as_object).cloned();
    let others = act.realms()?;
    let realm = make(act, &entry, &others)?;
    let view = show::realm(&realm)?;
    act.audit(&realm, "realm.create", realm.name.to_string(), view.clone())?;
    Ok(view)
}

fn list(act: &mut Act<'_, '_>, _: &Args) -> Result<Value, AdminStop> {
    let mut realms = act.realms()?;
    realms.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(show::list(realms.iter().map(show::realm).collect::<Result<_, _>>()?, None))
}

fn show_one(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    show::realm(&act.realm(args.word("realm")?)?)
}

fn set(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let before = act.realm_to_change(args.word("realm")?)?;
    let mut entry = entry(args)?;
    if let Some(given) = &mut entry.accept {
        given.extend(&before.permissions);
    }
    let mut after = before.clone();
    let others = act.realms()?;
    revise(act, &mut after, &entry, &others)?;
    if let Some(settings) = args.document("settings").and_then(Value::as_object) {
        after.settings = merged(&after.name, &after.settings, settings)?;
        check(act, &after, &others)?;
    }
    keep(act, &before, &after, "realm.set")?;
    show::realm(&after)
}

fn switch(act: &mut Act<'_, '_>, args: &Args, action: &str, status: Status) -> Result<Value, AdminStop> {
    let before = act.realm_to_change(args.word("realm")?)?;
    // What was stopped stays dead when the realm goes on.
    let not_before = if status.is_active() { before.not_before } else { realm_dead_until(before.not_before, act.now()) };
    let after = Realm { status, not_before, ..before.clone() };
    keep(act, &before, &after, action)?;
    show::realm(&after)
}

/// What the arguments say about a realm, as a document's entry.
fn entry(args: &Args) -> Result<RealmEntry, AdminStop> {
    let mounts = args.list("mount").map(|list| list.into_iter().map(mount).collect::<Result<_, _>>()).transpose()?;
    let accept = args.list("accept").map(|list| list.into_iter().map(permission::parse).collect::<Result<_, _>>()).transpose()?;
    Ok(RealmEntry {
        name: RealmName::parse(args.word("realm")?)?,
        title: args.text("title").map(Title::parse).transpose()?,
        issuer: args.text("issuer").map(Issuer::parse).transpose()?,
        mounts,
        dialect: None,
        environment: args.text("environment").map(Label::parse).transpose()?,
        accept,
        settings: None,
        status: None,
        resource: Vec::new(),
        client: Vec::new(),
    })
}

/// Reads `host`, `host/path` or `/path`.
fn mount(text: &str) -> Result<Mount, AdminStop> {
    let (host, path) = text.find('/').map_or((text, ""), |at| text.split_at(at));
    Ok(Mount::new((!host.is_empty()).then_some(host), path)?)
}

/// Makes a realm as an entry says, from its dialect, among the other realms. Its signing key is made with it.
pub(super) fn make(act: &mut Act<'_, '_>, entry: &RealmEntry, others: &[Realm]) -> Result<Realm, AdminStop> {
    if others.iter().any(|other| other.name == entry.name) {
        return Err(AdminStop::Taken(format!("there is a realm {} already; jeton realm set changes it", entry.name)));
    }
    let missing = || AdminStop::Invalid(format!("realm {}: a new realm needs an issuer", entry.name));
    let issuer = entry.issuer.clone().ok_or_else(missing)?;
    let offer = offer(act, entry.dialect.as_ref())?;
    let mut realm = Realm {
        key: act.new_key("realm"),
        name: entry.name.clone(),
        title: Title::parse(entry.name.as_str())?,
        mounts: vec![mount_of(&issuer)?],
        issuer,
        dialect: offer.name.clone(),
        profile: Profile::Compat,
        environment: Label::parse("prod")?,
        status: Status::Active,
        not_before: Time::default(),
        permissions: BTreeSet::new(),
        settings: offer.defaults.clone(),
    };
    revise(act, &mut realm, entry, others)?;
    act.may_change(&realm)?;
    act.insert(&realm)?;
    rotation::follow_realm(act, &realm)?;
    Ok(realm)
}

/// Changes a realm as far as an entry speaks.
pub(super) fn revise(act: &Act<'_, '_>, realm: &mut Realm, entry: &RealmEntry, others: &[Realm]) -> Result<(), AdminStop> {
    fn copy<T: Clone>(to: &mut T, from: Option<&T>) {
        if let Some(from) = from {
            to.clone_from(from);
        }
    }
    copy(&mut realm.title, entry.title.as_ref());
    copy(&mut realm.issuer, entry.issuer.as_ref());
    copy(&mut realm.mounts, entry.mounts.as_ref());
    copy(&mut realm.dialect, entry.dialect.as_ref());
    copy(&mut realm.environment, entry.environment.as_ref());
    copy(&mut realm.permissions, entry.accept.as_ref());
    if let Some(status) = entry.status {
        realm.status = status_of(status);
    }
    let offer = offer(act, Some(&realm.dialect))?;
    let lacking = offer.needs.iter().filter(|permission| !realm.permissions.contains(permission));
    let lacking: Vec<Needed> = lacking.map(|permission| permission::needed(*permission)).collect();
    if !lacking.is_empty() {
        return Err(AdminStop::Accept(realm.name.clone(), lacking));
    }
    if let Some(overrides) = &entry.settings {
        realm.settings = merged(&realm.name, &offer.defaults, overrides)?;
    }
    check(act, realm, others)
}

fn check(act: &Act<'_, '_>, realm: &Realm, others: &[Realm]) -> Result<(), AdminStop> {
    let name = &realm.name;
    if realm.mounts.is_empty() {
        return Err(AdminStop::Invalid(format!("realm {name}: give at least one mount")));
    }
    for other in others.iter().filter(|other| other.key != realm.key && other.name.as_str() != ADMIN_REALM) {
        if other.issuer == realm.issuer {
            return Err(AdminStop::Taken(format!("realm {} has the issuer {} already", other.name, realm.issuer)));
        }
        if let Some(mount) = realm.mounts.iter().find(|mount| other.mounts.contains(mount)) {
            let host = mount.host.as_deref().unwrap_or("every host");
            return Err(AdminStop::Taken(format!("realm {} answers at {host}{} already", other.name, mount.path)));
        }
        // Mounts may lie below each other, but no two realms answer at the same path.
        let taken = places(act, other)?;
        if let Some((_, path)) = places(act, realm)?.iter().find(|place| taken.contains(place)) {
            return Err(AdminStop::Taken(format!("realm {} answers at {path} already; choose another mount", other.name)));
        }
    }
    let lives = [realm.settings.access_token.lifetime, realm.settings.refresh_token_lifetime];
    if lives.iter().any(|life| !(1..=10 * 366 * 86_400).contains(life)) {
        return Err(AdminStop::Invalid(format!("realm {name}: a lifetime is 1 second to 10 years")));
    }
    let waits = [realm.settings.staleness.issue, realm.settings.staleness.check];
    if waits.iter().any(|wait| !(1..=30 * 86_400).contains(wait)) {
        return Err(AdminStop::Invalid(format!("realm {name}: a staleness limit is 1 second to 30 days")));
    }
    key_plan::check(realm, rotation::outlasted(act, realm))?;
    if !realm.settings.retention.is_sound() {
        return Err(AdminStop::Invalid(format!("realm {name}: retention is 1 to 36500 days, of the audit trail 30 to 36500")));
    }
    refresh_settings::check(realm)?;
    let thrift = &realm.settings.thrift;
    if !(0..=86_400).contains(&thrift.margin) || !(1..=86_400).contains(&thrift.patience) {
        return Err(AdminStop::Invalid(format!(
            "realm {name}: thrift has a margin of 0 seconds to a day and a patience of 1 second to a day"
        )));
    }
    if !realm.settings.failures.is_sound() {
        return Err(AdminStop::Invalid(format!(
            "realm {name}: failures has a per_client of 0 (off) to {MOST}, a per_source of 1 to {MOST}, and seconds of 1 to {LONGEST}",
            MOST = FailureSettings::MOST,
            LONGEST = FailureSettings::LONGEST
        )));
    }
    check_claims(realm)
}

/// Where the endpoints of a realm answer: host and path.
fn places(act: &Act<'_, '_>, realm: &Realm) -> Result<Vec<(Option<String>, String)>, AdminStop> {
    let paths = &offer(act, Some(&realm.dialect))?.paths;
    let of = |mount: &Mount| paths.iter().map(|path| (mount.host.clone(), format!("{}{path}", mount.path))).collect::<Vec<_>>();
    Ok(realm.mounts.iter().flat_map(of).collect())
}

/// The claims that say who issued a token, for whom, about whom and until when: each once, from its own source (RFC 9068 §2.2).
fn check_claims(realm: &Realm) -> Result<(), AdminStop> {
    use ClaimSource::{Audience, ExpiresAt, IssuedAt, Issuer, Subject};
    let AccessTokenFormat::Jwt { claims, .. } = &realm.settings.access_token.format else { return Ok(()) };
    let names: BTreeSet<&str> = claims.iter().map(|row| row.name.as_str()).collect();
    if names.len() < claims.len() {
        return Err(AdminStop::Invalid(format!("realm {}: two claims of its tokens have the same name", realm.name)));
    }
    for (name, from) in [("iss", Issuer), ("sub", Subject), ("aud", Audience), ("exp", ExpiresAt), ("iat", IssuedAt)] {
        if !claims.iter().any(|row| row.name == name && row.from == from && row.prefix.is_empty()) {
            return Err(AdminStop::Invalid(format!(
                "realm {}: its tokens need the claim {name} from its own source",
                realm.name
            )));
        }
    }
    Ok(())
}

/// Writes a changed realm, if it was changed, with its audit record and whatever key it needs now.
pub(super) fn keep(act: &mut Act<'_, '_>, before: &Realm, after: &Realm, action: &str) -> Result<Vec<Value>, AdminStop> {
    let fields = show::differences(&show::realm(before)?, &show::realm(after)?);
    if !fields.is_empty() {
        act.update(after)?;
        rotation::follow_realm(act, after)?;
        act.audit(after, action, after.name.to_string(), json!({ "fields": fields }))?;
    }
    Ok(fields)
}

/// On or off, as records say it.
pub(super) fn status_of(switch: Switch) -> Status {
    match switch {
        Switch::Active => Status::Active,
        Switch::Disabled => Status::Disabled,
    }
}

fn offer<'a>(act: &Act<'a, '_>, name: Option<&Label>) -> Result<&'a DialectOffer, AdminStop> {
    let offers = act.context.dialects;
    let found = match name {
        None => offers.first(),
        Some(name) => offers.iter().find(|offer| offer.name == *name),
    };
    let asked = name.map_or("", Label::as_str);
    found.ok_or_else(|| AdminStop::Invalid(unknown("dialect", asked, offers.iter().map(|offer| offer.name.as_str()))))
}

/// The place that an issuer itself names.
fn mount_of(issuer: &Issuer) -> Result<Mount, AdminStop> {
    let rest = issuer.as_str().split_once("://").map_or("", |(_, rest)| rest);
    let lower = |host: &str| host.to_ascii_lowercase();
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    Ok(Mount::new(Some(&lower(host)), path)?)
}

/// Settings with some of their members replaced.
fn merged(name: &RealmName, base: &RealmSettings, overrides: &Map<String, Value>) -> Result<RealmSettings, AdminStop> {
    let mut settings = show::json_of(base)?;
    overlay(&mut settings, &Value::Object(overrides.clone()));
    serde_json::from_value(settings).map_err(|error| AdminStop::Invalid(format!("realm {name}: settings: {error}")))
}

/// Objects are merged member by member, unless their `kind` changes; everything else is replaced.
fn overlay(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) if over.get("kind").is_none_or(|kind| base.get("kind") == Some(kind)) => {
            for (name, value) in over {
                overlay(base.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}
