//! TLS 1.2 and 1.3 with one certificate, which is read again when its file changes or a SIGHUP comes.
//!
//! What rustls offers is what is offered: key exchange with forward secrecy, authenticated encryption, no renegotiation, no
//! compression. Early data (0-RTT) stays off, since it can be sent again by others. A file that cannot be used changes
//! nothing: the certificate before it goes on, and log, metric and `/readyz` say so.

mod files;
mod validity;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

pub use files::TlsFiles;

/// So often are the files looked at.
const PACE: Duration = Duration::from_secs(2);
/// From so many days before its end on, a certificate is worth a warning.
const WARNING_DAYS: i64 = 14;
/// Largest file that is read: a long chain has some ten thousand bytes.
const MOST_BYTES: u64 = 1 << 20;
/// The protocols of HTTP that are spoken, the best first (RFC 7301, RFC 9113 §3.2).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why a certificate cannot be used: one sentence.
#[derive(Debug)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the listeners speak TLS with.
pub struct Tls {
    /// For the acceptor of connections.
    pub config: Arc<ServerConfig>,
    identity: Arc<Identity>,
    files: TlsFiles,
    /// The files as they were when they were last read, whatever came of it.
    seen: Mutex<Option<Stamp>>,
    is_stuck: AtomicBool,
    loads: [AtomicU64; 2],
}

/// What tells a changed file from an unchanged one.
type Stamp = [(u64, i64, i64, u64); 2];

#[derive(Debug)]
struct Identity(ArcSwap<Loaded>);

#[derive(Debug)]
struct Loaded {
    key: Arc<CertifiedKey>,
    /// When it ends, in seconds since 1970.
    ends_at: i64,
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().key))
    }
}

/// How the certificate is.
#[derive(Clone, Copy, Debug)]
pub struct TlsState {
    /// When it ends, in seconds since 1970.
    pub ends_at: i64,
    /// Whether the files hold something that cannot be used.
    pub is_stuck: bool,
    /// How often the files were read with success.
    pub loaded: u64,
    /// How often they could not be used.
    pub failed: u64,
}

impl TlsState {
    /// What somebody should look at.
    pub fn warnings(&self, now_seconds: i64) -> impl Iterator<Item = &'static str> + use<> {
        let left = self.ends_at - now_seconds;
        let ends = match left {
            ..=0 => Some("the TLS certificate has expired"),
            _ if left < WARNING_DAYS * 86_400 => Some("the TLS certificate ends in less than two weeks"),
            _ => None,
        };
        let stuck = self.is_stuck.then_some("the TLS files cannot be used; the certificate before them goes on");
        ends.into_iter().chain(stuck)
    }
}

impl Tls {
    /// Reads the files. An expired certificate is used, and warned about: clients say more about it than a closed port.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let stamp = stamp(&files);
        let identity = Arc::new(Identity(ArcSwap::from_pointee(load(&files)?)));
        let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions);
        let builder = builder.map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&identity) as _;
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        // RFC 8446 §8: early data can be replayed.
        config.max_early_data_size = 0;
        // Sessions are resumed without memory of ours; the tickets' keys change every six hours.
        config.ticketer = Ticketer::new().map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?;
        config.send_tls13_tickets = 1;
        let loads = [AtomicU64::new(1), AtomicU64::new(0)];
        let (seen, is_stuck) = (Mutex::new(stamp), AtomicBool::new(false));
        Ok(Self { config: Arc::new(config), identity, files, seen, is_stuck, loads })
    }

    /// How the certificate is.
    pub fn state(&self) -> TlsState {
        let [loaded, failed] = self.loads.each_ref().map(|counter| counter.load(Ordering::Relaxed));
        let ends_at = self.identity.0.load().ends_at;
        TlsState { ends_at, is_stuck: self.is_stuck.load(Ordering::Relaxed), loaded, failed }
    }

    /// Reads the files again.
    pub fn reload(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = stamp(&self.files);
        let loaded = load(&self.files);
        self.loads[usize::from(loaded.is_err())].fetch_add(1, Ordering::Relaxed);
        self.is_stuck.store(loaded.is_err(), Ordering::Relaxed);
        match loaded {
            Ok(loaded) => {
                tracing::info!(days = days_left(loaded.ends_at), "the TLS certificate was read");
                self.identity.0.store(Arc::new(loaded));
            }
            Err(error) => tracing::error!(%error, "the TLS files cannot be used; the certificate before them goes on"),
        }
    }

    fn reload_if_changed(&self) {
        let is_same = *self.seen.lock().unwrap_or_else(PoisonError::into_inner) == stamp(&self.files);
        if !is_same {
            self.reload();
        }
    }
}

