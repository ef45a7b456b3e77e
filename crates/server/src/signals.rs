//! Signals tell the server to end, or to read its certificate again.

use crate::node::Node;
use crate::serve::ServeError;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGXFSZ, on every processor that Linux runs on but MIPS. Its default is the end of the process.
const TOO_LARGE: i32 = 25;

/// The signals that are listened to: SIGTERM and SIGINT end, SIGHUP reads again. A file that may not grow (RLIMIT_FSIZE) is a
/// full disk like any other: the write fails, and nobody ends.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    _too_large: Signal,
}

impl Signals {
    /// From now on.
    pub fn new() -> Result<Self, ServeError> {
        let listen = |kind| signal(kind).map_err(|error| ServeError(format!("signals cannot be received: {error}")));
        let (terminate, interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        let too_large = listen(SignalKind::from_raw(TOO_LARGE))?;
        Ok(Self { terminate, interrupt, hang_up: listen(SignalKind::hangup())?, _too_large: too_large })
    }

    /// Waits for the signal to end; meanwhile reads again what may change.
    pub async fn end(&mut self, node: &Arc<Node>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => reload(node),
            }
        }
    }
}

fn reload(node: &Arc<Node>) {
    match node.tls.clone() {
        Some(tls) => drop(tokio::task::spawn_blocking(move || tls.reload())),
        None => tracing::info!("there is nothing to read again: no TLS certificate is set"),
    }
}
