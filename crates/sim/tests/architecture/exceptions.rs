//! Exceptions are the findings that we live with, each with a reason, in `crates/sim/exceptions.toml`. There is no way to add one
//! but by hand, and one that is no longer needed fails the test.

use super::Finding;

/// The most exceptions there may be. Only ever make it smaller.
const MOST: usize = 1;

/// The list.
pub struct Exceptions(Vec<Exception>);

struct Exception {
    rule: String,
    file: String,
    contains: String,
}

/// Reads the list.
pub fn read() -> Exceptions {
    parse(include_str!("../../exceptions.toml"))
}

fn parse(text: &str) -> Exceptions {
    let table: toml::Table = text.parse().expect("exceptions.toml is TOML");
    let list = table.get("exception").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let word = |entry: &toml::Value, name: &str| {
        let word = entry.get(name).and_then(toml::Value::as_str).map(str::to_owned);
        word.unwrap_or_else(|| panic!("an exception has rule, file, contains and reason: {entry}"))
    };
    let exception = |entry: &toml::Value| {
        assert!(word(entry, "reason").len() >= 20, "an exception has a reason that explains: {entry}");
        Exception { rule: word(entry, "rule"), file: word(entry, "file"), contains: word(entry, "contains") }
    };
    Exceptions(list.iter().map(exception).collect())
}

impl Exceptions {
    /// The findings that no exception covers.
    pub fn without(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        findings.retain(|finding| !self.0.iter().any(|exception| exception.covers(finding)));
        findings.sort();
        findings
    }

    /// Fails when an exception covers nothing, or when there are too many.
    pub fn expect_needed(&self, findings: &[Finding]) {
        assert!(self.0.len() <= MOST, "{} exceptions; the most is {MOST}", self.0.len());
        for exception in &self.0 {
            let needed = findings.iter().any(|finding| exception.covers(finding));
            assert!(needed, "remove the exception of {} in {}: it is no longer needed", exception.rule, exception.file);
        }
    }
}

impl Exception {
    fn covers(&self, finding: &Finding) -> bool {
        self.rule == finding.rule && self.file == finding.file && finding.what.contains(&self.contains)
    }
}

#[test]
fn an_exception_covers_its_finding_and_no_other() {
    let list = "[[exception]]\nrule = \"r\"\nfile = \"f\"\ncontains = \"x\"\nreason = \"there is a good reason for it\"";
    let findings = |what: &str| vec![Finding::new("r", "f", 1, what)];
    assert_eq!(parse(list).without(findings("an x")), []);
    assert_eq!(parse(list).without(findings("a y")).len(), 1);
}
