//! Applying a document makes realms, APIs and clients be as it says: a plan first, then all of it or nothing.

use super::act::{Act, Mode};
use super::command::{Answer, Command, Effect, Param, ParamKind};
use super::document::{ClientEntry, Document, without_values};
use super::{AdminStop, Args};
use serde::de::DeserializeOwned;
use serde_json::Value;

mod clients;
mod plan;
mod realms;

use plan::Plan;

const DRY_RUN: Param = Param::option("dry_run", ParamKind::Boolean, "Only tell what would be changed.");
const PRUNE: Param = Param::option(
    "prune",
    ParamKind::Boolean,
    "Also delete clients, disable APIs and revoke secrets and keys that the document's realms have and the document does not.",
);

/// The commands that take many things at once.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "apply",
        scope: "admin:apply:write",
        summary: "Make realms, APIs, scopes and clients be as a document says, all of it or nothing.",
        params: &[
            Param::option("document", ParamKind::Realms, "The document: TOML or JSON on the command line, an object in the API.")
                .required()
                .at(0),
            DRY_RUN,
            PRUNE,
        ],
        answer: Answer::Plan,
        examples: &[
            ("jeton apply jeton.toml --dry-run", "what would change"),
            ("jeton apply jeton.toml --yes", "make it so; a second time there is nothing to change"),
        ],
        method: "POST",
        path: "/v1/apply",
        effect: Effect::Changes,
        run: apply,
    },
    Command {
        name: "client.import",
        scope: super::client::WRITE,
        summary: "Take in the clients that a provider has already, with their ids, secrets and keys; all of them or none.",
        params: &[
            super::client::REALM,
            Param::option(
                "clients",
                ParamKind::Clients,
                "The clients: TOML, JSON or CSV on the command line, a list of objects in the API.",
            )
            .required()
            .at(1),
            DRY_RUN,
        ],
        answer: Answer::Plan,
        examples: &[("jeton client import acme clients.csv --yes", "a CSV file with the columns client_id,title,secret,scope")],
        method: "POST",
        path: "/v1/realms/{realm}/clients/import",
        effect: Effect::Changes,
        run: import,
    },
];

/// Whether what a document does not mention goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unmentioned {
    Stays,
    Goes,
}

fn apply(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let document: Document = read(args, "document")?;
    let unmentioned = if args.is_set("prune") { Unmentioned::Goes } else { Unmentioned::Stays };
    begin(act, args);
    let mut plan = Plan::default();
    realms::apply(act, &document, unmentioned, &mut plan)?;
    Ok(plan.told(act.mode))
}

fn import(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let entries: Vec<ClientEntry> = read(args, "clients")?;
    let realm = act.realm_to_change(args.word("realm")?)?;
    begin(act, args);
    let mut plan = Plan::default();
    let resources = act.resources(&realm)?;
    let known = super::resource::catalogue(&resources);
    let place = clients::Place { realm: &realm, known, is_new: false, unmentioned: Unmentioned::Stays };
    clients::apply(act, &place, &entries, &mut plan)?;
    Ok(plan.told(act.mode))
}

fn begin(act: &mut Act<'_, '_>, args: &Args) {
    if args.is_set("dry_run") {
        act.mode = Mode::Rehearse;
    }
}

fn read<T: DeserializeOwned>(args: &Args, name: &str) -> Result<T, AdminStop> {
    let value = args.document(name).cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|error| AdminStop::Invalid(format!("{name}: {}", without_values(&error.to_string()))))
}
