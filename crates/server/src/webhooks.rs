//! Webhooks are told by tasks of their own: one message of each at a time, so that nobody waits for anybody else's receiver.

use crate::chance;
use crate::egress::{Egress, Ground};
use crate::node::Node;
use crate::request::Moment;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jeton_core::name::Key;
use jeton_core::notice::{self, Attempt, Quiet};
use jeton_core::record::WebhookTarget;
use jeton_core::refusal::Fault;
use jeton_core::world::Facts;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How often is looked for what is due.
const PACE: Duration = Duration::from_millis(500);
/// Most messages that are under way at the same time.
const UNDER_WAY: usize = 64;

/// Tells webhooks until the node ends.
pub async fn tell(node: Weak<Node>) {
    let egress = match tokio::task::spawn_blocking(Egress::new).await {
        Ok(egress) => egress,
        Err(_) => return tracing::error!("webhooks cannot be told"),
    };
    let (busy, room) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(Semaphore::new(UNDER_WAY)));
    let mut quiet = Quiet::default();
    loop {
        tokio::time::sleep(PACE).await;
        let Some(node) = node.upgrade() else { return };
        let reader = Arc::clone(&node);
        let looking = apart(move || {
            let due = reader.engine.read(chance::now(), |reader| notice::due(reader, chance::now(), &mut quiet))?;
            Ok((due, quiet))
        });
        // A store that is silent is told of by the follower; what waits for webhooks waits in it.
        let (due, seen) = looking.await.unwrap_or_default();
        quiet = seen;
        for webhook in due {
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { break };
            if !busy.lock().unwrap_or_else(PoisonError::into_inner).insert(webhook) {
                continue;
            }
            let (node, egress, busy) = (Arc::clone(&node), egress.clone(), Arc::clone(&busy));
            tokio::spawn(async move {
                tell_one(&node, &egress, webhook).await;
                busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&webhook);
                drop(permit);
            });
        }
    }
}

/// One attempt of the next message of a webhook.
async fn tell_one(node: &Arc<Node>, egress: &Egress, webhook: Key) {
    let claiming = Arc::clone(node);
    let claimed = apart(move || {
        let moment = Moment::present();
        let engine = &claiming.engine;
        engine.transact(&moment.world(&Facts::default()), |records, world| notice::claim(records, world, engine.data(), webhook))
    });
    let attempt = match claimed.await {
        Ok(Some(attempt)) => attempt,
        Ok(None) => return,
        Err(fault) => return tracing::warn!(%fault, "a webhook's message cannot be read"),
    };
    let outcome = send(egress, &attempt).await;
    if let Err(reason) = &outcome {
        tracing::info!(webhook = %webhook, id = attempt.id, reason, "a webhook was not reached; it is tried again");
    }
    let settling = Arc::clone(node);
    let settled = apart(move || {
        let moment = Moment::present();
        settling
            .engine
            .transact(&moment.world(&Facts::default()), |records, world| notice::settle(records, world, &attempt, &outcome))
    });
    if let Err(fault) = settled.await {
        tracing::warn!(%fault, "what became of a webhook's message cannot be written down; it is sent again");
    }
}

async fn send(egress: &Egress, attempt: &Attempt) -> Result<(), String> {
    let mut headers = HeaderMap::new();
    let timestamp = attempt.timestamp.to_string();
    for (name, value) in
        [("webhook-id", &attempt.id), ("webhook-timestamp", &timestamp), ("webhook-signature", &attempt.signature)]
    {
        let value = HeaderValue::from_str(value).map_err(|_| "a header cannot be written".to_owned())?;
        headers.insert(HeaderName::from_static(name), value);
    }
    let ground = match attempt.target {
        WebhookTarget::Public => Ground::Public,
        WebhookTarget::Loopback => Ground::Loopback,
    };
    let body = Bytes::from(attempt.body.clone());
    match egress.post(&attempt.url, ground, headers, body).await {
        Ok(status) if status.is_success() => Ok(()),
        Ok(status) if status.is_redirection() => {
            Err(format!("the receiver answered {}; redirects are not followed, give the final address", status.as_u16()))
        }
        Ok(status) => Err(format!("the receiver answered {}", status.as_u16())),
        Err(error) => Err(error.to_string()),
    }
}

/// Work with the store, off the request threads.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Fault::Broken("work for a webhook panicked"))?
}
