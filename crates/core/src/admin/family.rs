//! A family of tokens can be seen and revoked: what a client, or a person through it, was permitted once.

use super::client::{CLIENT, REALM, target};
use super::command::{Answer, Command, Effect, Param, ParamKind};
use super::{Act, AdminStop, Args, Field, FieldKind, act::MOST_ROWS, show};
use crate::name::Key;
use crate::record::{Client, Realm, TokenFamily, families_of_client};
use crate::store::Order;
use serde_json::{Value, json};

const FAMILY: &[Field] = &[
    Field::shown("family", FieldKind::Text, "Its id."),
    Field::shown("subject", FieldKind::Text, "As whom its tokens act."),
    Field::shown("scope", FieldKind::List, "The most it gives."),
    Field::shown("status", FieldKind::Text, "active, revoked or ended."),
    Field::shown("used_at", FieldKind::Time, "When it was last used."),
    Field::hidden("generation", FieldKind::Integer, "Which of its refresh tokens is the present one."),
    Field::hidden("created_at", FieldKind::Time, "When it began."),
    Field::hidden("idle_until", FieldKind::Time, "It ends then if it is not used before."),
    Field::hidden("ends_at", FieldKind::Time, "It ends then, however much it is used."),
    Field::hidden("revoked_at", FieldKind::Time, "When it was revoked."),
];

const REVOKED: &[Field] = &[
    Field::shown("client_id", FieldKind::Text, "The client's id."),
    Field::shown("revoked", FieldKind::List, "The families that were revoked now."),
];

/// The commands about families of tokens.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "family.list",
        scope: "admin:tokens:read",
        summary: "List a client's families of refresh tokens; never the tokens.",
        params: &[REALM, CLIENT],
        answer: Answer::List(FAMILY),
        examples: &[("jeton family list acme build-7", "what it may still refresh, oldest first")],
        method: "GET",
        path: "/v1/realms/{realm}/clients/{client}/families",
        effect: Effect::Reads,
        run: list,
    },
    Command {
        name: "family.revoke",
        scope: "admin:tokens:write",
        summary: "Revoke families of tokens: their refresh tokens and access tokens end at once.",
        params: &[
            REALM,
            CLIENT,
            Param::option("family", ParamKind::List, "Ids of the families to revoke."),
            Param::option("all", ParamKind::Boolean, "Revoke every family of the client."),
        ],
        answer: Answer::One(REVOKED),
        examples: &[("jeton family revoke acme build-7 --all --yes", "whoever refreshed must begin anew")],
        method: "POST",
        path: "/v1/realms/{realm}/clients/{client}/families/revoke",
        effect: Effect::Destroys(
            "These families of client {client} end for ever, with all their tokens; whoever refreshed must begin anew.",
        ),
        run: revoke,
    },
];

fn all(act: &mut Act<'_, '_>, client: &Client) -> Result<Vec<TokenFamily>, AdminStop> {
    Ok(act.records.scan(families_of_client(client.key), None, Order::Ascending, MOST_ROWS)?)
}

fn list(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm(args.word("realm")?)?;
    let client = act.client(&realm, args.word("client")?)?;
    let families = all(act, &client)?;
    Ok(show::list(families.iter().map(|family| view(act, (&realm, &client), family)).collect(), None))
}

fn revoke(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let realm = act.realm_to_change(args.word("realm")?)?;
    let client = act.client(&realm, args.word("client")?)?;
    let families = all(act, &client)?;
    let chosen = match (args.list("family"), args.is_set("all")) {
        (None, true) => families,
        (Some(ids), false) => {
            let find = |id: &str| {
                let key = Key::parse(id);
                let missing = || AdminStop::NotFound(format!("client {} has no family {id}", client.client_id));
                families.iter().find(|family| Some(family.key) == key).cloned().ok_or_else(missing)
            };
            ids.into_iter().map(find).collect::<Result<_, _>>()?
        }
        _ => return Err(AdminStop::Invalid("name families with family, or say all".into())),
    };
    let living: Vec<TokenFamily> = chosen.into_iter().filter(|family| family.revoked_at.is_none()).collect();
    for family in &living {
        act.revoke_family(family.key)?;
        act.audit(&realm, "family.revoke", format!("{}/family/{}", target(&realm, &client), family.key), json!({}))?;
    }
    Ok(
        json!({ "client_id": client.client_id, "revoked": living.iter().map(|family| family.key.to_string()).collect::<Vec<_>>() }),
    )
}

fn view(act: &Act<'_, '_>, (realm, client): (&Realm, &Client), family: &TokenFamily) -> Value {
    let died = family.issued_at.seconds() < client.not_before.max(realm.not_before).seconds();
    let status = match family.revoked_at {
        Some(_) => "revoked",
        None if died || family.is_over(act.now()) => "ended",
        None => "active",
    };
    json!({
        "family": family.key.to_string(), "subject": family.subject, "scope": family.scope, "status": status,
        "used_at": show::moment(family.used_at), "generation": family.generation,
        "created_at": show::moment(family.key.created_at()), "idle_until": show::moment(family.idle_until),
        "ends_at": show::moment(family.ends_at), "revoked_at": family.revoked_at.map(show::moment),
    })
}
