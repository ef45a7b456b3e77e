//! A resource server is an API of a realm, with a sentence for each of its scopes.

use super::command::{Answer, Command, Effect, Param, ParamKind};
use super::document::ResourceEntry;
use super::realm::status_of;
use super::{Act, AdminStop, Args, show};
use crate::name::{ResourceIdentifier, ScopeToken, Title};
use crate::record::{Placement, Realm, ResourceServer, ScopeEntry, Status};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const READ: &str = "admin:resources:read";
const WRITE: &str = "admin:resources:write";
const REALM: Param = Param::word(0, "realm", "The realm's name.");
const IDENTIFIER: Param = Param::word(1, "resource", "The API's identifier, as it stands in aud; it is never an address.");
const BASE_URL: Param = Param::option("base_url", ParamKind::Text, "Where the API is hosted; told to developers.");
const API_KEY: Param =
    Param::option("api_key", ParamKind::Choice(&["none", "header"]), "Whether a call also carries an API key of its client.");

/// The commands about resource servers and scopes.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "resource.create",
        scope: WRITE,
        summary: "Make a resource server: an API that accepts the realm's tokens.",
        params: &[
            REALM,
            IDENTIFIER,
            Param::option("title", ParamKind::Text, "Name for people; left out, the identifier."),
            BASE_URL,
            API_KEY,
        ],
        answer: Answer::One(show::RESOURCE),
        examples: &[(
            "jeton resource create acme https://api.acme.example --title 'Acme data API'",
            "an API; give it scopes with jeton scope add",
        )],
        method: "POST",
        path: "/v1/realms/{realm}/resources",
        effect: Effect::Changes,
        run: create,
    },
    Command {
        name: "resource.list",
        scope: READ,
        summary: "List the resource servers of a realm.",
        params: &[REALM],
        answer: Answer::List(show::RESOURCE),
        examples: &[("jeton resource list acme", "every API of the realm")],
        method: "GET",
        path: "/v1/realms/{realm}/resources",
        effect: Effect::Reads,
        run: list,
    },
    Command {
        name: "resource.show",
        scope: READ,
        summary: "Show a resource server with its scopes.",
        params: &[REALM, IDENTIFIER],
        answer: Answer::One(show::RESOURCE),
        examples: &[("jeton resource show acme https://api.acme.example", "identifier, address, scopes and operations")],
        method: "GET",
        path: "/v1/realms/{realm}/resources/{resource}",
        effect: Effect::Reads,
        run: |act, args| {
            let realm = act.realm(args.word("realm")?)?;
            show::resource(&act.resource(&realm, args.word("resource")?)?)
        },
    },
    Command {
        name: "resource.set",
        scope: WRITE,
        summary: "Change a resource server; what is not named stays as it is.",
        params: &[REALM, IDENTIFIER, Param::option("title", ParamKind::Text, "Name for people."), BASE_URL, API_KEY],
        answer: Answer::One(show::RESOURCE),
        examples: &[(
            "jeton resource set acme https://api.acme.example --base-url https://data.acme.example",
            "a new address; the identifier stays",
        )],
        method: "PATCH",
        path: "/v1/realms/{realm}/resources/{resource}",
        effect: Effect::Changes,
        run: set,
    },
    Command {
        name: "resource.disable",
        scope: WRITE,
        summary: "Take a resource server out of use: its scopes are unknown from then on.",
        params: &[REALM, IDENTIFIER],
        answer: Answer::One(show::RESOURCE),
        examples: &[("jeton resource disable acme https://api.acme.example", "no token is issued for it")],
        method: "POST",
        path: "/v1/realms/{realm}/resources/{resource}/disable",
        effect: Effect::Changes,
        run: |act, args| change(act, args, "resource.disable", |resource| resource.status = Status::Disabled),
    },
    Command {
        name: "resource.enable",
        scope: WRITE,
        summary: "Take a resource server into use again.",
        params: &[REALM, IDENTIFIER],
        answer: Answer::One(show::RESOURCE),
        examples: &[("jeton resource enable acme https://api.acme.example", "its scopes are known again")],
        method: "POST",
        path: "/v1/realms/{realm}/resources/{resource}/enable",
        effect: Effect::Changes,
        run: |act, args| change(act, args, "resource.enable", |resource| resource.status = Status::Active),
    },
    Command {
        name: "scope.add",
        scope: WRITE,
        summary: "Give a resource server a scope, with a sentence that says what it allows.",
        params: &[
            REALM,
            IDENTIFIER,
            Param::word(2, "scope", "The scope token."),
            Param::option("sentence", ParamKind::Text, "What it allows, for developers and for people who are asked.").required(),
        ],
        answer: Answer::One(show::RESOURCE),
        examples: &[
            ("jeton scope add acme https://api.acme.example read --sentence 'Read your data.'", "a scope"),
            ("jeton scope add acme https://api.acme.example write --sentence 'Change your data.'", "another one"),
            ("jeton scope add acme https://api.acme.example legacy --sentence 'What nobody uses.'", "a third one"),
        ],
        method: "POST",
        path: "/v1/realms/{realm}/resources/{resource}/scopes",
        effect: Effect::Changes,
        run: add_scope,
    },
    Command {
        name: "scope.list",
        scope: READ,
        summary: "List the scopes of a realm, with the API of each.",
        params: &[REALM],
        answer: Answer::List(show::SCOPE),
        examples: &[("jeton scope list acme", "what can be granted in this realm")],
        method: "GET",
        path: "/v1/realms/{realm}/scopes",
        effect: Effect::Reads,
        run: list_scopes,
    },
    Command {
        name: "scope.remove",
        scope: WRITE,
        summary: "Take a scope away from a resource server; it is unknown from then on.",
        params: &[REALM, IDENTIFIER, Param::word(2, "scope", "The scope token.")],
        answer: Answer::One(show::RESOURCE),
        examples: &[("jeton scope remove acme https://api.acme.example legacy", "nobody gets it any more")],
        method: "DELETE",
        path: "/v1/realms/{realm}/resources/{resource}/scopes/{scope}",
        effect: Effect::Changes,
        run: remove_scope,
    },
];

