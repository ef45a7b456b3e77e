//! Code is a Rust text in which comments and the contents of strings are blanked out, so that words can be looked for.

/// A Rust file, taken apart. Offsets into `text` are offsets into the file.
#[derive(Clone, Debug)]
pub struct Code {
    /// The file as it is.
    pub raw: String,
    /// The same with comments and strings as spaces.
    pub text: String,
    /// Contents of strings, with their offsets.
    pub strings: Vec<(usize, String)>,
    /// Comments, with their offsets.
    pub comments: Vec<(usize, String)>,
    /// Where the file's tests begin.
    pub tests_from: usize,
    lines: Vec<usize>,
}

enum Part {
    Code,
    String,
    Comment,
}

impl Code {
    /// Takes a text apart.
    pub fn new(raw: &str) -> Self {
        let (mut text, mut strings, mut comments) = (String::with_capacity(raw.len()), Vec::new(), Vec::new());
        let mut at = 0;
        while at < raw.len() {
            let (part, len) = next(raw, at);
            let piece = &raw[at..at + len];
            match part {
                Part::Code => text.push_str(piece),
                Part::String => {
                    strings.push((at, piece.to_owned()));
                    blank(piece, &mut text);
                }
                Part::Comment => {
                    comments.push((at, piece.to_owned()));
                    blank(piece, &mut text);
                }
            }
            at += len;
        }
        let tests_from = tests_from(&text);
        let lines = std::iter::once(0).chain(raw.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { raw: raw.to_owned(), text, strings, comments, tests_from, lines }
    }

    /// The line of an offset, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    /// Offsets of a word that stands alone.
    pub fn words(text: &str, word: &str) -> Vec<usize> {
        let alone = |at: &usize| {
            let before = text[..*at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !before.is_some_and(is_name) && !after.is_some_and(is_name)
        };
        text.match_indices(word).map(|(at, _)| at).filter(alone).collect()
    }
}

/// Whether a character may stand in a name.
pub fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The name that starts here.
pub fn name_at(text: &str) -> &str {
    &text[..text.find(|c| !is_name(c)).unwrap_or(text.len())]
}

/// The offset behind the bracket that closes the one at `open`.
pub fn closing(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text[open..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(open + at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn blank(piece: &str, text: &mut String) {
    text.extend(piece.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
}

/// What starts at an offset, and how many bytes it has.
fn next(raw: &str, at: usize) -> (Part, usize) {
    let rest = &raw[at..];
    if rest.starts_with("//") {
        return (Part::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Part::Comment, block_comment(rest));
    }
    let named = raw[..at].chars().next_back().is_some_and(is_name);
    if !named && let Some(len) = raw_string(rest) {
        return (Part::String, len);
    }
    match rest.chars().next() {
        Some('"') => (Part::String, quoted(rest, '"')),
        Some('\'') => match character(rest) {
            Some(len) => (Part::String, len),
            None => (Part::Code, 1),
        },
        Some(c) => (Part::Code, c.len_utf8()),
        None => (Part::Code, 0),
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let body = ["br", "cr", "r"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inside = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - inside.len();
    Some(inside.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character, as against a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inside = &rest[1..];
    if inside.starts_with('\\') {
        return Some(quoted(rest, '\''));
    }
    let c = inside.chars().next()?;
    inside[c.len_utf8()..].starts_with('\'').then(|| 2 + c.len_utf8())
}

/// Where `#[cfg(test)] mod …` begins.
fn tests_from(text: &str) -> usize {
    let starts = |at: &usize| {
        let rest = text[at + "#[cfg(test)]".len()..].trim_start();
        rest.strip_prefix("mod ").is_some_and(|rest| rest[name_at(rest).len()..].trim_start().starts_with('{'))
    };
    text.match_indices("#[cfg(test)]").map(|(at, _)| at).find(starts).unwrap_or(text.len())
}

#[test]
fn code_is_told_from_comments_and_strings() {
    let code = Code::new(
        "fn a<'x>(b: &'x str) { // async\n let c = '\"'; let d = \"async \\\" x\"; /* a /* b */ async */ r#\"async\"#; b'{' }\n\
         #[cfg(test)]\nmod tests { async }",
    );
    assert!(Code::words(&code.text[..code.tests_from], "async").is_empty());
    assert_eq!(Code::words(&code.text, "async").len(), 1);
    assert_eq!(code.strings.len(), 4);
    assert_eq!(code.comments.len(), 2);
    assert_eq!(code.text.matches('{').count(), 2);
    assert_eq!(code.line(code.tests_from), 3);
}
