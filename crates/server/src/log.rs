//! The log tells operators what the process does, on standard error: text for a terminal, JSON otherwise, and never a secret.

use crate::event_log::EventLog;
use crate::settings::{LogFormat, Settings};
use std::io;
use tracing_subscriber::filter::LevelFilter;

/// Starts the log of this process, and gives the part that takes events.
pub fn start(settings: &Settings) -> io::Result<EventLog> {
    begin(EventLog::start(settings)?, settings)
}

/// The same, written somewhere else than standard error.
pub fn start_into(sink: impl io::Write + Send + 'static, settings: &Settings) -> io::Result<EventLog> {
    begin(EventLog::to(sink, settings.log)?, settings)
}

fn begin(events: EventLog, settings: &Settings) -> io::Result<EventLog> {
    let lines = events.clone();
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from_level(settings.log.level))
        .with_writer(move || Lines(lines.clone()))
        .with_target(false)
        .with_ansi(false);
    let started = match settings.log.form {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|_| io::Error::other("the log was started twice"))?;
    // The message of a panic may quote what it stumbled over, which may be a secret; its place is enough to find it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "an invariant of ours is broken");
    }));
    Ok(events)
}

/// Diagnostics share the events' buffers, so that they do not wait for whoever reads either.
struct Lines(EventLog);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lines(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
