//! `jeton serve` makes what is missing, opens the store, listens, and leaves in good order.

use crate::descriptors::{self, Share};
use crate::event_log::EventLog;
use crate::listener::shed::Shedder;
use crate::listener::{Door, Listening, Stage};
use crate::metrics::Metrics;
use crate::node::{CHANGES, Node, READINGS, Reads};
use crate::reminders::Endings;
use crate::request::Moment;
use crate::settings::{LogFormat, Settings, SettingsError, flags};
use crate::signals::Signals;
use crate::slow_hash::SlowHashes;
use crate::tls::{Tls, TlsFiles};
use crate::{log, seal, webhooks, workers};
use clap::ArgMatches;
use jeton_core::admin::is_admin_realm;
use jeton_core::name::Issuer;
use jeton_core::record::Installation;
use jeton_core::refusal::Fault;
use jeton_core::run::Engine;
use jeton_core::store::{Order, Reader, Store};
use jeton_core::tally::Tally;
use jeton_core::world::Facts;
use jeton_store::{PostgresStore, SqliteStore};
use jeton_wire::admin::Admin;
use jeton_wire::dialect::DialectError;
use jeton_wire::{Options, Wire};
use sd_notify::NotifyState;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};

/// Name of the admin socket in the data directory.
pub const ADMIN_SOCKET: &str = "admin.sock";

/// How long everybody is still served after a signal, so that proxies and clients that keep connections hear of it in good order;
/// half of the time for draining if that is less.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long the store may take for what is written at the end.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// Why a server cannot start, or cannot go on: one sentence.
#[derive(Debug)]
pub struct ServeError(pub String);

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<SettingsError> for ServeError {
    fn from(error: SettingsError) -> Self {
        Self(error.to_string())
    }
}

impl From<Fault> for ServeError {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}

/// The command.
pub fn command() -> clap::Command {
    clap::Command::new("serve")
        .about("Run the authorization server")
        .long_about(
            "Run the authorization server.\n\nOn first start the data directory, its seal key and the store are made. \
             SIGTERM and SIGINT let running requests finish; a second signal ends at once. \
             SIGHUP reads the TLS certificate again.",
        )
        .after_help("Examples:\n  jeton serve\n  jeton serve --data /var/lib/jeton --listen 0.0.0.0:8400\n  jeton serve --config /etc/jeton.toml")
        .args(flags(&[]))
}

/// Runs the server until it is told to end.
pub fn run(given: &ArgMatches) -> Result<ExitCode, ServeError> {
    let settings = Settings::load(given)?;
    let events = log::start(&settings).map_err(|error| ServeError(format!("the log cannot be started: {error}")))?;
    let share = descriptors::share(settings.max_connections);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .enable_all()
        .build()
        .map_err(|error| ServeError(format!("threads cannot be started: {error}")))?;
    let done = runtime.block_on(async {
        let mut signals = Signals::new()?;
        let server = Server::start(&settings, &events, Bounds { cores, share }).await?;
        announce(&settings, &server);
        tell_systemd(&[NotifyState::Ready]);
        let node = Arc::clone(&server.node);
        signals.end(&node).await;
        tracing::info!("finishing what runs; a second signal ends at once");
        Ok(tokio::select! {
            () = server.drain(settings.drain) => ExitCode::SUCCESS,
            () = signals.end(&node) => ExitCode::FAILURE,
        })
    });
    // What still runs after the time for draining is given up.
    runtime.shutdown_background();
    events.finish();
    done
}

/// What the machine has for a server.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Threads that can run at the same time.
    pub cores: usize,
    /// Connections of the public listener.
    pub share: Share,
}

/// A server that listens.
pub struct Server {
    /// Where clients ask.
    pub public: SocketAddr,
    /// Where the admin API answers.
    pub admin: SocketAddr,
    /// Where operators ask.
    pub ops: SocketAddr,
    node: Arc<Node>,
    stop: watch::Sender<Stage>,
    end: watch::Sender<Stage>,
    socket: PathBuf,
}