fn create(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let identifier = ResourceIdentifier::parse(args.word("resource")?)?;
    if act.find_resource(&realm, &identifier)?.is_some() {
        return Err(AdminStop::Taken(format!("realm {} has a resource {identifier} already", realm.name)));
    }
    let resource = make(act, &realm, &entry(identifier, args)?)?;
    show::resource(&resource)
}

fn list(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm(args.word("realm")?)?;
    let resources = act.resources(&realm)?;
    Ok(show::list(resources.iter().map(show::resource).collect::<Result<_, _>>()?, None))
}

fn set(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let entry = entry(ResourceIdentifier::parse(args.word("resource")?)?, args)?;
    let realm = act.realm_to_change(args.word("realm")?)?;
    let before = act.resource(&realm, args.word("resource")?)?;
    let after = revised(&before, &entry)?;
    keep(act, &realm, (&before, &after), "resource.set")?;
    show::resource(&after)
}

fn add_scope(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let entry = ScopeEntry { scope: ScopeToken::parse(args.word("scope")?)?, sentence: Title::parse(args.word("sentence")?)? };
    change(act, args, "scope.add", |resource| match resource.scopes.iter_mut().find(|known| known.scope == entry.scope) {
        Some(known) => *known = entry.clone(),
        None => resource.scopes.push(entry.clone()),
    })
}

fn remove_scope(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm(args.word("realm")?)?;
    let resource = act.resource(&realm, args.word("resource")?)?;
    let scope = args.word("scope")?;
    if !resource.scopes.iter().any(|known| known.scope.as_str() == scope) {
        return Err(AdminStop::NotFound(format!("resource {} has no scope {scope}", resource.identifier)));
    }
    change(act, args, "scope.remove", |resource| resource.scopes.retain(|known| known.scope.as_str() != scope))
}

fn list_scopes(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm(args.word("realm")?)?;
    let mut items = Vec::new();
    for resource in act.resources(&realm)?.iter().filter(|resource| resource.status.is_active()) {
        for entry in &resource.scopes {
            items.push(json!({ "scope": entry.scope, "resource": resource.identifier, "sentence": entry.sentence }));
        }
    }
    Ok(show::list(items, None))
}

fn change(act: &mut Act<'_, '_>, args: &Args, action: &str, change: impl Fn(&mut ResourceServer)) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let before = act.resource(&realm, args.word("resource")?)?;
    let mut after = before.clone();
    change(&mut after);
    check(&after)?;
    keep(act, &realm, (&before, &after), action)?;
    show::resource(&after)
}

