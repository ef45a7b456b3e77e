"""What `run` and `footprint` share: builds, processes pinned to a core, the driver, and the table of results."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import tomllib

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
JETON = ROOT / "target" / "release" / "jeton"
RESULTS = BENCH / "results.md"
FLOORS = BENCH / "floors.toml"

# Every server has the first core for itself, the driver the second.
SERVER_CORE, DRIVER_CORE = "0", "1"
# What stands before every measured command: with `--alone` a real-time priority, so that nobody else has the cores.
PRIORITY = []
ALONE = ["chrt", "--rr", "1"]
CLIENT, SECRET = "partner", "a-secret-of-forty-three-characters-as-usual"


def build():
    """Both workspaces, release."""
    for directory in (ROOT, BENCH):
        subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=directory, check=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Workplace:
    """A fresh directory and the processes started in it; both are gone afterwards."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="jeton-bench-"))
        self.started = []
        return self

    def __exit__(self, *_):
        for process in self.started:
            stop(process)
        shutil.rmtree(self.path, ignore_errors=True)

    def start(self, name, command, core=SERVER_CORE, env=None):
        """Starts a server on its core, its output going to a file as it would to a log collector."""
        with open(self.path / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [*PRIORITY, "taskset", "-c", core, *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.path, env={**os.environ, **(env or {})})
        process.log = self.path / f"{name}.log"
        self.started.append(process)
        return process

    def jeton(self, data, extra=()):
        """Starts Jeton as it ships. Returns the process and its two ports."""
        port, ops = free_port(), free_port()
        process = self.start("jeton", [
            JETON, "serve", "--data", data, "--listen", f"127.0.0.1:{port}", "--admin-listen", "127.0.0.1:0",
            "--ops-listen", f"127.0.0.1:{ops}", *extra])
        return process, port, ops


def tail(log):
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def apply(data, document):
    """Makes realms and clients be as a document says, in the server that runs on this data directory."""
    subprocess.run([JETON, "apply", document, "--data", data, "--yes"], check=True, stdout=subprocess.DEVNULL)


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def status_of(port, path, timeout=1.0):
    """The status of a GET, or None while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def wait_until(process, ready, seconds=60.0, pause=0.001):
    """Waits until `ready()`; how long it took."""
    begin = time.monotonic()
    while not ready():
        if process.poll() is not None:
            raise SystemExit(f"{process.log.name} ended with {process.returncode}:\n{tail(process.log)}")
        if time.monotonic() - begin > seconds:
            raise SystemExit(f"the server was not ready within {seconds} s")
        time.sleep(pause)
    return time.monotonic() - begin


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def load(port, path, process=None, **options):
    """One run of the driver on its own core: what it printed."""
    given = {"to": f"127.0.0.1:{port}", "path": path, **options}
    if process:
        given["pid"] = process.pid
    done = subprocess.run(
        [*PRIORITY, "taskset", "-c", DRIVER_CORE, str(BENCH / "target" / "release" / "load"),
         *(f"{k}={v}" for k, v in given.items())],
        stdout=subprocess.PIPE, check=True, timeout=300)
    return json.loads(done.stdout)


def memory(process):
    """Resident memory in MiB: all of it, and the part that is the process's own."""
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    size = {name: int(kib) / 1024 for name, kib in re.findall(r"^(VmRSS|RssAnon):\s+(\d+) kB", text, re.M)}
    return size["VmRSS"], size["RssAnon"]


def median(values):
    return statistics.median(values)


def machine():
    """Facts without a date or a name."""
    model = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return f"{os.cpu_count()} cores, {model.group(1) if model else 'unknown CPU'}"


def write_section(name, text):
    """Replaces one marked part of results.md."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    part = f"{begin}\n{text.strip()}\n{end}"
    old = RESULTS.read_text() if RESULTS.exists() else "# What was measured\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    RESULTS.write_text(pattern.sub(lambda _: part, old) if pattern.search(old) else f"{old.rstrip()}\n\n{part}\n")


def check(section, measured):
    """Compares with floors.toml: `least` and `most` per name. How many fail."""
    failed = 0
    for name, bound in tomllib.loads(FLOORS.read_text()).get(section, {}).items():
        value = measured.get(name)
        low, high = bound.get("least", float("-inf")), bound.get("most", float("inf"))
        good = value is not None and low <= value <= high
        failed += not good
        found = "not measured" if value is None else f"{value:.2f}"
        wanted = f"at least {low}" if "least" in bound else f"at most {high}"
        print(f"{'ok  ' if good else 'FAIL'} {section} {name}: {found} ({wanted})")
    return failed
