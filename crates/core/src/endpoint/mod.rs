//! An endpoint is a place where a client asks the authorization server (RFC 6749 §3).

mod consequence;
mod thrift;
mod token;

pub use consequence::apply;
pub use token::{CLOCK_BEHIND, Stopped, TokenRequest, token};
