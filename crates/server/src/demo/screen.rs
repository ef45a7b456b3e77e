//! A screen shows the walk: in colour and aligned to a person, plain when nobody but a program reads.

use super::discretion::{Discretion, cut};
use super::notes::Note;
use super::walk::Taken;
use jeton_core::admin::document::Document;
use jeton_wire::transcript::Directives;
use std::io::{self, Write};
use std::time::Duration;

/// Text is wrapped at this width.
const WIDTH: usize = 100;

/// How it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Colour and lines.
    Colour,
    /// Neither.
    Plain,
}

/// The colours, by what they say.
#[derive(Clone, Copy)]
enum Ink {
    Good,
    Bad,
    Refused,
    Asked,
    Strong,
    Quiet,
}

impl Ink {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Refused => "33",
            Self::Asked => "36",
            Self::Strong => "1",
            Self::Quiet => "2",
        }
    }
}

/// What a provider's part of the walk came to.
#[derive(Clone, Debug)]
pub struct Tally {
    /// The provider.
    pub title: String,
    /// How many steps there were.
    pub steps: usize,
    /// The titles of those that were not as the document says.
    pub wrong: Vec<String>,
}

/// What the walk is written to.
pub struct Screen<W> {
    out: W,
    style: Style,
    /// Whether the last line was empty.
    is_clear: bool,
}

impl<W: Write> Screen<W> {
    /// A screen of this style.
    pub fn new(out: W, style: Style) -> Self {
        Self { out, style, is_clear: true }
    }

    /// What this is.
    pub fn greet(&mut self, address: &str, providers: usize) -> io::Result<()> {
        let title = self.paint(Ink::Strong, "jeton demo");
        let count = if providers == 1 { "one document".to_owned() } else { format!("{providers} documents") };
        self.line(&format!("\n{title}  {count}, walked over HTTP at {address}"))
    }

    /// The head of one provider's part.
    pub fn provider(&mut self, title: &str, directives: &Directives, document: &Document) -> io::Result<()> {
        if self.style == Style::Colour {
            let rest = WIDTH.saturating_sub(title.chars().count() + 4);
            let (title, rule) = (self.paint(Ink::Strong, title), self.paint(Ink::Quiet, &"─".repeat(rest)));
            self.line(&format!("\n{} {title} {rule}", self.paint(Ink::Quiet, "──")))?;
        } else {
            self.line(&format!("\n== {title}"))?;
        }
        self.line(&format!("   {}", self.paint(Ink::Asked, directives.source.as_deref().unwrap_or_default())))?;
        for note in &directives.notes {
            for line in wrapped(&format!("note: {note}"), WIDTH - 3) {
                self.line(&format!("   {}", self.paint(Ink::Quiet, &line)))?;
            }
        }
        self.line("")?;
        for realm in &document.realm {
            let names: Vec<&str> = realm
                .client
                .iter()
                .map(|client| client.title.as_ref().map_or(client.client_id.as_str(), |title| title.as_str()))
                .collect();
            let label = "   registered at ".len() + realm.name.as_str().len() + 2;
            for (index, line) in wrapped(&names.join(", "), WIDTH.saturating_sub(label)).iter().enumerate() {
                let (quiet, name) = (self.paint(Ink::Quiet, "registered at"), self.paint(Ink::Strong, realm.name.as_str()));
                let start = if index == 0 { format!("   {quiet} {name}: ") } else { " ".repeat(label) };
                self.line(&format!("{start}{line}"))?;
            }
        }
        self.line("")
    }

    /// One step: in full if the document marks it or if it went wrong, otherwise its title.
    pub fn step(&mut self, taken: &Taken<'_>, discretion: &Discretion) -> io::Result<()> {
        let directives = &taken.step.directives;
        let mark = if taken.is_right() { self.paint(Ink::Good, "✓") } else { self.paint(Ink::Bad, "✗") };
        let shown = directives.demo || !taken.is_right();
        let title = if shown { self.paint(Ink::Strong, &taken.step.title) } else { taken.step.title.clone() };
        let aside = match (shown, directives.why, self.style) {
            (false, Some(why), _) => self.paint(Ink::Quiet, &format!("  ({why})")),
            // A program that reads along gets the same text every time.
            (true, _, Style::Colour) => self.paint(Ink::Quiet, &format!("  {:.1} ms", taken.took.as_secs_f64() * 1000.0)),
            _ => String::new(),
        };
        if shown && !self.is_clear {
            self.line("")?;
        }
        self.line(&format!(" {mark} {title}{aside}"))?;
        if !shown {
            return Ok(());
        }
        for line in wrapped(&taken.step.story, WIDTH - 3) {
            self.line(&format!("   {}", self.paint(Ink::Quiet, &line)))?;
        }
        self.bars(Ink::Asked, "> ", &discretion.request(&taken.request))?;
        let refused = taken.answer.status.is_none_or(|status| status >= 400);
        self.bars(if refused { Ink::Refused } else { Ink::Good }, "< ", &discretion.answer(&taken.answer))?;
        self.reason(taken)?;
        for fault in &taken.faults {
            let (what, wanted, got) = (&fault.what, cut(&discretion.text(&fault.wanted)), cut(&discretion.text(&fault.got)));
            self.line(&format!("   {} {what}", self.paint(Ink::Bad, "not as the document says:")))?;
            self.line(&format!("     wanted {wanted}\n     got    {got}"))?;
        }
        self.line("")
    }

