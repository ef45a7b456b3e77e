//! A slow hash is compared off the request threads, at most one per core at a time, so that a thousand of them slow no token.
//!
//! The hashes come from elsewhere: what their parameters may cost is capped, and what is not understood matches nothing.

use argon2::{Argon2, Params, Version};
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jeton_core::refusal::Fault;
use jeton_core::world::Presented;
use jeton_jose::{constant_time_eq, sha256};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OnceCell, Semaphore};

/// Most memory of an Argon2 hash, in KiB.
const MOST_MEMORY: u32 = 256 << 10;
/// Most memory times passes.
const MOST_WORK: u64 = 1 << 20;
/// Most lanes.
const MOST_LANES: u32 = 16;
/// Greatest cost of bcrypt: four seconds on a slow core.
const MOST_COST: u32 = 15;
/// Most iterations of PBKDF2.
const MOST_ITERATIONS: u32 = 2_000_000;
/// Longest presented value that is hashed.
const MOST_PRESENTED: usize = 1024;

/// Most comparisons with one hash that wait or run: guesses at it keep others waiting no longer than these take.
const MOST_WAITING: usize = 16;
/// Those of them that one source may have, so that guesses from one leave room for the right one from another.
const MOST_OF_SOURCE: usize = 4;

/// One value that is compared with one hash: their digests. Whoever sends it meanwhile waits for the same verdict.
type Comparison = ([u8; 32], [u8; 32]);

/// The bound.
pub struct SlowHashes {
    permits: Arc<Semaphore>,
    cores: usize,
    waiting: Arc<Mutex<BTreeMap<Comparison, Place>>>,
}

/// A comparison that waits or runs.
struct Place {
    /// Who asked first.
    source: IpAddr,
    verdict: Arc<OnceCell<bool>>,
    /// How many wait for it.
    askers: usize,
}

/// One of those who wait for a comparison; the last one takes its place away.
struct Waiting {
    all: Arc<Mutex<BTreeMap<Comparison, Place>>>,
    of: Comparison,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&self.of) {
            Some(place) if place.askers > 1 => place.askers -= 1,
            _ => drop(all.remove(&self.of)),
        }
    }
}

impl SlowHashes {
    /// At most so many at a time.
    pub fn new(cores: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(cores)), cores, waiting: Arc::default() }
    }

    /// How many are compared now, and how many may be.
    pub fn under_way(&self) -> (usize, usize) {
        (self.cores.saturating_sub(self.permits.available_permits()), self.cores)
    }

    /// Whether this is the value that was hashed.
    pub async fn verify(&self, source: IpAddr, phc: String, presented: Presented) -> Result<bool, Fault> {
        let of = (sha256(phc.as_bytes()), sha256(presented.expose().as_bytes()));
        let (verdict, waiting) = self.wait_for(of, source)?;
        let waiting = Arc::new(waiting);
        let compare = || async {
            let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Fault::Broken("the bound was closed"))?;
            let place = Arc::clone(&waiting);
            // The permit goes with the work: a caller that hangs up must not make room for another.
            let work = move || {
                let _held = (permit, place);
                matches(&phc, presented.expose().as_bytes())
            };
            tokio::task::spawn_blocking(work).await.map_err(|_| Fault::Broken("a slow hash panicked"))
        };
        verdict.get_or_try_init(compare).await.copied()
    }

    fn wait_for(&self, of: Comparison, source: IpAddr) -> Result<(Arc<OnceCell<bool>>, Waiting), Fault> {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(&of) {
            let (first, last) = ((of.0, [0; 32]), (of.0, [0xff; 32]));
            let sources = all.range(first..=last).map(|(_, place)| place.source);
            let (count, own) = sources.fold((0, 0), |(count, own), other| (count + 1, own + usize::from(other == source)));
            if count >= MOST_WAITING || own >= MOST_OF_SOURCE {
                return Err(Fault::Unavailable("too many wait for one slow hash".into()));
            }
        }
        let place = all.entry(of).or_insert_with(|| Place { source, verdict: Arc::default(), askers: 0 });
        place.askers += 1;
        Ok((Arc::clone(&place.verdict), Waiting { all: Arc::clone(&self.waiting), of }))
    }
}

