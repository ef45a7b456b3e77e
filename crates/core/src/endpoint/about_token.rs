//! A request about a token: what introspection and revocation have in common (RFC 7662 §2.1, RFC 7009 §2.1).

use crate::client_auth::Credentials;
use crate::world::Presented;

/// A question or a wish about one token. A hint about its kind is not needed, so it is not read.
#[derive(Clone, Debug, Default)]
pub struct AboutToken {
    /// Every credential found.
    pub credentials: Credentials,
    /// The token.
    pub token: Option<Presented>,
    /// How an answer about it shall be.
    pub form: AnswerForm,
}

/// How an answer about a token is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerForm {
    /// RFC 7662 §2.2.
    #[default]
    Json,
    /// RFC 9701 §5.
    Signed,
}
