//! A check reads every row of a store or of a backup, and names each object that cannot be right.

use super::file::BackupFile;
use super::{Look, Progress, Source, json_flag, look};
use crate::cli::PLACE;
use crate::request::Moment;
use crate::seal;
use crate::settings::{Settings, flags};
use clap::{Arg, ArgMatches};
use jeton_core::chain::{self, Trail};
use jeton_core::inspect::{Finding, Inspection};
use jeton_core::name::Time;
use jeton_core::record::KINDS;
use jeton_core::refusal::Fault;
use jeton_core::store::{Reader, Reading, Store};
use jeton_jose::SealKey;
use jeton_store::{PostgresStore, SqliteReader, each_page};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// The command.
pub fn command() -> clap::Command {
    clap::Command::new("check")
        .about("Look through a store or a backup for what cannot be right")
        .long_about(
            "Look through a store, running or stopped, or through a backup, for what cannot be right.\n\nPages and indexes, every \
             row and its checksum, references between rows, whether every key opens with the seal key, and whether the audit \
             trail is whole. Nothing is changed. The exit status is 0 only if nothing was found.",
        )
        .after_help(
            "Examples:\n  # The store of this installation\n  jeton check --data /var/lib/jeton\n  # A backup\n  \
             jeton check /var/backups/jeton/jeton-20261122T190000-000Z.backup",
        )
        .arg(Arg::new("file").value_name("FILE").help("A backup; without it, the store that the settings name"))
        .args(flags(PLACE))
        .arg(json_flag())
}

