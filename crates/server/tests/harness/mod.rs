//! A running server of our own, as a test sees it: the shipped binary in a directory of its own, spoken to over sockets.
//!
//! Nothing is built here and nothing is mocked. The server is stopped when its [`Server`] is dropped.

pub mod certificate;
pub mod http;
pub mod tls;

use jeton_jose::SealKey;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take until it listens: where disks are busy with other things, one sync may take many seconds.
const START: Duration = Duration::from_secs(60);

/// How a server starts beside what is always the same.
#[derive(Default)]
pub struct Launch {
    /// Flags and their values.
    pub arguments: Vec<String>,
    /// Limit of open files.
    pub descriptors: Option<u32>,
    /// Variables of the environment.
    pub environment: Vec<(String, String)>,
}

impl Launch {
    /// With these flags and values.
    pub fn with(arguments: &[&str]) -> Self {
        Self { arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(), ..Self::default() }
    }
}

/// A running `jeton serve`.
pub struct Server {
    child: Child,
    data: PathBuf,
    /// Goes with the server, unless the test keeps the directory itself.
    _directory: Option<TempDir>,
    log: Arc<Mutex<Vec<u8>>>,
    /// The public listener.
    pub listen: SocketAddr,
    /// The listener of health and metrics.
    pub ops: SocketAddr,
    /// The listener of the admin API, if there is one.
    pub admin: Option<SocketAddr>,
}

impl Server {
    /// Starts a server whose realms are as the apply file says.
    pub fn start(fixture: &str) -> Self {
        Self::start_prepared(fixture, |_| Launch::default())
    }

    /// As [`Server::start`]; before it serves, `prepare` may look at the data directory, and says how it starts.
    pub fn start_prepared(fixture: &str, prepare: impl FnOnce(&Path) -> Launch) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("fixture.toml");
        std::fs::write(&file, fixture).expect("the fixture is written");
        let data = directory.path().join("data");
        let applied = jeton(&data, &["apply", &file.to_string_lossy(), "--yes"]);
        assert!(applied.status.success(), "jeton apply failed:\n{}", said(&applied));
        let launch = prepare(&data);
        let mut server = Self::launched(&data, &launch).unwrap_or_else(|said| panic!("{said}"));
        server._directory = Some(directory);
        server
    }

    /// Starts a node whose store is elsewhere, as these arguments say.
    pub fn start_over(arguments: &[String]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut server = Self::on_with(&directory.path().join("data"), arguments).unwrap_or_else(|said| panic!("{said}"));
        server._directory = Some(directory);
        server
    }

    /// Kills the process as a power cut would, and starts another one over what it left.
    pub fn kill_and_start_again(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let directory = self._directory.take();
        let data = directory.as_ref().expect("it has a directory of its own").path().join("data");
        *self = Self::on_with(&data, &[]).unwrap_or_else(|said| panic!("{said}"));
        self._directory = directory;
    }

    /// Starts a server on a data directory that is there, with further arguments; or else what it said instead of listening.
    pub fn on_with(data: &Path, arguments: &[String]) -> Result<Self, String> {
        Self::launched(data, &Launch { arguments: arguments.to_vec(), ..Launch::default() })
    }

    /// Starts a server so on a data directory that is there; or else what it said instead of listening.
    pub fn launched(data: &Path, launch: &Launch) -> Result<Self, String> {
        let limit = launch.descriptors.map_or_else(String::new, |limit| format!("ulimit -n {limit} && "));
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit}exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_jeton")])
            .args(["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--sample-api", "true", "--log", "json", "--data"])
            .arg(data)
            .args(&launch.arguments)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let out = collect(child.stdout.take().expect("stdout is piped"), &log);
        let readers = [out, collect(child.stderr.take().expect("stderr is piped"), &log)];
        let deadline = Instant::now() + START;
        loop {
            let said = String::from_utf8_lossy(&log.lock().expect("no reader panics")).into_owned();
            if let Some((listen, ops, admin)) = addresses(&said) {
                return Ok(Self { child, data: data.to_owned(), _directory: None, log, listen, ops, admin });
            }
            let ended = child.try_wait().expect("the child can be asked");
            if ended.is_some() || Instant::now() > deadline {
                let waits = waits(child.id());
                let _ = child.kill();
                let _ = child.wait();
                // What it said last may still be on its way.
                readers.into_iter().for_each(|reader| drop(reader.join()));
                let said = String::from_utf8_lossy(&log.lock().expect("no reader panics")).into_owned();
                return Err(format!("the server does not listen ({ended:?}; {waits}); it said:\n{said}"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs a command of the same binary on the data of this server.
    pub fn command(&self, arguments: &[&str]) -> Output {
        jeton(&self.data, arguments)
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// The permissions of a file in the data directory.
    pub fn mode_of(&self, file: &str) -> u32 {
        let metadata = std::fs::metadata(self.data.join(file)).expect("the file is there");
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions())
    }

    /// Ends the process at once; its data stays until this value goes.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process has not ended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name} failed");
    }

    /// Waits for the end; the code with which it ended, or nothing if it did not in time.
    pub fn end(&mut self, patience: Duration) -> Option<i32> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// A page of the listener for operators.
    pub fn ops_page(&self, path: &str) -> String {
        let received = http::send(self.ops, &http::get(path, &[]), http::Until::Answered).expect("the operators are answered");
        String::from_utf8_lossy(&received.answer.body).into_owned()
    }

    /// Everything the server wrote to stdout and stderr until now.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().expect("no reader panics")).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binary on a data directory.
pub fn jeton(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jeton"))
        .args(arguments)
        .env("JETON_DATA", data)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

/// The seal key of a data directory: 64 hex digits.
pub fn seal_key(data: &Path) -> SealKey {
    let text = std::fs::read_to_string(data.join("seal.key")).expect("the seal key");
    let digits: Vec<u8> = text.trim().chars().filter_map(|digit| digit.to_digit(16)?.try_into().ok()).collect();
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    SealKey::from_bytes(bytes.try_into().expect("32 bytes"))
}

/// What a command wrote.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Where in the kernel the threads of a process wait.
fn waits(pid: u32) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let told = tasks.map(|task| format!("{} in {}", read(task.path().join("comm")), read(task.path().join("wchan"))));
    told.collect::<Vec<_>>().join(", ")
}

/// Copies a stream line by line until it ends.
fn collect(stream: impl Read + Send + 'static, log: &Arc<Mutex<Vec<u8>>>) -> thread::JoinHandle<()> {
    let log = Arc::clone(log);
    thread::spawn(move || {
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(lines.read_until(b'\n', &mut line), Ok(read) if read > 0) {
            log.lock().expect("no reader panics").append(&mut line);
        }
    })
}

/// The addresses in the line that says that the server listens.
fn addresses(log: &str) -> Option<(SocketAddr, SocketAddr, Option<SocketAddr>)> {
    let line = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find(|line| line["event"] == "listening")?;
    let address = |name: &str| line[name].as_str().and_then(|text| text.parse().ok());
    Some((address("listen")?, address("ops")?, address("admin")))
}
