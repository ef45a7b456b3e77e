//! How long families of refresh tokens live, and how long an answer may be lost, has bounds.

use super::AdminStop;
use crate::record::{Realm, RefreshSettings};

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
    Ok(())
}