/// Looks, and tells.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, String> {
    let settings = Settings::load(matches).map_err(|error| error.to_string())?;
    let file = matches.get_one::<String>("file");
    let (seal, missing) = match seal::open(&settings, seal::Store::Sealed) {
        Ok(seal) => (Some(seal), None),
        Err(sentence) => (None, Some(sentence)),
    };
    let mut looked = match file {
        Some(path) => of_file(Path::new(path), seal.as_ref())?,
        None => of_store(&settings, seal.as_ref())?,
    };
    if let (Some(sentence), None) = (&missing, file) {
        looked.findings.push(Finding::new("seal key", sentence));
    }
    tell(&looked, look(matches)).map_err(|error| format!("the answer cannot be written: {error}"))?;
    Ok(if looked.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was looked at, and what was found.
struct Looked {
    what: String,
    rows: BTreeMap<&'static str, u64>,
    opened_keys: bool,
    /// The audit trail, if it could be followed.
    trail: Option<Trail>,
    findings: Vec<Finding>,
}

fn of_file(path: &Path, seal: Option<&SealKey>) -> Result<Looked, String> {
    let what = path.display().to_string();
    if !path.is_file() {
        return Err(format!("{what} is not a file"));
    }
    let opened = BackupFile::open(path);
    // The seal key of another installation may lie here by right, and is then of no use.
    let seal = seal.filter(|seal| opened.as_ref().is_ok_and(|backup| seal.fingerprint() == backup.manifest.seal_fingerprint));
    let (mut inspection, mut trail) = (Inspection::new(seal), None);
    let damaged = |sentence: String| {
        let cause = sentence.strip_prefix(&what).map_or(sentence.as_str(), str::trim_start);
        Finding::new(what.clone(), cause)
    };
    match opened {
        Err(sentence) => inspection.found(damaged(sentence)),
        Ok(backup) => {
            if let Err(sentence) = backup.read(&mut Progress::new("proven"), |_| Ok(())) {
                inspection.found(damaged(sentence));
            }
            if let Some(Err(sentence)) = seal.map(|seal| backup.prove(seal)) {
                inspection.found(damaged(sentence));
            }
            match SqliteReader::of_file(path) {
                Ok(reader) => {
                    sqlite(&reader, &what, &mut inspection);
                    trail = follow(&what, &mut inspection, |now, read| reader.view(now, read));
                }
                Err(fault) => inspection.found(finding(&what, fault)),
            }
            for (kind, count) in &backup.manifest.rows {
                let found = KINDS.iter().find(|known| known.name == kind).map_or(0, |kind| inspection.count(kind));
                if found != *count {
                    inspection
                        .found(Finding::new(what.clone(), format!("it has {found} rows of {kind}, and should have {count}")));
                }
            }
        }
    }
    Ok(looked(what, inspection, trail))
}

fn of_store(settings: &Settings, seal: Option<&SealKey>) -> Result<Looked, String> {
    let (mut inspection, mut trail) = (Inspection::new(seal), None);
    if settings.database_url.is_none() && !settings.data.join("jeton.db").exists() {
        return Err(format!("there is no store in {}; name its directory with --data", settings.data.display()));
    }
    let what = match Source::open(settings) {
        Ok(Source::Sqlite(reader)) => {
            sqlite(&reader, "jeton.db", &mut inspection);
            trail = follow("jeton.db", &mut inspection, |now, read| reader.view(now, read));
            settings.data.join("jeton.db").display().to_string()
        }
        Ok(Source::Postgres(store)) => {
            postgres(&store, &mut inspection);
            trail = follow("PostgreSQL", &mut inspection, |now, read| store.view(now, read));
            "PostgreSQL".to_owned()
        }
        Err(Fault::Unavailable(cause)) => return Err(cause),
        Err(fault) => {
            inspection.found(finding("jeton.db", fault));
            settings.data.join("jeton.db").display().to_string()
        }
    };
    Ok(looked(what, inspection, trail))
}

/// Follows the audit trail in one view, so that a server that goes on writing does no harm; that takes the keys.
fn follow(
    file: &str,
    inspection: &mut Inspection<'_>,
    view: impl FnOnce(Time, Reading<'_>) -> Result<(), Fault>,
) -> Option<Trail> {
    let data = inspection.opened()?;
    let mut trail = None;
    let followed = view(Moment::present().now, &mut |view| {
        trail = Some(chain::follow(&mut Reader::new(view), data)?);
        Ok(())
    });
    if let Err(fault) = followed {
        inspection.found(finding(file, fault));
    }
    let findings = trail.iter().flat_map(|trail| &trail.report.findings);
    for chain::Finding { block, key, what } in findings {
        let object = match (key, block) {
            (Some(key), _) => format!("audit {key}"),
            (None, 0) => "audit trail".to_owned(),
            (None, block) => format!("audit trail, block {block}"),
        };
        inspection.found(Finding::new(object, what));
    }
    trail
}

fn looked(what: String, inspection: Inspection<'_>, trail: Option<Trail>) -> Looked {
    let rows = KINDS.iter().map(|kind| (kind.name, inspection.count(kind))).collect();
    Looked { what, rows, opened_keys: inspection.opened().is_some(), trail, findings: inspection.end() }
}

fn sqlite(reader: &SqliteReader, name: &str, inspection: &mut Inspection<'_>) {
    match reader.structure() {
        Ok(sentences) => sentences.into_iter().for_each(|sentence| inspection.found(Finding::new(name, sentence))),
        Err(fault) => inspection.found(finding(name, fault)),
    }
    let (mut progress, mut all) = (Progress::new("looked at"), 0);
    for kind in KINDS {
        let walked = reader.walk(kind, &mut |row| {
            all += 1;
            progress.rows(all);
            match row {
                Ok(row) => inspection.row(kind, &row),
                Err(fault) => inspection.found(finding(name, fault)),
            }
        });
        if let Err(fault) = walked {
            inspection.found(Finding::new(name, format!("not every row of {} can be read: {fault}", kind.name)));
        }
    }
}

fn postgres(store: &PostgresStore, inspection: &mut Inspection<'_>) {
    let mut progress = Progress::new("looked at");
    let mut all = 0;
    let now: Time = Moment::present().now;
    for kind in KINDS {
        let walked = store.view(now, &mut |view| {
            each_page(view, kind, &mut |rows| {
                rows.iter().for_each(|row| inspection.row(kind, row));
                all += rows.len() as u64;
                progress.rows(all);
                Ok(())
            })
        });
        if let Err(fault) = walked {
            inspection.found(finding("PostgreSQL", fault));
        }
    }
}

/// A fault as a finding: about the object that it names, or else about the file.
fn finding(file: &str, fault: Fault) -> Finding {
    let cause = match fault {
        Fault::Corrupt(cause) | Fault::Foreign(cause) | Fault::Unavailable(cause) => cause,
        Fault::Broken(cause) => cause.to_owned(),
    };
    let is_named = |object: &str| KINDS.iter().any(|kind| object.split(' ').next() == Some(kind.name));
    match cause.split_once(": ") {
        Some((object, rest)) if is_named(object) => Finding::new(object, rest),
        Some((object, rest)) if object == file => Finding::new(object, rest),
        _ => Finding::new(file, cause),
    }
}

fn tell(looked: &Looked, look: Look) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let Looked { what, rows, opened_keys, trail, findings } = looked;
    let all: u64 = rows.values().sum();
    if look == Look::Json {
        let findings: Vec<_> =
            findings.iter().map(|finding| json!({ "object": finding.object, "cause": finding.cause })).collect();
        let told = json!({
            "store": what, "ok": findings.is_empty(), "rows": rows, "opened_keys": opened_keys,
            "audit": trail.as_ref().map(trail_as_json), "findings": findings,
        });
        return writeln!(out, "{told}");
    }
    for finding in findings {
        writeln!(out, "{}: {}", finding.object, finding.cause)?;
    }
    if !opened_keys {
        writeln!(out, "keys were not opened: that takes the right seal key")?;
    }
    writeln!(out, "{}", trail.as_ref().map_or(NOT_FOLLOWED.to_owned(), trail_in_words))?;
    match findings.len() {
        0 => writeln!(out, "{what}: {all} rows, nothing wrong"),
        1 => writeln!(out, "{what}: {all} rows, 1 finding"),
        count => writeln!(out, "{what}: {all} rows, {count} findings"),
    }
}

const NOT_FOLLOWED: &str = "audit trail: not followed; that takes the right seal key and a store that can be read";

fn trail_in_words(trail: &Trail) -> String {
    let report = &trail.report;
    let verdict = match report.findings.len() {
        0 => "whole".to_owned(),
        count => format!("NOT whole ({count})"),
    };
    let (blocks, records, forgotten) = (report.blocks, report.records, report.forgotten);
    format!(
        "audit trail: {verdict}, {blocks} blocks, {records} records verified, {forgotten} forgotten by rule, {} not sealed yet",
        trail.waiting
    )
}

fn trail_as_json(trail: &Trail) -> serde_json::Value {
    let report = &trail.report;
    let last = report.last.as_ref().map(|(block, hash, at)| json!({ "block": block, "hash": hash, "at": at.to_rfc3339() }));
    json!({
        "whole": report.findings.is_empty(), "blocks": report.blocks, "records": report.records,
        "forgotten": report.forgotten, "late": report.late, "waiting": trail.waiting, "last": last, "signer": report.signer,
    })
}
