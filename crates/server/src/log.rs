//! The log tells operators what the process does; it never holds a secret.

use crate::settings::{LogFormat, Settings};
use tracing_subscriber::filter::LevelFilter;

/// Starts the log of this process.
pub fn start(settings: &Settings) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from_level(settings.log_level))
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false);
    let started = match settings.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        eprintln!("jeton: the log was started twice");
    }
}
