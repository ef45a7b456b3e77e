//! Purity: what the crates below the server may not say, and SQL, which only the store may say.

use super::Finding;
use super::code::{Code, name_at};
use super::layers::paths;
use super::tree::Source;

const RULE: &str = "purity";

/// Words that stand for something asynchronous or printed.
const WORDS: &[&str] = &["async", "await", "println", "print", "eprintln", "eprint", "dbg", "SystemTime", "OsRng"];

/// The parts of the standard library that reach outside.
const OUTSIDE: &[&str] = &["fs", "net", "env", "thread", "process", "os"];

/// Looks for clocks, files, sockets, threads, printing, and walks through a `HashMap`.
pub fn check(file: &Source) -> Vec<Finding> {
    let text = file.shipped();
    let mut findings = Vec::new();
    let mut find = |at: usize, what: String| findings.push(Finding::new(RULE, &file.path, file.line(at), what));
    for word in WORDS {
        Code::words(text, word).into_iter().for_each(|at| find(at, format!("`{word}` in a pure crate")));
    }
    for (at, path) in paths(text) {
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        match parts[..] {
            ["std", outside, ..] if OUTSIDE.contains(&outside) => find(at, format!("`std::{outside}` in a pure crate")),
            ["Instant", "now", ..] | ["std", "time", "Instant", ..] => find(at, "a clock in a pure crate".to_owned()),
            _ => {}
        }
    }
    for name in hash_maps(text) {
        for at in walks(text, name) {
            find(at, format!("`{name}` is a HashMap and is walked: its order is chance"));
        }
    }
    findings
}

