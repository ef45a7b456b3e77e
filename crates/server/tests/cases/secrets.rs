//! Secrets are replaced while clients work, and nobody notices but the one who still has the old one after its end.

use crate::harness::http::{self, Connection};
use crate::harness::{Server, said};
use crate::replay::{audit_trail, warm_server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jeton_core::name::Time;
use serde_json::Value;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const OLD: &str = "SECR3T-build-7-main";
/// How long both secrets serve.
const OVERLAP: i64 = 6;

fn run(server: &Server, arguments: &[&str]) -> Value {
    let output = server.command(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Time::from_millis(i64::try_from(since.as_millis()).expect("small"))
}

fn ask(connection: &mut Connection, secret: &str) -> Option<u16> {
    let header = format!("Authorization: Basic {}", STANDARD.encode(format!("build-7:{secret}")));
    let request = http::form("/acme/token", &[&header], "grant_type=client_credentials");
    connection.ask(&request).expect("an answer").answer.status
}

/// Rows: CA-25.
#[test]
fn a_secret_is_rotated_under_load_without_a_failed_request() {
    let server = warm_server("fixture.toml");
    let (secret, over) = (Mutex::new(OLD.to_owned()), AtomicBool::new(false));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut connection, mut asked) = (Connection::open(server.listen).expect("a connection"), 0);
                    while !over.load(Ordering::Relaxed) {
                        let shown = secret.lock().expect("no worker panics").clone();
                        assert_eq!(ask(&mut connection, &shown), Some(200), "request {asked} with {}", &shown[..8]);
                        asked += 1;
                        thread::sleep(Duration::from_millis(1));
                    }
                    asked
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(300));
        let end = now().plus_seconds(OVERLAP);
        let made = run(&server, &["secret", "rotate", "acme", "build-7", "--overlap", &end.to_rfc3339()]);
        assert_eq!((&made["replaced"][0], &made["replaced_until"]), (&"main".into(), &end.to_rfc3339().into()), "{made:#}");
        let new = made["value"].as_str().expect("the new value").to_owned();
        let mut watcher = Connection::open(server.listen).expect("a connection");
        assert_eq!((ask(&mut watcher, OLD), ask(&mut watcher, &new)), (Some(200), Some(200)), "both serve");
        *secret.lock().expect("no worker panics") = new;
        // The old one ends by itself, to the second.
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let asked_at = now();
            match ask(&mut watcher, OLD) {
                Some(401) => break assert!(now() >= end, "it ended too early"),
                status => assert!(status == Some(200) && asked_at < end.plus_seconds(1), "{status:?} at {asked_at:?}"),
            }
            assert!(Instant::now() < deadline, "it never ends");
            thread::sleep(Duration::from_millis(20));
        }
        thread::sleep(Duration::from_millis(500));
        over.store(true, Ordering::Relaxed);
        let asked: Vec<u32> = workers.into_iter().map(|worker| worker.join().expect("no request failed")).collect();
        assert!(asked.iter().all(|asked| *asked > 100), "{asked:?}");
    });
}

/// Rows: AD-07.
#[test]
fn a_rotation_that_is_sent_again_is_told_what_the_first_one_did() {
    let server = warm_server("fixture.toml");
    for (noun, list) in [("secret", ["secret", "list", "acme", "build-7"]), ("api-key", ["api-key", "list", "acme", "build-7"])] {
        let rotate = [noun, "rotate", "acme", "build-7", "--name", "autumn", "--overlap", "2d"];
        let made = run(&server, &rotate);
        // How long until their end, and when they were last used, changes by itself.
        let names = |list: &Value| -> Vec<(Value, Value)> {
            let items = list["items"].as_array().expect("items");
            items.iter().map(|item| (item["name"].clone(), item["expires_at"].clone())).collect()
        };
        let (known, trail) = (names(&run(&server, &list)), audit_trail(&server));
        for _ in 0..3 {
            let again = server.command(&rotate);
            let hint = made["hint"].as_str().expect("a hint");
            assert!(!again.status.success() && said(&again).contains(hint), "{}", said(&again));
            assert!(!said(&again).contains(made["value"].as_str().expect("a value")));
        }
        assert_eq!((names(&run(&server, &list)), audit_trail(&server)), (known, trail), "nothing happened");
    }
    let ending = run(&server, &["secret", "expiring", "acme", "--within", "3d"]);
    assert!(ending["items"].as_array().is_some_and(|items| items.iter().any(|item| item["name"] == "main")), "{ending:#}");
}
