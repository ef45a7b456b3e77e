//! A PostgreSQL server of its own for a test binary: started on demand, ended with the process whatever happens to it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Where Debian keeps the server's programs.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// Runs the server beside a shell that waits for the end of its own input. That end comes when the test process is gone, even if
/// it was killed, because the kernel closes the pipe. Until then it kills all of the server, or starts it again, when it is told to.
const WATCHDOG: &str = r#"
trap "" PIPE
programs=$0 data=$1 port=$2 fsync=$3
"$programs/initdb" --pgdata="$data" --auth=trust --username=jeton --encoding=UTF8 --locale=C --no-sync >"$data.log" 2>&1 || { tail -3 "$data.log"; exit 1; }
serve() {
    "$programs/postgres" -D "$data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$data" \
        -c fsync="$fsync" -c max_connections=300 -c shared_buffers=64MB -c log_min_messages=warning >>"$data.log" 2>&1 </dev/null &
    server=$!
    for i in $(seq 300); do
        "$programs/pg_isready" -q -h 127.0.0.1 -p "$port" && break
        kill -0 $server 2>/dev/null || { tail -3 "$data.log"; exit 1; }
        sleep 0.1
    done
    echo ready
}
serve
while read -r line; do
    case "$line" in
    kill)
        kill -9 $server $(cat /proc/$server/task/$server/children) 2>/dev/null
        wait $server 2>/dev/null
        # Who was just killed may still hold the shared memory.
        sleep 0.5
        echo killed
        ;;
    start) serve ;;
    esac
done
kill -INT $server 2>/dev/null
wait $server
cd / && rm -rf "$(dirname "$data")"
"#;

/// A running server.
pub struct PostgresForTests {
    watchdog: Child,
    output: BufReader<ChildStdout>,
    port: u16,
    /// The watchdog removes it when the server has ended.
    _directory: TempDir,
    databases: AtomicU32,
}

impl PostgresForTests {
    /// Starts a server. Without the programs there is none, one line says so, and `JETON_REQUIRE=all` turns that into a panic.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with("off")
    }

    /// Starts a server that syncs to disk, for tests of faults and for measurements.
    #[must_use]
    pub fn start_durable() -> Option<Self> {
        Self::start_with("on")
    }

    fn start_with(fsync: &str) -> Option<Self> {
        let Some(programs) = find_programs() else {
            let sentence = "skipped: PostgreSQL is not installed (apt-get install postgresql-15)";
            assert!(std::env::var("JETON_REQUIRE").as_deref() != Ok("all"), "{sentence}");
            // Straight to the terminal, because the test harness swallows what a passing test prints.
            writeln!(std::io::stderr(), "{sentence}").expect("standard error is open");
            return None;
        };
        let directory = tempfile::Builder::new().prefix("jeton-postgres-").tempdir().expect("there is room for a directory");
        let port = free_port();
        let mut command = as_server_user(directory.path());
        command.args(["sh", "-c", WATCHDOG]).arg(programs).arg(directory.path().join("data")).arg(port.to_string()).arg(fsync);
        let mut watchdog = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell can be started");
        let output = BufReader::new(watchdog.stdout.take().expect("its output is piped"));
        let mut server = Self { watchdog, output, port, _directory: directory, databases: AtomicU32::new(0) };
        server.expect("ready");
        Some(server)
    }

    fn expect(&mut self, word: &str) {
        let mut said = String::new();
        self.output.read_line(&mut said).expect("its output is text");
        assert_eq!(said.trim(), word, "PostgreSQL does not do what it should");
    }

    fn tell(&mut self, word: &str) {
        let input = self.watchdog.stdin.as_mut().expect("its input is piped");
        writeln!(input, "{word}").expect("the watchdog lives");
    }

    /// Ends every process of the server with signal 9.
    pub fn kill(&mut self) {
        self.tell("kill");
        self.expect("killed");
    }

    /// Starts it again after it was killed, and waits until it answers.
    pub fn start_again(&mut self) {
        self.tell("start");
        self.expect("ready");
    }

    /// The URL of a new, empty database.
    #[must_use]
    pub fn url(&self) -> String {
        let name = format!("jeton_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.script(&format!("CREATE DATABASE {name} STRATEGY file_copy"));
        format!("postgresql://jeton@127.0.0.1:{}/{name}?sslmode=disable", self.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL as the superuser; for faults that a test brings about.
    pub fn script(&self, sql: &str) {
        self.script_in(&format!("host=127.0.0.1 port={} user=jeton dbname=postgres sslmode=disable", self.port), sql);
    }

    /// Runs SQL as the superuser in the database of this URL.
    pub fn script_in(&self, url: &str, sql: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop can be made");
        runtime.block_on(async {
            let (client, driver) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("the server accepts us");
            // It ends with the client.
            drop(tokio::spawn(driver));
            client.batch_execute(sql).await.expect("the statement works");
        });
    }
}

impl Drop for PostgresForTests {
    fn drop(&mut self) {
        // The watchdog stops the server when its input ends; if it has died meanwhile, there is nothing to wait for.
        drop(self.watchdog.stdin.take());
        drop(self.watchdog.wait());
    }
}

/// The newest installed version.
fn find_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(PROGRAMS).ok()?;
    let programs = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    programs.filter(|programs| programs.join("initdb").exists() && programs.join("postgres").exists()).max()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
    listener.local_addr().expect("a listener has an address").port()
}

/// PostgreSQL refuses to run as root, so root hands over to the user `postgres`, together with the directory.
fn as_server_user(directory: &Path) -> Command {
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("this is Linux")) == 0;
    if !is_root {
        return Command::new("env");
    }
    let given = Command::new("chown").arg("postgres").arg(directory).status().expect("chown can be started");
    assert!(given.success(), "the directory cannot be given to the user postgres");
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).current_dir(directory);
    command
}
