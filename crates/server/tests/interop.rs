//! Other people's OAuth clients get tokens from the built binary over a socket, in every dialect, and call the sample API.
//!
//! `interop/targets.toml` says which clients, which dialects, and what each cell must be. The result is the table
//! `docs/generated/clients.md`; `UPDATE=1` writes it again. A client whose tools are missing is skipped with a line, unless
//! `JETON_REQUIRE=all`.

#[path = "interop/drivers.rs"]
mod drivers;
#[path = "interop/judge.rs"]
mod judge;
#[path = "interop/plan.rs"]
mod plan;
#[path = "interop/server.rs"]
mod server;
#[path = "interop/table.rs"]
mod table;

use drivers::{Ran, Record};
use plan::Plan;
use std::path::{Path, PathBuf};

/// The top of the repository.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the manifest lies in the repository")
}

#[test]
fn other_peoples_clients_get_tokens_in_every_dialect() {
    let top = top();
    let port = server::free_port();
    let plan = Plan::read(&top.join("interop/targets.toml"), port);
    let server = server::Server::start(&top.join("interop/fixture.toml"), port);
    let targets = server.directory().join("targets.json");
    plan.write_targets(&targets);

    let mut records = Vec::new();
    let mut skipped = Vec::new();
    for client in plan.clients.iter().chain(&plan.verifiers) {
        match drivers::run(&top, client, &targets) {
            Ran::Said(said) => records.extend(said),
            Ran::Skipped(why) => {
                println!("skipped: {}: {why}", client.name);
                skipped.push(client.name.clone());
            }
        }
    }
    let all = std::env::var("JETON_REQUIRE").is_ok_and(|what| what == "all");
    assert!(!all || skipped.is_empty(), "JETON_REQUIRE=all, but skipped: {skipped:?}");

    let problems = judge::problems(&plan, &records, &skipped);
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
    compare(&top.join("docs/generated/clients.md"), &table::render(&plan, &records, &skipped), &skipped);
}

/// Compares with the checked-in table, or writes it. With clients skipped only the lines of those that ran are compared.
fn compare(golden: &Path, text: &str, skipped: &[String]) {
    if std::env::var_os("UPDATE").is_some() {
        assert!(skipped.is_empty(), "the table is written with every client or not at all; skipped: {skipped:?}");
        std::fs::create_dir_all(golden.parent().expect("the table lies in a directory")).expect("a directory can be made");
        std::fs::write(golden, text).expect("the table can be written");
        return;
    }
    let kept = std::fs::read_to_string(golden).unwrap_or_default();
    for line in text.lines() {
        assert!(kept.lines().any(|other| other == line), "{} lacks the line\n{line}\nUPDATE=1 writes it again", golden.display());
    }
    assert!(!skipped.is_empty() || text == kept, "{} has lines too many; UPDATE=1 writes it again", golden.display());
}

#[test]
fn every_cell_can_fail() {
    let plan = Plan::read(&top().join("interop/targets.toml"), 8400);
    let ideal = judge::ideal(&plan);
    let problems = |records: &[Record]| judge::problems(&plan, records, &[]);
    assert_eq!(problems(&ideal), Vec::<String>::new());
    for at in 0..ideal.len() {
        let changed = |change: fn(&mut Record)| {
            let mut records = ideal.clone();
            change(&mut records[at]);
            problems(&records)
        };
        let other = |record: &mut Record| {
            record.outcome = if record.outcome == "pass" { "fail" } else { "pass" }.to_owned();
        };
        let cell = &ideal[at];
        assert!(!changed(other).is_empty(), "another outcome passes: {cell:?}");
        assert!(!changed(|record| record.target.push_str(" of nobody")).is_empty(), "another dialect passes: {cell:?}");
        assert!(!changed(|record| record.way.clear()).is_empty(), "no way passes: {cell:?}");
        let crashed = changed(|record| record.detail.insert_str(0, "Crash: "));
        assert!(cell.outcome != "refused" || !crashed.is_empty(), "a crash passes for a refusal: {cell:?}");
        let mut silent = ideal.clone();
        silent.remove(at);
        assert!(!problems(&silent).is_empty(), "a silent cell passes: {cell:?}");
    }
}
