//! A token that fell into wrong hands is ended by an administrator, whosever it is; or all of a realm are.

use super::command::{Answer, Command, Effect, Field, FieldKind, Param, ParamKind};
use super::{Act, AdminStop, Args, realm, show, token};
use crate::record::{Realm, TokenFamily};
use crate::refusal::Why;
use crate::token::{FamilyToken, Genuine, Revoking, genuine, realm_dead_until};
use jeton_jose::jwt;
use serde_json::{Value, json};

/// The commands that end tokens one by one.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "token.revoke",
        scope: "admin:tokens:write",
        summary: "End one token at once, before its time.",
        params: &[Param::option("token", ParamKind::Token, "The token: an access token or a refresh token.").required().at(0)],
        answer: Answer::One(REVOKED),
        examples: &[("jeton token revoke - --yes < leaked-token", "a token that was found where it should not be")],
        method: "POST",
        path: "/v1/tokens/revoke",
        effect: Effect::Destroys("This token ends for ever; if it is a refresh token, so do those that came of it."),
        run: revoke,
    },
    Command {
        name: "realm.revoke-tokens",
        scope: "admin:realms:write",
        summary: "End every living token of a realm at once; its clients may ask for new ones.",
        params: &[super::client::REALM],
        answer: Answer::One(show::REALM),
        examples: &[("jeton realm revoke-tokens acme --yes", "after a break-in; every client asks anew")],
        method: "POST",
        path: "/v1/realms/{realm}/revoke-tokens",
        effect: Effect::Destroys(
            "All tokens of realm {realm} end for ever, refresh tokens too; its clients must ask for new ones.",
        ),
        run: revoke_all,
    },
];

const REVOKED: &[Field] = &[
    Field::shown("realm", FieldKind::Text, "The realm that made it."),
    Field::shown("client_id", FieldKind::Text, "The client that it was given to."),
    Field::shown("kind", FieldKind::Text, "access or refresh."),
    Field::shown("outcome", FieldKind::Text, "revoked, or ended: it had ended or was revoked before."),
    Field::shown("until", FieldKind::Time, "When it would have ended by itself."),
];

fn revoke_all(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let before = act.realm_to_change(args.word("realm")?)?;
    let not_before = realm_dead_until(before.not_before, act.now());
    let after = Realm { not_before, ..before.clone() };
    realm::keep(act, &before, &after, "realm.revoke-tokens")?;
    show::realm(&after)
}

fn revoke(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let text = args.word("token")?.trim();
    let text = text.strip_prefix("Bearer ").unwrap_or(text);
    if let Some(token) = FamilyToken::parse(text) {
        return end_family(act, &token);
    }
    let (realm, token) = find(act, text)?;
    act.may_change(&realm)?;
    let kind = match &token {
        Genuine::Access(_) => "access",
        Genuine::Sealed(..) => "refresh",
    };
    let (client_id, until) = (token.client_id().clone(), token.expires_at());
    let outcome = act.revoke(&realm, &token)?;
    if outcome == Revoking::Done {
        let target = format!("{}/client/{client_id}", realm.name);
        act.audit(&realm, "token.revoke", target, json!({ "kind": kind, "until": show::moment(until) }))?;
    }
    let outcome = if outcome == Revoking::Done { "revoked" } else { "ended" };
    Ok(json!({
        "realm": realm.name, "client_id": client_id, "kind": kind, "outcome": outcome, "until": show::moment(until),
    }))
}

/// Ends a family by one of its refresh tokens, an old one, too: it proves as well that somebody has them.
fn end_family(act: &mut Act<'_, '_>, token: &FamilyToken) -> Result<Value, AdminStop> {
    let family: Option<TokenFamily> = act.records.read(token.family)?;
    let family = family.ok_or_else(|| AdminStop::NotFound(NOT_OURS.into()))?;
    let realm: Option<Realm> = act.records.read(family.realm)?;
    let realm = realm.ok_or_else(|| AdminStop::NotFound(NOT_OURS.into()))?;
    act.may_change(&realm)?;
    if !token.is_of(&token::state_of(act, &realm)?) {
        return Err(AdminStop::NotFound(NOT_OURS.into()));
    }
    // Where nobody used it for too long, an access token of it may live on.
    let is_over = family.is_over(act.now()) && act.now() >= family.access_until;
    let lives = family.revoked_at.is_none() && !is_over;
    if lives {
        act.revoke_family(family.key)?;
        let target = format!("{}/client/{}/family/{}", realm.name, family.client_id, family.key);
        act.audit(&realm, "token.revoke", target, json!({ "kind": "refresh" }))?;
    }
    Ok(json!({
        "realm": realm.name, "client_id": family.client_id, "kind": "refresh",
        "outcome": if lives { "revoked" } else { "ended" }, "until": show::moment(family.ends_at),
    }))
}

const NOT_OURS: &str = "no realm here made this token; it is damaged, or from another installation";

/// The token, and the realm that made it.
fn find(act: &mut Act<'_, '_>, text: &str) -> Result<(Realm, Genuine), AdminStop> {
    // Unproven, so it only says whose keys to try.
    let issuer = jwt::unproven(text.as_bytes(), "iss").ok();
    let mut realms = act.realms()?;
    realms.retain(|realm| issuer.as_ref().is_none_or(|issuer| realm.issuer.as_str() == issuer));
    for realm in realms {
        let state = token::state_of(act, &realm)?;
        match genuine(&state, act.now(), text) {
            Ok(token) => return Ok((realm, token)),
            Err(Why::TokenExpired) => return Err(AdminStop::NotFound("this token has ended by itself already".into())),
            Err(_) => {}
        }
    }
    Err(AdminStop::NotFound(NOT_OURS.into()))
}
