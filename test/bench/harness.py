"""What `run` and `instructions` share: the names of rows, the programs, one broker per program run."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

# program -> the name that its JSON line gives; libmosquitto and raw are what others are compared with
PROGRAMS = {
    "bench_mqev": "mqev",
    "bench_mosq": "libmosquitto",
    "bench_paho": "paho.mqtt.c",
    "bench_raw": "raw",
    "bench_bev": "libevent",
}
MISSING = {
    "bench_mqev": "not built",
    "bench_mosq": "libmosquitto's headers were not found (Debian: libmosquitto-dev)",
    "bench_paho": "Paho C's headers were not found (Debian: libpaho-mqtt-dev)",
    "bench_raw": "not built",
    "bench_bev": "not built",
}
LEFT_OUT = 77
TOO_SLOW = "takes minutes; --client paho.mqtt.c runs it"
# to start, and to end with all its connections
BROKER_S = 60
SIZES = {"16B": 16, "256B": 256, "4K": 4096, "64K": 65536}

ROW = re.compile(
    r"^(?P<link>tls-|ws-|wss-)?(?:(?P<kind>pub|sub)-q(?P<qos>[012])-(?P<size>\d+B|\d+K)(?:-w(?P<window>\d+))?"
    r"|(?P<other>rtt-q1|conn|idle|storm))(?:-f(?P<filters>\d+)(?P<filter_kilo>k)?)?"
    r"(?:-c(?P<clients>\d+)(?P<kilo>k)?)?(?:-(?P<store>memory|p1|p2))?(?P<v5>-v5)?(?P<parked>-parked)?$")


class Failure(Exception):
    """A run that did not do what it says, or did not end well."""


class LeftOut(Failure):
    """The program cannot do what the row asks for."""


def size_of(text):
    return SIZES.get(text) or int(text[:-1]) * (1024 if text.endswith("K") else 1)


def default_window(match):
    """QoS 0 has no window of the protocol's; it keeps some 256 KiB on their way, as do floods."""
    size = size_of(match["size"])
    if match["kind"] == "pub" and match["qos"] == "0":
        return max(32, min(16384, 262144 // size))
    return 20 if size >= 65536 else 1000


def row_options(name):
    """The options of a benchmark program for a row such as tls-pub-q1-256B-w100-c10k-v5."""
    m = ROW.match(name)
    if not m:
        raise Failure(f"{name}: no such row")
    options = {"protocol": 5 if m["v5"] else 4}
    if m["clients"]:
        options["clients"] = int(m["clients"]) * (1000 if m["kilo"] else 1)
    if m["other"]:
        options["scenario"] = m["other"].split("-")[0]
        options.setdefault("clients", 1 if m["other"] == "rtt-q1" else 1000)
    else:
        options["scenario"] = m["kind"]
        options["qos"] = int(m["qos"])
        options["size"] = size_of(m["size"])
        options["window"] = int(m["window"]) if m["window"] else default_window(m)
    if m["other"] == "idle":
        options["keepalive"] = 10
    if m["link"] in ("ws-", "wss-"):
        options["ws"] = 1
    if m["store"]:
        options["store"] = m["store"]
    if m["filters"]:
        options["filters"] = int(m["filters"]) * (1000 if m["filter_kilo"] else 1)
    if m["parked"]:
        options["parked"] = 1
    return options, m["link"] in ("tls-", "wss-")


def too_slow(name, row):
    """What takes a client minutes is run only when that client or that row is asked for."""
    return name == "paho.mqtt.c" and row_options(row)[0].get("clients", 1) > 1000


def find_programs(folder, wanted):
    """The programs to run, in order; says by name what is left out."""
    found = []
    for program, name in PROGRAMS.items():
        path = os.path.join(folder, program)
        if wanted and name not in wanted and program not in wanted:
            continue
        if os.access(path, os.X_OK):
            found.append((name, path))
        else:
            print(f"left out: {name}: {MISSING[program]}")
    return found


def pinned(cpu):
    """For preexec_fn: keeps the process on one CPU, when there are two."""
    if len(os.sched_getaffinity(0)) < 2:
        return None
    cpus = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cpus[cpu]})


