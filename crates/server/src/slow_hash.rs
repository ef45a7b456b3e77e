//! A slow hash is compared off the request threads, at most one per core at a time, so that a thousand of them slow no token.

use jeton_core::refusal::Fault;
use jeton_core::world::Presented;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The bound.
pub struct SlowHashes {
    permits: Arc<Semaphore>,
}

impl SlowHashes {
    /// At most so many at a time.
    pub fn new(cores: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(cores)) }
    }

    /// Whether this is the value that was hashed. A form that is not known matches nothing.
    pub async fn verify(&self, _phc: String, _presented: Presented) -> Result<bool, Fault> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Fault::Broken("the bound was closed"))?;
        // The permit goes with the work: a caller that hangs up must not make room for another.
        let work = move || {
            let _permit = permit;
            false
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Fault::Broken("a slow hash panicked"))
    }
}
