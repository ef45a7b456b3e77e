//! An endpoint is a place where a client asks the authorization server (RFC 6749 §3).

mod thrift;
mod token;

pub use token::{CLOCK_BEHIND, Stopped, TokenRequest, token};
