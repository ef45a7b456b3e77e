//! Slow clients: hundreds that send their heads or bodies byte by byte or take none of their answers, beside honest ones.

use crate::Fault;
use crate::harness::{Launch, Server};
use crate::world::{CANARY, access_token, done, settled, token};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

const F_13: Fault = Fault {
    row: "F-13",
    promise: "who sends a head or a body too slowly, or takes no answer, is closed after 5, 10 and 10 seconds; honest clients go on",
};

/// Clients with slow heads, and as many with slow bodies; `JETON_FAULT_SLOW=5000` is the long form.
const SLOW: usize = 300;
/// For so many of them there is one that takes no answer: on loopback the system takes megabytes on behalf of each.
const PER_READER: usize = 15;
/// How long the answer is of which they take nothing.
const LONG: usize = 200_000;
/// Between two bytes.
const PACE: Duration = Duration::from_secs(1);
/// So often an honest client may be turned away before it is served once.
const PATIENT: usize = 10;
/// When it is clear that nobody closes: a head of this pace would take minutes.
const PATIENCE: Duration = Duration::from_secs(100);

/// What is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slow {
    Head,
    Body,
    Reading,
}

const KINDS: [Slow; 3] = [Slow::Head, Slow::Body, Slow::Reading];

/// One slow client; how long it was let.
async fn visit(to: SocketAddr, (slow, asking): (Slow, (&str, Duration)), patience: Duration) -> Result<Duration, String> {
    let socket = TcpSocket::new_v4().map_err(|error| error.to_string())?;
    if slow == Slow::Reading {
        // As little as possible is taken by the system on behalf of the client.
        socket.set_recv_buffer_size(4096).map_err(|error| error.to_string())?;
    }
    let mut stream = socket.connect(to).await.map_err(|error| format!("no connection: {error}"))?;
    let began = Instant::now();
    let ended = async {
        match slow {
            Slow::Head => trickle(&mut stream, "GET /acme/jwks HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await,
            Slow::Body => {
                trickle(&mut stream, "POST /acme/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n").await
            }
            Slow::Reading => flood(&mut stream, asking).await,
        }
    };
    timeout(patience, ended).await.map_err(|_| format!("a slow {slow:?} is still served after {patience:?}"))?;
    Ok(began.elapsed())
}

/// Sends the beginning, and then a byte now and then, until the server closes.
async fn trickle(stream: &mut TcpStream, beginning: &str) {
    let (mut from, mut to) = stream.split();
    if to.write_all(beginning.as_bytes()).await.is_err() {
        return;
    }
    let mut buffer = [0; 1024];
    loop {
        tokio::select! {
            read = from.read(&mut buffer) => if !matches!(read, Ok(1..)) { return },
            () = sleep(PACE) => if to.write_all(b"a").await.is_err() { return },
        }
    }
}

/// Asks and asks, and reads nothing, until the server closes.
async fn flood(stream: &mut TcpStream, (token, pause): (&str, Duration)) {
    let request = format!("GET /acme/long HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    // Enough to fill what the system takes, and no flood.
    while stream.write_all(request.as_bytes()).await.is_ok() {
        sleep(pause).await;
    }
}

/// The longest time of each kind.
fn crowd(to: SocketAddr, token: &str, each: usize, patience: Duration) -> Result<[Duration; 3], String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let pause = Duration::from_millis((each.div_ceil(PER_READER) as u64 * 5).min(250));
        let mut visits = tokio::task::JoinSet::new();
        for number in 0..each {
            let kinds = if number % PER_READER == 0 { 3 } else { 2 };
            for (index, kind) in KINDS.into_iter().enumerate().take(kinds) {
                let token = token.to_owned();
                visits.spawn(async move { (index, visit(to, (kind, (&token, pause)), patience).await) });
            }
            // Not more at once than wait to be accepted.
            if number % 50 == 49 {
                sleep(Duration::from_millis(20)).await;
            }
        }
        let mut longest = [Duration::ZERO; 3];
        while let Some(ended) = visits.join_next().await {
            let (kind, lasted) = ended.map_err(|error| error.to_string())?;
            longest[kind] = longest[kind].max(lasted?);
        }
        Ok(longest)
    })
}

