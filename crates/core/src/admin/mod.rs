//! An admin command is one row of one table: command line, admin API and its description are faces of the same rows.
//!
//! A command is a decision like any other: it reads records, buffers writes with one audit record for each change, and is
//! committed whole or not at all. It knows no socket, no file and no terminal.

mod act;
mod api_key;
mod apply;
mod args;
mod audit;
mod audit_export;
mod bootstrap;
mod client;
mod client_entry;
mod client_key;
mod client_state;
mod command;
mod credential;
mod dialect_offer;
pub mod document;
mod family;
mod key_plan;
mod permission;
mod realm;
mod refresh_settings;
mod replace;
mod resource;
mod rotation;
mod secret;
mod show;
mod signing_key;
mod stop;
mod thrift;
mod token;
mod token_revoke;
mod web_origin;
mod webhook;

pub use act::{ADMIN_REALM, ADMIN_RESOURCE, Act, Context, Powers};
pub use args::{Args, parse_time, unknown};
pub use bootstrap::{bootstrap, is_admin_realm};
pub use command::{Answer, Column, Command, Effect, Field, FieldKind, Param, ParamKind, ParamNeed};
pub use credential::{API_KEY_PREFIX, SECRET_PREFIX, is_generated};
pub use dialect_offer::DialectOffer;
pub use key_plan::{KeyWatch, KeysDue};
pub use rotation::{Rotated, rotate};
pub use stop::{AdminStop, Needed};

/// The scopes of the admin API, each with its sentence.
pub const AREAS: &[(&str, &str)] = &[
    ("admin:realms:read", "See realms and their signing keys."),
    ("admin:realms:write", "Make, change and stop realms, and rotate and revoke their signing keys."),
    ("admin:resources:read", "See APIs and their scopes."),
    ("admin:resources:write", "Make and change APIs and their scopes."),
    ("admin:clients:read", "See clients."),
    ("admin:clients:write", "Register, change, stop and delete clients, and grant them scopes."),
    ("admin:credentials:read", "See the names and states of secrets and API keys; never their values."),
    ("admin:credentials:write", "Make, end and revoke secrets and API keys."),
    ("admin:audit:read", "See who changed what, and why requests were refused."),
    ("admin:webhooks:read", "See webhooks and how they fare; never their secrets."),
    ("admin:webhooks:write", "Make, try, stop and delete webhooks; for one that is told the audit trail, with admin:audit:read."),
    ("admin:usage:read", "See how many tokens a client got."),
    ("admin:tokens:read", "Have tokens explained, and see families of tokens; never the tokens."),
    ("admin:tokens:write", "Revoke tokens and families of tokens."),
    ("admin:apply:write", "Make everything be as a document says."),
];

/// Every table of commands, in the order of the documentation.
const TABLES: &[&[Command]] = &[
    realm::COMMANDS,
    signing_key::COMMANDS,
    resource::COMMANDS,
    client::COMMANDS,
    secret::COMMANDS,
    client_key::COMMANDS,
    replace::COMMANDS,
    api_key::COMMANDS,
    audit::COMMANDS,
    audit_export::COMMANDS,
    thrift::COMMANDS,
    client_state::COMMANDS,
    apply::COMMANDS,
    token::COMMANDS,
    token_revoke::COMMANDS,
    webhook::COMMANDS,
    family::COMMANDS,
];

/// Every command.
pub fn commands() -> impl Iterator<Item = &'static Command> {
    TABLES.iter().copied().flatten()
}

/// The command of this name.
#[must_use]
pub fn command(name: &str) -> Option<&'static Command> {
    commands().find(|command| command.name == name)
}
