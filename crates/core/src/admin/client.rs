//! A client is registered here, granted scopes, and changed; its state has a file of its own, and so have its secrets and keys.

use super::client_entry::{check, fresh, revise};
use super::command::{Answer, Command, Effect, Param, ParamKind};
use super::document::{ClientEntry, ClientType};
use super::resource::{Catalogue, catalogue};
use super::{Act, AdminStop, Args, show, web_origin};
use crate::name::{ClientId, Label, ResourceIdentifier, Scope, ScopeToken, Time, Title, WebOrigin};
use crate::record::{AuthMethod, Client, GrantName, Realm, clients_of_realm};
use crate::store::{Order, Place};
use crate::token::dead_until;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) const READ: &str = "admin:clients:read";
pub(super) const WRITE: &str = "admin:clients:write";
pub(super) const REALM: Param = Param::word(0, "realm", "The realm's name.");
pub(super) const CLIENT: Param = Param::word(1, "client", "The client's id.");
const SCOPE: Param = Param::option("scope", ParamKind::List, "What it is granted; scopes of the realm's APIs.");
const TITLE: Param = Param::option("title", ParamKind::Text, "Name for people.");
const DEFAULT_SCOPE: Param = Param::option("default_scope", ParamKind::List, "What it gets when it asks for nothing.");
const PERSON: Param = Param::option("person", ParamKind::Text, "The person as whom its tokens act, where the realm says so.");
const INSTANCES: Param =
    Param::option("instances", ParamKind::Integer, "How many copies of it run at the same time; left out, 1.");
const GRANT: Param =
    Param::option("grant", ParamKind::List, "Grants it may use: client_credentials, refresh_token, authorization_code.");
const METHODS: Param = Param::option(
    "auth_method",
    ParamKind::List,
    "How it may authenticate: client_secret_basic, client_secret_post, private_key_jwt.",
);
const REDIRECT: Param = Param::option("redirect_uri", ParamKind::List, "Exact redirect URIs.");
const ORIGIN: Param = Param::option("web_origin", ParamKind::List, "Origins of web pages from which a public client may ask.");
const INTROSPECTS: Param =
    Param::option("introspects", ParamKind::List, "The APIs, by identifier, for which it asks what tokens say.");
const CLEAR: &str = "clear: expected default_scope, person, redirect_uri, web_origin or introspects";
/// Clients on one page of a list.
const PAGE: i64 = 100;

/// The commands about clients themselves.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "client.create",
        scope: WRITE,
        summary: "Register a client; its id is unique within the realm for ever.",
        params: &[
            REALM,
            CLIENT,
            SCOPE,
            TITLE,
            Param::option(
                "type",
                ParamKind::Choice(&["confidential", "public"]),
                "Whether it can hold a secret; left out, it can.",
            ),
            GRANT,
            DEFAULT_SCOPE,
            METHODS,
            REDIRECT,
            ORIGIN,
            PERSON,
            INTROSPECTS,
            INSTANCES,
            Param::option("secret", ParamKind::Text, "Name of a first secret to make; its value is shown once."),
        ],
        answer: Answer::One(CREATED),
        examples: &[
            (
                "jeton client create acme build-7 --scope read --title 'Build server 7'",
                "a client that asks for tokens in its own name",
            ),
            ("jeton client create acme build-8 --scope 'read' --secret main", "another one, with its first secret"),
        ],
        method: "POST",
        path: "/v1/realms/{realm}/clients",
        effect: Effect::Changes,
        run: create,
    },
    Command {
        name: "client.list",
        scope: READ,
        summary: "List the clients of a realm, by id.",
        params: &[
            REALM,
            Param::option("after", ParamKind::Text, "Start behind this client."),
            Param::option("limit", ParamKind::Integer, "Most clients to list, 1 to 1000; left out, 100."),
        ],
        answer: Answer::List(show::CLIENT),
        examples: &[("jeton client list acme", "the first hundred clients")],
        method: "GET",
        path: "/v1/realms/{realm}/clients",
        effect: Effect::Reads,
        run: list,
    },
    Command {
        name: "client.show",
        scope: READ,
        summary: "Show a client.",
        params: &[REALM, CLIENT],
        answer: Answer::One(show::CLIENT),
        examples: &[("jeton client show acme build-7", "what it may do, and how it authenticates")],
        method: "GET",
        path: "/v1/realms/{realm}/clients/{client}",
        effect: Effect::Reads,
        run: |act, args| {
            let realm = act.realm(args.word("realm")?)?;
            show::client(&act.client(&realm, args.word("client")?)?)
        },
    },
    Command {
        name: "client.set",
        scope: WRITE,
        summary: "Change a client; what is not named stays as it is.",
        params: &[
            REALM,
            CLIENT,
            TITLE,
            GRANT,
            DEFAULT_SCOPE,
            METHODS,
            REDIRECT,
            ORIGIN,
            PERSON,
            INTROSPECTS,
            Param::option("instances", ParamKind::Integer, "How many copies of it run at the same time."),
            Param::option(
                "clear",
                ParamKind::List,
                "What to take away: default_scope, person, redirect_uri, web_origin, introspects.",
            ),
        ],
        answer: Answer::One(show::CLIENT),
        examples: &[("jeton client set acme build-7 --title 'Build server seven'", "a name for people")],
        method: "PATCH",
        path: "/v1/realms/{realm}/clients/{client}",
        effect: Effect::Changes,
        run: set,
    },
    Command {
        name: "client.grant",
        scope: WRITE,
        summary: "Grant scopes to a client, beside those it has.",
        params: &[REALM, CLIENT, Param::option("scope", ParamKind::List, "Scopes to grant.").required()],
        answer: Answer::One(show::CLIENT),
        examples: &[("jeton client grant acme build-7 --scope write", "from its next token on")],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/grant",
        effect: Effect::Changes,
        run: grant,
    },
    Command {
        name: "client.withdraw",
        scope: WRITE,
        summary: "Withdraw scopes from a client; its living tokens end at once, so that none keeps them.",
        params: &[REALM, CLIENT, Param::option("scope", ParamKind::List, "Scopes to withdraw.").required()],
        answer: Answer::One(show::CLIENT),
        examples: &[("jeton client withdraw acme build-7 --scope write --yes", "it asks for a new token and gets the rest")],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/withdraw",
        effect: Effect::Destroys(
            "All tokens of client {client} end for ever; those that it asks for from now on do not have these scopes.",
        ),
        run: withdraw,
    },
];

