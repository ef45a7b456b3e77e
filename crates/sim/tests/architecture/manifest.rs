//! Manifests: what a crate may import, and the reasons that lints and licences need.

use super::Finding;
use super::document::Document;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What no pure crate may depend on, whatever the document says.
const NEVER: &[&str] = &[
    "tokio",
    "hyper",
    "hyper-util",
    "axum",
    "async-std",
    "futures",
    "rusqlite",
    "postgres",
    "sqlx",
    "rand",
    "getrandom",
    "chrono",
    "time",
    "tracing",
    "tracing-subscriber",
    "log",
    "reqwest",
];

/// Compares the manifests with the document.
pub fn graph(document: &Document, manifests: &[(String, String)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, text) in manifests {
        let path = format!("crates/{name}/Cargo.toml");
        let mut find = |what: String| findings.push(Finding::new("crates", &path, 0, what));
        let Some((ours, others)) = document.crates.get(name) else {
            find(format!("the crate {name} has no row in ARCHITECTURE.md"));
            continue;
        };
        let table: toml::Table = text.parse().expect("a manifest is TOML");
        let (found, outside) = dependencies(&table, "dependencies");
        if found != *ours {
            find(format!("{name} imports {found:?}; ARCHITECTURE.md says {ours:?}"));
        }
        let (tests, _) = dependencies(&table, "dev-dependencies");
        let more: Vec<&String> = tests.iter().filter(|other| *other != name && !ours.contains(*other)).collect();
        if !more.is_empty() && name != "server" {
            find(format!("the tests of {name} import {more:?}, which ARCHITECTURE.md does not say"));
        }
        let pure = matches!(name.as_str(), "jose" | "core" | "wire");
        for other in &outside {
            let listed = others.as_ref().is_none_or(|others| others.contains(other));
            if !listed || (pure && NEVER.contains(&other.as_str())) {
                find(format!("{name} depends on {other}"));
            }
        }
    }
    findings
}

/// Our crates and others in a section, by their folders and names.
fn dependencies(table: &toml::Table, section: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let names = table.get(section).and_then(toml::Value::as_table).map(|table| table.keys().cloned().collect::<Vec<_>>());
    let (ours, others): (Vec<String>, Vec<String>) =
        names.unwrap_or_default().into_iter().partition(|name| name.starts_with("jeton-"));
    (ours.iter().map(|name| name["jeton-".len()..].to_owned()).collect(), others.into_iter().collect())
}

/// Clippy's files: a reason for everything that is forbidden, and the same thresholds everywhere.
pub fn clippy(root: &Path) -> Vec<Finding> {
    let thresholds = ["too-many-lines-threshold", "too-many-arguments-threshold"];
    let whole: toml::Table = std::fs::read_to_string(root.join("clippy.toml")).expect("clippy.toml").parse().expect("TOML");
    let mut findings = reasons("clippy.toml", &whole);
    for name in ["jose", "core", "wire", "store", "server", "sim"] {
        let path = format!("crates/{name}/clippy.toml");
        let Ok(text) = std::fs::read_to_string(root.join(&path)) else { continue };
        let own: toml::Table = text.parse().expect("TOML");
        findings.extend(reasons(&path, &own));
        if matches!(name, "jose" | "core" | "wire") {
            findings.push(Finding::new("clippy", &path, 0, "a pure crate obeys the file at the root"));
        }
        for threshold in thresholds.iter().filter(|threshold| own.get(**threshold) != whole.get(**threshold)) {
            findings.push(Finding::new("clippy", &path, 0, format!("{threshold} differs from the file at the root")));
        }
    }
    findings
}

/// Every `{ path | crate | id = …, reason = … }` has a reason.
fn reasons(path: &str, table: &toml::Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut look = |value: &toml::Value| {
        for entry in value.as_array().into_iter().flatten() {
            let named = ["path", "crate", "id", "name"].iter().find_map(|name| entry.get(*name)).and_then(toml::Value::as_str);
            let reason = entry.get("reason").and_then(toml::Value::as_str).unwrap_or_default();
            if let Some(named) = named.filter(|_| reason.len() < 10) {
                findings.push(Finding::new("reasons", path, 0, format!("{named} has no reason")));
            }
        }
    };
    for value in table.values() {
        look(value);
        value.as_table().into_iter().flat_map(toml::Table::values).for_each(&mut look);
    }
    findings
}

