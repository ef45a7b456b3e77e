//! Dispatch says which message a webhook gets next, and writes down what became of it.
//!
//! Each webhook has one line of messages of its own, so a dead receiver delays nobody else. A message is sent again until it is
//! taken or given up: at least once, always under the same identity. The audit trail is never given up; it waits in the chain.

use super::signature::signature;
use crate::chain::{ENTRIES, Shown, lines_of, signer};
use crate::name::{FetchUrl, Key, Time};
use crate::record::{
    Audit, AuditSeal, Delivery, NoticeKind, Value as Column, Webhook, WebhookProgress, WebhookSwitch, WebhookTarget, blocks,
    deliveries_of, webhooks,
};
use crate::refusal::Fault;
use crate::snapshot::DataKeys;
use crate::store::{Order, Place, Reader, Records};
use crate::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// For so long a claimed message belongs to the node that claimed it; longer than an attempt may take.
const CLAIM_SECONDS: i64 = 60;
/// The first wait after a failure; each further one is twice as long.
const FIRST_WAIT_SECONDS: i64 = 1;
/// The longest wait.
const LONGEST_WAIT_SECONDS: i64 = 6 * 3600;
/// A webhook whose message has failed for so long is shown as failing.
pub const FAILING_SECONDS: i64 = 3 * 86_400;
/// Most blocks of the audit trail that one message reports, if none has a record that is shown.
const MOST_BLOCKS: usize = 64;

/// One message, ready to be sent once.
pub struct Attempt {
    /// The webhook.
    pub webhook: Key,
    /// Where to.
    pub url: FetchUrl,
    /// Where the address may lie.
    pub target: WebhookTarget,
    /// Its identity: the header `webhook-id`.
    pub id: String,
    /// The header `webhook-timestamp`.
    pub timestamp: i64,
    /// The header `webhook-signature`.
    pub signature: String,
    /// What is sent, as `application/json`.
    pub body: String,
    source: Source,
}

/// What a message tells of.
enum Source {
    Delivery(Key),
    /// The last block that it holds.
    Audit(u64),
}

/// The blocks of the audit trail, behind one and up to another, in which there was nothing for a webhook: one of a quiet realm is not
/// looked for in the same blocks again.
#[derive(Clone, Debug, Default)]
pub struct Quiet(BTreeMap<Key, (u64, u64)>);

/// The webhooks that have something to be told now.
pub fn due(reader: &mut Reader<'_>, now: Time, quiet: &mut Quiet) -> Result<Vec<Key>, Fault> {
    let mut due = Vec::new();
    let last: Option<AuditSeal> = reader.scan(blocks(), None, Order::Descending, 1)?.pop();
    let last = last.map_or(0, |block| block.sequence);
    let all: Vec<Webhook> = reader.scan(webhooks(), None, Order::Ascending, super::MOST_WEBHOOKS)?;
    quiet.0.retain(|key, _| all.iter().any(|webhook| webhook.key == *key));
    for webhook in all {
        let progress: Option<WebhookProgress> = reader.read(webhook.key)?;
        let waits = progress.as_ref().is_some_and(|progress| now < progress.next_at);
        if webhook.switch == WebhookSwitch::Off || waits {
            continue;
        }
        let blocks_left = (progress.map_or(0, |progress| progress.audit_after), last);
        let asks = webhook.kinds.contains(&NoticeKind::Audit) && blocks_left.0 < last;
        if reader.find::<Delivery>(deliveries_of(webhook.key))?.is_some() {
            due.push(webhook.key);
        } else if asks && quiet.0.get(&webhook.key) != Some(&blocks_left) {
            let next: Vec<AuditSeal> = reader.scan(blocks(), Some(behind(blocks_left.0)), Order::Ascending, MOST_BLOCKS)?;
            match told_at_once(&webhook, &next) {
                Some(_) => due.push(webhook.key),
                None => drop(quiet.0.insert(webhook.key, blocks_left)),
            }
        }
    }
    Ok(due)
}

