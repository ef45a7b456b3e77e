//! Size: how long a file, a function and a list of parameters may be.

use super::Finding;
use super::code::{Code, closing, name_at};
use super::tree::Source;

/// Lines of code in a file before its tests.
const FILE: usize = 400;
/// Lines of code in a function.
const FUNCTION: usize = 60;
/// Parameters of a function beside `self`.
const PARAMETERS: usize = 5;

/// Measures a file and its functions. Tests may be longer, since their tables of rows are data.
pub fn check(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let length = code_lines(file.shipped());
    if length > FILE {
        let what = format!("{length} lines of code before the tests; the most is {FILE}");
        findings.push(Finding::new("size", &file.path, 0, what));
    }
    for function in functions(&file.code.text) {
        let mut find = |what: String| {
            let what = format!("fn {} has {what}", function.name);
            findings.push(Finding::new("size", &file.path, file.line(function.at), what));
        };
        if function.lines > FUNCTION && function.at < file.shipped().len() {
            find(format!("{} lines of code; the most is {FUNCTION}", function.lines));
        }
        if function.parameters > PARAMETERS {
            find(format!("{} parameters; the most is {PARAMETERS}", function.parameters));
        }
    }
    findings
}

struct Function<'a> {
    at: usize,
    name: &'a str,
    parameters: usize,
    lines: usize,
}

fn functions(text: &str) -> Vec<Function<'_>> {
    let function = |at: usize| {
        let rest = text[at + 2..].trim_start();
        let name = Some(name_at(rest)).filter(|name| !name.is_empty())?;
        let open = parameters_from(text, text.len() - rest.len() + name.len())?;
        let end = closing(text, open)?;
        let list = &text[open + 1..end - 1];
        let receiver = list.split(',').next().is_some_and(|first| !Code::words(first, "self").is_empty());
        let parameters = count(list) - usize::from(receiver);
        let lines = body_from(text, end).and_then(|open| Some(code_lines(&text[open + 1..closing(text, open)? - 1])));
        Some(Function { at, name, parameters, lines: lines.unwrap_or(0) })
    };
    Code::words(text, "fn").into_iter().filter_map(function).collect()
}

/// The parenthesis behind a function's name and generics.
fn parameters_from(text: &str, at: usize) -> Option<usize> {
    let mut angles = 0_i32;
    let mut before = ' ';
    for (offset, c) in text[at..].char_indices() {
        match c {
            '<' => angles += 1,
            '>' if before != '-' => angles -= 1,
            '(' if angles == 0 => return Some(at + offset),
            '{' | ';' if angles == 0 => return None,
            _ => {}
        }
        before = c;
    }
    None
}

/// The brace of the body behind the parameters; `None` for a declaration.
fn body_from(text: &str, at: usize) -> Option<usize> {
    let mut square = 0_i32;
    for (offset, c) in text[at..].char_indices() {
        match c {
            '[' => square += 1,
            ']' => square -= 1,
            '{' => return Some(at + offset),
            ';' if square == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Counts what stands between commas outside brackets.
fn count(list: &str) -> usize {
    let (mut depth, mut parts, mut filled, mut before) = (0_i32, 0, false, ' ');
    for c in list.chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            '>' if before == '-' => {}
            ')' | ']' | '}' | '>' => depth -= 1,
            ',' if depth == 0 => {
                parts += usize::from(filled);
                filled = false;
            }
            _ => {}
        }
        filled |= !(c.is_whitespace() || (c == ',' && depth == 0));
        before = c;
    }
    parts + usize::from(filled)
}

/// Lines that hold code; comments are blanked out already.
fn code_lines(text: &str) -> usize {
    text.lines().filter(|line| !line.trim().is_empty()).count()
}

#[test]
fn what_is_too_long_is_found() {
    let long = |lines: usize| format!("fn f() -> [u8; 2] {{\n{}}}", "    // a remark\n    g();\n".repeat(lines));
    for (text, wrong) in [
        (long(60), false),
        (long(61), true),
        ("const A: u8 = 1;\n".repeat(400), false),
        ("const A: u8 = 1;\n".repeat(401), true),
        (format!("#[cfg(test)]\nmod tests {{\n{}}}", "const A: u8 = 1;\n".repeat(500)), false),
        ("fn f<A: Fn(u8) -> u8>(a: A, b: Vec<(u8, u8)>, c: u8, d: u8, e: u8,) {}".to_owned(), false),
        ("fn f(&self, a: u8, b: u8, c: u8, d: u8, e: u8) {}".to_owned(), false),
        ("fn f(z: u8, a: u8, b: u8, c: u8, d: u8, e: u8) {}".to_owned(), true),
    ] {
        assert_eq!(!check(&Source::new("crates/core/src/a.rs", &text)).is_empty(), wrong, "{text}");
    }
}
