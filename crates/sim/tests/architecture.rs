//! The house's rules as tests: plain text scanning, with the tables of ARCHITECTURE.md as input.
//!
//! Every scanner is a function from text to findings, and each one's own test feeds it a fault that it must find.

mod code;
mod document;
mod exceptions;
mod layers;
mod manifest;
mod naming;
mod providers;
mod purity;
mod shape;
mod size;
mod tree;

use document::Document;
use std::fmt;
use tree::Tree;

/// A rule that is broken at a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Short name of the rule.
    rule: &'static str,
    /// Path below the root.
    file: String,
    /// From 1; 0 is the whole file.
    line: usize,
    /// What is wrong, in words.
    what: String,
}

impl Finding {
    fn new(rule: &'static str, file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { rule, file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {} ({})", self.file, self.line, self.what, self.rule)
    }
}

/// Fails with every finding that no exception covers.
fn expect_none(findings: Vec<Finding>) {
    let left = exceptions::read().without(findings);
    let list: Vec<String> = left.iter().map(Finding::to_string).collect();
    assert!(list.is_empty(), "{} findings:\n{}", list.len(), list.join("\n"));
}

#[test]
fn the_crates_import_what_the_document_says() {
    let document = Document::read();
    let tree = Tree::read();
    expect_none(manifest::graph(&document, &tree.manifests));
}

#[test]
fn the_core_has_the_layers_that_the_document_says() {
    let document = Document::read();
    let tree = Tree::read();
    expect_none(layers::check(&document.layers, &tree.of("core")));
}

#[test]
fn grants_and_endpoints_know_no_named_grant() {
    let tree = Tree::read();
    expect_none(layers::grants(&tree.of("core")));
}

#[test]
fn the_pure_crates_are_pure() {
    let tree = Tree::read();
    let findings = ["jose", "core", "wire"].iter().flat_map(|name| tree.of(name)).flat_map(|file| purity::check(&file)).collect();
    expect_none(findings);
}

#[test]
fn only_the_store_speaks_sql() {
    let tree = Tree::read();
    let others = tree.sources.iter().filter(|file| !file.path.starts_with("crates/store/"));
    expect_none(others.flat_map(purity::sql).collect());
}

#[test]
fn there_is_one_way_out() {
    let tree = Tree::read();
    // PostgreSQL is asked by the store, through its driver.
    let ours = tree.sources.iter().filter(|file| file.path.starts_with("crates/") && !file.path.starts_with("crates/store/"));
    expect_none(ours.flat_map(purity::ways_out).collect());
}

#[test]
fn no_rust_file_names_a_provider() {
    let tree = Tree::read();
    let names = providers::names(&tree.dialects);
    assert!(names.len() >= 4, "the dialects' files name their providers: {names:?}");
    expect_none(tree.sources.iter().flat_map(|file| providers::check(&names, file)).collect());
}

#[test]
fn files_and_functions_are_short() {
    let tree = Tree::read();
    expect_none(tree.sources.iter().flat_map(size::check).collect());
}

#[test]
fn names_say_what_a_thing_is_for() {
    let tree = Tree::read();
    expect_none(tree.sources.iter().flat_map(naming::check).collect());
}

#[test]
fn every_file_has_its_shape() {
    let tree = Tree::read();
    expect_none(tree.sources.iter().flat_map(shape::check).collect());
}

#[test]
fn every_grant_stands_in_the_table_and_names_its_rfc() {
    let tree = Tree::read();
    expect_none(shape::grants(&tree.of("core")));
}

#[test]
fn lints_and_licences_have_reasons() {
    let tree = Tree::read();
    expect_none(manifest::clippy(&tree.root));
    expect_none(manifest::deny(&tree.text("deny.toml"), &tree.text("Cargo.lock")));
}

#[test]
fn exceptions_are_few_and_still_needed() {
    let tree = Tree::read();
    let document = Document::read();
    let mut all = manifest::graph(&document, &tree.manifests);
    all.extend(layers::check(&document.layers, &tree.of("core")));
    all.extend(["jose", "core", "wire"].iter().flat_map(|name| tree.of(name)).flat_map(|file| purity::check(&file)));
    all.extend(tree.sources.iter().flat_map(size::check));
    all.extend(tree.sources.iter().flat_map(naming::check));
    all.extend(tree.sources.iter().flat_map(shape::check));
    exceptions::read().expect_needed(&all);
}

#[test]
fn the_document_is_short() {
    let lines = Tree::read().text("ARCHITECTURE.md").lines().count();
    assert!(lines <= 120, "ARCHITECTURE.md has {lines} lines; two pages are 120");
}
