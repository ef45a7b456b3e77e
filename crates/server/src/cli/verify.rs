//! `jeton audit verify` says whether the audit trail is as it was sealed: of an installation, or of an exported file by itself.

use super::input::Given;
use super::print::out;
use super::reach::Reach;
use super::{CliError, pages};
use crate::settings::Settings;
use clap::{Arg, ArgAction, ArgMatches};
use jeton_core::admin::Effect;
use jeton_core::chain::{Expected, Finding, Report, Start, Verifier};
use jeton_core::name::Key;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::ExitCode;

/// What became of the withheld records of an export.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Withheld {
    /// There should be none.
    Wrong,
    /// The export is of one realm.
    Expected,
}

/// The command.
pub fn command() -> clap::Command {
    clap::Command::new("verify")
        .about("Verify the audit trail: say whether it is whole, or where it was cut, edited or reordered")
        .after_help(
            "Examples:\n  # the trail of the installation\n  jeton audit verify\n  # a copy, on any machine\n  \
             jeton audit verify --file audit.jsonl --signer KEY\n  # whether the end was cut off since block 812 was noted\n  \
             jeton audit verify --head 812:HASH",
        )
        .arg(Arg::new("file").long("file").value_name("FILE").help("An exported file; - is standard input"))
        .arg(Arg::new("signer").long("signer").value_name("KEY").help("The public key that must have signed, as it was noted"))
        .arg(Arg::new("head").long("head").value_name("BLOCK:HASH").help("A block that existed, as it was noted"))
        .arg(
            Arg::new("part")
                .long("part")
                .action(ArgAction::SetTrue)
                .help("The file is of one realm: records of others are withheld"),
        )
}

/// Runs the command. What is wrong ends it with a failure.
pub fn run(given: &ArgMatches) -> Result<ExitCode, CliError> {
    let text = |name: &str| given.get_one::<String>(name).cloned();
    let mut expected =
        Expected { signer: text("signer"), head: text("head").map(|text| head(&text)).transpose()?, ..Expected::default() };
    let withheld = if given.get_flag("part") { Withheld::Expected } else { Withheld::Wrong };
    let (mut report, waiting) = match text("file") {
        Some(path) => (of_file(&path, expected)?, 0),
        None => {
            expected.start = Start::First;
            of_installation(&Settings::load(given).map_err(|error| CliError(error.to_string()))?, expected)?
        }
    };
    if report.withheld > 0 && withheld == Withheld::Wrong {
        let what = format!("{} records are withheld; say --part if the file is of one realm", report.withheld);
        report.findings.push(Finding { block: report.last.as_ref().map_or(0, |(block, ..)| *block), key: None, what });
    }
    if given.get_flag("json") {
        tell_json(&report, waiting)?
    } else {
        tell(&report, waiting)?
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn head(text: &str) -> Result<(u64, String), CliError> {
    let wrong = || CliError("--head is the number of a block, a colon and its hash".into());
    let (block, hash) = text.split_once(':').ok_or_else(wrong)?;
    Ok((block.parse().map_err(|_| wrong())?, hash.to_owned()))
}

fn of_file(path: &str, expected: Expected) -> Result<Report, CliError> {
    let unreadable = |error: std::io::Error| CliError(format!("{path}: {error}"));
    let lines: Box<dyn BufRead> = if path == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(unreadable)?))
    };
    let mut verifier = Verifier::new(expected);
    for line in lines.lines() {
        let line = line.map_err(unreadable)?;
        if !line.trim().is_empty() {
            // What is no JSON is no line of an export, and the verifier says so.
            verifier.line(&serde_json::from_str(&line).unwrap_or_default());
        }
    }
    Ok(verifier.finish())
}

