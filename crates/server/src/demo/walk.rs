//! A walk goes through a conversation step by step: it asks, compares what came with what the document says, and reads why.

use super::conversation::ask;
use super::notes::{Note, Notes};
use jeton_wire::transcript::{Answer, Difference, Filled, Step, Transcript, Variables, check, same_answer};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One step that was taken.
#[derive(Debug)]
pub struct Taken<'a> {
    /// What the document says.
    pub step: &'a Step,
    /// What was sent.
    pub request: Filled,
    /// What came back.
    pub answer: Answer,
    /// How long that took.
    pub took: Duration,
    /// What is not as the document says.
    pub faults: Vec<Difference>,
    /// What the server wrote down about it.
    pub note: Option<Note>,
}

impl Taken<'_> {
    /// Whether everything was as the document says.
    pub fn is_right(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Takes every step of a conversation with the server at this address.
pub fn walk<'a>(transcript: &'a Transcript, to: SocketAddr, notes: &mut Notes) -> Vec<Taken<'a>> {
    let mut variables = Variables::default();
    variables.set("port", to.port().to_string());
    let mut answers: BTreeMap<&str, Answer> = BTreeMap::new();
    let mut taken = Vec::new();
    // A step that wants another time than the present cannot be taken over a socket.
    for step in transcript.steps.iter().filter(|step| step.directives.skip.is_none() && step.directives.at.is_none()) {
        let mut done = take(transcript, step, to, &mut variables);
        if let Some(other) = &step.directives.same_as {
            done.faults.extend(different(answers.get(other.as_str()), other, &done.answer));
        }
        answers.insert(&step.title, done.answer.clone());
        taken.push(done);
    }
    for done in &mut taken {
        find_out_why(done, notes);
    }
    taken
}

fn take<'a>(transcript: &Transcript, step: &'a Step, to: SocketAddr, variables: &mut Variables) -> Taken<'a> {
    let filled = match step.request.fill(variables) {
        Ok(Some(request)) => Ok(request),
        Ok(None) => Err("a request of raw bytes is for the attack cases".to_owned()),
        Err(unfilled) => Err(unfilled.to_string()),
    };
    let started = Instant::now();
    let answered = filled.and_then(|request| Ok((ask(to, &request.bytes())?, request)));
    let took = started.elapsed();
    let (answer, request, faults) = match answered {
        Ok((answer, request)) => {
            let faults = check(transcript, step, &answer, variables).err().map(|mismatch| mismatch.differences);
            (answer, request, faults.unwrap_or_default())
        }
        Err(problem) => {
            let nothing = Filled { method: String::new(), target: String::new(), headers: Vec::new(), body: Vec::new() };
            (Answer::default(), nothing, vec![Difference::new("the request", "an answer", problem)])
        }
    };
    Taken { step, request, answer, took, faults, note: None }
}

fn different(earlier: Option<&Answer>, title: &str, answer: &Answer) -> Vec<Difference> {
    match earlier {
        Some(earlier) => same_answer(earlier, answer).err().unwrap_or_default(),
        None => vec![Difference::new("the earlier answer", title, "no step of this title before")],
    }
}

/// Reads what the server wrote down about a refusal, and compares it with what the step says.
fn find_out_why(done: &mut Taken<'_>, notes: &mut Notes) {
    let refused = done.answer.status.is_some_and(|status| status >= 400);
    if refused && let Some(id) = done.answer.header("x-request-id") {
        done.note = notes.of(id);
    }
    let got = done.note.as_ref().and_then(Note::reason);
    if let Some(wanted) = done.step.directives.why
        && got != Some(wanted)
    {
        let got = got.map_or_else(|| "nothing was written down".to_owned(), |why| why.to_string());
        done.faults.push(Difference::new("the exact reason", wanted.to_string(), got));
    }
}