class AtMost:
    """Kills a process when the block takes longer, so that a read of what it says ends, too."""

    def __init__(self, process, seconds):
        self.process, self.late = process, False
        self.timer = threading.Timer(seconds, self.kill)
        self.timer.daemon = True

    def kill(self):
        self.late = True
        self.process.kill()

    def __enter__(self):
        self.timer.start()
        return self

    def __exit__(self, *_):
        self.timer.cancel()


def end_on_signals():
    """SIGTERM and SIGHUP end a script as an exception does: with what it started, and its files."""
    for number_of in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number_of) != signal.SIG_IGN:
            signal.signal(number_of, lambda n, _: sys.exit(128 + n))


class Broker:
    """A null broker of its own for one run of a program. It ends when this program does."""

    def __init__(self, folder, tls, websocket=False):
        self.report = {}
        self.certificate = None
        command = [os.path.join(folder, "nullbroker"), "--with-parent"]
        if websocket:
            command += ["--ws"]
        if tls:
            handle, self.certificate = tempfile.mkstemp(prefix="bench-", suffix=".pem")
            os.close(handle)
            command += ["--tls", self.certificate]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, preexec_fn=pinned(1))
        with AtMost(self.process, BROKER_S):
            first = self.process.stdout.readline()
        if not first:
            self.end()
            raise Failure("the null broker did not start")
        self.port = json.loads(first)["port"]

    def end(self):
        """Returns what it says last; nothing when it had to be killed."""
        self.process.send_signal(signal.SIGTERM)
        with AtMost(self.process, BROKER_S):
            last = self.process.stdout.read()
            self.process.wait()
        self.process.stdout.close()
        if self.certificate:
            os.unlink(self.certificate)
        return last

    def __enter__(self):
        return self

    def __exit__(self, raised, *_):
        last = self.end()
        if last:
            self.report = json.loads(last)
        elif not raised:
            raise Failure("the null broker did not end as it should")


def command_line(path, options, broker):
    command = [path, "--port", str(broker.port), "--broker-pid", str(broker.process.pid)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    if broker.certificate:
        command += ["--tls", broker.certificate]
    return command


def check(result, broker):
    """The broker's account must agree with the client's."""
    said, seen = result["published_total"], broker["messages_in"]
    if broker["errors"]:
        raise Failure(f"the broker met {broker['errors']} errors")
    if said != seen:
        raise Failure(f"published {said} messages, the broker got {seen}")
    if broker["connected_max"] != result["clients"]:
        raise Failure(f"{result['clients']} clients, the broker saw {broker['connected_max']}")
    if result["scenario"] == "idle" and broker["pings"] == 0 and \
            result["wall_s"] >= result["keepalive_s"]:
        raise Failure("no client sent a ping")


def run_once(folder, path, row, extra, timeout, prefix=()):
    """Runs one program once against a broker of its own. Returns its figures and its stderr."""
    options, tls = row_options(row)
    options.update(extra)
    store_parent = options.pop("store_parent", None)
    if "store" in options:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=store_parent) as store:
            return run_with(folder, path, row, {**options, "store-folder": store}, tls, timeout,
                            prefix)
    return run_with(folder, path, row, options, tls, timeout, prefix)


def number(value, digits=3):
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def machine():
    model = "?"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"system": platform.platform(), "cpu": model, "cpus": os.cpu_count(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def print_lines(lines):
    """A table; the first line is its head."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for n, line in enumerate(lines):
        print("| " + " | ".join(text.ljust(w) for text, w in zip(line, widths)) + " |")
        if n == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")


def last_words(path, done):
    """What the program itself said last, not what valgrind says around it."""
    said = [line for line in done.stderr.splitlines() if line.startswith(path + ": ")]
    return said[-1][len(path) + 2:] if said else f"exit status {done.returncode}: {done.stderr}"


def run_with(folder, path, row, options, tls, timeout, prefix):
    with Broker(folder, tls, "ws" in options) as broker:
        command = list(prefix) + command_line(path, options, broker)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                                  preexec_fn=pinned(0), check=False)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"did not end within {timeout} s") from late
    if done.returncode == LEFT_OUT:
        raise LeftOut(last_words(path, done))
    if done.returncode:
        raise Failure(last_words(path, done))
    result = json.loads(done.stdout)
    check(result, broker.report)
    result["row"] = row
    result["broker"] = broker.report
    return result, done.stderr
