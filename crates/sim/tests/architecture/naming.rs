//! Naming: words that say nothing are not used in declarations of ours.

use super::Finding;
use super::code::{Code, closing, name_at};
use super::tree::Source;
use std::ops::Range;

/// Never, in no place of a name.
const NEVER: &[&str] = &["util", "utils", "helper", "helpers", "common", "manager", "service"];
/// Not as the verb of a function, and not in the name of a type or module.
const VAGUE: &[&str] = &["handle", "handler", "process", "processor"];

/// Looks at every declaration that is not made by somebody else's trait.
pub fn check(file: &Source) -> Vec<Finding> {
    let text = &file.code.text;
    let foreign = trait_impls(text);
    let mut findings = Vec::new();
    for keyword in ["fn", "struct", "enum", "mod", "trait", "type", "union"] {
        for at in Code::words(text, keyword) {
            let name = name_at(text[at + keyword.len()..].trim_start());
            let theirs = matches!(keyword, "fn" | "type") && foreign.iter().any(|range| range.contains(&at));
            if !theirs && let Some(word) = vague(keyword, name) {
                let what = format!("{keyword} {name}: `{word}` does not say what it is for");
                findings.push(Finding::new("naming", &file.path, file.line(at), what));
            }
        }
    }
    findings
}

fn vague<'a>(keyword: &str, name: &'a str) -> Option<&'a str> {
    let words = words(name);
    let is = |list: &[&str], word: &str| list.iter().any(|other| word.eq_ignore_ascii_case(other));
    let never = words.iter().find(|word| is(NEVER, word));
    let verb = match keyword {
        "fn" => words.first().filter(|word| is(VAGUE, word) || (words.len() > 1 && **word == "get")),
        _ => words.iter().find(|word| is(VAGUE, word)),
    };
    never.or(verb).copied()
}

/// The words of a name, in either spelling.
fn words(name: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for part in name.split('_') {
        let mut start = 0;
        for (at, c) in part.char_indices().skip(1) {
            if c.is_uppercase() {
                found.push(&part[start..at]);
                start = at;
            }
        }
        found.push(&part[start..]);
    }
    found.retain(|word| !word.is_empty());
    found
}

/// The blocks of `impl Trait for Type`.
fn trait_impls(text: &str) -> Vec<Range<usize>> {
    let block = |at: usize| {
        let open = at + text[at..].find('{')?;
        let head = &text[at..open];
        let of_trait = Code::words(head, "for").into_iter().any(|word| !head[word + 3..].starts_with('<'));
        Some(at..closing(text, open)?).filter(|_| of_trait)
    };
    Code::words(text, "impl").into_iter().filter_map(block).collect()
}

#[test]
fn vague_names_are_found() {
    for (text, wrong) in [
        ("fn decide() {}", false),
        ("fn handle_request() {}", true),
        ("fn process() {}", true),
        ("fn get_name() {}", true),
        ("trait View { fn get(); }", false),
        ("pub struct KeyManager;", true),
        ("struct ServiceA;", true),
        ("mod utils;", true),
        ("fn a_second_process_is_refused() {}", false),
        ("impl Iterator for X { fn handle(&self) {} }", false),
        ("impl X { fn handle(&self) {} }", true),
        ("impl<F> X where F: for<'a> Fn(&'a u8) { fn handle(&self) {} }", true),
    ] {
        assert_eq!(!check(&Source::new("crates/core/src/a.rs", text)).is_empty(), wrong, "{text}");
    }
}
