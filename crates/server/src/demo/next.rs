//! What to try next: the steps that were walked, as lines for a shell. No line holds a secret; those lie in files beside the data.

use super::discretion::Discretion;
use super::walk::Taken;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeton_wire::transcript::Filled;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A line and what it is for.
pub type Hint = (String, String);

/// What the lines of one provider need to know.
pub struct Place<'a> {
    /// The dialect.
    pub name: &'a str,
    /// The provider.
    pub title: &'a str,
    /// Where the server listens.
    pub to: SocketAddr,
    /// The demo's directory.
    pub data: PathBuf,
    /// What is secret.
    pub discretion: &'a Discretion,
}

impl Place<'_> {
    /// A token request and a call to the API, as the walk made them.
    pub fn hints(&self, walked: &[Taken<'_>]) -> std::io::Result<Vec<Hint>> {
        let shown = |taken: &Taken<'_>| taken.step.directives.demo && taken.answer.status == Some(200);
        let presents = |taken: &Taken<'_>| {
            let token = taken.request.header("Authorization").is_some_and(|value| !value.starts_with("Basic "));
            token && taken.request.method == "GET"
        };
        let at = walked.iter().position(|taken| shown(taken) && presents(taken));
        let (before, call) = at.map_or((walked, None), |at| (&walked[..at], walked.get(at)));
        // The last token before the call is the one that it was made with.
        let token = before.iter().rfind(|taken| shown(taken) && taken.request.method == "POST");
        let mut hints = Vec::new();
        if let Some(token) = token {
            let line = self.curl(&token.request)?;
            let only = r#"sed 's/.*"access_token":"\([^"]*\)".*/\1/'"#;
            hints.push((format!("{}: a token", self.title), format!("TOKEN=$({line} | {only}); echo \"$TOKEN\"")));
        }
        if let Some(call) = call {
            hints.push((format!("{}: a call with it", self.title), self.curl(&call.request)?));
        }
        Ok(hints)
    }

    /// The line that sends a request again.
    fn curl(&self, request: &Filled) -> std::io::Result<String> {
        let host = request.header("Host").unwrap_or_default();
        let mut words = vec!["curl".to_owned(), "-s".to_owned()];
        // Names below localhost are resolved by curl itself; others stay in the header.
        let is_local = host.contains(".localhost");
        let authority = if is_local { host.to_owned() } else { self.to.to_string() };
        words.push(quoted(&format!("http://{authority}{}", request.target)));
        if !is_local {
            words.push(format!("-H {}", quoted(&format!("Host: {host}"))));
        }
        for (name, value) in &request.headers {
            match (name.to_ascii_lowercase().as_str(), value.split_once(' ')) {
                ("host" | "content-type" | "accept", _) => {}
                ("authorization", Some(("Basic", pair))) => words.push(self.basic(pair)?),
                ("authorization", Some((scheme, _))) => words.push(format!("-H \"Authorization: {scheme} $TOKEN\"")),
                _ if self.discretion.knows(value) => {
                    words.push(format!("-H \"{name}: $(cat {})\"", self.keep("key", value)?));
                }
                _ => words.push(format!("-H {}", quoted(&format!("{name}: {value}")))),
            }
        }
        let body = String::from_utf8_lossy(&request.body);
        for part in body.split('&').filter(|part| !part.is_empty()) {
            words.push(match part.strip_prefix("client_secret=") {
                Some(value) => format!("--data-urlencode client_secret@{}", self.keep("secret", &decoded(value))?),
                None => format!("-d {}", quoted(part)),
            });
        }
        Ok(words.join(" "))
    }

    fn basic(&self, pair: &str) -> std::io::Result<String> {
        let pair = STANDARD.decode(pair).ok().and_then(|pair| String::from_utf8(pair).ok()).unwrap_or_default();
        let (id, secret) = pair.split_once(':').unwrap_or_default();
        Ok(format!("-u \"{id}:$(cat {})\"", self.keep("secret", secret)?))
    }

    /// Keeps a value in a file of the demo's directory, which only its owner can enter.
    fn keep(&self, what: &str, value: &str) -> std::io::Result<String> {
        let file = self.data.join(format!("{}.{what}", self.name));
        std::fs::write(&file, value)?;
        Ok(quoted(&file.to_string_lossy()))
    }
}

/// The lines of the command line that look at what the demo made.
pub fn commands(program: &str, data: &str, realm: &str, refused: Option<&str>) -> Vec<Hint> {
    let (data, program) = (quoted(data), quoted(program));
    let mut lines = vec![
        ("what the token says".to_owned(), format!("printf %s \"$TOKEN\" | {program} token decode - --data {data}")),
        ("the applications of a realm".to_owned(), format!("{program} client list {realm} --data {data}")),
        ("what was changed and refused there".to_owned(), format!("{program} audit list {realm} --data {data}")),
    ];
    if let Some(id) = refused {
        let line = format!("{program} audit list --request-id {id} --data {data}");
        lines.push(("why a request was refused, by the id in its answer".to_owned(), line));
    }
    lines
}

fn decoded(value: &str) -> String {
    jeton_core::form::decode(value.as_bytes()).map_or_else(|_| value.to_owned(), std::borrow::Cow::into_owned)
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:=@%+,-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_needs_it() {
        for (word, wanted) in [("a=b", "a=b"), ("a b", "'a b'"), ("scope=*", "'scope=*'"), ("it's", r"'it'\''s'"), ("", "''")] {
            assert_eq!(quoted(word), wanted);
        }
    }
}
