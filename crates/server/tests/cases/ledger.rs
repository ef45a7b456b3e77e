//! The ledger says for each row of the attack catalogue which case proves it, or why none does yet.
//!
//! It is made from the `# row:` lines of the cases, from lines `/// Rows: …` above tests in Rust, and from `cases/*.toml`.
//! `UPDATE=1 cargo test` writes it; without, a ledger that is not what it would be fails the test.

use crate::replay::{parse, text};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The groups and their rows, in the order of the file.
type Groups = Vec<(String, Vec<(String, String)>)>;

/// What is known of every row.
#[derive(Default)]
struct Evidence {
    proofs: BTreeMap<String, Vec<String>>,
    skipped: BTreeMap<String, Vec<String>>,
}

#[test]
fn the_ledger_is_complete_and_up_to_date() {
    let groups = groups();
    let rows: BTreeSet<&str> = groups.iter().flat_map(|(_, rows)| rows).map(|(id, _)| id.as_str()).collect();
    let evidence = evidence();
    let reasons: toml::Table = text("ledger.toml").parse().expect("ledger.toml");
    let mut problems = Vec::new();
    let named = evidence.proofs.keys().chain(evidence.skipped.keys());
    problems.extend(named.filter(|id| !rows.contains(id.as_str())).map(|id| format!("{id} is no row")));
    for (table, wants_proof) in [("later", false), ("partly", true)] {
        for id in section(&reasons, table).keys() {
            if !rows.contains(id.as_str()) {
                problems.push(format!("[{table}] {id} is no row"));
            } else if evidence.proofs.contains_key(id) != wants_proof {
                problems.push(format!("[{table}] {id} is in the wrong table: a row with a proof belongs to [partly]"));
            }
        }
    }
    let later = section(&reasons, "later");
    for id in &rows {
        if !evidence.proofs.contains_key(*id) && !later.contains_key(*id) {
            problems.push(format!("{id} has no case, no test and no reason"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    golden(&workspace().join("docs/generated/ledger.md"), &page(&groups, &evidence, &reasons));
}

#[test]
fn every_deviation_names_a_row_a_dialect_a_permission_and_a_step() {
    let groups = groups();
    let steps = parse("deviations.http").steps;
    for deviation in deviations() {
        let field = |name: &str| {
            deviation.get(name).and_then(toml::Value::as_str).unwrap_or_else(|| panic!("{deviation:?} lacks {name}"))
        };
        let row = field("row");
        assert!(groups.iter().flat_map(|(_, rows)| rows).any(|(id, _)| id == row), "{row} is no row");
        let dialect = std::fs::read_to_string(workspace().join(format!("dialects/{}.toml", field("dialect"))));
        let dialect = dialect.unwrap_or_else(|error| panic!("dialects/{}.toml: {error}", field("dialect")));
        assert!(
            dialect.contains(field("permission")),
            "dialects/{}.toml does not need {}",
            field("dialect"),
            field("permission")
        );
        assert!(!field("phrase").is_empty());
        let step = steps.iter().find(|step| step.title == field("step"));
        let step = step.unwrap_or_else(|| panic!("no step is called `{}`", field("step")));
        assert!(step.directives.rows.iter().any(|id| id == row), "`{}` does not name {row}", step.title);
    }
}

/// A planted fault: a ledger that lost a line is not accepted.
#[test]
fn a_ledger_that_lost_a_row_is_noticed() {
    let mut groups = groups();
    let reasons: toml::Table = text("ledger.toml").parse().expect("ledger.toml");
    let whole = page(&groups, &evidence(), &reasons);
    groups[0].1.pop();
    assert_ne!(whole, page(&groups, &evidence(), &reasons));
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn section(table: &toml::Table, name: &str) -> toml::Table {
    table.get(name).and_then(toml::Value::as_table).cloned().unwrap_or_default()
}

fn deviations() -> Vec<toml::Table> {
    let file: toml::Table = text("deviations.toml").parse().expect("deviations.toml");
    let list = file.get("deviation").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    list.into_iter().filter_map(|deviation| deviation.as_table().cloned()).collect()
}

/// Reads rows.toml line by line, since a TOML table has no order.
fn groups() -> Groups {
    let mut groups = Groups::new();
    for line in text("rows.toml").lines() {
        if let Some(title) = line.strip_prefix("[\"").and_then(|line| line.strip_suffix("\"]")) {
            groups.push((title.to_owned(), Vec::new()));
        } else if let (Some((id, subject)), Some((_, rows))) = (line.split_once(" = "), groups.last_mut()) {
            rows.push((id.to_owned(), subject.trim_matches('"').to_owned()));
        }
    }
    groups
}

fn evidence() -> Evidence {
    let mut evidence = Evidence::default();
    for name in crate::FILES {
        for step in parse(name).steps {
            for row in &step.directives.rows {
                match &step.directives.skip {
                    None => evidence.proofs.entry(row.clone()).or_default().push(format!("{name}: {}", step.title)),
                    Some(reason) => evidence.skipped.entry(row.clone()).or_default().push(format!("{}: {reason}", step.title)),
                }
            }
        }
    }
    let mut sources = Vec::new();
    rust_files(&workspace().join("crates"), 0, &mut sources);
    sources.sort();
    for path in sources {
        let source = std::fs::read_to_string(&path).unwrap_or_default();
        let shown = path.strip_prefix(workspace().join("crates")).unwrap_or(&path).display().to_string();
        for (rows, test) in tests_with_rows(&source) {
            for row in rows {
                evidence.proofs.entry(row).or_default().push(format!("{shown}: `{test}`"));
            }
        }
    }
    evidence
}

/// The rows that each test names, above itself or in the beginning of its name (`jw_06_jw_07_…`).
fn tests_with_rows(source: &str) -> Vec<(Vec<String>, String)> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = line.strip_prefix("fn ").and_then(|line| line.split_once('(')).map(|(name, _)| name) else { continue };
        let above = lines[..index].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
        let above: Vec<&&str> = above.collect();
        if !above.contains(&&"#[test]") {
            continue;
        }
        let mut rows: Vec<String> = above
            .iter()
            .filter_map(|line| line.strip_prefix("/// Rows: "))
            .flat_map(|rows| rows.trim_end_matches('.').split(", "))
            .map(str::to_owned)
            .collect();
        let words: Vec<&str> = name.split('_').collect();
        let named = words
            .chunks(2)
            .take_while(|pair| matches!(pair, [group, number] if GROUPS.contains(group) && number.parse::<u8>().is_ok()));
        rows.extend(named.map(|pair| pair.join("-").to_uppercase()));
        if !rows.is_empty() {
            found.push((rows, name.to_owned()));
        }
    }
    found
}

/// The groups of rows, as they begin the names of tests.
const GROUPS: [&str; 9] = ["ca", "te", "jw", "ir", "rv", "tn", "ad", "rt", "f"];

fn rust_files(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() && depth < 8 {
            rust_files(&path, depth + 1, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn page(groups: &Groups, evidence: &Evidence, reasons: &toml::Table) -> String {
    let mut out = String::from("# Ledger of attacks\n\nMade by `UPDATE=1 cargo test -p jeton --test cases`; do not edit.\n\n");
    out.push_str(
        "Each row of the attack catalogue that applies to what exists: the cases that prove it, or why there is none yet.\n",
    );
    let (later, partly) = (section(reasons, "later"), section(reasons, "partly"));
    let reason = |table: &toml::Table, id: &str| table.get(id).and_then(toml::Value::as_str).map(str::to_owned);
    for (title, rows) in groups {
        let proven: Vec<_> = rows.iter().filter(|(id, _)| evidence.proofs.contains_key(id)).collect();
        let in_part = proven.iter().filter(|(id, _)| partly.contains_key(id)).count();
        let whole = proven.len() - in_part;
        let _ = write!(
            out,
            "\n## {title}\n\nOf {} rows {whole} are proven and {in_part} in part.\n\n| row | subject | proof |\n|---|---|---|\n",
            rows.len()
        );
        for (id, subject) in rows {
            let mut cells: Vec<String> = evidence.proofs.get(id).cloned().unwrap_or_default();
            cells.extend(evidence.skipped.get(id).into_iter().flatten().map(|step| format!("*skipped* {step}")));
            cells.extend(reason(&partly, id).map(|reason| format!("*not yet*: {reason}")));
            cells.extend(reason(&later, id).map(|reason| format!("*later*: {reason}")));
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(out, "| {id} | {subject} | {} |", cells.join("<br>"));
        }
    }
    out.push_str("\n## Deviations\n\nWhat a dialect does otherwise, by a named permission that its realm accepted.\n\n");
    out.push_str("| row | dialect | permission | the provider's words | step |\n|---|---|---|---|---|\n");
    for deviation in deviations() {
        let field = |name: &str| deviation.get(name).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let cells = ["row", "dialect", "permission", "phrase", "step"].map(field);
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

/// Compares a generated file with what is checked in, or writes it.
fn golden(path: &Path, wanted: &str) {
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("the directory is made");
        std::fs::write(path, wanted).expect("the ledger is written");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == wanted, "{} is not up to date: run UPDATE=1 cargo test -p jeton --test cases", path.display());
}
