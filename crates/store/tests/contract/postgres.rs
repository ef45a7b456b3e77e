//! PostgreSQL keeps the contract, also when a connection ends between COMMIT and its answer.

use crate::proxy::{Cut, Proxy};
use jeton_core::name::{Key, Time};
use jeton_core::record::{LastUse, Record};
use jeton_core::store::{Batch, CommitError, Fault, MemoryStore, Row, Store, Write};
use jeton_store::PostgresStore;
use jeton_store::testing::PostgresForTests;
use std::sync::OnceLock;

/// One server for this binary. Nobody drops it: its watchdog ends it with the process.
pub fn server() -> Option<&'static PostgresForTests> {
    static SERVER: OnceLock<Option<PostgresForTests>> = OnceLock::new();
    SERVER.get_or_init(PostgresForTests::start).as_ref()
}

fn is_there() -> bool {
    server().is_some()
}

fn fresh() -> Box<dyn Store> {
    Box::new(PostgresStore::connect(&server().expect("was asked before").url()).expect("connects"))
}

jeton_core::store_contract!(fresh, is_there);

#[test]
fn it_agrees_with_memory() {
    if is_there() {
        jeton_core::store::contract::lockstep(&MemoryStore::new(), &*fresh(), 20_261_122, 2000);
    }
}

fn batch(number: u8) -> Batch {
    let key = Key::from_bytes([number; 16]);
    let row = Row { key, version: 1, body_version: 1, columns: Vec::new(), expires_at: None, body: b"{}".to_vec() };
    Batch { id: key, now: Time::from_millis(0), guards: Vec::new(), writes: vec![Write::Insert(LastUse::KIND, row)] }
}

fn is_written(store: &dyn Store, number: u8) -> bool {
    let mut found = None;
    let read = &mut |view: &mut dyn jeton_core::store::View| {
        found = view.get(LastUse::KIND, Key::from_bytes([number; 16]))?;
        Ok(())
    };
    store.view(Time::from_millis(0), read).expect("answers");
    found.is_some()
}

/// A store behind a proxy, and one that goes straight to the same database.
fn behind_proxy(server: &PostgresForTests) -> (PostgresStore, PostgresStore, Proxy) {
    let url = server.url();
    let proxy = Proxy::start(server.port());
    let through = url.replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port()));
    (PostgresStore::connect(&through).expect("connects"), PostgresStore::connect(&url).expect("connects"), proxy)
}

#[test]
fn a_commit_without_an_answer_is_looked_up() {
    let Some(server) = server() else { return };
    let (store, witness, proxy) = behind_proxy(server);
    for number in 1..=20 {
        proxy.cut(Cut::AfterCommit);
        assert_eq!(store.commit(batch(number)), Ok(()), "it was committed, only the answer was lost");
        assert!(is_written(&witness, number));
        assert_eq!(store.commit(batch(number)), Err(CommitError::Conflict), "never twice");
    }
}

#[test]
fn a_commit_that_never_arrived_is_not_claimed() {
    let Some(server) = server() else { return };
    let (store, witness, proxy) = behind_proxy(server);
    for number in 1..=20 {
        proxy.cut(Cut::BeforeCommit);
        assert!(matches!(store.commit(batch(number)), Err(CommitError::Fault(Fault::Unavailable(_)))));
        assert!(!is_written(&witness, number));
    }
}

#[test]
fn an_outcome_that_cannot_be_looked_up_is_unknown() {
    let Some(server) = server() else { return };
    let (store, witness, proxy) = behind_proxy(server);
    store.commit(batch(1)).expect("commits");
    proxy.cut(Cut::AfterCommitForEver);
    let Err(CommitError::Fault(Fault::Unavailable(cause))) = store.commit(batch(2)) else { panic!("nobody can know") };
    assert!(cause.contains("outcome of the commit is unknown"), "{cause}");
    assert!(is_written(&witness, 2));
    assert!(matches!(store.position(), Err(Fault::Unavailable(_))));
    proxy.heal();
    assert!(is_written(&store, 2), "the store comes back by itself");
    assert_eq!(store.commit(batch(3)), Ok(()));
}

#[test]
fn sessions_that_were_ended_are_replaced() {
    let Some(server) = server() else { return };
    let url = server.url();
    let store = PostgresStore::connect(&url).expect("connects");
    for number in 1..=5 {
        store.commit(batch(number)).expect("commits");
        server.script_in(
            &url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        if number % 2 == 0 {
            assert!(is_written(&store, number));
        }
    }
    assert!((1..=5).all(|number| is_written(&store, number)));
}

#[test]
fn a_newer_schema_is_refused() {
    let Some(server) = server() else { return };
    let url = server.url();
    drop(PostgresStore::connect(&url).expect("makes its schema"));
    drop(PostgresStore::connect(&url).expect("finds its schema"));
    server.script_in(&url, "INSERT INTO schema_version VALUES (99)");
    let refused = PostgresStore::connect(&url).err().expect("is refused").to_string();
    assert!(refused.contains("version 99") && refused.contains("newer jeton"), "{refused}");
}

#[test]
fn an_open_network_needs_a_word() {
    for url in ["postgresql://jeton@db.example/jeton", "postgresql://jeton@127.0.0.1/jeton?sslmode=require"] {
        let refused = PostgresStore::connect(url).err().expect("is refused").to_string();
        assert!(refused.contains("sslmode=disable"), "{refused}");
    }
}
