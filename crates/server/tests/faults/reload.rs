//! Reloads: the certificate is replaced ten times a second under load, every other time by a file that cannot be used.

use crate::Fault;
use crate::harness::certificate::Certificate;
use crate::harness::http;
use crate::harness::tls::{self, trusting};
use crate::harness::{Launch, Server};
use crate::world::{CANARY, settled};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const F_27: Fault = Fault {
    row: "F-27",
    promise: "a certificate that cannot be used is counted and changes nothing, one that can is used at once, and no request fails meanwhile",
};

/// Between two reloads.
const PACE: Duration = Duration::from_millis(100);
/// How long a reload may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who asks meanwhile.
const CLIENTS: usize = 2;

/// A file that cannot be used, of several kinds.
fn broken(number: u64, good: &Certificate, other: &Certificate) -> String {
    let key_of = |pem: &str| pem[pem.find("-----BEGIN PRIVATE KEY-----").unwrap_or(0)..].to_owned();
    match number % 4 {
        0 => good.pem[..good.pem.len() / 2].to_owned(),
        1 => String::new(),
        2 => "no certificate at all\n".to_owned(),
        // The certificate of one and the key of another.
        _ => good.pem.replace(&key_of(&good.pem), &key_of(&other.pem)),
    }
}

fn replace(place: &Path, pem: &str) -> Result<(), String> {
    let beside = place.with_extension("new");
    std::fs::write(&beside, pem).and_then(|()| std::fs::rename(&beside, place)).map_err(|error| error.to_string())
}

/// How often the files were read, and how often they could not be used.
fn counters(server: &Server) -> (u64, u64) {
    let metrics = server.ops_page("/metrics");
    let of = |outcome: &str| {
        let line = format!("jeton_tls_loads_total{{outcome=\"{outcome}\"}} ");
        metrics.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
    };
    (of("completed"), of("failed"))
}

/// The certificate that is shown.
fn shown(to: SocketAddr, trusted: &[&CertificateDer<'static>]) -> Result<CertificateDer<'static>, String> {
    let stream = tls::connect(to, &trusting(trusted, b"http/1.1")).map_err(|error| format!("a handshake failed: {error}"))?;
    stream.conn.peer_certificates().and_then(|chain| chain.first().cloned()).ok_or_else(|| "no certificate".to_owned())
}

/// One token over a connection of its own.
fn ask(to: SocketAddr, trusted: &[&CertificateDer<'static>]) -> Result<(), String> {
    let basic = format!("Authorization: Basic {}", STANDARD.encode(format!("good:{CANARY}-acme-good")));
    let request = http::form("/acme/token", &[&basic], "grant_type=client_credentials");
    let mut stream = tls::connect(to, &trusting(trusted, b"http/1.1")).map_err(|error| format!("a handshake failed: {error}"))?;
    let answer = tls::exchange(&mut stream, &request, |text| text.contains("access_token")).map_err(|error| error.to_string())?;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer) }
}

/// Replaces the file, lets it be read, and waits until that was counted.
fn reload(server: &Server, place: &Path, pem: &str) -> Result<(u64, u64), String> {
    let before = counters(server);
    replace(place, pem)?;
    server.signal("HUP");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = counters(server);
        if now != before {
            // The server looks at the file by itself, too: then it is counted twice.
            std::thread::sleep(PACE);
            let now = counters(server);
            return Ok((now.0 - before.0, now.1 - before.1));
        }
        if Instant::now() > deadline {
            return Err("a reload is not counted".to_owned());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn round(server: &Server, place: &Path, number: u64, certificates: &[Certificate; 2]) -> Result<&'static str, String> {
    let trusted = [&certificates[0].der, &certificates[1].der];
    // Two reloads a round: a broken file, and the other certificate.
    let [one, other] = if number.is_multiple_of(2) { [0, 1] } else { [1, 0] }.map(|index: usize| &certificates[index]);
    let (loaded, failed) = reload(server, place, &broken(number / 2, other, one))?;
    if (loaded, failed > 0) != (0, true) {
        return Err(format!("a broken file was read {loaded} times with success, {failed} times without"));
    }
    if shown(server.listen, &trusted)? != one.der {
        return Err("a broken file changed what is shown".to_owned());
    }
    let (loaded, failed) = reload(server, place, &other.pem)?;
    if (loaded > 0, failed) != (true, 0) {
        return Err(format!("a good file was read {loaded} times with success, {failed} times without"));
    }
    if shown(server.listen, &trusted)? != other.der {
        return Err("a good file changed nothing".to_owned());
    }
    Ok("broken files and good ones behind them")
}

#[test]
fn f_27_broken_certificates_change_nothing() {
    let certificates = [Certificate::fresh(), Certificate::fresh()];
    let room = settled();
    let place = room.path("tls.pem");
    std::fs::write(&place, &certificates[0].pem).expect("writes");
    let server = Server::launched(&room.data(), &Launch::with(&["--tls", &place.to_string_lossy()])).expect("starts");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let trusted = [&certificates[0].der, &certificates[1].der];
                    let mut served = 0_u64;
                    while !over.load(Ordering::Relaxed) {
                        ask(server.listen, &trusted)?;
                        served += 1;
                    }
                    Ok::<_, String>(served)
                })
            })
            .collect();
        // Also when a round fails, the clients must end.
        let rounds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            F_27.rounds(12, |number| round(&server, &place, number, &certificates));
        }));
        over.store(true, Ordering::Relaxed);
        let served: Vec<Result<u64, String>> = clients.into_iter().map(|client| client.join().expect("a client ends")).collect();
        rounds.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        for served in &served {
            assert!(served.as_ref().is_ok_and(|served| *served > 0), "a request failed meanwhile: {served:?}");
        }
        eprintln!("F-27: {} handshakes with a request each meanwhile", served.iter().flatten().sum::<u64>());
    });
}

/// Planted faults: a broken file that is none, and a good file that is none, are noticed.
#[test]
fn the_judge_of_reloads_notices_what_does_not_fit() {
    let certificates = [Certificate::fresh(), Certificate::fresh()];
    let room = settled();
    let place = room.path("tls.pem");
    std::fs::write(&place, &certificates[0].pem).expect("writes");
    let server = Server::launched(&room.data(), &Launch::with(&["--tls", &place.to_string_lossy()])).expect("starts");
    // The file of round 1 in round 0: the other certificate is shown already.
    reload(&server, &place, &certificates[1].pem).expect("is read");
    assert!(round(&server, &place, 0, &certificates).is_err_and(|told| told.contains("changed what is shown")));
    let useless = Certificate { pem: "useless".to_owned(), der: certificates[1].der.clone() };
    reload(&server, &place, &certificates[0].pem).expect("is read");
    let told = round(&server, &place, 0, &[certificates.into_iter().next().expect("one"), useless]);
    assert!(told.as_ref().is_err_and(|told| told.contains("a good file was read 0 times")), "{told:?}");
}