/// Names that are declared as hash maps or hash sets.
fn hash_maps(text: &str) -> Vec<&str> {
    let declared = |at: usize| {
        let before = text[..at].trim_end().trim_end_matches("std::collections::").trim_end();
        let before = before.strip_suffix(':').or_else(|| before.strip_suffix('='))?.trim_end();
        let start = before.rfind(|c| !super::code::is_name(c)).map_or(0, |at| at + 1);
        Some(&before[start..]).filter(|name| !name.is_empty())
    };
    let mut names: Vec<&str> =
        ["HashMap", "HashSet"].iter().flat_map(|word| Code::words(text, word)).filter_map(declared).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Where a name is walked.
fn walks(text: &str, name: &str) -> Vec<usize> {
    const VERBS: &[&str] =
        &["iter", "iter_mut", "into_iter", "keys", "into_keys", "values", "values_mut", "into_values", "drain", "retain"];
    let walked = |at: &usize| {
        let behind = text[at + name.len()..].trim_start();
        let verb = behind.strip_prefix('.').map(|verb| name_at(verb.trim_start()));
        let before = text[..*at].trim_end_matches(|c: char| super::code::is_name(c) || c == '.' || c == '&');
        verb.is_some_and(|verb| VERBS.contains(&verb)) || (before.ends_with(" in ") && behind.starts_with('{'))
    };
    Code::words(text, name).into_iter().filter(walked).collect()
}

/// Looks for SQL in texts. The words are spelled small here, so that this file does not find itself.
pub fn sql(file: &Source) -> Vec<Finding> {
    let words = ["select ", "insert into ", "delete from ", "create table ", "create index ", "alter table ", "drop table "];
    let more = ["pragma ", "begin immediate", " on conflict ", "returning ", "where "];
    let words: Vec<String> = words.iter().chain(&more).map(|word| word.to_uppercase()).collect();
    let found = |(at, text): &(usize, String)| {
        let word = words.iter().find(|word| text.contains(word.as_str()))?;
        Some(Finding::new("sql", &file.path, file.line(*at), format!("SQL outside the store: {}", word.trim())))
    };
    file.code.strings.iter().filter_map(found).collect()
}

/// Words by which somebody makes a way out of their own.
const WAYS_OUT: &[&str] = &["lookup_host", "to_socket_addrs", "ToSocketAddrs", "reqwest", "ureq"];
/// Paths that end in these two connect to an address.
const CONNECTS: &[[&str; 2]] =
    &[["TcpStream", "connect"], ["TcpStream", "connect_timeout"], ["UdpSocket", "bind"], ["UdpSocket", "connect"]];
/// Where they may stand: the one way out, and the demonstration, which speaks to the server that it has just started.
const DOORS: &[&str] = &["crates/server/src/egress/", "crates/server/src/demo/conversation.rs"];

/// Looks for ways to somebody else's address beside the egress.
pub fn ways_out(file: &Source) -> Vec<Finding> {
    if DOORS.iter().any(|door| file.path.starts_with(door)) || file.path.contains("/tests/") {
        return Vec::new();
    }
    let text = file.shipped();
    let find = |at: usize, what: &str| Finding::new("egress", &file.path, file.line(at), format!("`{what}` outside the egress"));
    let mut findings: Vec<Finding> = WAYS_OUT
        .iter()
        .flat_map(|word| Code::words(text, word).into_iter().map(|at| find(at, word)).collect::<Vec<_>>())
        .collect();
    for (at, path) in paths(text) {
        let end: Vec<&str> = path.iter().map(String::as_str).collect();
        if end.len() >= 2 && CONNECTS.iter().any(|connect| end.ends_with(connect)) {
            findings.push(find(at, &end.join("::")));
        }
    }
    findings
}

#[test]
fn a_way_out_is_found() {
    for (path, text, wrong) in [
        ("crates/server/src/a.rs", "fn f() { TcpStream::connect(x); }", true),
        ("crates/server/src/a.rs", "fn f() { std::net::TcpStream::connect(x); }", true),
        ("crates/server/src/a.rs", "async fn f() { tokio::net::lookup_host(x); }", true),
        ("crates/server/src/a.rs", "use std::net::ToSocketAddrs;", true),
        ("crates/server/src/a.rs", "fn f() { UnixStream::connect(x); }", false),
        ("crates/server/src/a.rs", "fn f() { TcpListener::bind(x); }", false),
        ("crates/server/src/a.rs", "#[cfg(test)]\nmod tests { fn f() { TcpStream::connect(x); } }", false),
        ("crates/server/src/egress/mod.rs", "fn f() { TcpStream::connect(x); }", false),
        ("crates/server/tests/a.rs", "fn f() { TcpStream::connect(x); }", false),
    ] {
        assert_eq!(!ways_out(&Source::new(path, text)).is_empty(), wrong, "{path} {text}");
    }
}

#[test]
fn what_is_impure_is_found() {
    for (text, wrong) in [
        ("fn f() {}", false),
        ("async fn f() {}", true),
        ("// async\nfn f() {}", false),
        ("use std::time::Duration;", false),
        ("use std::{fmt, thread};", true),
        ("fn f() { std::fs::read(p); }", true),
        ("use std::time::Instant; fn f() { Instant::now(); }", true),
        ("fn f() -> SystemTime {}", true),
        ("fn f() { println!(\"x\"); }", true),
        ("fn f() { env!(\"X\"); }", false),
        ("struct A { m: HashMap<u8, u8> } fn f(a: A) { a.m.contains(1) }", false),
        ("struct A { m: HashMap<u8, u8> } fn f(a: A) { a.m.values() }", true),
        ("fn f() { let m = HashMap::new(); for x in &m {} }", true),
        ("#[cfg(test)]\nmod tests { use std::thread; }", false),
    ] {
        assert_eq!(!check(&Source::new("crates/core/src/a.rs", text)).is_empty(), wrong, "{text}");
    }
}

#[test]
fn sql_is_found() {
    let statement = "select x from y".to_uppercase();
    for (text, wrong) in
        [(format!("\"{statement}\""), true), ("\"select one\"".to_owned(), false), (format!("1; // {statement}"), false)]
    {
        let text = format!("const A: &str = {text};");
        assert_eq!(!sql(&Source::new("crates/core/src/a.rs", &text)).is_empty(), wrong, "{text}");
    }
}
