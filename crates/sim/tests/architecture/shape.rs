//! Shape: a file opens with its title, a lint is never silenced, and a grant stands in its table.

use super::Finding;
use super::tree::Source;

/// Looks at a file's title and at what it may not contain.
pub fn check(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |at: usize, what: &str| findings.push(Finding::new("shape", &file.path, file.line(at), what));
    let title = file.code.raw.lines().next().and_then(|line| line.strip_prefix("//! "));
    // A placeholder of one line says nothing yet.
    if file.code.raw.lines().count() > 1 && title.is_none_or(|title| title.trim().split(' ').count() < 3) {
        find(0, "the file does not open with a title that says what it is");
    }
    let text = &file.code.text;
    for (found, what) in [
        ("#[allow", "a lint is silenced without a reason; use #[expect(…, reason = …)]"),
        ("#![allow", "a lint is silenced without a reason; use #[expect(…, reason = …)]"),
        ("#[ignore", "a test that does not run proves nothing"),
        ("static mut", "global state"),
        ("lazy_static!", "global state"),
    ] {
        text.match_indices(found).for_each(|(at, _)| find(at, what));
    }
    for (at, _) in file.shipped().match_indices(".unwrap()") {
        find(at, "`unwrap` outside tests: a fault, a refusal, or an `expect` that states the proof");
    }
    for (at, _) in text.match_indices("#[expect") {
        let end = text[at..].find(']').map_or(text.len(), |len| at + len);
        if !text[at..end].contains("reason") {
            find(at, "a lint is expected without a reason");
        }
    }
    findings
}

/// Each file of a grant names its RFC in its title and stands in the table of grants.
pub fn grants(files: &[Source]) -> Vec<Finding> {
    let folder = "crates/core/src/grant/";
    let table = files.iter().find(|file| file.path == format!("{folder}mod.rs")).map(|file| file.code.raw.clone());
    let table = table.unwrap_or_default();
    let list = table.split_once("GRANTS: &[Grant] = &[").and_then(|(_, rest)| rest.split_once(']')).map_or("", |(list, _)| list);
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with(folder)) {
        let stem = file.path[folder.len()..].trim_end_matches(".rs");
        if matches!(stem, "mod" | "scope") {
            continue;
        }
        let title = file.code.raw.lines().next().unwrap_or_default();
        if !title.contains("RFC ") && !title.contains("(ours)") {
            findings.push(Finding::new("grants", &file.path, 1, "the title names no RFC"));
        }
        if !list.contains(&format!("{stem}::GRANT")) {
            findings.push(Finding::new("grants", &file.path, 0, "the grant does not stand in GRANTS"));
        }
    }
    findings
}

#[test]
fn a_wrong_shape_is_found() {
    let title = "//! A title that says something.\n";
    for (text, wrong) in [
        ("fn f() { a.expect(\"proof\") }", false),
        ("fn f() { a.unwrap() }", true),
        ("fn f() { a.unwrap_or(1) } #[cfg(test)]\nmod tests { fn g() { a.unwrap() } }", false),
        ("#[allow(dead_code)] fn f() {}", true),
        ("#[expect(dead_code, reason = \"x\")] fn f() {}", false),
        ("#[expect(dead_code)] fn f() {}", true),
        ("#[test] #[ignore] fn f() {}", true),
    ] {
        let text = format!("{title}{text}");
        assert_eq!(!check(&Source::new("crates/core/src/a.rs", &text)).is_empty(), wrong, "{text}");
    }
    assert_eq!(check(&Source::new("crates/core/src/a.rs", "fn f() {\n}")).len(), 1);
}

#[test]
fn a_grant_outside_the_table_is_found() {
    let table = Source::new("crates/core/src/grant/mod.rs", "pub const GRANTS: &[Grant] = &[a::GRANT];");
    let grant = |name: &str, title: &str| Source::new(&format!("crates/core/src/grant/{name}.rs"), title);
    for (file, wrong) in [
        (grant("a", "//! A grant (RFC 1 §2)."), false),
        (grant("a", "//! A grant."), true),
        (grant("b", "//! A grant (RFC 1 §2)."), true),
    ] {
        assert_eq!(!grants(&[table.clone(), file.clone()]).is_empty(), wrong, "{}", file.path);
    }
}
