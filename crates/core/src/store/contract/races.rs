//! Cases about races: whatever the threads do, a record is spent once, no decision stands on sand, and no change is skipped.

use super::*;
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

/// How often the spending of a record is tried.
const ROUNDS: u64 = 1000;
/// How many spend it.
const THREADS: u64 = 4;

/// Two decisions that each read both rows, and write one, do not both commit: for present rows and for absent ones.
pub fn skewed_decisions_conflict(fresh: Fresh<'_>) {
    let store = fresh();
    write(&*store, vec![Write::Insert(LastUse::KIND, note(1, "1")), Write::Insert(LastUse::KIND, note(2, "1"))])
        .expect("commits");
    let read = || vec![guard(LastUse::KIND, 1, Some(1)), guard(LastUse::KIND, 2, Some(1))];
    assert_eq!(store.commit(batch(NOW, read(), vec![Write::Replace(LastUse::KIND, note(1, "0"))])), Ok(()));
    let second = vec![Write::Replace(LastUse::KIND, note(2, "0"))];
    assert_eq!(store.commit(batch(NOW, read(), second)), Err(CommitError::Conflict));
    let read = || vec![guard(LastUse::KIND, 3, None), guard(LastUse::KIND, 4, None)];
    assert_eq!(store.commit(batch(NOW, read(), vec![Write::Insert(LastUse::KIND, note(3, "0"))])), Ok(()));
    let second = vec![Write::Insert(LastUse::KIND, note(4, "0"))];
    assert_eq!(store.commit(batch(NOW, read(), second)), Err(CommitError::Conflict));
}

/// Of several inserts of one key, one wins.
pub fn insert_has_one_winner(fresh: Fresh<'_>) {
    let store = fresh();
    let (barrier, wins) = (Barrier::new(4), AtomicUsize::new(0));
    let contender = || {
        for number in 1..=100 {
            barrier.wait();
            match write(&*store, vec![Write::Insert(Client::KIND, client(number, 1, &number.to_string()))]) {
                Ok(()) => drop(wins.fetch_add(1, Ordering::Relaxed)),
                Err(error) => assert_eq!(error, CommitError::Conflict),
            }
        }
    };
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(contender))));
    assert_eq!(wins.into_inner(), 100);
}

/// Several threads read a live record and spend it: one succeeds, the others are told to decide again and see it spent.
pub fn a_record_is_spent_once(fresh: Fresh<'_>) {
    let store = fresh();
    let live = (1..=ROUNDS).map(|number| Write::Insert(LastUse::KIND, note(number, "\"live\"")));
    write(&*store, live.collect()).expect("commits");
    let barrier = Barrier::new(4);
    let spend = |number| loop {
        let row = get(&*store, LastUse::KIND, number).expect("is never deleted");
        if row.body != b"\"live\"" {
            return 0;
        }
        let guards = vec![guard(LastUse::KIND, number, Some(row.version))];
        match store.commit(batch(NOW, guards, vec![Write::Replace(LastUse::KIND, note(number, "\"spent\""))])) {
            Ok(()) => return 1,
            Err(error) => assert_eq!(error, CommitError::Conflict),
        }
    };
    let spender = || {
        let round = |number| {
            barrier.wait();
            spend(number)
        };
        (1..=ROUNDS).map(round).collect::<Vec<u32>>()
    };
    let spent = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(spender)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a spender ends")).collect::<Vec<_>>()
    });
    for round in 0..spent[0].len() {
        assert_eq!(spent.iter().map(|wins| wins[round]).sum::<u32>(), 1, "round {round}");
    }
}

/// Two threads each want to be the last to leave, or the only one to come: never do both succeed.
pub fn write_skew_never_happens(fresh: Fresh<'_>) {
    let store = fresh();
    let present = (1..=200).map(|number| Write::Insert(LastUse::KIND, note(number, "1")));
    write(&*store, present.collect()).expect("commits");
    let barrier = Barrier::new(2);
    let act = |round: u64, mine: u64, other: u64, write: Write, version: Option<u64>| {
        barrier.wait();
        let mut guards = vec![guard(LastUse::KIND, mine, version), guard(LastUse::KIND, other, version)];
        guards.sort_by_key(|guard| guard.key);
        match store.commit(batch(NOW, guards, vec![write])) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error, CommitError::Conflict, "round {round}");
                false
            }
        }
    };
    let run = |offset: u64| {
        let mut done = Vec::new();
        for round in 0..100 {
            let (mine, other) = (round * 2 + 1 + offset, round * 2 + 2 - offset);
            done.push(act(round, mine, other, Write::Delete(LastUse::KIND, key(mine)), Some(1)));
            let (mine, other) = (mine + 1000, other + 1000);
            done.push(act(round, mine, other, Write::Insert(LastUse::KIND, note(mine, "1")), None));
        }
        done
    };
    let (left, right) = thread::scope(|scope| {
        let (left, right) = (scope.spawn(|| run(0)), scope.spawn(|| run(1)));
        (left.join().expect("ends"), right.join().expect("ends"))
    });
    for (round, both) in left.iter().zip(&right).enumerate() {
        assert_ne!(both, (&true, &true), "round {round}");
    }
    assert!(left.iter().chain(&right).filter(|done| **done).count() >= 100, "some must get through");
}

/// A follower sees every change once, in order, while several threads commit.
pub fn the_change_log_never_skips(fresh: Fresh<'_>) {
    const WRITERS: u64 = 4;
    const COMMITS: u64 = 100;
    let store = fresh();
    let begin = store.position().expect("answers");
    let writer = |number: u64| {
        for commit in 0..COMMITS {
            let first = number * 10_000 + commit * 2;
            let writes = [first, first + 1].map(|number| Write::Insert(LastUse::KIND, note(number, "1")));
            write(&*store, writes.into()).expect("nobody else writes these");
        }
    };
    let seen = thread::scope(|scope| {
        (1..=WRITERS).for_each(|number| drop(scope.spawn(move || writer(number))));
        follow(&*store, begin, usize::try_from(WRITERS * COMMITS * 2).expect("small"))
    });
    assert!(seen.windows(2).all(|pair| pair[0].position < pair[1].position));
    let keys: BTreeSet<Key> = seen.iter().map(|change| change.key).collect();
    assert_eq!(keys.len(), seen.len());
    assert!(seen.iter().all(|change| change.kind == LastUse::KIND.name));
    assert_eq!(store.position(), Ok(seen.last().expect("there were changes").position));
    assert_eq!(store.changes(seen[0].position, 3), Ok(seen[1..4].to_vec()));
}

/// Who waits for changes is woken by one, long before the wait is over.
pub fn a_waiting_reader_is_woken(fresh: Fresh<'_>) {
    let store = fresh();
    // A store that must connect before it can hear may return from the first wait at once.
    store.wait(0);
    let is_woken = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            store.wait(60_000);
            is_woken.store(1, Ordering::Release);
        });
        for number in 0..100 {
            write(&*store, vec![Write::Insert(LastUse::KIND, note(number, "1"))]).expect("commits");
            #[expect(clippy::disallowed_methods, reason = "tests run the contract, and this case is about waiting")]
            thread::sleep(Duration::from_millis(60));
            if is_woken.load(Ordering::Acquire) == 1 {
                return;
            }
        }
        panic!("nobody was woken");
    });
}