/// Follows the files until nobody speaks TLS any more.
pub fn watch(tls: &Weak<Tls>) {
    let mut warned_on = None;
    while let Some(tls) = tls.upgrade() {
        tls.reload_if_changed();
        let (now, state) = (crate::chance::now().seconds(), tls.state());
        // Once a day is enough.
        if warned_on != Some(now / 86_400) && state.ends_at - now < WARNING_DAYS * 86_400 {
            warned_on = Some(now / 86_400);
            tracing::warn!(
                days = days_left(state.ends_at),
                "the TLS certificate ends soon or has expired; put a new one in its file"
            );
        }
        drop(tls);
        std::thread::sleep(PACE);
    }
}

fn days_left(ends_at: i64) -> i64 {
    (ends_at - crate::chance::now().seconds()).div_euclid(86_400)
}

fn stamp(files: &TlsFiles) -> Option<Stamp> {
    let of = |path: &Path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.ino(), about.mtime(), about.mtime_nsec(), about.len()))
    };
    Some([of(&files.chain)?, of(&files.key)?])
}

fn load(files: &TlsFiles) -> Result<Loaded, TlsError> {
    let chain_text = read(&files.chain)?;
    let key_text = if files.key == files.chain { chain_text.clone() } else { read(&files.key)? };
    let cannot = |path: &Path, what: &str| TlsError(format!("{}: {what}", path.display()));
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&chain_text).collect();
    let chain = chain.map_err(|_| cannot(&files.chain, "a certificate in it is damaged"))?;
    let leaf = chain.first().ok_or_else(|| cannot(&files.chain, "there is no PEM certificate in it"))?;
    let ends_at = validity::not_after(leaf).ok_or_else(|| cannot(&files.chain, "its first certificate cannot be read"))?;
    let key = PrivateKeyDer::from_pem_slice(&key_text).map_err(|_| cannot(&files.key, "there is no PEM private key in it"))?;
    let key = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => cannot(&files.key, "the private key does not belong to the first certificate"),
        _ => cannot(&files.key, "certificate and key cannot be used; RSA from 2048 bits, ECDSA P-256, P-384 and Ed25519 can"),
    })?;
    Ok(Loaded { key: Arc::new(key), ends_at })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let cannot = |error: std::io::Error| TlsError(format!("{}: {error}", path.display()));
    if std::fs::metadata(path).map_err(cannot)?.len() > MOST_BYTES {
        return Err(TlsError(format!("{}: the file is too large for a certificate", path.display())));
    }
    std::fs::read(path).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_path_is_both_and_two_are_chain_and_key() {
        let files = |chain: &str, key: &str| Some(TlsFiles { chain: chain.into(), key: key.into() });
        assert_eq!(TlsFiles::parse("a.pem"), files("a.pem", "a.pem"));
        assert_eq!(TlsFiles::parse("a.pem, b.pem"), files("a.pem", "b.pem"));
        for text in ["", ",", "a,", ",a", "a,b,c"] {
            assert_eq!(TlsFiles::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tls.pem");
        let files = TlsFiles { chain: path.clone(), key: path.clone() };
        for (text, sentence) in [
            ("", "there is no PEM certificate in it"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "its first certificate cannot be read"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "a certificate in it is damaged"),
        ] {
            std::fs::write(&path, text).expect("written");
            let error = Tls::open(files.clone()).err().map(|error| error.to_string());
            assert_eq!(error, Some(format!("{}: {sentence}", path.display())), "{text:?}");
        }
    }

    #[test]
    fn an_end_that_is_near_is_worth_a_warning() {
        let state = TlsState { ends_at: 100 * 86_400, is_stuck: false, loaded: 1, failed: 0 };
        let at_day = |day: i64| state.warnings(day * 86_400).collect::<Vec<_>>();
        assert_eq!(at_day(80), [""; 0]);
        assert_eq!(at_day(87), ["the TLS certificate ends in less than two weeks"]);
        assert_eq!(at_day(100), ["the TLS certificate has expired"]);
    }
}