/// Whether this is the value that was hashed. A hash that is malformed, unknown or dearer than the caps matches nothing.
fn matches(phc: &str, presented: &[u8]) -> bool {
    if presented.len() > MOST_PRESENTED {
        return false;
    }
    let verdict = match phc.split('$').collect::<Vec<_>>().as_slice() {
        ["", "argon2id", version, parameters, salt, hash] => argon2id(version, parameters, (salt, hash), presented),
        ["", "argon2id", parameters, salt, hash] => argon2id("v=16", parameters, (salt, hash), presented),
        ["", "2a" | "2b" | "2y", cost, _] => bcrypt(cost, phc, presented),
        ["", "pbkdf2-sha256", parameters, salt, hash] => pbkdf2(pbkdf2::PBKDF2_HMAC_SHA256, parameters, (salt, hash), presented),
        ["", "pbkdf2-sha512", parameters, salt, hash] => pbkdf2(pbkdf2::PBKDF2_HMAC_SHA512, parameters, (salt, hash), presented),
        _ => None,
    };
    if verdict.is_none() {
        tracing::warn!("an imported hash has a form or a cost that is not supported; its secret cannot be used");
    }
    verdict.unwrap_or(false)
}

fn argon2id(version: &str, parameters: &str, kept: (&str, &str), presented: &[u8]) -> Option<bool> {
    let version = match version {
        "v=19" => Version::V0x13,
        "v=16" => Version::V0x10,
        _ => return None,
    };
    let [memory, passes, lanes] = numbers(parameters, ["m", "t", "p"])?;
    let work = u64::from(memory) * u64::from(passes);
    if memory > MOST_MEMORY || work > MOST_WORK || lanes > MOST_LANES {
        return None;
    }
    let (salt, hash) = (decode(kept.0)?, decode(kept.1).filter(|hash| (16..=64).contains(&hash.len()))?);
    let parameters = Params::new(memory, passes, lanes, Some(hash.len())).ok()?;
    let mut computed = vec![0; hash.len()];
    Argon2::new(argon2::Algorithm::Argon2id, version, parameters).hash_password_into(presented, &salt, &mut computed).ok()?;
    Some(constant_time_eq(&computed, &hash))
}

fn bcrypt(cost: &str, phc: &str, presented: &[u8]) -> Option<bool> {
    cost.parse().ok().filter(|cost: &u32| *cost <= MOST_COST)?;
    // bcrypt reads 72 bytes. Two longer values that begin alike must not be equal, so a longer one matches nothing.
    match bcrypt::non_truncating_verify(presented, phc) {
        Ok(same) => Some(same),
        Err(bcrypt::BcryptError::Truncation(_)) => Some(false),
        Err(_) => None,
    }
}

/// `i=600000,l=32`, or the iterations alone as passlib writes them.
fn pbkdf2(algorithm: pbkdf2::Algorithm, parameters: &str, kept: (&str, &str), presented: &[u8]) -> Option<bool> {
    let (salt, hash) = (decode(kept.0)?, decode(kept.1).filter(|hash| (16..=64).contains(&hash.len()))?);
    let iterations = match parameters.parse() {
        Ok(iterations) => iterations,
        Err(_) => {
            let (iterations, length) = parameters.split_once(',').unwrap_or((parameters, ""));
            if !length.is_empty() && numbers(length, ["l"])?.map(|length| length as usize) != [hash.len()] {
                return None;
            }
            numbers(iterations, ["i"])?[0]
        }
    };
    let iterations = NonZeroU32::new(iterations).filter(|iterations| iterations.get() <= MOST_ITERATIONS)?;
    Some(pbkdf2::verify(algorithm, iterations, &salt, presented, &hash).is_ok())
}

/// The numbers of `a=1,b=2`, whose names are known and stand in order.
fn numbers<const N: usize>(text: &str, names: [&str; N]) -> Option<[u32; N]> {
    let mut fields = text.split(',');
    let mut read = [0; N];
    for (number, name) in read.iter_mut().zip(names) {
        *number = fields.next()?.strip_prefix(name)?.strip_prefix('=')?.parse().ok()?;
    }
    fields.next().is_none().then_some(read)
}