/// Honest requests, one after the other, until it is over; how long each took, in order. A machine that has too much to do anyway may
/// turn some of them away (503), and half of them at most.
fn honest(server: &Server, over: impl Fn() -> bool) -> Result<Vec<Duration>, String> {
    let (mut took, mut turned_away) = (Vec::new(), 0);
    while !over() {
        let began = Instant::now();
        let answer = token(server, "acme", "good", &format!("{CANARY}-acme-good"))?;
        match answer.status {
            Some(200) => took.push(began.elapsed()),
            Some(503) if turned_away < took.len() + PATIENT => turned_away += 1,
            status => return Err(format!("an honest client is told {status:?}, and {turned_away} times 503 before")),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    took.sort();
    Ok(took)
}

/// As many files as may be open at all, for this process and for its children.
fn many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // Who may not have more goes on with what there is, and fails with a sentence.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// An API with an answer that is worth not being read.
fn long_answers() -> String {
    let text = "x".repeat(LONG);
    format!(
        "[[realm]]\nname = \"acme\"\n[[realm.resource]]\nidentifier = \"https://api.acme.example\"\ntitle = \"API\"\n\
         scopes = [{{ scope = \"read\", sentence = \"Read.\" }}, {{ scope = \"write\", sentence = \"Write.\" }}]\n\
         operations = [{{ method = \"GET\", path = \"/long\", scope = [\"read\"], answer = {{ data = \"{text}\" }} }}]\n"
    )
}

/// Rows: TE-29.
#[test]
fn f_13_slow_clients_are_closed_and_honest_ones_go_on() {
    let each = std::env::var("JETON_FAULT_SLOW").ok().and_then(|each| each.parse().ok()).unwrap_or(SLOW);
    many_descriptors();
    let room = settled();
    let file = room.path("long.toml");
    std::fs::write(&file, long_answers()).expect("writes");
    done(&room.data(), &["apply", &file.to_string_lossy(), "--yes"]);
    let most = (each * KINDS.len() + 500).to_string();
    let server = Server::launched(&room.data(), &Launch::with(&["--max-connections", &most])).expect("starts");
    F_13.rounds(1, |_| {
        let since = Instant::now();
        let alone = honest(&server, || since.elapsed() > Duration::from_secs(1))?;
        let over = AtomicBool::new(false);
        let (longest, beside) = std::thread::scope(|scope| {
            let beside = scope.spawn(|| honest(&server, || over.load(Ordering::Relaxed)));
            let longest = crowd(server.listen, &access_token(&server, "good"), each, PATIENCE);
            over.store(true, Ordering::Relaxed);
            (longest, beside.join().expect("an honest client ends"))
        });
        let (longest, beside) = (longest?, beside?);
        let at = |took: &[Duration], percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64();
        let ratio = |percent| at(&beside, percent) / at(&alone, percent);
        let limits: Vec<String> = KINDS.iter().zip(longest).map(|(kind, longest)| format!("{kind:?} {longest:.1?}")).collect();
        eprintln!(
            "F-13: {each} slow heads, as many slow bodies and {} who take nothing at once, the last one closed after: {}; {} honest requests beside them took {:.1} times (median) and \
             {:.1} times (99 of 100) what they take alone",
            each.div_ceil(PER_READER),
            limits.join(", "),
            beside.len(),
            ratio(50),
            ratio(99)
        );
        Ok("crowds")
    });
}

/// Planted faults: a server that waits for ever, and one that turns honest clients away.
#[test]
fn the_judge_of_slow_clients_notices_who_waits_for_ever() {
    let patient = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = patient.local_addr().expect("an address");
    let noticed = crowd(to, "", 2, Duration::from_secs(2));
    assert!(noticed.is_err_and(|told| told.contains("is still served")));
    let room = settled();
    let server = Server::launched(&room.data(), &Launch::with(&["--max-connections", "1"])).expect("starts");
    let _held = std::net::TcpStream::connect(server.listen).expect("connects");
    std::thread::sleep(Duration::from_millis(300));
    assert!(honest(&server, || false).is_err_and(|told| told.contains("503")));
}