impl Server {
    /// Opens the store and listens.
    pub async fn start(settings: &Settings, events: &EventLog, Bounds { cores, share }: Bounds) -> Result<Self, ServeError> {
        make_directory(&settings.data)?;
        let (from, events) = (settings.clone(), events.clone());
        let node = Arc::new(apart(move || node(&from, events, cores)).await?);
        let (public, admin, ops) =
            (bind(settings.listen).await?, bind(settings.admin_listen).await?, bind(settings.ops_listen).await?);
        let scheme = if node.tls.is_some() { "https" } else { "http" };
        let own = || Issuer::parse(&format!("{scheme}://{}", address(&admin)?)).map_err(|error| ServeError(error.to_string()));
        let issuer = settings.admin_url.clone().map_or_else(own, Ok)?;
        let administered = Arc::clone(&node);
        apart(move || admin_realm(&administered, &issuer)).await?;
        let socket = settings.data.join(ADMIN_SOCKET);
        let local = bind_local(&socket)?;
        let (stop, stopped) = watch::channel(Stage::Open);
        let server = Self {
            public: address(&public)?,
            admin: address(&admin)?,
            ops: address(&ops)?,
            node: Arc::clone(&node),
            stop,
            end: watch::Sender::new(Stage::Open),
            socket,
        };
        workers::start(&node);
        tokio::spawn(webhooks::tell(Arc::downgrade(&node)));
        let (tls, proxies) = (node.tls.clone(), Arc::clone(&node.proxies));
        let listening = Listening::new(node, stopped);
        tokio::spawn(listening.clone().tcp(public, Door::public(tls.clone(), Arc::clone(&proxies), share)));
        tokio::spawn(listening.clone().tcp(admin, Door::admin(tls, proxies)));
        tokio::spawn(listening.unix(local));
        // The operators' listener stays until the end, so that they see the draining.
        let to_the_end = Listening::new(Arc::clone(&server.node), server.end.subscribe());
        tokio::spawn(to_the_end.tcp(ops, Door::ops()));
        Ok(server)
    }

