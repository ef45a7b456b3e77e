//! How long families of refresh tokens live, and how long an answer may be lost, has bounds.

use super::AdminStop;
use crate::record::{AccessTokenFormat, ClaimSource, Realm, RefreshSettings, WithClientCredentials};

/// Refuses lives that are too long or contradict each other.
pub(super) fn check(realm: &Realm) -> Result<(), AdminStop> {
    let settings = &realm.settings.refresh_token;
    let said = |what: String| Err(AdminStop::Invalid(format!("realm {}: refresh_token: {what}", realm.name)));
    if [settings.idle_lifetime, settings.lifetime].iter().any(|life| !(1..=RefreshSettings::LONGEST).contains(life)) {
        return said("a lifetime is 1 second to 10 years".into());
    }
    if settings.idle_lifetime > settings.lifetime {
        return said("idle_lifetime is at most lifetime".into());
    }
    if !(0..=RefreshSettings::MOST_GRACE).contains(&settings.grace) {
        return said(format!("grace is 0 to {} seconds", RefreshSettings::MOST_GRACE));
    }
    // An access token names its family in its id; without that it would outlive the revocation of its family.
    let names_family = match &realm.settings.access_token.format {
        AccessTokenFormat::Opaque => true,
        AccessTokenFormat::Jwt { claims, .. } => claims.iter().any(|row| row.from == ClaimSource::TokenId),
    };
    if settings.with_client_credentials == WithClientCredentials::Rotating && !names_family {
        return said("rotating needs a claim with the token's id in access_token.format.claims".into());
    }
    Ok(())
}