fn entry(identifier: ResourceIdentifier, args: &Args) -> Result<ResourceEntry, AdminStop> {
    Ok(ResourceEntry {
        identifier,
        title: args.text("title").map(Title::parse).transpose()?,
        base_url: args.text("base_url").map(str::to_owned),
        scopes: None,
        api_key: args.text("api_key").map(|word| if word == "header" { Placement::Header } else { Placement::None }),
        operations: None,
        status: None,
    })
}

/// Makes a resource server as an entry says. That there is none of this identifier is the caller's check.
pub(super) fn make(act: &mut Act<'_, '_>, realm: &Realm, entry: &ResourceEntry) -> Result<ResourceServer, AdminStop> {
    let new = ResourceServer {
        key: act.new_key("resource"),
        realm: realm.key,
        identifier: entry.identifier.clone(),
        title: Title::parse(entry.identifier.as_str().get(..200).unwrap_or(entry.identifier.as_str()))?,
        base_url: None,
        scopes: Vec::new(),
        api_key: Placement::None,
        operations: Vec::new(),
        status: Status::Active,
    };
    let new = revised(&new, entry)?;
    act.insert(&new)?;
    act.audit(realm, "resource.create", target(realm, &new), show::resource(&new)?)?;
    Ok(new)
}

/// A resource server as far as an entry changes it.
pub(super) fn revised(before: &ResourceServer, entry: &ResourceEntry) -> Result<ResourceServer, AdminStop> {
    let mut after = before.clone();
    if let Some(title) = &entry.title {
        after.title = title.clone();
    }
    if let Some(base_url) = &entry.base_url {
        after.base_url = Some(base_url.clone());
    }
    if let Some(scopes) = &entry.scopes {
        after.scopes.clone_from(scopes);
    }
    if let Some(api_key) = entry.api_key {
        after.api_key = api_key;
    }
    if let Some(operations) = &entry.operations {
        after.operations.clone_from(operations);
    }
    if let Some(status) = entry.status {
        after.status = status_of(status);
    }
    check(&after)?;
    Ok(after)
}

fn check(resource: &ResourceServer) -> Result<(), AdminStop> {
    let invalid = |what: &str| Err(AdminStop::Invalid(format!("resource {}: {what}", resource.identifier)));
    let http = |url: &String| url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !resource.base_url.as_ref().is_none_or(http) {
        return invalid("base_url is an http or https URL");
    }
    let names: BTreeSet<&ScopeToken> = resource.scopes.iter().map(|entry| &entry.scope).collect();
    if names.len() != resource.scopes.len() {
        return invalid("a scope is named twice");
    }
    for operation in &resource.operations {
        if !operation.path.starts_with('/')
            || operation.method.is_empty()
            || !operation.method.bytes().all(|b| b.is_ascii_uppercase())
        {
            return invalid("an operation has a method in capitals and a path that starts with /");
        }
        // The guard permits nobody where no scope is asked for.
        if operation.scope.is_empty() || !operation.scope.iter().all(|scope| names.contains(scope)) {
            return invalid("an operation names at least one scope, and only scopes of its own API");
        }
    }
    Ok(())
}

/// Writes a changed resource server, if it was changed, with its audit record.
pub(super) fn keep(
    act: &mut Act<'_, '_>,
    realm: &Realm,
    (before, after): (&ResourceServer, &ResourceServer),
    action: &str,
) -> Result<Vec<Value>, AdminStop> {
    let fields = show::differences(&show::resource(before)?, &show::resource(after)?);
    if !fields.is_empty() {
        act.update(after)?;
        act.audit(realm, action, target(realm, after), json!({ "fields": fields }))?;
    }
    Ok(fields)
}

/// How a resource server is named in audit records and plans.
pub(super) fn target(realm: &Realm, resource: &ResourceServer) -> String {
    format!("{}/resource/{}", realm.name, resource.identifier)
}

/// What a client of a realm can be granted, and be.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// Every scope of an API in use.
    pub scopes: BTreeSet<ScopeToken>,
    /// Every API, in use or not.
    pub resources: BTreeSet<ResourceIdentifier>,
}

/// What these resource servers offer to the clients of their realm.
pub(super) fn catalogue<'a>(resources: impl IntoIterator<Item = &'a ResourceServer>) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for resource in resources {
        catalogue.resources.insert(resource.identifier.clone());
        if resource.status.is_active() {
            catalogue.scopes.extend(resource.scopes.iter().map(|entry| entry.scope.clone()));
        }
    }
    catalogue
}
