//! The scribe writes down a conversation as a transcript: what failed can be read, saved as a case, and replayed.

use crate::model::Model;
use bytes::Bytes;
use http::{Request, Response};
use jeton_core::name::Time;
use jeton_wire::transcript::{Answer, Exchange, Filled, write_step};

/// A conversation in writing.
#[derive(Clone, Debug, Default)]
pub struct Scribe {
    steps: Vec<String>,
    notes: Vec<String>,
}

impl Scribe {
    /// Notes what happened beside the requests; it stands in the next step.
    pub fn note(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }

    /// Writes down one exchange.
    pub fn exchange(&mut self, title: &str, now: Time, request: &Request<Bytes>, response: Option<&Response<Bytes>>) {
        let at = now.to_rfc3339();
        let mut directives = vec![("at", at.as_str())];
        let notes = std::mem::take(&mut self.notes);
        directives.extend(notes.iter().map(|note| ("note", note.as_str())));
        let (request, answer) = (sent(request), response.map(received).unwrap_or_default());
        self.steps.push(write_step(&Exchange { title, directives: &directives, request: &request, answer: &answer }));
    }

    /// The whole conversation. Tokens stand as variables that are captured where they are issued, because some signatures
    /// are never the same twice.
    #[must_use]
    pub fn transcript(&self, preamble: &str, model: &Model) -> String {
        let mut text = self.steps.join("\n");
        let tokens = model.tokens.iter().map(|token| ("token", token));
        let refresh = model.refresh_tokens.iter().map(|token| ("refresh", token));
        for (index, (kind, token)) in tokens.chain(refresh).enumerate() {
            let name = format!("{kind}{index}");
            text = text.replacen(&token.value, &format!("{{{{{name}=}}}}"), 1).replace(&token.value, &format!("{{{{{name}}}}}"));
        }
        for note in &self.notes {
            text.push_str(&format!("\n# note: {note}\n"));
        }
        format!("{preamble}\n\n{text}")
    }
}

fn sent(request: &Request<Bytes>) -> Filled {
    Filled {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        headers: named(request.headers()),
        body: request.body().to_vec(),
    }
}

fn received(response: &Response<Bytes>) -> Answer {
    Answer { status: Some(response.status().as_u16()), headers: named(response.headers()), body: response.body().to_vec() }
}

fn named(headers: &http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}
