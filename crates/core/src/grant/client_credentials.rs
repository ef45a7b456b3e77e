//! A client asks for a token in its own name (RFC 6749 §4.4).
//!
//! The client is authenticated before it comes here. This file signs nothing and knows no HTTP. It issues no refresh token,
//! unless the realm holds the named permission for one.

use super::scope::{self, Granted};
use super::{Asked, Grant};
use crate::record::{GrantName, Permission};
use crate::store::Changing;
use crate::token::{Issue, Refresh};
use crate::world::Stop;

/// The descriptor.
pub(super) const GRANT: Grant =
    Grant { name: GrantName::ClientCredentials, wire: "client_credentials", offered: |_| true, exchange };

fn exchange(asked: &Asked<'_>, _: &mut Changing<'_, '_>) -> Result<Issue, Stop> {
    let client = asked.client.client();
    // RFC 6749 §3.3 and RFC 8707 §2.2: what was granted and known, or nothing.
    let Granted { scope, audience } = scope::decide(asked, &client.scope)?;
    // RFC 6749 §4.4.3: a refresh token SHOULD NOT be included.
    let refresh = match asked.realm.permits(Permission::RefreshWithClientCredentials) {
        true if client.grants.contains(&GrantName::RefreshToken) => Refresh::Sealed,
        _ => Refresh::None,
    };
    Ok(Issue {
        client_id: client.client_id.clone(),
        subject: client.client_id.as_str().to_owned(),
        scope,
        asked: asked.scope.map(str::to_owned),
        audience,
        refresh,
        family: None,
    })
}
