//! Chance for requests comes from the operating system, fetched for a few dozen requests at a time and wiped when it is used.

use jeton_core::name::{RequestId, Time};
use jeton_core::world::Random;
use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// For one request: eight bytes for its id, the rest for its seed.
const SHARE: usize = 40;
/// One call of the operating system serves so many requests.
const SHARES: usize = 32;

struct Pool {
    bytes: [u8; SHARE * SHARES],
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; SHARE * SHARES], used: SHARES }) };
}

/// The id and the seed of a fresh request.
pub fn draw() -> (RequestId, Random) {
    let share = POOL.with_borrow_mut(|pool| {
        if pool.used == SHARES {
            // Without random bytes no secret is safe; the kernel gives them always once it has booted.
            getrandom::fill(&mut pool.bytes).expect("the operating system gives random bytes");
            pool.used = 0;
        }
        let mut share = [0; SHARE];
        let at = pool.used * SHARE;
        share.copy_from_slice(&pool.bytes[at..at + SHARE]);
        pool.bytes[at..at + SHARE].fill(0);
        pool.used += 1;
        share
    });
    let (mut id, mut seed) = ([0; 16], [0; 32]);
    for (index, byte) in share[..8].iter().enumerate() {
        id[2 * index] = HEX[usize::from(byte >> 4)];
        id[2 * index + 1] = HEX[usize::from(byte & 15)];
    }
    seed.copy_from_slice(&share[8..]);
    let id = std::str::from_utf8(&id).ok().and_then(|id| RequestId::parse(id).ok()).expect("sixteen hex digits are an id");
    (id, Random::from_seed(seed))
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The present time.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_requests_share_an_id_or_a_draw() {
        let drawn: BTreeSet<_> =
            (0..1000).map(|_| draw()).map(|(id, random)| (id.as_str().to_owned(), random.draw::<32>("x"))).collect();
        let ids: BTreeSet<_> = drawn.iter().map(|(id, _)| id).collect();
        let draws: BTreeSet<_> = drawn.iter().map(|(_, draw)| draw).collect();
        assert_eq!((ids.len(), draws.len()), (1000, 1000));
    }
}
