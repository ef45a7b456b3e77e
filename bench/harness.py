"""What the measurements share: builds, processes pinned to a core, the drivers, and the table of results."""

import argparse
import base64
import http.client
import json
import os
import pathlib
import re
import resource
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
# With `--alone` servers and drivers take the cores from everybody else: by the highest of the ordinary priorities, for their
# sessions, too (sched(7), autogroups). A real-time priority will not do: a driver that never sleeps would be stopped for 50 ms in
# each second, and the threads of a server would wait for each other for 100 ms.
PRIORITY = []
ALONE = ["nice", "-n", "-20"]
AUTOGROUP = "/proc/{}/autogroup"
CLIENT, SECRET = "partner", "a-secret-of-forty-three-characters-as-usual"
BASIC = f"{CLIENT}:{SECRET}"
BODY = "grant_type=client_credentials&scope=read"
# Thousands of connections need thousands of descriptors, here and in what is started from here.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def parser(description):
    """The options that every measurement has."""
    given = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--alone", action="store_true", help="take both cores from everybody else meanwhile (needs root)")
    given.add_argument("--no-build", action="store_true")
    given.add_argument("--no-write", action="store_true")
    given.add_argument("--check", action="store_true")
    return given


def begin(arguments):
    """Builds, and takes the cores if that is wished."""
    global PRIORITY
    PRIORITY = ALONE if arguments.alone else []
    if not arguments.no_build:
        build()


def finish(arguments, section, title, text, measured):
    """Shows and keeps what was measured; ends with 1 if a bound is not kept."""
    print(text)
    if not arguments.no_write:
        write_section(section, f"## {title}\n\n{text}")
    raise SystemExit(1 if arguments.check and check(section, measured) else 0)


def build():
    """Both workspaces, release."""
    for directory in (ROOT, BENCH):
        subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=directory, check=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def on_core(core, command, **options):
    """Starts a process on its core, in a session of its own."""
    process = subprocess.Popen(
        [*PRIORITY, "taskset", "-c", core, *map(str, command)], stdin=subprocess.DEVNULL, start_new_session=True, **options)
    group = pathlib.Path(AUTOGROUP.format(process.pid))
    if PRIORITY and group.exists():
        group.write_text("-20")
    return process


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
            process = on_core(core, command, stdout=log, stderr=log, cwd=self.path, env={**os.environ, **(env or {})})
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


def drive(driver, port, path, process, seconds, options):
    """One run of a driver on its own core: what it printed."""
    given = {"to": f"127.0.0.1:{port}", "path": path, **options}
    if process:
        given["pid"] = process.pid
    command = [BENCH / "target" / "release" / driver, *(f"{k}={v}" for k, v in given.items())]
    with on_core(DRIVER_CORE, command, stdout=subprocess.PIPE) as running:
        try:
            printed, _ = running.communicate(timeout=seconds + 300)
        finally:
            running.kill()
    if running.returncode:
        raise SystemExit(f"the driver failed: {' '.join(map(str, command))}")
    return json.loads(printed)


def load(port, path, process=None, **options):
    """Each connection asks again when it has its answer."""
    return drive("load", port, path, process, options.get("seconds", 3), options)


def flood(port, path, process, phases, **options):
    """Requests come at a rate, whatever became of those before: pairs of requests per second and seconds."""
    text = ",".join(f"{rate:.1f}:{seconds}" for rate, seconds in phases)
    return drive("flood", port, path, process, sum(seconds for _, seconds in phases), {"phases": text, **options})


def post(port, path, body, basic=BASIC, timeout=10):
    """One request by hand: status and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        who = {"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"} if basic else {}
        connection.request("POST", path, body, {**who, "Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def token(port, path, body=BODY, basic=BASIC):
    """A token, by hand."""
    status, answer = post(port, path, body, basic)
    if status != 200:
        raise SystemExit(f"{path} answers {status}: {answer}")
    return json.loads(answer)["access_token"]


class Driven:
    """One server, or one use of it, that can be driven again and again."""

    def __init__(self, name, process, port, path, **options):
        self.name, self.process, self.port, self.path, self.rounds = name, process, port, path, []
        self.options = {"basic": BASIC, "body": BODY, **options}

    def first_token(self):
        """One request by hand: what kind of token it is, and that no two are the same."""
        tokens = [token(self.port, self.path) for _ in range(2)]
        if tokens[0] == tokens[1]:
            raise SystemExit(f"{self.name} answers the same token twice")
        parts = tokens[0].split(".")
        return json.loads(base64.urlsafe_b64decode(parts[0] + "==="))["alg"].lower() if len(parts) == 3 else "opaque"

    def drive(self, seconds, **options):
        seen = load(self.port, self.path, self.process, **{**self.options, **options}, seconds=seconds)
        if wrong := seen["errors"] + seen.get("revoke_errors", 0) + seen.get("unverified", 0):
            raise SystemExit(f"{self.name}: {wrong} answers were not as they should be: {seen}")
        return seen

    def round(self, seconds):
        self.rounds.append(self.drive(seconds))

    def of(self, member):
        """The median of the rounds."""
        return median([seen[member] for seen in self.rounds])

    def rate(self):
        return self.of("per_cpu_second")

    def p99(self):
        return self.of("p99_us") / 1000

    def full(self):
        """How much of its core it had: far below 1 means that others had it, or that the driver is too slow."""
        return median([seen["cpu_seconds"] / seen["seconds"] for seen in self.rounds])


def ratio(upper, lower, member="per_cpu_second"):
    """The median of the pairs of one run, and their spread."""
    pairs = sorted(u[member] / l[member] for u, l in zip(upper.rounds, lower.rounds))
    return median(pairs), pairs[0], pairs[-1]


def spread(found):
    middle, low, high = found
    return f"**{middle:.2f}** ({low:.2f}–{high:.2f})"


def ceiling(place, mode):
    """Starts a ceiling."""
    port = free_port()
    process = place.start(f"ceiling-{mode}", [BENCH / "target" / "release" / "ceiling", port, mode])
    wait_until(process, lambda: listens(port))
    return Driven(f"ceiling {mode}", process, port, "/token")


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
