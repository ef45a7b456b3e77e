//! Discretion shortens what must not be shown whole: secrets, API keys and tokens.

use jeton_core::admin::document::Document;
use jeton_wire::transcript::{Answer, Filled};
use serde_json::Value;

/// How much of a secret is shown.
const OF_A_SECRET: usize = 4;
/// How much of a token is shown.
const OF_A_TOKEN: usize = 12;
/// A value up to this length is no secret but an example of a wrong one.
const NO_SECRET: usize = 8;
/// Lines are not longer than this.
const WIDTH: usize = 100;

/// The values that it knows to be secret.
#[derive(Debug, Default)]
pub struct Discretion(Vec<String>);

impl Discretion {
    /// Every secret and API key of a document.
    pub fn of(document: &Document) -> Self {
        let clients = || document.realm.iter().flat_map(|realm| &realm.client);
        let secrets = clients().filter_map(|client| client.secrets.as_ref()).flatten().filter_map(|secret| secret.value.as_ref());
        let keys = clients().filter_map(|client| client.api_keys.as_ref()).flatten().map(|key| &key.value);
        Self(secrets.chain(keys).map(|value| value.expose().to_owned()).collect())
    }

    /// Whether this very value is secret.
    pub fn knows(&self, value: &str) -> bool {
        self.0.iter().any(|secret| secret == value)
    }

    /// A text without any value that is known to be secret.
    pub fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, &short(secret, OF_A_SECRET)))
    }

    /// The lines of a request.
    pub fn request(&self, request: &Filled) -> Vec<String> {
        let mut lines = vec![format!("{} {}", request.method, request.target)];
        lines.extend(request.headers.iter().map(|(name, value)| format!("{name}: {}", self.header(name, value))));
        if !request.body.is_empty() {
            lines.push(String::new());
            let body = String::from_utf8_lossy(&request.body);
            let is_form = request.header("Content-Type").is_some_and(|kind| kind.contains("form"));
            lines.extend(if is_form { self.form(&body) } else { self.body(&request.body) });
        }
        lines.into_iter().map(|line| cut(&line)).collect()
    }

    /// The lines of an answer.
    pub fn answer(&self, answer: &Answer) -> Vec<String> {
        let status = answer.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let kind = answer.header("content-type").unwrap_or_default();
        let mut lines = vec![format!("{status} {kind}").trim_end().to_owned()];
        lines.extend(answer.header("www-authenticate").map(|value| format!("WWW-Authenticate: {value}")));
        if !answer.body.is_empty() {
            lines.extend(self.body(&answer.body));
        }
        lines.into_iter().map(|line| cut(&line)).collect()
    }

    fn header(&self, name: &str, value: &str) -> String {
        match value.split_once(' ') {
            Some((scheme, credentials)) if name.eq_ignore_ascii_case("authorization") => {
                format!("{scheme} {}", short(credentials, OF_A_TOKEN))
            }
            _ => self.text(value),
        }
    }

    /// A form as it stands, on one line if that is short enough.
    fn form(&self, body: &str) -> Vec<String> {
        let parameter = |part: &str| match part.split_once('=') {
            Some((name @ ("client_secret" | "refresh_token"), value)) if value.len() > NO_SECRET => {
                let shown = if name == "client_secret" { OF_A_SECRET } else { OF_A_TOKEN };
                format!("{name}={}", short(value, shown))
            }
            _ => self.text(part),
        };
        let parts: Vec<String> = body.split('&').map(parameter).collect();
        let whole = parts.join("&");
        if whole.chars().count() <= WIDTH {
            return vec![whole];
        }
        let mut lines = parts;
        lines.iter_mut().skip(1).for_each(|line| line.insert(0, '&'));
        lines
    }

    /// A body: JSON on one line if that is short enough, otherwise one member to a line.
    fn body(&self, body: &[u8]) -> Vec<String> {
        let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
            return self.text(&String::from_utf8_lossy(body)).lines().map(str::to_owned).collect();
        };
        if let Value::Object(members) = &mut value {
            for name in ["access_token", "refresh_token"] {
                if let Some(Value::String(token)) = members.get_mut(name) {
                    *token = short(token, OF_A_TOKEN);
                }
            }
        }
        let whole = self.text(&value.to_string());
        match &value {
            Value::Object(members) if whole.chars().count() > WIDTH => {
                let last = members.len().saturating_sub(1);
                let member = |(index, (name, value)): (usize, (&String, &Value))| {
                    let comma = if index == last { "" } else { "," };
                    self.text(&format!("  {}: {value}{comma}", Value::from(name.as_str())))
                };
                let members = members.iter().enumerate().map(member);
                ["{".to_owned()].into_iter().chain(members).chain(["}".to_owned()]).collect()
            }
            _ => vec![whole],
        }
    }
}

/// The first characters of a value.
fn short(value: &str, shown: usize) -> String {
    if value.chars().count() <= shown {
        return value.to_owned();
    }
    value.chars().take(shown).chain(['…']).collect()
}

/// A line that is not too long.
pub fn cut(line: &str) -> String {
    if line.chars().count() <= WIDTH { line.to_owned() } else { short(line, WIDTH - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown_whole() {
        let discretion = Discretion(vec!["a-long-secret-value".to_owned(), "key-0123456789".to_owned()]);
        let request = Filled {
            method: "POST".to_owned(),
            target: "/token".to_owned(),
            headers: vec![
                ("Authorization".to_owned(), "Basic YTphLWxvbmctc2VjcmV0LXZhbHVl".to_owned()),
                ("API-Key".to_owned(), "key-0123456789".to_owned()),
                ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
            ],
            body: b"client_secret=a%2Dlong%2Dsecret%2Dvalue&refresh_token=0123456789abcdef&scope=read".to_vec(),
        };
        let shown = discretion.request(&request).join("\n");
        assert_eq!(
            shown,
            "POST /token\nAuthorization: Basic YTphLWxvbmct…\nAPI-Key: key-…\nContent-Type: application/x-www-form-urlencoded\n\n\
             client_secret=a%2D…&refresh_token=0123456789ab…&scope=read"
        );
        let answer = Answer { status: Some(200), headers: Vec::new(), body: br#"{"access_token":"0123456789abcdef"}"#.to_vec() };
        assert_eq!(discretion.answer(&answer), ["200", r#"{"access_token":"0123456789ab…"}"#]);
    }
}
