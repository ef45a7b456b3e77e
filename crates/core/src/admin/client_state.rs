//! The state of a client: in use, switched off, suspended for a reason, or gone for ever.
//!
//! Whatever stops a client also ends its living tokens, and letting it go on does not revive them.

use super::client::{CLIENT, REALM, WRITE, change, target};
use super::command::{Answer, Command, Effect, Param, ParamKind};
use super::{Act, AdminStop, Args, show, web_origin};
use crate::name::Title;
use crate::notice::Notice;
use crate::record::{ApiKey, ClientKind, NoticeKind, Status, keys_of_client};
use crate::store::Order;
use crate::token::dead_until;
use serde_json::{Value, json};

/// The commands about the state of clients.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "client.disable",
        scope: WRITE,
        summary: "Switch a client off: token requests, living tokens and API keys stop at once.",
        params: &[REALM, CLIENT],
        answer: Answer::One(show::CLIENT),
        examples: &[("jeton client disable acme build-7 --yes", "until it is enabled")],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/disable",
        effect: Effect::Destroys(
            "All tokens of client {client} end for ever; it gets no new ones, and its API keys do not pass, until it is enabled.",
        ),
        run: |act, args| stop(act, args, "client.disable", Status::Disabled),
    },
    Command {
        name: "client.suspend",
        scope: WRITE,
        summary: "Stop a client for a reason that its owner may read.",
        params: &[REALM, CLIENT, Param::option("reason", ParamKind::Text, "Why, in one line.").required()],
        answer: Answer::One(show::CLIENT),
        examples: &[(
            "jeton client suspend acme build-7 --reason 'Its secret was found in a public repository' --yes",
            "everything of it stops, and the reason stands in its record",
        )],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/suspend",
        effect: Effect::Destroys(
            "All tokens of client {client} end for ever; it gets no new ones, and its API keys do not pass, until it is enabled.",
        ),
        run: |act, args| {
            let reason = Title::parse(args.word("reason")?)?;
            let shown = stop(act, args, "client.suspend", Status::Suspended { reason: reason.clone() })?;
            let realm = act.realm(args.word("realm")?)?;
            let client = act.client(&realm, args.word("client")?)?;
            let (kind, detail) = (NoticeKind::ClientSuspended, json!({ "reason": reason }));
            act.notify(&Notice { kind, realm: &realm, client: Some(&client.client_id), detail })?;
            Ok(shown)
        },
    },
    Command {
        name: "client.enable",
        scope: WRITE,
        summary: "Let a client go on; tokens from before stay dead.",
        params: &[REALM, CLIENT],
        answer: Answer::One(show::CLIENT),
        examples: &[("jeton client enable acme build-7", "it may ask for tokens again")],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/enable",
        effect: Effect::Changes,
        run: |act, args| {
            change(act, args, "client.enable", |client, _, _| {
                client.status = Status::Active;
                Ok(())
            })
        },
    },
    Command {
        name: "client.revoke-tokens",
        scope: WRITE,
        summary: "End every living token of a client at once; it may ask for new ones.",
        params: &[REALM, CLIENT],
        answer: Answer::One(show::CLIENT),
        examples: &[("jeton client revoke-tokens acme build-7 --yes", "after a leak; its next token is good again")],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/revoke-tokens",
        effect: Effect::Destroys("All tokens of client {client} end for ever, refresh tokens too; it must ask for new ones."),
        run: |act, args| {
            change(act, args, "client.revoke-tokens", |client, _, until| {
                client.not_before = until;
                Ok(())
            })
        },
    },
    Command {
        name: "client.delete",
        scope: WRITE,
        summary: "Delete a client for ever: its secrets and keys go, and nobody gets its id again.",
        params: &[REALM, CLIENT],
        answer: Answer::One(show::CLIENT),
        examples: &[("jeton client delete acme build-8 --yes", "only its id is remembered")],
        method: "DELETE",
        path: "/v1/realms/{realm}/clients/{client}",
        effect: Effect::Destroys(
            "Client {client} ends for ever, with its tokens, secrets, public keys and API keys; nobody gets its id again.",
        ),
        run: |act, args| {
            let realm = act.realm_to_change(args.word("realm")?)?;
            delete(act, &realm, args.word("client")?)
        },
    },
];

fn stop(act: &mut Act<'_, '_>, args: &Args, action: &str, status: Status) -> Result<Value, AdminStop> {
    change(act, args, action, |client, _, until| {
        client.status = status;
        client.not_before = until;
        Ok(())
    })
}

/// Deletes a client: what is left is its identity.
pub(super) fn delete(act: &mut Act<'_, '_>, realm: &crate::record::Realm, id: &str) -> Result<Value, AdminStop> {
    let mut client = act.client(realm, id)?;
    client.status = Status::Deleted;
    client.not_before = dead_until(client.not_before.max(realm.not_before), act.now());
    client.redirect_uris.clear();
    client.web_origins.clear();
    if let ClientKind::Confidential { secrets, keys, .. } = &mut client.kind {
        secrets.clear();
        keys.clear();
    }
    let keys: Vec<ApiKey> = act.records.scan(keys_of_client(client.key), None, Order::Ascending, super::act::MOST_ROWS)?;
    for key in keys {
        act.update(&ApiKey { status: Status::Deleted, ..key })?;
    }
    act.update(&client)?;
    web_origin::keep(act, &client)?;
    act.audit(realm, "client.delete", target(realm, &client), json!({}))?;
    show::client(&client)
}
