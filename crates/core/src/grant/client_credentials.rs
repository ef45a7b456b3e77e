//! A client asks for a token in its own name (RFC 6749 §4.4).
//!
//! The client is authenticated before it comes here. This file signs nothing and knows no HTTP. It issues no refresh token,
//! unless the realm holds the named permission for one.

use super::scope::{self, Granted};
use super::{Asked, Grant};
use crate::record::{GrantName, Permission, WithClientCredentials};
use crate::store::Changing;
use crate::token::{Beginning, Issue, Refresh, begin_family};
use crate::world::Stop;

/// The descriptor.
pub(super) const GRANT: Grant =
    Grant { name: GrantName::ClientCredentials, wire: "client_credentials", offered: |_| true, exchange };

fn exchange(asked: &Asked<'_>, change: &mut Changing<'_, '_>) -> Result<Issue, Stop> {
    let client = asked.client.client();
    // RFC 6749 §3.3 and RFC 8707 §2.2: what was granted and known, or nothing.
    let Granted { scope, audience } = scope::decide(asked, &client.scope)?;
    // RFC 6749 §4.4.3: a refresh token SHOULD NOT be included.
    let wished =
        asked.realm.permits(Permission::RefreshWithClientCredentials) && client.grants.contains(&GrantName::RefreshToken);
    let subject = client.client_id.as_str();
    let (refresh, family) = match asked.realm.realm.settings.refresh_token.with_client_credentials {
        _ if !wished => (Refresh::None, None),
        WithClientCredentials::Sealed => (Refresh::Sealed, None),
        WithClientCredentials::Rotating => {
            let beginning = Beginning { client, subject, scope: &scope, from: asked.from };
            let family = begin_family(change.records()?, asked.realm, asked.world, beginning)?;
            (family.refresh(), Some(family.key))
        }
    };
    Ok(Issue {
        client_id: client.client_id.clone(),
        subject: subject.to_owned(),
        scope,
        asked: asked.scope.map(str::to_owned),
        audience,
        refresh,
        family,
    })
}