/// cargo-deny's file: it parses, exceptions have reasons, and the doubled crates are exactly those that it excuses.
pub fn deny(text: &str, lock: &str) -> Vec<Finding> {
    let table: toml::Table = text.parse().expect("deny.toml is TOML");
    let mut findings = reasons("deny.toml", &table);
    let mut find = |what: String| findings.push(Finding::new("deny", "deny.toml", 0, what));
    for section in ["advisories", "licenses", "bans", "sources"] {
        if table.get(section).and_then(toml::Value::as_table).is_none() {
            find(format!("the section {section} is missing"));
        }
    }
    let list = |section: &str, name: &str| {
        let list = table.get(section).and_then(|section| section.get(name)).and_then(toml::Value::as_array).cloned();
        list.unwrap_or_default()
    };
    for entry in list("advisories", "ignore").iter().chain(&list("bans", "skip")).chain(&list("bans", "deny")) {
        if entry.get("reason").is_none() {
            find(format!("{entry} has no reason"));
        }
    }
    let name = |entry: &toml::Value| {
        let name = entry.get("crate").and_then(toml::Value::as_str).unwrap_or_default();
        name.split('@').next().unwrap_or_default().to_owned()
    };
    let excused: BTreeSet<String> = list("bans", "skip").iter().map(name).collect();
    let locked = versions(lock);
    for (name, _) in locked.iter().filter(|(name, versions)| **versions > 1 && !excused.contains(*name)) {
        find(format!("{name} is in Cargo.lock twice and not excused"));
    }
    for name in excused.iter().filter(|name| locked.get(*name).is_none_or(|versions| *versions < 2)) {
        find(format!("{name} is excused but no longer doubled"));
    }
    // With `wrappers` a banned crate may be there below those crates alone, which only cargo-deny can see.
    let banned = list("bans", "deny").into_iter().filter(|entry| entry.get("wrappers").is_none());
    for name in banned.map(|entry| name(&entry)).filter(|name| locked.contains_key(name)) {
        find(format!("{name} is banned and in Cargo.lock"));
    }
    findings
}

/// How many versions of each crate are locked.
fn versions(lock: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for name in lock.lines().filter_map(|line| line.strip_prefix("name = \"")).map(|rest| rest.trim_end_matches('"')) {
        *found.entry(name.to_owned()).or_insert(0) += 1;
    }
    found
}

#[test]
fn a_wrong_import_is_found() {
    let document = Document::parse(
        "| crate | ours | others |\n|---|---|---|\n| `jose` | none | `serde` |\n| `core` | `jose` | `serde` `tokio` |\n",
    );
    for (name, text, wrong) in [
        ("core", "[dependencies]\njeton-jose = 1\nserde = 1", false),
        ("core", "[dependencies]\nserde = 1", true),
        ("core", "[dependencies]\njeton-jose = 1\njeton-store = 1", true),
        ("core", "[dependencies]\njeton-jose = 1\nhyper = 1", true),
        ("core", "[dependencies]\njeton-jose = 1\ntokio = 1", true),
        ("core", "[dependencies]\njeton-jose = 1\n[dev-dependencies]\njeton-wire = 1", true),
        ("jose", "[dependencies]\njeton-core = 1", true),
        ("other", "", true),
    ] {
        let manifests = [(name.to_owned(), text.to_owned())];
        assert_eq!(!graph(&document, &manifests).is_empty(), wrong, "{name} {text}");
    }
}

#[test]
fn a_missing_reason_is_found() {
    let sections = "[advisories]\n[licenses]\n[sources]\n[bans]\n";
    let lock = "name = \"a\"\nname = \"a\"\nname = \"b\"\n";
    for (text, wrong) in [
        ("skip = [{ crate = \"a@1\", reason = \"two users, two versions\" }]", false),
        ("skip = [{ crate = \"a@1\" }]", true),
        ("skip = []", true),
        (
            "skip = [{ crate = \"a@1\", reason = \"two users, two versions\" }, { crate = \"b\", reason = \"two users, two versions\" }]",
            true,
        ),
        (
            "skip = [{ crate = \"a@1\", reason = \"two users, two versions\" }]\ndeny = [{ crate = \"b\", reason = \"never again, please\" }]",
            true,
        ),
    ] {
        assert_eq!(!deny(&format!("{sections}{text}"), lock).is_empty(), wrong, "{text}");
    }
}
