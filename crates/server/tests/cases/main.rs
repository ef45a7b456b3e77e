//! Attacks against the shipped binary over real sockets: files of cases, loops that are written in Rust, and their ledger.

#[path = "../harness/mod.rs"]
mod harness;

mod assertions;
mod attacks;
mod audit_trail;
mod blocked_log;
mod commands;
mod cors;
mod dashboards;
mod edge;
mod families;
mod family_races;
mod forge;
mod forged_claims;
mod forged_headers;
mod http2;
mod invariants;
mod ledger;
mod replay;
mod revocation;
mod rotation;
mod secrets;
mod thrift;
mod tls;
mod webhooks;

use replay::{directory, replay};

/// Every file of cases, each with a test of its own.
const FILES: [&str; 8] = [
    "about_tokens.http",
    "client_auth.http",
    "deviations.http",
    "form.http",
    "framing.http",
    "refresh.http",
    "tenants.http",
    "tokens.http",
];

#[test]
fn about_tokens() {
    replay("about_tokens.http");
}

#[test]
fn client_auth() {
    replay("client_auth.http");
}

#[test]
fn deviations() {
    replay("deviations.http");
}

#[test]
fn form() {
    replay("form.http");
}

#[test]
fn framing() {
    replay("framing.http");
}

#[test]
fn refresh() {
    replay("refresh.http");
}

#[test]
fn tenants() {
    replay("tenants.http");
}

#[test]
fn tokens() {
    replay("tokens.http");
}

#[test]
fn every_file_of_cases_is_replayed() {
    let entries = std::fs::read_dir(directory()).expect("the directory of cases");
    let mut found: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    found.retain(|name| name.ends_with(".http"));
    found.sort();
    assert_eq!(found, FILES);
}
