//! Golden documents: written from the tables of the code, compared with what is checked in. `UPDATE=1` rewrites them.
//!
//! `crates/sim/minimums.toml` states how much of each matrix must be filled for each dialect, so that a dialect in which everything
//! is absent fails.

use jeton_core::record::{Permission, ScopeMeaning, ScopeOmitted};
use jeton_core::refusal::{TABLE, Why};
use jeton_wire::dialect::{Dialect, Dialects};
use jeton_wire::route::Endpoint;
use std::path::{Path, PathBuf};

const HEAD: &str = "<!-- Written by `UPDATE=1 cargo test -p jeton-sim generated`. Do not edit. -->\n\n";

/// What a cell says when there is nothing.
const ABSENT: &str = "absent";

#[test]
fn refusals() {
    let mut text = HEAD.to_owned();
    text.push_str(
        "# Refusals\n\nOne line for each reason. The caller reads code, status and sentence, in the words of the realm's ",
    );
    text.push_str("dialect; the client's owner reads the reason and the advice.\n\n");
    text.push_str("| reason | code | status | sentence for the caller | advice for the owner |\n|---|---|---|---|---|\n");
    for row in TABLE {
        text.push_str(&format!(
            "| `{}` | `{}` | {} | {} | {} |\n",
            row.id,
            row.code.as_str(),
            row.status,
            cell(row.sentence),
            cell(row.advice)
        ));
    }
    golden("refusals.md", &text);
}

#[test]
fn endpoints_by_dialect() {
    let dialects = Dialects::built_in().expect("the built-in dialects");
    let mut text = HEAD.to_owned();
    text.push_str("# Endpoints by dialect\n\nPaths below the realm's mount. The RFC 8414 document is also served with its ");
    text.push_str("well-known part in front of the issuer's path.\n\n");
    let filled =
        matrix(&mut text, "endpoint", &dialects, Endpoint::ALL.iter().map(|endpoint| endpoint.name()), |row, dialect| {
            let paths = Endpoint::ALL[row].paths(&dialect.file.endpoints);
            (!paths.is_empty()).then(|| paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", "))
        });
    golden("matrix-endpoints.md", &text);
    expect_at_least("endpoints", &filled);
}

#[test]
fn refusals_by_dialect() {
    let dialects = Dialects::built_in().expect("the built-in dialects");
    let mut text = HEAD.to_owned();
    text.push_str("# Refusals by dialect\n\nStatus and code that a caller reads. `absent`: a realm with the dialect's defaults ");
    text.push_str("never refuses for this reason.\n\n");
    let filled = matrix(&mut text, "reason", &dialects, TABLE.iter().map(|row| row.id), |row, dialect| {
        let why = TABLE[row].why;
        let outward = dialect.refusal(why);
        occurs(dialect, why).then(|| format!("{} `{}`", outward.status.as_u16(), outward.code))
    });
    golden("matrix-refusals.md", &text);
    expect_at_least("refusals", &filled);
}

/// Whether a realm with the dialect's defaults can refuse for this reason.
fn occurs(dialect: &Dialect, why: Why) -> bool {
    let file = &dialect.file;
    let scope = &file.realm_defaults.scope;
    let tenant = matches!(scope.meaning, ScopeMeaning::Tenant(_));
    let needs = |permission: Permission| file.needs.contains(&permission);
    match why {
        Why::ApiKeyMissing | Why::ApiKeyUnknown | Why::ApiKeyDisabled | Why::ApiKeyExpired | Why::ApiKeyOfAnotherClient => {
            file.api.api_key_header.is_some()
        }
        Why::RefreshTokenExpired | Why::RefreshTokenForeign | Why::RefreshTokenRevoked | Why::ScopeWidened => {
            needs(Permission::RefreshWithClientCredentials)
        }
        Why::ScopeOtherTenant => tenant,
        Why::ScopeMissing => !tenant && scope.omitted == ScopeOmitted::Refuse,
        Why::ScopeMalformed | Why::ScopeUnknown | Why::ScopeNotGranted => !tenant,
        Why::ScopeWildcardNotAlone => needs(Permission::WildcardScope),
        Why::ClientTwoCredentials => !needs(Permission::TwoCredentials),
        _ => true,
    }
}

/// Writes a table with a column for each dialect, and counts the filled cells of each.
fn matrix(
    text: &mut String,
    head: &str,
    dialects: &Dialects,
    rows: impl Iterator<Item = &'static str>,
    fill: impl Fn(usize, &Dialect) -> Option<String>,
) -> Vec<(String, i64)> {
    let mut filled: Vec<(String, i64)> = dialects.iter().map(|dialect| (dialect.file.name.to_string(), 0)).collect();
    let names: Vec<&str> = filled.iter().map(|(name, _)| name.as_str()).collect();
    text.push_str(&format!("| {head} | {} |\n|{}\n", names.join(" | "), "---|".repeat(names.len() + 1)));
    for (row, name) in rows.enumerate() {
        let cells: Vec<Option<String>> = dialects.iter().map(|dialect| fill(row, dialect)).collect();
        for (count, cell) in filled.iter_mut().zip(&cells) {
            count.1 += i64::from(cell.is_some());
        }
        let cells: Vec<&str> = cells.iter().map(|cell| cell.as_deref().unwrap_or(ABSENT)).collect();
        text.push_str(&format!("| `{name}` | {} |\n", cells.join(" | ")));
    }
    filled
}

/// Compares counts with the stated minimum of each dialect.
pub fn expect_at_least(table: &str, counts: &[(String, i64)]) {
    let minimums: toml::Table = include_str!("../minimums.toml").parse().expect("minimums.toml is TOML");
    for (name, count) in counts {
        let least = minimums.get(table).and_then(|table| table.get(name)).and_then(toml::Value::as_integer);
        let least = least.unwrap_or_else(|| panic!("state a minimum of {table} for {name} in crates/sim/minimums.toml"));
        assert!(least > 0 && *count >= least, "{name} has {count} {table}; the stated minimum is {least}");
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn golden(name: &str, text: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/generated").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).expect("docs/generated can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "docs/generated/{name} is not what the code says; run UPDATE=1 cargo test -p jeton-sim generated");
}

#[test]
#[should_panic(expected = "the stated minimum")]
fn a_dialect_in_which_everything_is_absent_fails() {
    let dialects = Dialects::built_in().expect("the built-in dialects");
    let filled = matrix(&mut String::new(), "x", &dialects, ["a"].into_iter(), |_, _| None);
    expect_at_least("endpoints", &filled);
}
