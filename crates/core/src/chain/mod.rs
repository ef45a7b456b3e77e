//! The chain seals the audit trail: each block holds the digests of its records and the hash of the block before, and is signed.
//!
//! Who can only write to the database cannot change, delete, insert or reorder audit records without breaking it, because the
//! key of the signatures follows from the seal key, which is not in the database (docs/decisions/0009-audit-chain.md).

mod canonical;
mod follow;
mod forget;
mod lines;
mod seal;
mod verify;

pub use canonical::signer;
pub use follow::{Trail, follow};
pub use forget::{FORGET, forget};
pub use lines::{Shown, lines_of};
pub use seal::{ENTRIES, seal};
pub use verify::{Expected, Finding, Report, Start, Verifier};
