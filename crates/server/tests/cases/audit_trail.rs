//! The audit trail as an outsider meets it: exported, verified, and touched behind the server's back.

use crate::harness::{Server, jeton, said};
use crate::replay::{text, warm_server};
use jeton_core::name::{Key, Time};
use jeton_core::record::{self, Audit, AuditMark, AuditSeal, Kind, Record};
use jeton_core::store::Row;
use rusqlite::Connection;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A stopped installation with four blocks and more, each of one change at least, and its export.
struct Sealed {
    server: Server,
    export: PathBuf,
    report: Value,
}

/// The verdict about a data directory.
fn verdict(data: &Path, arguments: &[&str]) -> (bool, Value) {
    let output = jeton(data, &[&["audit", "verify", "--json"], arguments].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report:\n{}", said(&output)));
    (output.status.success(), report)
}

/// Waits until the server has sealed everything.
fn sealed(server: &Server) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (whole, report) = verdict(&server.data(), &[]);
        assert!(whole, "{report:#}");
        if report["waiting"] == 0 {
            return report;
        }
        assert!(Instant::now() < deadline, "the audit trail is not sealed: {report:#}\n{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Sealed {
    fn new() -> Self {
        let mut server = Server::start(&text("fixture.toml"));
        sealed(&server);
        let (stop, go) = (["client", "disable", "acme", "build-7", "--yes"], ["client", "enable", "acme", "build-7"]);
        for command in [&stop[..], &go, &stop, &go] {
            let output = server.command(command);
            assert!(output.status.success(), "{}", said(&output));
            sealed(&server);
        }
        let report = sealed(&server);
        let output = server.command(&["audit", "export"]);
        assert!(output.status.success(), "{}", said(&output));
        let export = server.data().join("audit.jsonl");
        std::fs::write(&export, &output.stdout).expect("the export is written");
        server.stop();
        Self { server, export, report }
    }

    /// A copy of the data, touched by somebody who can write to the database.
    fn touched(&self, statements: &str) -> TempDir {
        let copy = tempfile::tempdir().expect("a directory");
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(copy.path(), own).expect("the directory is ours");
        std::os::unix::fs::PermissionsExt::set_mode(
            &mut std::fs::metadata(copy.path()).expect("it is there").permissions(),
            0o700,
        );
        for entry in std::fs::read_dir(self.server.data()).expect("the data").flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("a copy");
            }
        }
        let database = Connection::open(copy.path().join("jeton.db")).expect("the database opens");
        database.execute_batch(statements).expect("the statements run");
        // Checksums of rows are no secret: whoever edits with care makes them right again.
        for kind in [Audit::KIND, AuditMark::KIND, AuditSeal::KIND] {
            make_checksums_right(&database, kind);
        }
        copy
    }

    fn key_of(&self, offset: u32) -> String {
        let copy = self.touched("");
        let database = Connection::open(copy.path().join("jeton.db")).expect("the database opens");
        let key = "select lower(hex(\"key\")) from audit order by \"key\" desc limit 1 offset ?1";
        database.query_row(key, [offset], |row| row.get(0)).expect("a record")
    }
}

/// Gives every row of a kind the checksum of what it says now.
fn make_checksums_right(database: &Connection, kind: &Kind) {
    let columns: String = kind.columns.iter().map(|column| format!(", \"{}\"", column.name)).collect();
    let all = format!("select \"key\", body_version, expires_at, body{columns} from \"{}\"", kind.name);
    let mut statement = database.prepare(&all).expect("the table is there");
    let rows = statement.query_map([], |row| {
        let columns = (0..kind.columns.len()).map(|index| {
            row.get(4 + index).map(|value| match value {
                rusqlite::types::Value::Null | rusqlite::types::Value::Real(_) => record::Value::Null,
                rusqlite::types::Value::Integer(number) => record::Value::Integer(number),
                rusqlite::types::Value::Text(text) => record::Value::Text(text),
                rusqlite::types::Value::Blob(bytes) => record::Value::Bytes(bytes),
            })
        });
        Ok(Row {
            key: Key::from_bytes(row.get(0)?),
            version: 1,
            body_version: row.get(1)?,
            columns: columns.collect::<Result<_, _>>()?,
            expires_at: row.get::<_, Option<i64>>(2)?.map(Time::from_millis),
            body: row.get::<_, String>(3)?.into_bytes(),
        })
    });
    let rows: Vec<Row> = rows.expect("the rows").collect::<Result<_, _>>().expect("each is readable");
    let right = format!("update \"{}\" set checksum = ?1 where \"key\" = ?2", kind.name);
    for row in rows {
        database.execute(&right, rusqlite::params![row.checksum(kind), row.key.as_bytes()]).expect("it is updated");
    }
}

