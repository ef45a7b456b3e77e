//! Writing a transcript: a conversation that took place becomes a step that can be saved and replayed.

use super::answer::Answer;
use super::request::Filled;

/// One request, the answer it got, and what to say about them.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The title, which reads as a sentence.
    pub title: &'a str,
    /// Directives as key and value; flags have an empty value.
    pub directives: &'a [(&'a str, &'a str)],
    /// What was sent.
    pub request: &'a Filled,
    /// What came back.
    pub answer: &'a Answer,
}

/// The step as text. A body that is not UTF-8 comes out with replacement characters, since the format is text.
#[must_use]
pub fn write_step(exchange: &Exchange<'_>) -> String {
    let mut out = format!("### {}\n", exchange.title);
    for (key, value) in exchange.directives {
        out.push_str(&if value.is_empty() { format!("# {key}\n") } else { format!("# {key}: {value}\n") });
    }
    let request = exchange.request;
    out.push_str(&format!("> {} {} HTTP/1.1\n", request.method, request.target));
    for (name, value) in &request.headers {
        out.push_str(&format!("> {name}: {value}\n"));
    }
    push_body(&mut out, '>', &request.body);
    let answer = exchange.answer;
    out.push_str(&answer.status.map_or_else(|| "< closed\n".to_owned(), |status| format!("< {status}\n")));
    for (name, value) in &answer.headers {
        out.push_str(&format!("< {name}: {value}\n"));
    }
    push_body(&mut out, '<', &answer.body);
    out
}

fn push_body(out: &mut String, mark: char, body: &[u8]) {
    if body.is_empty() {
        return;
    }
    out.push_str(&format!("{mark}\n"));
    for line in String::from_utf8_lossy(body).lines() {
        out.push_str(&if line.is_empty() { format!("{mark}\n") } else { format!("{mark} {line}\n") });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Variables, check, parse};

    #[test]
    fn what_is_written_can_be_parsed_and_matches_itself() {
        let request = Filled {
            method: "POST".to_owned(),
            target: "/token".to_owned(),
            headers: vec![("Host".to_owned(), "h".to_owned())],
            body: b"a=b".to_vec(),
        };
        let answer =
            Answer { status: Some(400), headers: vec![("A".to_owned(), "b".to_owned())], body: b"{\"error\":\"x\"}".to_vec() };
        let text = write_step(&Exchange {
            title: "It fails",
            directives: &[("row", "TE-06"), ("closes", "")],
            request: &request,
            answer: &answer,
        });
        let transcript = parse("saved.http", &text).unwrap();
        let mut variables = Variables::default();
        assert_eq!(transcript.steps[0].directives.rows, ["TE-06"]);
        assert_eq!(transcript.steps[0].request.fill(&variables).unwrap(), Some(request));
        check(&transcript, &transcript.steps[0], &answer, &mut variables).unwrap();
        assert!(check(&transcript, &transcript.steps[0], &Answer { status: Some(401), ..answer }, &mut variables).is_err());
    }
}
