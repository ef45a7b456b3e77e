//! The event log has one line for every decision.

use jeton_core::event::Event;
use jeton_core::name::{RequestId, Time};
use std::time::Duration;

/// Where the lines go.
#[derive(Default)]
pub struct EventLog;

impl EventLog {
    /// Writes the line of one event.
    pub fn record(&self, _event: &Event, _status: u16, _took: Duration, _now: Time, _request_id: &RequestId) {}
}