const CREATED: &[super::Field] = &[
    super::Field::shown("client_id", super::FieldKind::Text, "Its id."),
    super::Field::shown("title", super::FieldKind::Text, "Name for people."),
    super::Field::shown("type", super::FieldKind::Text, "confidential or public."),
    super::Field::shown("grants", super::FieldKind::List, "The grants it may use."),
    super::Field::shown("scope", super::FieldKind::List, "What it was granted."),
    super::Field::shown(
        "secret",
        super::FieldKind::Object,
        "The first secret, if one was asked for; its value is shown only now.",
    ),
];

fn create(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let mut entry = entry(args)?;
    entry.kind = args.text("type").map(|word| if word == "public" { ClientType::Public } else { ClientType::Confidential });
    let known = catalogue(&act.resources(&realm)?);
    let mut client = fresh(act, &realm, &entry, &known)?;
    let first = args.text("secret").map(Label::parse).transpose()?;
    let first = first.map(|name| super::secret::add_generated(act, &realm, &mut client, name)).transpose()?;
    act.insert(&client)?;
    web_origin::keep(act, &client)?;
    let mut view = show::client(&client)?;
    act.audit(&realm, "client.create", target(&realm, &client), view.clone())?;
    if let Some(first) = first {
        view["secret"] = first;
    }
    Ok(view)
}

fn list(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm(args.word("realm")?)?;
    let limit = usize::try_from(args.integer("limit").unwrap_or(PAGE).clamp(1, 1000)).unwrap_or(1);
    let after = match args.text("after") {
        Some(id) => {
            let id = ClientId::parse(id)?;
            let known = act.find_client(&realm, &id)?;
            let known = known.ok_or_else(|| AdminStop::NotFound(format!("realm {} has no client {id}", realm.name)))?;
            Some(Place { values: vec![id.as_str().into()], key: known.key })
        }
        None => None,
    };
    let clients: Vec<Client> = act.records.scan(clients_of_realm(realm.key), after, Order::Ascending, limit)?;
    let next = (clients.len() == limit).then(|| clients.last().map(|client| client.client_id.to_string())).flatten();
    Ok(show::list(clients.iter().map(show::client).collect::<Result<_, _>>()?, next))
}

fn set(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let entry = entry(args)?;
    change(act, args, "client.set", |client, known, _| {
        revise(client, &entry)?;
        for name in args.list("clear").unwrap_or_default() {
            match name {
                "default_scope" => client.default_scope = None,
                "person" => client.person = None,
                "redirect_uri" => client.redirect_uris.clear(),
                "web_origin" => client.web_origins.clear(),
                "introspects" => client.introspects.clear(),
                _ => return Err(AdminStop::Invalid(CLEAR.into())),
            }
        }
        check(client, known)
    })
}

