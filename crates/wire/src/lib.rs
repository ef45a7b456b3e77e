//! HTTP messages to and from the core: routes, dialects and the admin API, without sockets.
//!
//! Every request makes three hops: decode by the realm's dialect, decide in the core, encode by the same dialect.

pub mod transcript;

use bytes::Bytes;
use jeton_core::event::Event;
use jeton_core::run::Engine;
use jeton_core::world::{Need, World};
use std::sync::Arc;

/// What a request led to.
#[derive(Debug)]
pub enum Served {
    /// An answer, and what log, counters and journal are told.
    Answer(http::Response<Bytes>, Option<Event>),
    /// A fact is missing: find it out, add it to the world's facts, and serve the same request again.
    Need(Need),
}

/// What the public listener serves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether the built-in sample API answers at the resource servers' operations.
    pub sample_api: bool,
}

/// The public face of an engine.
pub struct Wire {
    engine: Arc<Engine>,
    options: Options,
}

impl Wire {
    /// Serves an engine's realms.
    #[must_use]
    pub fn new(engine: Arc<Engine>, options: Options) -> Self {
        Self { engine, options }
    }

    /// Serves one request of the public listener. The whole body is there; limits are the listener's.
    pub fn serve(&self, world: &World<'_>, request: &http::Request<Bytes>) -> Served {
        let _ = (&self.engine, self.options, world, request);
        Served::Answer(http::Response::new(Bytes::new()), None)
    }
}
