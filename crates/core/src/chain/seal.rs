//! Sealing takes the audit records that are marked as not sealed yet, and adds one block that holds them.
//!
//! Marks are written in the transaction of their record, so a record that is committed late, or under a clock that was set back,
//! is sealed like any other. Two workers that race are harmless: the place in the chain is unique, and the loser runs again.

use super::canonical::{Head, block_message, digest, first_previous, sign, signer};
use crate::name::Key;
use crate::record::{Audit, AuditMark, AuditSeal, Installation, Lookup, SealedEntry, blocks};
use crate::refusal::Fault;
use crate::snapshot::DataKeys;
use crate::store::{Order, Records};
use crate::world::World;

/// Most records of one block.
pub const ENTRIES: usize = 256;

/// Adds a block of the oldest records that are not sealed yet. Returns how many there were; with less than [`ENTRIES`], none is left.
pub fn seal(records: &mut Records<'_>, world: &World<'_>, data: &DataKeys) -> Result<usize, Fault> {
    let all = || Lookup { index: None, prefix: Vec::new(), guard: None };
    let marks: Vec<AuditMark> = records.scan(all(), None, Order::Ascending, ENTRIES)?;
    let Some(greatest) = marks.last().map(|mark| mark.key) else { return Ok(0) };
    let last: Option<AuditSeal> = records.scan(blocks(), None, Order::Descending, 1)?.pop();
    let mut entries = Vec::with_capacity(marks.len());
    for mark in &marks {
        // What cannot be read must not hold up the chain; it is told as lost.
        let audit: Option<Audit> = match records.read(mark.key) {
            Err(Fault::Corrupt(_)) => None,
            read => read?,
        };
        let realm = audit.as_ref().and_then(|audit| audit.realm);
        entries.push(SealedEntry { key: mark.key, realm, digest: audit.as_ref().map(digest) });
        records.delete(mark);
    }
    let (sequence, previous, newest) = match last {
        Some(last) => (last.sequence + 1, last.hash, last.newest),
        None => {
            let installation: Option<Installation> = records.find(all())?;
            let installation = installation.ok_or(Fault::Broken("a store without an installation has an audit trail"))?;
            (1, first_previous(installation.key), Key::from_bytes([0; 16]))
        }
    };
    let late = entries.iter().filter(|entry| entry.key < newest).count() as u64;
    let mut block = AuditSeal {
        key: world.new_key("audit seal"),
        sequence,
        previous,
        entries,
        late,
        newest: newest.max(greatest),
        hash: String::new(),
        signature: String::new(),
    };
    block.hash = Head::of(&block).hash();
    block.signature = sign(&signer(data)?, &block_message(&block.hash))?;
    records.insert(&block)?;
    Ok(marks.len())
}
