//! Thrift measures whether a client keeps its tokens, and says what follows from it if it does not.
//!
//! What a client *needs* is simple: each of its instances asks once for every set of scopes, keeps the token until shortly before
//! its end, and asks again. Whoever stays within that, with room for restarts, is never touched. What is asked for beyond it is
//! *waste*, and waste is measured in time: one second in which tokens are wasted counts for one second, however many they are.
//! So a fleet that starts anew is over in seconds, whatever number of instances stands in its record, and a client that asks at
//! every call goes on and on.

mod kept;
mod meter;
mod meters;
mod rules;
#[cfg(test)]
mod tests;
mod waste;

pub use kept::Kept;
pub use meter::{Meter, NOTICE_SECONDS, Seen, Verdict};
pub use meters::{Asking, Counted, Meters, Wasted};
pub use rules::Rules;
pub use waste::Waste;

/// Name of the limit in `RateLimit` fields.
pub const LIMIT: &str = "thrift";

/// A set of scopes and resources for which a client asks, told apart from its other ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want(u64);

impl Want {
    /// What is asked for; the same parts in the same order are the same want.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        // FNV-1a: a collision only lets two sets share one allowance.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in parts.into_iter().flat_map(|part| part.bytes().chain([0])) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(hash)
    }
}