/// Verifies the installation: its chain from the first block on, and that no audit record stands outside it.
fn of_installation(settings: &Settings, mut expected: Expected) -> Result<(Report, usize), CliError> {
    let reach = Reach::find(settings, Effect::Reads)?;
    let row = |name: &str| jeton_core::admin::command(name).ok_or_else(|| CliError(format!("there is no command {name}")));
    // The keys come first: what is sealed while the chain is read is not missed.
    let (mut sealed, mut twice, mut waiting) = (BTreeSet::new(), Vec::new(), 0);
    let listed = pages(&reach, row("audit.keys")?, Given::new(), |page| {
        for item in page["items"].as_array().into_iter().flatten() {
            match (item["state"].as_str(), item["key"].as_str().and_then(Key::parse)) {
                (Some("sealed"), Some(key)) if sealed.insert(key) => {}
                (Some("sealed"), Some(key)) => twice.push(key),
                _ => waiting += 1,
            }
        }
        Ok(())
    });
    let mut verifier: Option<Verifier> = None;
    let exported = pages(&reach, row("audit.export")?, Given::new(), |page| {
        for line in page["items"].as_array().into_iter().flatten() {
            // The installation says with which key it signs: that follows from its seal key, not from what the database says.
            let verifier = verifier.get_or_insert_with(|| {
                expected.signer = expected.signer.take().or_else(|| line["signer"].as_str().map(str::to_owned));
                Verifier::new(expected.clone())
            });
            verifier.line(line);
        }
        Ok(())
    });
    let verifier = verifier.unwrap_or_else(|| Verifier::new(expected));
    // Where blocks could not be read, nobody can say which records they hold.
    let loose: Vec<Key> = sealed.into_iter().filter(|key| exported.is_ok() && !verifier.holds(*key)).collect();
    let mut report = verifier.finish();
    let what = || "the record is in no block: it was put in, or its block was cut off".to_owned();
    // A record or a block that cannot even be read is named by the fault.
    let faults = [listed.err(), exported.err()].into_iter().flatten();
    report.findings.extend(faults.map(|error| Finding { block: 0, key: None, what: error.to_string() }));
    let again = || "the record stands twice: one was put in".to_owned();
    report.findings.extend(twice.into_iter().map(|key| Finding { block: 0, key: Some(key), what: again() }));
    report.findings.extend(loose.into_iter().map(|key| Finding { block: 0, key: Some(key), what: what() }));
    Ok((report, waiting))
}

fn tell(report: &Report, waiting: usize) -> Result<(), CliError> {
    for finding in &report.findings {
        let place = if finding.block == 0 { String::new() } else { format!("block {}: ", finding.block) };
        let record = finding.key.map(|key| format!("record {key} of {}: ", key.created_at().to_rfc3339())).unwrap_or_default();
        out(&format!("{place}{record}{}", finding.what))?;
    }
    let Report { blocks, records, withheld, forgotten, late, .. } = report;
    out(&format!(
        "{blocks} blocks, {records} records verified, {forgotten} forgotten by rule, {withheld} withheld, {late} late, {waiting} not sealed yet"
    ))?;
    if let (Some(first), Some((last, hash, at))) = (report.first, &report.last) {
        out(&format!("from block {first} to block {last}, sealed {}", at.to_rfc3339()))?;
        out(&format!(
            "note this to notice a cut end later: --head {last}:{hash} --signer {}",
            report.signer.as_deref().unwrap_or_default()
        ))?;
    }
    out(&match report.findings.len() {
        0 => "the audit trail is whole".to_owned(),
        count => format!("the audit trail is NOT whole: {count} findings"),
    })
}

fn tell_json(report: &Report, waiting: usize) -> Result<(), CliError> {
    let finding = |finding: &Finding| {
        let at = finding.key.map(|key| key.created_at().to_rfc3339());
        json!({ "block": finding.block, "key": finding.key, "at": at, "what": finding.what })
    };
    let last = report.last.as_ref().map(|(block, hash, at)| json!({ "block": block, "hash": hash, "at": at.to_rfc3339() }));
    let findings: Vec<Value> = report.findings.iter().map(finding).collect();
    let view = json!({
        "whole": report.findings.is_empty(), "blocks": report.blocks, "records": report.records, "forgotten": report.forgotten,
        "withheld": report.withheld, "late": report.late, "waiting": waiting, "first": report.first, "last": last,
        "signer": report.signer, "findings": findings,
    });
    out(&serde_json::to_string_pretty(&view).unwrap_or_default())
}