    /// What it decides with.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.node.engine
    }

    /// Says goodbye, accepts nothing new, lets running requests finish within this time, and closes the store.
    pub async fn drain(self, patience: Duration) {
        self.node.draining.store(true, Ordering::Relaxed);
        tell_systemd(&[NotifyState::Stopping]);
        let _ = self.stop.send(Stage::Leaving);
        let goodbye = GOODBYE.min(patience / 2);
        tokio::time::sleep(goodbye).await;
        let _ = self.stop.send(Stage::Closed);
        // Accept loops and connections listen to it as long as they run.
        if tokio::time::timeout(patience - goodbye, self.stop.closed()).await.is_err() {
            tracing::warn!("some requests did not finish in time");
        }
        let node = Arc::clone(&self.node);
        // What was counted and changed in the last second.
        let last = move || {
            node.closing.store(true, Ordering::Relaxed);
            workers::flush(&node);
            workers::seal_audit(&node.engine);
            node.engine.store().close();
        };
        // A store that hangs does not keep the process: what is acknowledged is written, and the rest is counts. Its log is
        // then read at the next start.
        if tokio::time::timeout(LAST_WRITES, tokio::task::spawn_blocking(last)).await.is_err() {
            tracing::warn!("the store does not answer; what was counted in the last second is lost");
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Does what may block, as a store elsewhere does, where it may.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, ServeError> + Send + 'static) -> Result<T, ServeError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ServeError("the start panicked".into()))?
}

/// Opens a node that does not listen yet.
pub fn node(settings: &Settings, events: EventLog, cores: usize) -> Result<Node, ServeError> {
    let (engine, reads) = open(settings)?;
    let engine = Arc::new(engine);
    Ok(Node {
        wire: wire(&engine, Options { sample_api: settings.sample_api, serves: |state| !is_admin_realm(state) })?,
        admin: Admin::new(Arc::clone(&engine), crate::admin::own_uid(&settings.data)).map_err(wrong_dialect)?,
        engine,
        reads,
        metrics: Metrics::new(),
        log: events,
        tally: Tally::new(),
        endings: Endings::default(),
        slow_hashes: SlowHashes::new(cores),
        shedder: Shedder::new(),
        proxies: Arc::new(settings.trusted_proxies.clone()),
        tls: tls(settings)?,
        reading: Arc::new(Semaphore::new(READINGS)),
        changing: Arc::new(Semaphore::new(CHANGES)),
        writes: AtomicBool::new(true),
        draining: AtomicBool::new(false),
        closing: AtomicBool::new(false),
    })
}

fn tls(settings: &Settings) -> Result<Option<Arc<Tls>>, ServeError> {
    let open = |files: &TlsFiles| Tls::open(files.clone()).map_err(|error| ServeError(error.to_string()));
    Ok(settings.tls.as_ref().map(open).transpose()?.map(Arc::new))
}

fn wire(engine: &Arc<Engine>, options: Options) -> Result<Wire, ServeError> {
    Wire::new(Arc::clone(engine), options).map_err(wrong_dialect)
}

fn wrong_dialect(error: DialectError) -> ServeError {
    ServeError(error.to_string())
}

/// Makes the realm of administrators on the first start.
fn admin_realm(node: &Node, issuer: &Issuer) -> Result<(), ServeError> {
    let moment = Moment::present();
    let facts = Facts::default();
    let world = moment.world(&facts);
    node.engine.bootstrap(&world, issuer, node.admin.offers()).map_err(|stop| ServeError(stop.to_string()))
}

/// Makes the data directory, for its owner alone.
pub fn make_directory(path: &Path) -> Result<(), ServeError> {
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let place = path.display();
    builder.recursive(true).create(path).map_err(|error| ServeError(format!("the data directory {place}: {error}")))?;
    let about = std::fs::metadata(path).map_err(|error| ServeError(format!("the data directory {place}: {error}")))?;
    // The socket inside trusts whoever can reach it, and the store holds what others must not read.
    let open = about.permissions().mode() & 0o077 != 0;
    let fresh = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if open && fresh {
        let own = std::fs::Permissions::from_mode(0o700);
        return std::fs::set_permissions(path, own).map_err(|error| ServeError(format!("the data directory {place}: {error}")));
    }
    if open {
        return Err(ServeError(format!("others may enter the data directory {place}; close it with: chmod 700 {place}")));
    }
    Ok(())
}

/// Opens the engine over the store that the settings name.
pub fn open(settings: &Settings) -> Result<(Engine, Reads), ServeError> {
    let is_emptied = std::fs::metadata(settings.data.join("jeton.db")).is_ok_and(|file| file.len() == 0);
    if settings.database_url.is_none() && is_emptied && settings.data.join("seal.key").exists() {
        let data = settings.data.display();
        return Err(ServeError(format!(
            "jeton.db in {data} is empty, although there is a seal key beside it: restore a backup, or remove it to begin anew"
        )));
    }
    let (store, reads): (Arc<dyn Store>, _) = match &settings.database_url {
        Some(url) => (Arc::new(PostgresStore::connect(url.expose())?), Reads::Slow),
        None => (Arc::new(SqliteStore::open(&settings.data)?), Reads::Quick),
    };
    let moment = Moment::present();
    let all = jeton_core::record::Lookup { index: None, prefix: Vec::new(), guard: None };
    let mut state = seal::Store::New;
    store.view(moment.now, &mut |view| {
        let found: Vec<Installation> = Reader::new(view).scan(all.clone(), None, Order::Ascending, 1)?;
        if !found.is_empty() {
            state = seal::Store::Sealed;
        }
        Ok(())
    })?;
    let key = seal::open(settings, state).map_err(ServeError)?;
    let facts = Facts::default();
    let world = moment.world(&facts);
    Ok((Engine::open(store, &key, &world)?, reads))
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| ServeError(format!("cannot listen on {address}: {error}")))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, ServeError> {
    listener.local_addr().map_err(|error| ServeError(format!("a listener has no address: {error}")))
}

fn bind_local(path: &Path) -> Result<UnixListener, ServeError> {
    let cannot = |error: std::io::Error| ServeError(format!("cannot listen on {}: {error}", path.display()));
    // The directory is ours alone, so what is left here is from a process that ended.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(cannot)?;
    let only_owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, only_owner).map_err(cannot)?;
    Ok(listener)
}

fn announce(settings: &Settings, server: &Server) {
    let Server { public, admin, ops, socket, .. } = server;
    if settings.log.form == LogFormat::Json {
        let line = serde_json::json!({
            "event": "listening", "listen": public.to_string(), "admin": admin.to_string(), "ops": ops.to_string(),
            "pid": std::process::id(), "version": env!("CARGO_PKG_VERSION"),
        });
        eprintln!("{line}");
        return;
    }
    let (data, socket, version) = (settings.data.display(), socket.display(), env!("CARGO_PKG_VERSION"));
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let kept = if settings.database_url.is_some() { "PostgreSQL" } else { "one SQLite file" };
    eprintln!(
        "Jeton {version} is ready.\n\n  \
           clients     {scheme}://{public}\n  \
           admin API   {scheme}://{admin}  and  {socket}\n  \
           operators   http://{ops}/readyz  /livez  /metrics\n  \
           data        {data}  ({kept}; back it up, and keep its seal.key in another place as well)\n\n\
         Next, make a realm:\n\n  \
           jeton realm create acme --issuer {scheme}://{public}/acme --dialect rfc\n"
    );
}

/// Tells systemd, where it started us and asked for it, how the server is.
fn tell_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd was not told how the server is");
    }
}
