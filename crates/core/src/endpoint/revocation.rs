//! Revocation ends a token early at the wish of the client that holds it (RFC 7009).

use super::{AboutToken, Stopped};
use crate::client_auth::{Known, Recognized, recognize};
use crate::event::Concerned;
use crate::record::{Revoked, TokenFamily};
use crate::refusal::{Fault, Why};
use crate::store::Changing;
use crate::token::{FamilyToken, Revoking, genuine, revoke, revoke_family};
use crate::world::{Stop, World};

/// Why a token is not revoked when the clock went back behind its issue.
pub const TOKEN_OF_LATER: &str = "a clock is wrong: the token is of later";

/// Decides a request to revoke a token. Whatever it was, it is of no use to this client from then on; whether it was is in the
/// answer for the log alone (RFC 7009 §2.2).
pub fn revoke_token(
    known: Known<'_>,
    world: &World<'_>,
    change: &mut Changing<'_, '_>,
    request: &AboutToken,
) -> Result<(Ending, Recognized), Stopped> {
    // RFC 7009 §2.1: the token is REQUIRED; without it is no such request, whoever asks.
    let Some(presented) = &request.token else {
        return Err(Stopped { stop: Why::RequestParameterMissing.into(), client: None });
    };
    let asker = recognize(known, world, change, &request.credentials).map_err(|(stop, client)| Stopped { stop, client })?;
    match end(known, world, change, (&asker, presented.expose())) {
        Ok(ending) => Ok((ending, asker)),
        Err(stop) => Err(Stopped { stop, client: Some(Concerned::from(&**asker.client())) }),
    }
}

/// What became of a wish to revoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The token lived and is dead now.
    Revoked,
    /// There was nothing to revoke: no token of this realm, or one that is dead already.
    Nothing,
    /// The token is another client's, so it was left alone.
    Foreign,
}

fn end(
    known: Known<'_>,
    world: &World<'_>,
    change: &mut Changing<'_, '_>,
    (asker, presented): (&Recognized, &str),
) -> Result<Ending, Stop> {
    let (realm, client) = (&known.realm.realm, asker.client());
    if let Some(token) = FamilyToken::parse(presented) {
        return end_family(known, world, change, (asker, &token));
    }
    let token = match genuine(known.realm, world.now, presented) {
        Ok(token) => token,
        // It will be good in a moment, so this is not the time to say that it is dead.
        Err(Why::TokenNotYetValid) => return Err(Fault::Unavailable(TOKEN_OF_LATER.into()).into()),
        // RFC 7009 §2.2: invalid tokens do not cause an error.
        Err(_) => return Ok(Ending::Nothing),
    };
    // RFC 7009 §2.1: the server verifies whether the token was issued to the client making the request.
    if *token.client_id() != client.client_id {
        return Ok(Ending::Foreign);
    }
    let from = client.not_before.max(realm.not_before);
    let dead = token.issued_at().seconds() < from.seconds()
        || world.now >= token.expires_at()
        || known.memory.revocations.has(realm.key, Revoked::Token(token.digest()));
    if dead {
        return Ok(Ending::Nothing);
    }
    room(known)?;
    Ok(match revoke(change.records()?, world, realm.key, &token)? {
        Revoking::Done => Ending::Revoked,
        Revoking::Ended => {
            // Another node wrote it and was not followed yet, or an answer was lost: from the 200 on it is dead here, too.
            known.memory.revocations.remember(realm.key, Revoked::Token(token.digest()), token.expires_at());
            Ending::Nothing
        }
    })
}

/// RFC 7009 §2.1: with a refresh token end the access tokens that came of the same permission.
fn end_family(
    known: Known<'_>,
    world: &World<'_>,
    change: &mut Changing<'_, '_>,
    (asker, token): (&Recognized, &FamilyToken),
) -> Result<Ending, Stop> {
    let (realm, client) = (known.realm.realm.key, asker.client().key);
    // RFC 7009 §2.2: invalid tokens do not cause an error, and no reading either.
    if !token.is_of(known.realm) {
        return Ok(Ending::Nothing);
    }
    let records = change.records()?;
    let family: Option<TokenFamily> = records.read(token.family)?;
    let Some(family) = family.filter(|family| family.realm == realm) else {
        return Ok(Ending::Nothing);
    };
    if family.client != client {
        return Ok(Ending::Foreign);
    }
    let target = Revoked::Family(family.key);
    if family.revoked_at.is_some() {
        // Another node wrote it and was not followed yet, or an answer was lost: from the 200 on it is dead here, too.
        if world.now < family.access_until {
            known.memory.revocations.remember(realm, target, family.access_until);
        }
        return Ok(Ending::Nothing);
    }
    if world.now < family.access_until {
        room(known)?;
    }
    revoke_family(records, world, family.key)?;
    Ok(Ending::Revoked)
}

/// Whether one more revocation may be kept in mind.
fn room(known: Known<'_>) -> Result<(), Fault> {
    match known.memory.revocations.is_full() {
        true => Err(Fault::Unavailable("too many revoked tokens have not ended yet".into())),
        false => Ok(()),
    }
}