    /// What the owner of the application reads about a refusal.
    fn reason(&mut self, taken: &Taken<'_>) -> io::Result<()> {
        let Some(note) = &taken.note else { return Ok(()) };
        let Some(why) = note.reason() else { return Ok(()) };
        let name = self.paint(Ink::Refused, why.row().id);
        self.line(&format!("   the caller reads only that; the application's owner reads: {name}"))?;
        for line in wrapped(why.row().advice, WIDTH - 5) {
            self.line(&format!("     {line}"))?;
        }
        Ok(())
    }

    /// What one provider's part came to.
    pub fn part(&mut self, tally: &Tally) -> io::Result<()> {
        let right = tally.steps - tally.wrong.len();
        let ink = if tally.wrong.is_empty() { Ink::Good } else { Ink::Bad };
        let text = format!("{right} of {} steps are as the document says", tally.steps);
        self.line(&format!("\n   {}", self.paint(ink, &text)))
    }

    /// What it all came to.
    pub fn end(&mut self, tallies: &[Tally], took: Duration) -> io::Result<()> {
        let widest = tallies.iter().map(|tally| tally.title.chars().count()).max().unwrap_or_default();
        self.line("")?;
        for tally in tallies {
            let mark = if tally.wrong.is_empty() { self.paint(Ink::Good, "✓") } else { self.paint(Ink::Bad, "✗") };
            self.line(&format!(" {mark} {:widest$}  {:>3} steps", tally.title, tally.steps))?;
            for title in &tally.wrong {
                self.line(&format!("     {} {title}", self.paint(Ink::Bad, "✗")))?;
            }
        }
        let steps: usize = tallies.iter().map(|tally| tally.steps).sum();
        let wrong: usize = tallies.iter().map(|tally| tally.wrong.len()).sum();
        let verdict = match wrong {
            0 => self.paint(Ink::Good, &format!("All {steps} steps are as the documents say.")),
            _ => self.paint(Ink::Bad, &format!("{wrong} of {steps} steps are not as the documents say.")),
        };
        let took = self.paint(Ink::Quiet, &format!("{:.2} s", took.as_secs_f64()));
        self.line(&format!("\n{verdict}  {took}"))
    }

    /// A heading of what follows the walk.
    pub fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = self.paint(Ink::Strong, text);
        self.line(&format!("\n{text}"))
    }

    /// A line that can be pasted, below what it is for.
    pub fn try_this(&mut self, what: &str, line: &str) -> io::Result<()> {
        let what = self.paint(Ink::Quiet, what);
        self.line(&format!("\n  {what}\n  {line}"))
    }

    /// Something that happened after the walk.
    pub fn happened(&mut self, note: &Note) -> io::Result<()> {
        let whose: Vec<&str> = [note.realm.as_deref(), note.client.as_deref()].into_iter().flatten().collect();
        let ink = if note.why.is_some() { Ink::Refused } else { Ink::Good };
        let event = self.paint(ink, &format!("{} {}", note.status, note.event));
        self.line(&format!("  {event} {} {}", note.endpoint, whose.join(" ")))?;
        match note.reason() {
            Some(why) => {
                let name = self.paint(ink, why.row().id);
                self.line(&format!("      {name}: {}", why.row().advice))
            }
            None => Ok(()),
        }
    }

    /// A line of text.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.is_clear = text.is_empty();
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    fn bars(&mut self, ink: Ink, plain: &str, lines: &[String]) -> io::Result<()> {
        let bar = if self.style == Style::Colour { self.paint(ink, "│ ") } else { plain.to_owned() };
        for (index, line) in lines.iter().enumerate() {
            let line = if index == 0 { self.paint(ink, line) } else { line.clone() };
            self.line(format!("   {bar}{line}").trim_end())?;
        }
        Ok(())
    }

    fn paint(&self, ink: Ink, text: &str) -> String {
        match self.style {
            Style::Colour if !text.is_empty() => format!("\u{1b}[{}m{text}\u{1b}[0m", ink.code()),
            _ => text.to_owned(),
        }
    }
}

/// A text in lines of whole words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
