//! Layers: which module of the core may import which.

use super::Finding;
use super::code::{Code, is_name};
use super::tree::Source;
use std::collections::{BTreeMap, BTreeSet};

const RULE: &str = "layers";

/// A path that a file mentions, from the crate's root, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Import {
    at: usize,
    path: Vec<String>,
}

/// Compares every import with the table, and looks for circles of modules.
pub fn check(layers: &BTreeMap<String, u32>, files: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let Some(own) = module_path(&file.path).first().cloned() else { continue };
        let Some(&layer) = layers.get(&own) else {
            findings.push(Finding::new(RULE, &file.path, 0, format!("the module {own} stands in no layer of ARCHITECTURE.md")));
            continue;
        };
        for import in imports(file) {
            let Some(other) = import.path.first().filter(|other| **other != own) else { continue };
            let line = file.line(import.at);
            match layers.get(other) {
                Some(&below) if below <= layer => {
                    edges.entry(own.clone()).or_default().insert(other.clone());
                }
                Some(above) => {
                    let what = format!("{own} (layer {layer}) imports {other} (layer {above})");
                    findings.push(Finding::new(RULE, &file.path, line, what));
                }
                // A macro or a name at the root of the crate.
                None => {}
            }
        }
    }
    findings.extend(circle(&edges).map(|circle| Finding::new(RULE, "crates/core/src", 0, format!("a circle: {circle}"))));
    findings
}

/// A grant imports no grant but the scope's file; an endpoint imports no named grant.
pub fn grants(files: &[Source]) -> Vec<Finding> {
    let of = |file: &Source, module: &str| module_path(&file.path).first().is_some_and(|first| first == module);
    let named: BTreeSet<String> =
        files.iter().filter(|file| of(file, "grant")).filter_map(|file| module_path(&file.path).get(1).cloned()).collect();
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| of(file, "grant") || of(file, "endpoint")) {
        let own = module_path(&file.path);
        for import in imports(file).into_iter().filter(|import| import.path.first().is_some_and(|first| first == "grant")) {
            let Some(other) = import.path.get(1).filter(|other| named.contains(*other)) else { continue };
            let may = own.first().is_some_and(|first| first == "grant") && (other == "scope" || own.len() == 1);
            if !may && own.get(1) != Some(other) {
                let what = format!("{} imports the grant {other}", own.join("::"));
                findings.push(Finding::new("grants", &file.path, file.line(import.at), what));
            }
        }
    }
    findings
}

/// The path of a file's module, from the root of its crate.
fn module_path(path: &str) -> Vec<String> {
    let below = path.split_once("/src/").map_or(path, |(_, below)| below);
    let below = below.trim_end_matches(".rs").trim_end_matches("/mod");
    below.split('/').filter(|part| *part != "lib" && *part != "main").map(str::to_owned).collect()
}

/// Every path of this crate that the shipped code mentions.
fn imports(file: &Source) -> Vec<Import> {
    let own = module_path(&file.path);
    let text = &file.code.text[..file.code.tests_from];
    let mut found = Vec::new();
    for (at, path) in paths(text) {
        let mut parts = path.into_iter().peekable();
        let mut whole = match parts.peek().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => own.clone(),
            _ => continue,
        };
        for part in parts {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => {
                    whole.pop();
                }
                _ => whole.push(part),
            }
        }
        found.push(Import { at, path: whole });
    }
    found
}

/// Every path in a text: those of `use` with their braces expanded, and those in the code.
pub fn paths(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut covered = Vec::new();
    for at in Code::words(text, "use") {
        let Some(len) = text[at..].find(';') else { continue };
        let tree = &text[at + 3..at + len];
        if tree.trim_start().starts_with('<') {
            continue;
        }
        covered.push(at..at + len);
        expand(tree, &mut Vec::new(), &mut |path| found.push((at, path.to_vec())));
    }
    let mut at = 0;
    while let Some(next) = text[at..].find("::") {
        let middle = at + next;
        let start = text[..middle].rfind(|c| !is_name(c)).map_or(0, |before| before + 1);
        let end = text[middle..].find(|c: char| !is_name(c) && c != ':').map_or(text.len(), |len| middle + len);
        if !covered.iter().any(|range| range.contains(&start)) {
            let path = text[start..end].split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            found.push((start, path));
        }
        at = end.max(middle + 2);
    }
    found
}

