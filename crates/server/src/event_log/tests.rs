//! Tests of the event log: what a line says, and that writing one never waits.

use super::*;
use jeton_core::event::Concerned;
use jeton_core::name::{ClientId, Key, RealmName, RequestId};
use jeton_core::refusal::{Fault, Why};
use std::sync::mpsc;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("open").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn event(client: &str, outcome: Outcome) -> Event {
    let key = Key::new(Time::from_seconds(0), [7; 10]);
    let realm = Some((key, RealmName::parse("acme").expect("good")));
    let client = Some(Concerned { key, client_id: ClientId::parse(client).expect("good") });
    Event { realm, client, endpoint: "token", outcome, used: None, adopt: None }
}

fn moment() -> Moment {
    let request_id = RequestId::parse("00112233aabbccdd").expect("good");
    Moment { now: Time::from_millis(1_795_360_000_042), request_id, ..Moment::of(IpAddr::from([192, 0, 2, 7])) }
}

const JSON: LogSetting = LogSetting { form: LogFormat::Json, level: Level::INFO };

fn written(form: LogFormat, level: Level, events: &[Event]) -> String {
    let sink = Sink::default();
    let log = EventLog::to(sink.clone(), LogSetting { form, level }).expect("started");
    for event in events {
        log.record(event, 401, Duration::from_micros(123), &moment());
    }
    log.finish();
    let bytes = sink.0.lock().expect("open").clone();
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_line_says_who_asked_for_what_and_what_became_of_it() {
    let events = [
        event("a\"\\b", Outcome::Issued),
        event("c", Outcome::Refused(Why::ClientSecretWrong)),
        event("d", Outcome::Faulted(Fault::Unavailable("line\nwith \u{1b}[31m and \u{202e} \u{1d173}é".into()))),
    ];
    let json = written(LogFormat::Json, Level::INFO, &events);
    let expected = r#"{"timestamp":"2026-11-22T15:06:40.042Z","level":"INFO","event":"issued","endpoint":"token","realm":"acme","client":"a\"\\b","status":401,"duration_us":123,"source":"192.0.2.7","request_id":"00112233aabbccdd"}
{"timestamp":"2026-11-22T15:06:40.042Z","level":"INFO","event":"refused","endpoint":"token","realm":"acme","client":"c","why":"client.secret_wrong","status":401,"duration_us":123,"source":"192.0.2.7","request_id":"00112233aabbccdd"}
"#;
    assert!(json.starts_with(expected), "{json}");
    let last: serde_json::Value = serde_json::from_str(json.lines().nth(2).expect("three lines")).expect("JSON");
    assert_eq!(last["fault"], "the store is unavailable: line\nwith \u{1b}[31m and \u{202e} \u{1d173}é");
    assert!(json.chars().all(|char| char == '\n' || may_stand(char)));

    let text = written(LogFormat::Text, Level::INFO, &events);
    let expected = r#"2026-11-22T15:06:40.042Z  INFO event=issued endpoint=token realm=acme client="a\"\\b" status=401 duration_us=123 source=192.0.2.7 request_id=00112233aabbccdd
"#;
    assert!(text.starts_with(expected), "{text}");
    assert!(text.chars().all(|char| char == '\n' || may_stand(char)));
    assert_eq!(written(LogFormat::Text, Level::ERROR, &events).lines().count(), 1);
}

struct Blocked(mpsc::Receiver<()>);

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn when_nobody_reads_lines_are_dropped_and_nobody_waits() {
    let (unblock, blocked) = mpsc::channel();
    let log = EventLog::to(Blocked(blocked), JSON).expect("started");
    let event = event("c", Outcome::Issued);
    let began = Instant::now();
    for _ in 0..40_000 {
        log.record(&event, 200, Duration::ZERO, &moment());
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(log.dropped() > 0);
    drop(unblock);
    log.finish();
}

#[test]
fn lines_of_many_threads_stay_whole() {
    let sink = Sink::default();
    let log = EventLog::to(sink.clone(), JSON).expect("started");
    thread::scope(|scope| {
        for number in 0..20 {
            let log = &log;
            scope.spawn(move || {
                let event = event(&format!("c{number}"), Outcome::Issued);
                for _ in 0..500 {
                    log.record(&event, 200, Duration::ZERO, &moment());
                }
            });
        }
    });
    log.finish();
    let bytes = sink.0.lock().expect("open").clone();
    let lines = String::from_utf8(bytes).expect("text");
    assert_eq!(lines.lines().count(), 10_000);
    assert!(lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

/// Not a gate: `cargo test --release -p jeton cost_of_a_line -- --nocapture` prints it.
#[test]
fn cost_of_a_line() {
    const LINES: u32 = 2000;
    let log = EventLog::to(io::sink(), JSON).expect("started");
    let (event, moment) = (event("client-0123456789", Outcome::Issued), moment());
    let round = || {
        let began = Instant::now();
        for _ in 0..LINES {
            log.record(&event, 200, Duration::from_micros(37), &moment);
        }
        let nanos = began.elapsed().as_nanos() / u128::from(LINES);
        // The writer gets the time that it has between requests.
        thread::sleep(Duration::from_millis(2));
        nanos
    };
    let mut rounds: Vec<u128> = (0..100).map(|_| round()).collect();
    rounds.sort_unstable();
    println!("{} ns per line (best {}), {} dropped", rounds[rounds.len() / 2], rounds[0], log.dropped());
    log.finish();
}
