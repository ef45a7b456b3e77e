//! A token states what a client may do until when: minted in one place, checked in one place, kept in none.

mod check;
mod family;
mod mint;
mod opaque;
mod refresh;

pub use check::{AccessToken, check};
pub use family::revoke_family;
pub use mint::{Issue, Issued, Refresh, Told, mint};
pub(crate) use opaque::open as open_opaque;
pub use refresh::{SealedRefresh, open as open_refresh};