/// Base64 without padding; passlib writes a dot for the plus.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=').replace('.', "+")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_other_systems_are_understood() {
        for phc in [
            // The reference implementation's own test.
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            // libxcrypt.
            "$2b$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm",
            "$2y$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm",
            "$2a$04$abcdefghijklmnopqrstuughE8Ev8uGFaUgY2cNEySvxngrb/Jzdm",
            // passlib's documentation, and the same in the other spelling.
            "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44",
            "$pbkdf2-sha256$i=6400,l=32$+6UI/S+nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44",
            // Python's hashlib.
            "$pbkdf2-sha512$i=1,l=32$c2FsdA$hn9wzxreAs/zdSWZo6U9xK80x6ZpgVrl1RNVThyM8lI",
        ] {
            assert!(matches(phc, b"password"), "{phc}");
            assert!(!matches(phc, b"Password"), "{phc}");
            assert!(!matches(phc, b""), "{phc}");
        }
    }

    #[tokio::test]
    async fn one_source_leaves_room_and_equal_values_are_compared_once() {
        let hashes = Arc::new(SlowHashes::new(1));
        let phc = argon2_of(b"right", 64, 1, 1);
        // Nothing is compared yet.
        let held = Arc::clone(&hashes.permits).acquire_owned().await.expect("a permit");
        let ask = |source: u8, value: &str| {
            let (hashes, phc, value) = (Arc::clone(&hashes), phc.clone(), Presented::new(value));
            tokio::spawn(async move { hashes.verify([127, 0, 0, source].into(), phc, value).await })
        };
        let guesses: Vec<_> = (0..MOST_OF_SOURCE).map(|index| ask(1, &format!("guess {index}"))).collect();
        let right: Vec<_> = (0..100).map(|_| ask(2, "right")).collect();
        tokio::task::yield_now().await;
        assert_eq!(hashes.waiting.lock().expect("whole").len(), MOST_OF_SOURCE + 1);
        let over = ask(1, "one more").await.expect("it ends");
        assert!(matches!(over, Err(Fault::Unavailable(_))), "{over:?}");
        drop(held);
        for guess in guesses {
            assert_eq!(guess.await.expect("it ends"), Ok(false));
        }
        for asker in right {
            assert_eq!(asker.await.expect("it ends"), Ok(true));
        }
        assert!(hashes.waiting.lock().expect("whole").is_empty());
    }

    fn argon2_of(password: &[u8], memory: u32, passes: u32, lanes: u32) -> String {
        let mut hash = [0; 32];
        let parameters = Params::new(memory, passes, lanes, Some(32)).expect("good");
        let argon2 = Argon2::new(argon2::Algorithm::Argon2id, Version::V0x13, parameters);
        argon2.hash_password_into(password, b"somesalt", &mut hash).expect("hashed");
        format!(
            "$argon2id$v=19$m={memory},t={passes},p={lanes}${}${}",
            STANDARD_NO_PAD.encode(b"somesalt"),
            STANDARD_NO_PAD.encode(hash)
        )
    }

    #[test]
    fn what_is_malformed_unknown_or_too_dear_matches_nothing() {
        let hash = "Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M";
        let long = "x".repeat(73);
        let of_long = bcrypt::hash(&long[..72], 4).expect("hashed");
        assert!(!matches(&of_long, long.as_bytes()));
        assert!(!matches(&argon2_of(b"x", 64, 1, 1), &[b'x'; MOST_PRESENTED + 1]));
        for phc in [
            String::new(),
            "password".into(),
            "$1$salt$hash".into(),
            "$2b$31$abcdefghijklmnopqrstuuwXyZ0123456789abcdefghijklmnopqrstu".into(),
            "$2b$04$short".into(),
            format!("$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ${hash}"),
            format!("$argon2id$v=19$m=65536,t=1000,p=1$c29tZXNhbHQ${hash}"),
            format!("$argon2id$v=19$t=1,m=64,p=1$c29tZXNhbHQ${hash}"),
            format!("$argon2id$v=19$m=64,t=1,p=1,x=1$c29tZXNhbHQ${hash}"),
            format!("$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ${hash}"),
            format!("$pbkdf2-sha256$i=2000001,l=32$c2FsdA${hash}"),
            format!("$pbkdf2-sha256$i=0,l=32$c2FsdA${hash}"),
            format!("$pbkdf2-sha256$i=1,l=31$c2FsdA${hash}"),
            "$pbkdf2-sha256$i=1,l=0$c2FsdA$".into(),
        ] {
            assert!(!matches(&phc, b"password"), "{phc}");
        }
    }
}
