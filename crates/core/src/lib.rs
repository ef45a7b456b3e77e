//! The authorization server as a library.
//!
//! Decisions are synchronous functions of records, facts and a [`world::World`]. This crate knows no socket, no clock, no
//! source of randomness, no SQL and no spelling of the protocol: it receives canonical requests and answers canonical answers.

pub mod admin;
pub mod believed;
pub mod bucket;
pub mod chain;
pub mod client_auth;
pub mod endpoint;
pub mod event;
pub mod failures;
pub mod form;
pub mod grant;
pub mod guard;
pub mod inspect;
pub mod name;
pub mod notice;
pub mod record;
pub mod refusal;
pub mod reminder;
pub mod revocations;
pub mod run;
pub mod snapshot;
pub mod store;
pub mod tally;
pub mod thrift;
pub mod token;
pub mod verified;
pub mod world;