fn grant(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let given = scope_of(&args.list("scope").unwrap_or_default())?;
    change(act, args, "client.grant", |client, known, _| {
        client.scope = ordered(client.scope.iter().chain(&given));
        check(client, known)
    })
}

fn withdraw(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let taken = scope_of(&args.list("scope").unwrap_or_default())?;
    change(act, args, "client.withdraw", |client, _, until| {
        if let Some(foreign) = taken.iter().find(|scope| !client.scope.contains(scope)) {
            return Err(AdminStop::NotFound(format!("client {} was not granted {foreign}", client.client_id)));
        }
        let keeps = |scope: &&ScopeToken| !taken.contains(scope);
        client.default_scope = client.default_scope.as_ref().map(|scope| ordered(scope.iter().filter(keeps)));
        client.scope = ordered(client.scope.iter().filter(keeps));
        client.not_before = until;
        Ok(())
    })
}

/// From when the tokens of a client count if those that it has are to end now.
pub(super) type DeadUntil = Time;

/// Changes a client, writes it if it was changed, and shows it.
pub(super) fn change(
    act: &mut Act<'_, '_>,
    args: &Args,
    action: &str,
    change: impl FnOnce(&mut Client, &Catalogue, DeadUntil) -> Result<(), AdminStop>,
) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let before = act.client(&realm, args.word("client")?)?;
    let known = catalogue(&act.resources(&realm)?);
    let mut after = before.clone();
    change(&mut after, &known, dead_until(before.not_before.max(realm.not_before), act.now()))?;
    let fields = show::differences(&show::client(&before)?, &show::client(&after)?);
    if !fields.is_empty() {
        act.update(&after)?;
        if before.web_origins != after.web_origins {
            web_origin::keep(act, &after)?;
        }
        act.audit(&realm, action, target(&realm, &after), json!({ "fields": fields }))?;
    }
    show::client(&after)
}

fn entry(args: &Args) -> Result<ClientEntry, AdminStop> {
    let words = |name: &str| args.list(name).map(|list| Value::from(list.into_iter().map(Value::from).collect::<Vec<_>>()));
    let grants =
        |value| serde_json::from_value::<BTreeSet<GrantName>>(value).map_err(|_| AdminStop::Invalid(GRANT.sentence.into()));
    let methods =
        |value| serde_json::from_value::<BTreeSet<AuthMethod>>(value).map_err(|_| AdminStop::Invalid(METHODS.sentence.into()));
    let scope = |name: &str| args.list(name).map(|list| scope_of(&list)).transpose();
    Ok(ClientEntry {
        title: args.text("title").map(Title::parse).transpose()?,
        grants: words("grant").map(grants).transpose()?,
        scope: scope("scope")?,
        default_scope: scope("default_scope")?,
        person: args.text("person").map(Title::parse).transpose()?,
        instances: args.integer("instances").map(|count| u32::try_from(count).unwrap_or(0)),
        auth_methods: words("auth_method").map(methods).transpose()?,
        introspects: args
            .list("introspects")
            .map(|list| list.into_iter().map(ResourceIdentifier::parse).collect())
            .transpose()?,
        redirect_uris: args.list("redirect_uri").map(|list| list.into_iter().map(str::to_owned).collect()),
        web_origins: args.list("web_origin").map(|list| list.into_iter().map(WebOrigin::parse).collect()).transpose()?,
        ..ClientEntry::new(ClientId::parse(args.word("client")?)?)
    })
}

/// Reads scope tokens; one text may hold several with spaces between them.
fn scope_of(texts: &[&str]) -> Result<Vec<ScopeToken>, AdminStop> {
    let words = texts.iter().flat_map(|text| text.split(' ').filter(|word| !word.is_empty()));
    Ok(words.map(ScopeToken::parse).collect::<Result<_, _>>()?)
}

/// A set of scopes has one order in a record.
pub(super) fn ordered<'a>(tokens: impl IntoIterator<Item = &'a ScopeToken>) -> Scope {
    let tokens: BTreeSet<&ScopeToken> = tokens.into_iter().collect();
    tokens.into_iter().cloned().collect()
}

/// How a client is named in audit records and plans.
pub(super) fn target(realm: &Realm, client: &Client) -> String {
    format!("{}/client/{}", realm.name, client.client_id)
}
