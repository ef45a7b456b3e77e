//! A decided token is issued, handed out again or held back, as its client's thrift deserves.

use crate::client_auth::Known;
use crate::grant::Asked;
use crate::name::{ScopeToken, Time};
use crate::record::{Revoked, ThriftPolicy};
use crate::refusal::Why;
use crate::store::Changing;
use crate::thrift::{Asking, Kept, Rules, Verdict, Want};
use crate::token::{Issue, Issued, Refresh, Told, digest_of_access, mint};
use crate::world::{Consequence, Need, Stop, Suspension, World};
use std::sync::Arc;

/// Makes the tokens of an issue in a client's own name, unless the client asks too often. Tokens count from the time in `from`.
pub(super) fn issue(
    known: Known<'_>,
    asked: &Asked<'_>,
    change: &Changing<'_, '_>,
    from: &World<'_>,
    issue: Issue,
) -> Result<Issued, Stop> {
    let (realm, client, now) = (&asked.realm.realm, asked.client.client(), asked.world.now);
    let settings = &realm.settings;
    if settings.thrift.policy == ThriftPolicy::Off {
        return mint(asked.realm, from, issue);
    }
    let rules = Rules::new(&settings.thrift, settings.access_token.lifetime, client.instances);
    let asking = Asking {
        realm: realm.key,
        client: client.key,
        from: client.not_before.max(realm.not_before),
        want: Want::of(issue.scope.iter().map(ScopeToken::as_str).chain([""]).chain(issue.audience.iter().map(String::as_str))),
        now,
        rules: &rules,
    };
    let good = |kept: &Kept| is_good(asked, &rules, &issue, kept) && kept.expires_at <= expiry(asked, from);
    // A request that was judged already is not counted again.
    let judged = asked.world.facts.suspension.filter(|judged| judged.client == client.key);
    let verdict = judged.map(|Suspension { wasted, pace, .. }| Verdict::Suspend(wasted, pace));
    match verdict.unwrap_or_else(|| known.memory.thrift.ask(&asking, good)) {
        Verdict::Pass => mint(asked.realm, from, issue),
        Verdict::Coach(pace) => {
            let kept = may_repeat(&rules, &issue).then(|| keep(asked, from, &issue));
            let issued = mint(asked.realm, from, issue)?;
            if let Some(kept) = kept {
                known.memory.thrift.keep(&asking, Kept { access_token: issued.access_token.clone(), ..kept });
            }
            Ok(Issued { told: Told::Coached(pace), ..issued })
        }
        Verdict::Repeat(kept, pace) => Ok(Issued {
            access_token: kept.access_token.clone(),
            // RFC 6749 §5.1: the lifetime in seconds, here what is left of it.
            expires_in: (kept.expires_at.millis() - now.millis()) / 1000,
            refresh_token: None,
            scope: issue.scope,
            asked: issue.asked,
            told: Told::Repeated(pace),
        }),
        Verdict::Limit(pace) => Err(Stop::RefuseFor(Why::ThriftLimited, pace)),
        Verdict::Suspend(wasted, pace) => Err(match change {
            // Where nothing can be written, the client is only held back.
            Changing::Later(Some(_)) => Stop::RefuseFor(Why::ThriftLimited, pace),
            Changing::Later(None) => Stop::Need(Need::Suspension(Suspension { client: client.key, wasted, pace })),
            Changing::Now(_) => Stop::RefuseAnd(Why::ClientSuspended, Consequence::SuspendClient(client.key, wasted)),
        }),
    }
}

/// Whether a token may be handed out again. One that comes with a refresh token is not: that belongs to its own answer.
fn may_repeat(rules: &Rules, issue: &Issue) -> bool {
    rules.policy >= ThriftPolicy::Coalesce && issue.refresh == Refresh::None
}

/// When a token that is issued now will end. None ends later, unless the clock went back: then it is not valid yet.
fn expiry(asked: &Asked<'_>, from: &World<'_>) -> Time {
    Time::from_seconds(from.now.seconds().saturating_add(asked.realm.realm.settings.access_token.lifetime))
}

/// What is kept of an issue, but for the token itself.
fn keep(asked: &Asked<'_>, from: &World<'_>, issue: &Issue) -> Kept {
    Kept {
        access_token: String::new(),
        expires_at: expiry(asked, from),
        subject: issue.subject.clone(),
        scope: issue.scope.clone(),
        audience: issue.audience.clone(),
        stamp: asked.realm.stamp,
        client: Arc::clone(asked.client.client()),
    }
}

/// Whether a kept token is what would be issued now, and fresh. Settings, keys and the client are the same as then, so that
/// nothing but its own revocation can have ended it.
fn is_good(asked: &Asked<'_>, rules: &Rules, issue: &Issue, kept: &Kept) -> bool {
    let lifetime = asked.realm.realm.settings.access_token.lifetime;
    may_repeat(rules, issue)
        && kept.stamp == asked.realm.stamp
        && !is_revoked(asked, &kept.access_token)
        && Arc::ptr_eq(&kept.client, asked.client.client())
        && (&kept.subject, &kept.scope, &kept.audience) == (&issue.subject, &issue.scope, &issue.audience)
        && asked.world.now.plus_seconds(lifetime - rules.hold) < kept.expires_at
}

fn is_revoked(asked: &Asked<'_>, token: &str) -> bool {
    let revocations = &asked.memory.revocations;
    revocations.count() > 0 && revocations.has(asked.realm.realm.key, Revoked::Token(digest_of_access(token)))
}
