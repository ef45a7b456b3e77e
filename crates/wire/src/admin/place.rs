//! A place is a method and a path of the admin API; the table of commands says what stands there.

use http::Method;
use jeton_core::admin::{Command, commands};
use jeton_core::form;

/// What stands at a place.
pub enum Found {
    /// A command.
    Command(&'static Command),
    /// Nothing for this method, but something for these, as `Allow` names them.
    OtherMethods(String),
    /// Nothing.
    Nothing,
}

/// What stands at this method and path. A path without a placeholder wins over one with.
#[must_use]
pub fn find(method: &Method, path: &str) -> Found {
    let here: Vec<&'static Command> = commands().filter(|command| words(command, path).is_some()).collect();
    let found = here.iter().filter(|command| command.method == method.as_str());
    if let Some(command) = found.min_by_key(|command| command.path.matches('{').count()) {
        return Found::Command(command);
    }
    let mut methods: Vec<&str> = here.iter().map(|command| command.method).collect();
    methods.sort_unstable();
    methods.dedup();
    if methods.is_empty() { Found::Nothing } else { Found::OtherMethods(methods.join(", ")) }
}

/// The words that a path gives to a command's placeholders, if it fits. A segment is decoded after the path was split, so an
/// identifier may hold an encoded slash.
#[must_use]
pub fn words(command: &Command, path: &str) -> Option<Vec<(String, String)>> {
    let mut words = Vec::new();
    let (mut template, mut segments) = (command.path.split('/'), path.split('/'));
    loop {
        match (template.next(), segments.next()) {
            (None, None) => return Some(words),
            (Some(wanted), Some(segment)) => match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => words.push((name.to_owned(), decoded(segment)?)),
                None if wanted == segment => {}
                None => return None,
            },
            _ => return None,
        }
    }
}

/// A segment with its percent-escapes undone. A plus is a plus in a path.
fn decoded(segment: &str) -> Option<String> {
    let kept = segment.replace('+', "%2B");
    let text = form::decode(kept.as_bytes()).ok()?.into_owned();
    (!text.is_empty()).then_some(text)
}

/// A word as a segment of a path (RFC 3986 §3.3): everything but unreserved characters is encoded.
#[must_use]
pub fn segment(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    for byte in word.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') || (byte == b'.' && word.len() > 2) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use jeton_core::admin::command;

    #[test]
    fn a_path_finds_its_command_and_gives_its_words() {
        let show = command("resource.show").expect("a command");
        let path = format!("/v1/realms/acme/resources/{}", segment("https://api.acme.example/a+b"));
        let words = words(show, &path).expect("fits");
        assert_eq!(words[1], ("resource".into(), "https://api.acme.example/a+b".into()));
        assert!(matches!(find(&Method::GET, &path), Found::Command(found) if found.name == "resource.show"));
        assert!(matches!(find(&Method::PUT, &path), Found::OtherMethods(allow) if allow == "GET, PATCH"));
        assert!(matches!(find(&Method::GET, "/v1/nothing"), Found::Nothing));
        assert!(matches!(find(&Method::GET, "/v1/realms/"), Found::Nothing));
        assert!(matches!(find(&Method::GET, "/v1/realms/%zz"), Found::Nothing));
        let import = find(&Method::POST, "/v1/realms/acme/clients/import");
        assert!(matches!(import, Found::Command(found) if found.name == "client.import"));
    }
}