/// Takes the next message of a webhook for this node. None if there is none, or if another node was quicker.
pub fn claim(records: &mut Records<'_>, world: &World<'_>, data: &DataKeys, webhook: Key) -> Result<Option<Attempt>, Fault> {
    let Some(webhook) = records.read::<Webhook>(webhook)? else { return Ok(None) };
    let Some(mut progress) = records.read::<WebhookProgress>(webhook.key)? else { return Ok(None) };
    if webhook.switch == WebhookSwitch::Off || world.now < progress.next_at {
        return Ok(None);
    }
    let (id, body, source) = match records.find::<Delivery>(deliveries_of(webhook.key))? {
        Some(delivery) => (format!("msg_{}", delivery.key), delivery.body, Source::Delivery(delivery.key)),
        None if webhook.kinds.contains(&NoticeKind::Audit) => match audit(records, data, &webhook, progress.audit_after)? {
            // The block's own key, not its place: after a restore other blocks stand at places that receivers have seen.
            Some((last, block, body)) => (format!("audit_{}_{block}", webhook.key), body, Source::Audit(last)),
            None => return Ok(None),
        },
        None => return Ok(None),
    };
    progress.next_at = world.now.plus_seconds(CLAIM_SECONDS);
    records.update(&progress)?;
    let secret = data.open_webhook_secret(webhook.key, &webhook.sealed_secret)?;
    let timestamp = world.now.seconds();
    let signature = signature(&secret, &id, timestamp, &body);
    let Webhook { key, url, target, .. } = webhook;
    Ok(Some(Attempt { webhook: key, url, target, id, timestamp, signature, body, source }))
}

/// The next blocks for a webhook: up to and with the first that has a record for it. With the place and the key of the last.
fn audit(records: &mut Records<'_>, data: &DataKeys, webhook: &Webhook, after: u64) -> Result<Option<(u64, Key, String)>, Fault> {
    let signer = signer(data)?;
    let shown = shown(webhook);
    let next: Vec<AuditSeal> = records.scan(blocks(), Some(behind(after)), Order::Ascending, MOST_BLOCKS)?;
    let Some(count) = told_at_once(webhook, &next) else { return Ok(None) };
    let mut lines: Vec<Value> = Vec::with_capacity(ENTRIES);
    for block in &next[..count] {
        lines.extend(lines_of(block, shown, &signer, |key| records.read::<Audit>(key))?);
    }
    let Some(last) = next.get(count - 1) else { return Ok(None) };
    // The moment is the block's, so that a repeated message is the same message.
    let at = last.key.created_at().to_rfc3339();
    let body = json!({ "type": "audit", "timestamp": at, "data": { "lines": lines } }).to_string();
    Ok(Some((last.sequence, last.key, body)))
}

/// How many of the next blocks are one message; none if nothing in them is for this webhook yet.
fn told_at_once(webhook: &Webhook, next: &[AuditSeal]) -> Option<usize> {
    let shown = shown(webhook);
    let found = next.iter().position(|block| block.entries.iter().any(|entry| shown.includes(entry.realm)));
    found.map(|at| at + 1).or_else(|| (next.len() == MOST_BLOCKS).then_some(MOST_BLOCKS))
}

fn shown(webhook: &Webhook) -> Shown {
    webhook.realm.map_or(Shown::All, Shown::Realm)
}

fn behind(block: u64) -> Place {
    Place { values: vec![Column::Integer(block.cast_signed())], key: Key::from_bytes([255; 16]) }
}

/// Writes down what became of a message: it was taken, or why not.
pub fn settle(
    records: &mut Records<'_>,
    world: &World<'_>,
    attempt: &Attempt,
    outcome: &Result<(), String>,
) -> Result<(), Fault> {
    let Some(mut progress) = records.read::<WebhookProgress>(attempt.webhook)? else { return Ok(()) };
    match outcome {
        Ok(()) => {
            match attempt.source {
                Source::Delivery(key) => {
                    if let Some(delivery) = records.read::<Delivery>(key)? {
                        records.delete(&delivery);
                    }
                }
                Source::Audit(last) => progress.audit_after = progress.audit_after.max(last),
            }
            let fresh = WebhookProgress { attempts: 0, failing_since: None, last_error: None, ..progress };
            progress = WebhookProgress { next_at: world.now, delivered_at: Some(world.now), ..fresh };
        }
        Err(error) => {
            progress.attempts = progress.attempts.saturating_add(1);
            progress.failing_since.get_or_insert(world.now);
            progress.last_error = Some(error.clone());
            let wait = wait_millis(progress.attempts, world.random.draw("wait of a webhook"));
            progress.next_at = Time::from_millis(world.now.millis() + wait);
        }
    }
    records.update(&progress)
}

/// How long to wait after so many failures: doubled each time, and spread by a quarter, so that many webhooks of one dead receiver
/// do not come back at the same moment.
fn wait_millis(attempts: u32, [chance]: [u8; 1]) -> i64 {
    let doubled = FIRST_WAIT_SECONDS << attempts.saturating_sub(1).min(20);
    let wait = doubled.min(LONGEST_WAIT_SECONDS) * 1000;
    wait * 3 / 4 + wait / 2 * i64::from(chance) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        for (attempts, least, most) in [(1, 750, 1250), (2, 1500, 2500), (5, 12_000, 20_000), (200, 16_200_000, 27_000_000)] {
            assert_eq!((wait_millis(attempts, [0]), wait_millis(attempts, [255])), (least, most), "{attempts}");
        }
    }
}
