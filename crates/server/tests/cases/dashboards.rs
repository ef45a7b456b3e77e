//! Dashboards and alerts speak of metrics that the shipped binary has, and the binary has none that nobody sees.

use crate::harness::Server;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Metrics that no panel shows, each with the reason.
const NOT_SHOWN: &[(&str, &str)] = &[];

/// How the names of our metrics begin; others belong to Prometheus.
const OURS: [&str; 2] = ["jeton_", "process_"];

/// Labels that Prometheus adds when it reads.
const ADDED: [&str; 2] = ["job", "instance"];

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/dashboards/");

/// The labels of a metric, each with the values that were shown.
type Labels = BTreeMap<String, BTreeSet<String>>;

fn page() -> String {
    let server = Server::start("");
    let mut stream = TcpStream::connect(server.ops).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(50))).expect("set");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

/// The samples of a page: names with their labels.
fn samples(page: &str) -> BTreeMap<String, Labels> {
    let mut found: BTreeMap<String, Labels> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let name: String = line.chars().take_while(|sign| is_name(*sign)).collect();
        let labels = found.entry(name.clone()).or_default();
        for (label, _, value) in matchers(&line[name.len()..]) {
            labels.entry(label).or_default().insert(value);
        }
    }
    found
}

fn is_name(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || sign == '_' || sign == ':'
}

/// What is asked of a label: its name, an operator, a value.
type Matcher = (String, String, String);

/// What stands in the braces with which a text begins.
fn matchers(text: &str) -> Vec<Matcher> {
    let Some(inner) = text.strip_prefix('{') else { return Vec::new() };
    let mut found = Vec::new();
    let mut rest = inner;
    while !rest.starts_with('}') {
        let (head, tail) = rest.split_once('"').expect("a value");
        let (value, tail) = tail.split_once('"').expect("its end");
        let label = head.trim_end_matches(['=', '~', '!']);
        let operator = head[label.len()..].to_owned();
        found.push((label.trim_start_matches([',', ' ']).to_owned(), operator, value.to_owned()));
        rest = tail;
    }
    found
}

/// Our metrics in an expression, each with what it asks of labels.
fn asked(expression: &str) -> Vec<(String, Vec<Matcher>)> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = OURS.iter().filter_map(|ours| rest.find(ours)).min() {
        let name: String = rest[at..].chars().take_while(|sign| is_name(*sign)).collect();
        let begins = !rest[..at].ends_with(is_name);
        rest = &rest[at + name.len()..];
        if begins {
            found.push((name, matchers(rest)));
        }
    }
    found
}

/// What an expression asks for and the samples do not have, in words.
fn missing(expression: &str, samples: &BTreeMap<String, Labels>) -> Vec<String> {
    let mut words = Vec::new();
    for (name, matchers) in asked(expression) {
        let Some(labels) = samples.get(&name) else {
            words.push(format!("there is no {name}"));
            continue;
        };
        for (label, operator, value) in matchers.into_iter().filter(|(label, ..)| !ADDED.contains(&label.as_str())) {
            let Some(values) = labels.get(&label) else {
                words.push(format!("{name} has no label {label}"));
                continue;
            };
            let wanted = if operator.contains('~') { value.split('|').collect() } else { vec![value.as_str()] };
            let unknown = wanted.into_iter().filter(|value| !values.contains(*value));
            words.extend(unknown.map(|value| format!("{name} never has {label}=\"{value}\"")));
        }
    }
    words
}

/// Every expression of a dashboard: of panels, of annotations, of variables.
fn of_dashboard(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if ["expr", "definition"].contains(&name.as_str()) => vec![text.clone()],
                value => of_dashboard(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(of_dashboard).collect(),
        _ => Vec::new(),
    }
}

/// Every expression of the alert rules.
fn of_rules(text: &str) -> Vec<String> {
    let expressions: Vec<String> = text.lines().filter_map(|line| Some(line.trim().strip_prefix("expr: ")?.to_owned())).collect();
    assert_eq!(expressions.len(), text.matches("- alert: ").count(), "alerts.yml: each alert has its expr on one line");
    expressions
}

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}{name}")).expect("the file is there")
}

#[test]
fn what_is_shown_exists_and_what_exists_is_shown() {
    let page = page();
    let samples = samples(&page);
    let dashboard = of_dashboard(&serde_json::from_str(&read("jeton.json")).expect("JSON"));
    let rules = of_rules(&read("alerts.yml"));
    assert!(dashboard.len() > 20 && rules.len() > 10);
    let mut findings = Vec::new();
    for (file, expressions) in [("jeton.json", &dashboard), ("alerts.yml", &rules)] {
        for expression in expressions {
            findings.extend(missing(expression, &samples).into_iter().map(|what| format!("{file}: {what}: {expression}")));
        }
    }
    let shown: BTreeSet<String> = dashboard.iter().flat_map(|expression| asked(expression)).map(|(name, _)| name).collect();
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (family, _) = line.split_once(' ').expect("a name and a type");
        let is_shown = shown.iter().any(|name| {
            let end = name.strip_prefix(family);
            end.is_some_and(|end| ["", "_total", "_info", "_bucket", "_count", "_sum"].contains(&end))
        });
        let is_left_out = NOT_SHOWN.iter().any(|(name, _)| *name == family);
        if !OURS.iter().any(|ours| family.starts_with(ours)) {
            findings.push(format!("{family} does not begin with {}", OURS.join(" or ")));
        } else if is_shown == is_left_out {
            findings.push(format!(
                "{family}: give it a panel in docs/dashboards/jeton.json (copy the JSON of a panel and change id, gridPos, title and \
                 expr), or name it with its reason in NOT_SHOWN of {}; not both",
                file!()
            ));
        }
    }
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn an_expression_that_asks_for_nothing_real_is_found() {
    let samples = samples("jeton_a_total{why=\"x.y\",class=\"2xx\"} 1\nprocess_b 2\n# EOF\n");
    for (expression, findings) in [
        (
            "sum by (why) (rate(jeton_a_total{job=~\"$job\",why=~\"x.y|z\"}[5m])) / process_b",
            &["jeton_a_total never has why=\"z\""][..],
        ),
        ("jeton_a{why=\"x.y\"} > 0", &["there is no jeton_a"]),
        ("jeton_a_total{who=\"me\",class=\"3xx\"}", &["jeton_a_total has no label who", "jeton_a_total never has class=\"3xx\""]),
        ("up{job=\"jeton\"} == 0", &[]),
    ] {
        assert_eq!(missing(expression, &samples), findings, "{expression}");
    }
}
