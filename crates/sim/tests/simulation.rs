//! Deployments from a seed. `SIM_SEEDS=n` plays more of them, `SIM_FIRST=m` starts at another one.

use jeton_sim::plant::Plant;
use jeton_sim::play::{Played, play};
use jeton_sim::watch;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 200;

/// How many exact reasons an ordinary run must meet.
const REASONS: usize = 50;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number: {text}")))
}

/// Plays seeds on two threads; each seed is its own world.
fn play_all(first: u64, seeds: u64, look: impl Fn(&Played) + Sync) {
    let next = AtomicU64::new(first);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < first + seeds) {
                    let played = play(seed, Plant::Nothing);
                    look(&played);
                    if played.broken.is_some() {
                        failed.lock().expect("no thread panics while it holds the list").push(played);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("every thread has ended");
    failed.sort_by_key(|played| played.seed);
    if let Some(first) = failed.first() {
        let seeds: Vec<u64> = failed.iter().map(|played| played.seed).collect();
        panic!("{first}\n{} of the seeds fail: {seeds:?}", failed.len());
    }
}

#[test]
fn promises_hold_whatever_happens() {
    let (tokens, calls, seeds) = (AtomicU64::new(0), AtomicU64::new(0), setting("SIM_SEEDS", SEEDS));
    let (rotations, replays) = (AtomicU64::new(0), AtomicU64::new(0));
    let (repeats, passes) = (AtomicU64::new(0), AtomicU64::new(0));
    let reasons = Mutex::new(BTreeSet::new());
    play_all(setting("SIM_FIRST", 0), seeds, |played| {
        tokens.fetch_add(played.tokens as u64, Ordering::Relaxed);
        calls.fetch_add(played.calls as u64, Ordering::Relaxed);
        rotations.fetch_add(played.rotations as u64, Ordering::Relaxed);
        replays.fetch_add(played.replays as u64, Ordering::Relaxed);
        repeats.fetch_add(played.repeats as u64, Ordering::Relaxed);
        passes.fetch_add(played.passes as u64, Ordering::Relaxed);
        reasons.lock().expect("nobody panics while holding it").extend(played.reasons.iter().copied());
    });
    let (tokens, calls, reasons) = (tokens.into_inner(), calls.into_inner(), reasons.into_inner().expect("all have ended"));
    let few = "too little happens to prove anything";
    assert!(seeds < SEEDS || tokens >= 5 * seeds, "{tokens} tokens in {seeds} seeds: {few}");
    assert!(seeds < SEEDS || calls >= 3 * seeds, "{calls} calls passed in {seeds} seeds: {few}");
    let (repeats, passes) = (repeats.into_inner(), passes.into_inner());
    assert!(
        seeds < SEEDS || passes >= seeds / 8,
        "{passes} right secrets passed after too many wrong ones in {seeds} seeds: {few}"
    );
    assert!(seeds < SEEDS || repeats >= seeds, "{repeats} tokens were handed out again in {seeds} seeds: {few}");
    assert!(seeds < SEEDS || reasons.len() >= REASONS, "{} reasons in {seeds} seeds: {few}: {reasons:?}", reasons.len());
    let (rotations, replays) = (rotations.into_inner(), replays.into_inner());
    assert!(seeds < SEEDS || rotations >= seeds, "{rotations} rotations in {seeds} seeds: {few}");
    assert!(seeds < SEEDS || replays >= seeds / 8, "{replays} replays in {seeds} seeds: {few}");
    println!("{rotations} rotations, {replays} replays, {passes} right secrets after too many wrong ones");
    println!("{seeds} seeds, {tokens} tokens, {repeats} of them again, {calls} calls, {} reasons: {reasons:?}", reasons.len());
}

#[test]
fn the_same_seed_gives_the_same_conversation() {
    for seed in 1000..1012 {
        let (one, two) = (play(seed, Plant::Nothing), play(seed, Plant::Nothing));
        assert_eq!(unsigned(&one.transcript), unsigned(&two.transcript), "seed {seed}");
    }
}

/// A transcript whose JWTs have lost their signatures: ECDSA draws its own randomness inside the library.
fn unsigned(transcript: &str) -> String {
    let word = |word: &str| match word.starts_with("eyJ") && word.matches('.').count() == 2 {
        true => word.rsplit_once('.').map_or("", |(signed, _)| signed).to_owned(),
        false => word.to_owned(),
    };
    transcript.split_inclusive([' ', '"', '\n']).map(word).collect()
}

#[test]
fn a_conversation_can_be_saved_as_a_case() {
    for seed in 2000..2006 {
        let played = play(seed, Plant::Nothing);
        let transcript = jeton_wire::transcript::parse("saved.http", &played.transcript);
        let transcript = transcript.unwrap_or_else(|error| panic!("{error}\n{}", played.transcript));
        assert!(transcript.steps.len() >= 10, "{} steps", transcript.steps.len());
    }
}

/// Each fault that is planted must break the promise that it breaks.
#[test]
fn planted_faults_are_noticed() {
    for (plant, promise) in [
        (Plant::IgnoreSuspension, watch::RIGHTS),
        (Plant::WidenScope, watch::SCOPE_WITHIN_GRANT),
        (Plant::ForgetCommits, watch::NOTHING_IS_LOST),
        (Plant::NeverFollow, watch::RIGHTS),
        (Plant::HideRevocations, watch::RIGHTS),
        (Plant::WriteOnRefusal, watch::REFUSAL_WRITES_NOTHING),
        (Plant::LeakSecret, watch::NO_RAW_VALUE),
        (Plant::ReviveFamilies, watch::RIGHTS),
        (Plant::ForgetRotations, watch::RIGHTS),
        (Plant::HideFamilyEnds, watch::RIGHTS),
        (Plant::ForgetFailures, watch::GUESSES_ARE_BOUNDED),
        (Plant::LockOut, watch::RIGHT_SECRET_PASSES),
        (Plant::KeepNothing, watch::SAVERS_ARE_LEFT_ALONE),
        (Plant::LoseEvents, watch::ONE_EVENT),
        (Plant::MixRealms, watch::ONE_EVENT),
        (Plant::HurryKeys, watch::VERIFIES_AHEAD),
        (Plant::EndKeys, watch::KEY_OUTLIVES_TOKENS),
    ] {
        let noticed = (0..120)
            .map(|seed| play(seed, plant))
            .find(|played| played.broken.as_ref().is_some_and(|broken| broken.invariant == promise));
        assert!(noticed.is_some(), "{plant:?} is not noticed as a breach of {promise}");
    }
}
