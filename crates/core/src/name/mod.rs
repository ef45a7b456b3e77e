//! The names of things: typed, parsed once at the border, cheap to copy.
//!
//! Nothing here knows a record or a request. A value of one of these types is always well formed.

mod fetch_url;
mod key;
mod scope;
mod text;
mod time;

pub use fetch_url::{FetchUrl, Scheme};
pub use key::Key;
pub use scope::{Scope, ScopeToken};
pub use text::{ClientId, HelpPage, Issuer, Label, Mount, NameError, RealmName, RequestId, ResourceIdentifier, Title, WebOrigin};
pub use time::Time;
