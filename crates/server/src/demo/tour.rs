//! A tour shows one provider's part after the other, and remembers what can be tried next.

use super::DemoError;
use super::deployment::{self, Files};
use super::discretion::Discretion;
use super::next::{self, Hint, Place};
use super::notes::Notes;
use super::screen::{Screen, Tally};
use super::walk::walk;
use crate::serve::Server;
use jeton_core::name::RealmName;
use jeton_wire::dialect::Dialects;
use jeton_wire::transcript::Transcript;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

/// What one demo shows.
pub struct Tour<'a, W> {
    screen: Screen<W>,
    notes: Notes,
    server: &'a Server,
    dialects: Dialects,
    to: SocketAddr,
    started: Instant,
    tallies: Vec<Tally>,
    hints: Vec<Hint>,
    /// The first realm, and a refusal that was shown, to look at.
    seen: (Option<RealmName>, Option<String>),
}

impl<'a, W: Write> Tour<'a, W> {
    /// Says where the server listens.
    pub fn begin(mut screen: Screen<W>, notes: Notes, server: &'a Server, parts: usize) -> Result<Self, DemoError> {
        let dialects = Dialects::built_in().map_err(|error| DemoError(error.to_string()))?;
        let mut to = server.public;
        if to.ip().is_unspecified() {
            to.set_ip([127, 0, 0, 1].into());
        }
        screen.greet(&format!("http://{to}"), parts)?;
        let (started, seen) = (Instant::now(), (None, None));
        Ok(Self { screen, notes, server, dialects, to, started, tallies: Vec::new(), hints: Vec::new(), seen })
    }

    /// Makes what a provider's document needs, and walks it.
    pub fn part(&mut self, files: &Files, transcript: &Transcript, data: &Path) -> Result<(), DemoError> {
        let document = files.document(self.to.port())?;
        deployment::apply(self.server.engine(), &self.dialects, &document)?;
        let dialect = self.dialects.iter().find(|dialect| dialect.file.name.as_str() == files.name);
        let title = dialect.map_or(files.name, |dialect| dialect.file.title.as_str());
        let discretion = Discretion::of(&document);
        self.screen.provider(title, &transcript.directives, &document)?;
        let walked = walk(transcript, self.to, &mut self.notes);
        for taken in &walked {
            self.screen.step(taken, &discretion)?;
        }
        let wrong = walked.iter().filter(|taken| !taken.is_right()).map(|taken| taken.step.title.clone()).collect();
        let tally = Tally { title: title.to_owned(), steps: walked.len(), wrong };
        self.screen.part(&tally)?;
        self.tallies.push(tally);
        let place = Place { name: files.name, title, to: self.to, data: data.to_owned(), discretion: &discretion };
        self.hints.extend(place.hints(&walked)?);
        let (realm, refusal) = &mut self.seen;
        if realm.is_none() {
            let refused = walked.iter().rfind(|taken| taken.step.directives.demo && taken.note.is_some());
            *refusal = refused.and_then(|taken| taken.note.as_ref()).map(|note| note.request_id.clone());
            *realm = document.realm.first().map(|realm| realm.name.clone());
        }
        Ok(())
    }

    /// Says what it came to: whether every step was right.
    pub fn end(&mut self) -> Result<bool, DemoError> {
        self.screen.end(&self.tallies, self.started.elapsed())?;
        Ok(self.tallies.iter().all(|tally| tally.wrong.is_empty()))
    }

    /// Says what to try next, and gives back where further requests are shown.
    pub fn try_next(mut self, program: &str, data: &Path) -> Result<(Screen<W>, Notes), DemoError> {
        if let (Some(realm), refusal) = &self.seen {
            self.hints.extend(next::commands(program, &data.to_string_lossy(), realm.as_str(), refusal.as_deref()));
        }
        self.screen.heading("Try next, in another terminal")?;
        for (what, line) in &self.hints {
            self.screen.try_this(what, line)?;
        }
        self.screen.heading("The server stays up and shows here what it is asked")?;
        self.screen.line("")?;
        self.screen
            .line("  Change a secret or a scope in a line above: the caller gets the document's answer, and here stands why.")?;
        self.screen.line(&format!("  Ctrl-C ends it and removes {}", data.display()))?;
        self.screen.line("")?;
        Ok((self.screen, self.notes))
    }
}
