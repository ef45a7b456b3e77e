//! Providers: their names belong to the dialects' files, and to no Rust file.

use super::Finding;
use super::tree::Source;

/// One provider's name in the forms to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Looked for in any case, in code, texts and comments.
    any_case: Vec<String>,
    /// A plain word: in any case in code and texts, capitalised in comments, where the word itself is English.
    word: Option<String>,
}

/// The providers' names, from the stems and titles of the dialects' files. A dialect without a public document is nobody's.
pub fn names(dialects: &[(String, String)]) -> Vec<Name> {
    let name = |(stem, text): &(String, String)| {
        let table: toml::Table = text.parse().expect("a dialect is TOML");
        let word = |name: &str| table.get(name).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        if !word("source").starts_with("http") {
            return None;
        }
        let title = word("title").to_lowercase();
        let mut any_case: Vec<String> = if stem.contains('-') {
            ["", "-", "_", " ", "."].iter().map(|between| stem.replace('-', between)).collect()
        } else {
            Vec::new()
        };
        any_case.extend((title != *stem).then_some(title));
        any_case.dedup();
        Some(Name { any_case, word: (!stem.contains('-')).then(|| stem.clone()) })
    };
    dialects.iter().filter_map(name).collect()
}

/// Looks for them.
pub fn check(names: &[Name], file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut look = |at: usize, text: &str, comment: bool| {
        for (offset, line) in lines(text) {
            let lower = line.to_lowercase();
            let found = names.iter().find_map(|name| name.found(line, &lower, comment));
            if let Some(found) = found {
                let what = format!("the name of a provider: {found}");
                findings.push(Finding::new("providers", &file.path, file.line(at + offset), what));
            }
        }
    };
    look(0, &file.code.text, false);
    file.code.strings.iter().for_each(|(at, text)| look(*at, text, false));
    file.code.comments.iter().for_each(|(at, text)| look(*at, text, true));
    look(0, &file.path, false);
    findings
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        at += line.len();
        (at - line.len(), line)
    })
}

impl Name {
    fn found(&self, line: &str, lower: &str, comment: bool) -> Option<&str> {
        if let Some(found) = self.any_case.iter().find(|form| lower.contains(form.as_str())) {
            return Some(found);
        }
        let word = self.word.as_deref()?;
        let capital = word[..1].to_uppercase() + &word[1..];
        let there = if comment { line.contains(&capital) } else { lower.contains(word) };
        there.then_some(word)
    }
}

#[test]
fn a_providers_name_is_found() {
    let file = |stem: &str, title: &str, source: &str| {
        (stem.to_owned(), format!("name = \"{stem}\"\ntitle = \"{title}\"\nsource = \"{source}\""))
    };
    let dialects = [
        file("blue-whale", "Blue Whale Ltd", "https://blue.example"),
        file("elsewhere", "Elsewhere", "https://e.example"),
        file("rfc", "RFC", "RFC 1"),
    ];
    let names = names(&dialects);
    assert_eq!(names.len(), 2);
    for (text, wrong) in [
        ("// as the RFC says, or elsewhere\nfn rfc() {}", false),
        ("// as Elsewhere wants it", true),
        ("const A: &str = \"elsewhere\";", true),
        ("fn blue_whale() {}", true),
        ("// for the blue whale", true),
        ("struct BlueWhale;", true),
    ] {
        assert_eq!(!check(&names, &Source::new("crates/wire/src/a.rs", text)).is_empty(), wrong, "{text}");
    }
}