fn named(report: &Value, key: &str, what: &str) -> bool {
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().any(|finding| {
        (key.is_empty() || finding["key"] == key) && finding["what"].as_str().is_some_and(|text| text.contains(what))
    })
}

/// What `jeton check` says of a store.
fn checked(data: &Path) -> (bool, Value) {
    let output = jeton(data, &["check", "--json"]);
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output))))
}

/// What is done, in the words of the database, and what must be told of which record.
fn touches(last: &str, one: &str) -> Vec<(&'static str, String, String, &'static str)> {
    let put_in = format!("{}ffff", &last[..28]);
    vec![
        (
            "an edited record",
            format!(
                "update audit set body = replace(body, 'client.enable', 'client.dosable') where lower(hex(\"key\")) = '{last}'"
            ),
            last.to_owned(),
            "edited",
        ),
        ("a deleted record", format!("delete from audit where lower(hex(\"key\")) = '{one}'"), one.to_owned(), "deleted"),
        (
            "two records that changed places",
            format!(
                "create temp table a as select body from audit where lower(hex(\"key\")) = '{one}'; \
                 update audit set body = replace((select body from audit where lower(hex(\"key\")) = '{last}'), '{last}', '{one}') where lower(hex(\"key\")) = '{one}'; \
                 update audit set body = replace((select body from a), '{one}', '{last}') where lower(hex(\"key\")) = '{last}'"
            ),
            one.to_owned(),
            "edited",
        ),
        ("a deleted block", "delete from audit_seal where sequence = 2".into(), String::new(), "are missing"),
        (
            "a deleted beginning",
            "delete from audit_seal where sequence = 1".into(),
            String::new(),
            "the chain begins with block 2",
        ),
        (
            "an edited block",
            "update audit_seal set body = replace(body, '\"late\":0', '\"late\":1') where sequence = 2".into(),
            String::new(),
            "its hash is another one",
        ),
        (
            "a record that was put in",
            format!(
                "insert into audit select x'{put_in}', version, body_version, null, realm, request_id, \
                 replace(body, '{last}', '{put_in}'), 0 from audit where lower(hex(\"key\")) = '{last}'"
            ),
            put_in.to_owned(),
            "in no block",
        ),
        (
            "a record that was doubled",
            format!(
                "insert into audit select x'{put_in}', version, body_version, null, realm, request_id, body, 0 from audit \
                 where lower(hex(\"key\")) = '{last}'"
            ),
            last.to_owned(),
            "stands twice",
        ),
        (
            "a cut end that left the records",
            "delete from audit_seal where sequence = (select max(sequence) from audit_seal)".into(),
            last.to_owned(),
            "in no block",
        ),
    ]
}

