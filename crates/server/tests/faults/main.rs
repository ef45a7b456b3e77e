//! Faults: what the shipped binary promises when disks, files and machines do not do what they should.
//!
//! Each fault is a test that states its promise and prints its rounds. `cargo test` runs a short form;
//! `JETON_FAULT_ROUNDS=10000 cargo test -p jeton --test faults f_32 -- --nocapture` runs a long one. `--features planted-fault` makes
//! a store that syncs nothing, and F-02 must fail. Beside each fault stands a
//! planted one: the judge of its rounds must notice what would be a broken promise.

#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "the cases of attacks need more of it")]
mod harness;

mod backups;
mod clocks;
mod crashes;
mod damage;
mod database;
mod disk;
mod foreign;
mod holders;
mod line;
mod nodes;
mod reload;
mod rolling;
mod slow;
mod space;
mod syncs;
mod world;
mod writers;

use std::io::Write;
use std::time::Instant;

/// A fault and what is promised under it.
struct Fault {
    row: &'static str,
    promise: &'static str,
}

impl Fault {
    /// Runs so many rounds, or as many as the environment says; every broken promise is told at the end.
    fn rounds(&self, short: u64, mut round: impl FnMut(u64) -> Result<&'static str, String>) {
        let given = std::env::var("JETON_FAULT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
        let (rounds, started) = (given.unwrap_or(short), Instant::now());
        let (mut broken, mut outcomes) = (Vec::new(), std::collections::BTreeMap::<_, u64>::new());
        for number in 0..rounds {
            match round(number) {
                Ok(outcome) => *outcomes.entry(outcome).or_default() += 1,
                Err(fault) => {
                    let told = format!("round {number}: {fault}");
                    std::io::stderr().write_all(format!("{}: {told}\n", self.row).as_bytes()).expect("standard error is open");
                    broken.push(told);
                }
            }
            if number % 100 == 99 {
                let line = format!("{}: {} of {rounds} rounds, {} broken\n", self.row, number + 1, broken.len());
                std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
            }
            if broken.len() > 10 {
                break;
            }
        }
        let told: Vec<String> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        let (row, promise, took) = (self.row, self.promise, started.elapsed().as_secs());
        // Straight to the terminal, because the test harness swallows what a passing test prints.
        let line = format!("{row}: {promise}\n{row}: {rounds} rounds in {took} s: {}\n", told.join(", "));
        std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
        assert!(broken.is_empty(), "{row} is broken: {promise}\n{}", broken.join("\n"));
    }
}

/// Says that a fault cannot be made here. With `JETON_REQUIRE=all` that is a failure, unless `JETON_PRIVILEGES=none` says that this
/// machine is known to allow no more.
fn skip(row: &str, reason: &str) {
    let sentence = format!("{row} skipped: {reason}\n");
    let is = |name, value| std::env::var(name).is_ok_and(|set| set == value);
    assert!(!is("JETON_REQUIRE", "all") || is("JETON_PRIVILEGES", "none"), "{sentence}");
    std::io::stderr().write_all(sentence.as_bytes()).expect("standard error is open");
}
