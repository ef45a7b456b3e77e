//! A token states what a client may do until when: minted in one place, checked in one place, kept in none.

mod check;
mod family;
mod family_token;
mod mint;
mod opaque;
mod presented;
mod refresh;
mod revoke;
mod status;

pub use crate::verified::AccessToken;
pub use check::{Checked, check, digest_of_access, open};
pub use family::{Beginning, Holder, begin_family, revoke_family, use_family};
pub use family_token::{FamilyToken, refresh_token_of};
pub use mint::{Issue, Issued, Refresh, Told, mint};
pub(crate) use opaque::open as open_opaque;
pub use presented::{Genuine, digest_of_refresh, genuine};
pub use refresh::{SealedRefresh, open as open_refresh};
pub use revoke::{Revoking, dead_until, is_revoked, realm_dead_until, revoke};
pub use status::{RefreshView, TokenStatus, View, status};
