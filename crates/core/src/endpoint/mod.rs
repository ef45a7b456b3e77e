//! An endpoint is a place where a client asks the authorization server (RFC 6749 §3).

mod about_token;
mod consequence;
mod introspection;
mod revocation;
mod thrift;
mod token;

pub use about_token::{AboutToken, AnswerForm};
pub use consequence::apply;
pub use introspection::{ANSWER_ALGORITHM, introspect};
pub use revocation::{Ending, TOKEN_OF_LATER, revoke_token};
pub use token::{CLOCK_BEHIND, Stopped, TokenRequest, token};