fn expand(tree: &str, before: &mut Vec<String>, found: &mut impl FnMut(&[String])) {
    let (head, inside) = match tree.split_once('{') {
        Some((head, rest)) => (head, rest.rfind('}').map(|end| &rest[..end])),
        None => (tree, None),
    };
    let head = head.split(" as ").next().unwrap_or(head);
    let names: Vec<String> = head.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    let depth = before.len();
    before.extend(names);
    match inside {
        Some(inside) => split(inside).into_iter().for_each(|part| expand(part, before, found)),
        None => found(before),
    }
    before.truncate(depth);
}

/// Splits at commas outside braces.
fn split(inside: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inside[start..]);
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

/// A circle of modules, if there is one.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    let mut left: BTreeMap<&String, BTreeSet<&String>> = edges.iter().map(|(from, to)| (from, to.iter().collect())).collect();
    loop {
        let free: Vec<&String> = left.values().flatten().copied().filter(|to| !left.contains_key(*to)).collect();
        if free.is_empty() {
            break;
        }
        for to in left.values_mut() {
            to.retain(|other| !free.contains(other));
        }
        left.retain(|_, to| !to.is_empty());
    }
    left.retain(|_, to| !to.is_empty());
    (!left.is_empty()).then(|| left.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
fn table() -> BTreeMap<String, u32> {
    [("name", 0), ("record", 1), ("grant", 2), ("token", 2), ("endpoint", 3)].map(|(name, at)| (name.to_owned(), at)).into()
}

#[test]
fn an_import_upwards_is_found_however_it_is_spelled() {
    for (path, text, wrong) in [
        ("crates/core/src/record/a.rs", "use crate::name::Key;", false),
        ("crates/core/src/record/a.rs", "use crate::{name::Key, token::{a, b}};", true),
        ("crates/core/src/record/a.rs", "fn f() { crate::token::x() }", true),
        ("crates/core/src/record/a.rs", "use super::super::token;", true),
        ("crates/core/src/record/mod.rs", "fn f(x: super::token::X) {}", true),
        ("crates/core/src/record/mod.rs", "#[cfg(test)]\nmod tests { use crate::token; }", false),
        ("crates/core/src/other.rs", "", true),
    ] {
        assert_eq!(!check(&table(), &[Source::new(path, text)]).is_empty(), wrong, "{text}");
    }
}

#[test]
fn a_circle_is_found() {
    let files = [("crates/core/src/grant/mod.rs", "use crate::token::X;"), ("crates/core/src/token.rs", "use crate::grant::Y;")];
    let files = files.map(|(path, text)| Source::new(path, text));
    assert_eq!(check(&table(), &files[..1]), []);
    assert_eq!(check(&table(), &files).len(), 1);
}

#[test]
fn a_named_grant_is_found() {
    let scope = Source::new("crates/core/src/grant/scope.rs", "");
    let code = Source::new("crates/core/src/grant/code.rs", "use super::scope::X;");
    for (path, text, wrong) in [
        ("crates/core/src/grant/refresh.rs", "use super::scope;", false),
        ("crates/core/src/grant/refresh.rs", "use super::code::X;", true),
        ("crates/core/src/grant/mod.rs", "use self::code::X;", false),
        ("crates/core/src/endpoint/token.rs", "use crate::grant::{self, Asked};", false),
        ("crates/core/src/endpoint/token.rs", "use crate::grant::code;", true),
    ] {
        let files = [scope.clone(), code.clone(), Source::new(path, text)];
        assert_eq!(!grants(&files).is_empty(), wrong, "{path} {text}");
    }
}