/// Rows: AD-06.
#[test]
fn whatever_is_done_to_the_trail_behind_the_server_is_named() {
    let trail = Sealed::new();
    let (last, one) = (trail.key_of(0), trail.key_of(1));
    assert!(verdict(trail.touched("").path(), &[]).0, "an untouched copy is whole");
    let (whole, checked_before) = checked(trail.touched("").path());
    assert!(whole && checked_before["audit"]["whole"] == true, "{checked_before:#}");
    for member in ["blocks", "records", "last", "signer", "waiting"] {
        assert_eq!(checked_before["audit"][member], trail.report[member], "{member}");
    }
    for (what, statements, key, told) in &touches(&last, &one) {
        let output = jeton(trail.touched(statements).path(), &["audit", "verify"]);
        assert!(!output.status.success(), "{what} is not noticed:\n{}", said(&output));
        let (whole, report) = verdict(trail.touched(statements).path(), &[]);
        assert!(!whole && named(&report, key, told), "{what} is not named: {key} {told}\n{report:#}");
        let (whole, checked) = checked(trail.touched(statements).path());
        let is_told = |finding: &Value| {
            finding["object"].as_str().is_some_and(|object| object.starts_with("audit") && object.contains(key.as_str()))
                && finding["cause"].as_str().is_some_and(|cause| cause.contains(told))
        };
        let findings = checked["findings"].as_array().expect("findings");
        assert!(!whole && checked["audit"]["whole"] == false, "jeton check does not notice {what}:\n{checked:#}");
        assert!(findings.iter().any(is_told), "jeton check does not name {what}: {key} {told}\n{checked:#}");
    }
    let unreadable = format!("update audit set body = '{{}}' where lower(hex(\"key\")) = '{last}'");
    let (whole, report) = verdict(trail.touched(&unreadable).path(), &[]);
    assert!(!whole && named(&report, &last, "cannot be read"), "{report:#}");
    // Whoever cuts the end together with its records leaves a shorter chain; a noted head tells.
    let cut = trail.touched(&format!(
        "delete from audit_seal where sequence = (select max(sequence) from audit_seal); \
         delete from audit where lower(hex(\"key\")) = '{last}'"
    ));
    assert!(verdict(cut.path(), &[]).0, "without a note nobody can know");
    let last = &trail.report["last"];
    let head = format!("{}:{}", last["block"], last["hash"].as_str().expect("a hash"));
    let (whole, report) = verdict(cut.path(), &["--head", &head]);
    assert!(!whole && named(&report, "", "the end was cut off"), "{report:#}");
    assert!(verdict(trail.touched("").path(), &["--head", &head]).0);
}

/// Rows: AD-06.
#[test]
fn an_exported_file_is_verified_without_the_installation() {
    let trail = Sealed::new();
    let nowhere = tempfile::tempdir().expect("a directory");
    let whole = std::fs::read_to_string(&trail.export).expect("the export");
    let lines: Vec<&str> = whole.lines().collect();
    let signer = trail.report["signer"].as_str().expect("a key");
    let judged = |lines: &[&str], more: &[&str]| {
        let file = nowhere.path().join("copy.jsonl");
        std::fs::write(&file, lines.join("\n")).expect("the file is written");
        let file = file.display().to_string();
        verdict(&nowhere.path().join("none"), &[&["--file", &file], more].concat())
    };
    let (good, report) = judged(&lines, &["--signer", signer]);
    assert!(good, "{report:#}");
    assert_eq!((&report["last"], &report["records"]), (&trail.report["last"], &trail.report["records"]));
    let foreign = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    assert!(named(&judged(&lines, &["--signer", foreign]).1, "", "not signed"));
    let at = lines.iter().rposition(|line| line.contains("\"line\":\"record\"")).expect("a record");
    let edited = lines[at].replace("client.enable", "client.disable");
    let cases: [(&str, Vec<&str>, &str); 5] = [
        ("edited", [&lines[..at], &[edited.as_str()], &lines[at + 1..]].concat(), "edited"),
        ("a line cut", [&lines[..3], &lines[4..]].concat(), "lines were cut"),
        ("a block cut", lines.iter().copied().filter(|line| !line.contains("\"block\":2,")).collect(), "are missing"),
        (
            "reordered",
            {
                let mut lines = lines.clone();
                lines.swap(2, 3);
                lines
            },
            "reordered",
        ),
        ("not JSON", [&["{"], &lines[..]].concat(), "not one of an export"),
    ];
    for (what, lines, told) in cases {
        let (good, report) = judged(&lines, &[]);
        assert!(!good && named(&report, "", told), "{what}: {report:#}");
    }
    // An export goes on where another one ended, and the two together are one.
    let server = warm_server("fixture.toml");
    sealed(&server);
    let run = |arguments: &[&str]| String::from_utf8(server.command(arguments).stdout).expect("text");
    assert!(server.command(&["client", "disable", "acme", "build-7", "--yes"]).status.success());
    sealed(&server);
    let (all, rest) = (run(&["audit", "export"]), run(&["audit", "export", "--after", "1"]));
    assert!(all.ends_with(&rest) && !rest.is_empty() && rest.len() < all.len());
    let own = run(&["audit", "export", "acme"]);
    let file = nowhere.path().join("acme.jsonl");
    std::fs::write(&file, own).expect("the file is written");
    let file = file.display().to_string();
    assert!(!verdict(nowhere.path(), &["--file", &file]).0, "withheld records are told");
    assert!(verdict(nowhere.path(), &["--file", &file, "--part"]).0);
}
