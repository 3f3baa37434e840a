"""The conformance table against a gateway that is started as `make run` starts it."""
import importlib.util
import os
import queue
import signal
import socket
import subprocess
import sys
import threading

from . import counts, process

# Seconds until the gateway must have said `ready`, and until it must have ended after SIGINT.
START, STOP = 60, 15
# What a person may have set for `make run` must not reach this gateway.
VARIABLES = ("HOST", "LISTEN", "ADMIN", "UPSTREAM", "SUMDB", "UPSTREAM_CA", "CLUSTERS", "WORKERS", "ARCHIVES", "REDIS_HTTP",
             "REDIS_TOKEN", "EVENTS", "EVENTS_HTTP", "TLS", "CONFIG")


def run(root, launcher):
    """Counts of the table's cases, and one more test: the gateway ends on SIGINT and leaves no process."""
    table = root / "integration" / "conformance"
    server = origin(table / "origin.py")
    upstream = f"http://127.0.0.1:{server.server_address[1]}"
    gateway = Gateway(launcher, root, upstream)
    result = counts.Counts()
    try:
        gateway.wait_until_ready()
        lines = []
        print(f"conformance: the gateway is at {gateway.listen}, the origin at {upstream}", flush=True)
        process.stream(
            [sys.executable, table / "run.py", "--gateway", gateway.listen, "--origin", upstream.removeprefix("http://"),
             *sorted(table.glob("*.tsv"))],
            lambda line: lines.append(line) or line, root, dict(os.environ), 600)
        result += counts.conformance(lines)
    except GatewayError as error:
        result.fail(f"conformance: {error}")
    finally:
        problem = gateway.stop()
        server.shutdown()
        server.server_close()
    if problem:
        result.fail(f"conformance: {problem}")
    else:
        result.passed += 1
    return result


def origin(path):
    """The table's origin, on a free port, in a thread of its own."""
    spec = importlib.util.spec_from_file_location("conformance_origin", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.ThreadingHTTPServer(("127.0.0.1", 0), module.Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class GatewayError(Exception):
    """The gateway did not start."""


class Gateway:
    """`goproxy-launch run` with one worker, so one memory cache."""

    def __init__(self, launcher, root, upstream):
        self.listen = f"127.0.0.1:{free_port()}"
        environment = {k: v for k, v in os.environ.items() if k not in VARIABLES} | {
            "WORKERS": "1", "LISTEN": self.listen, "ADMIN": f"127.0.0.1:{free_port()}", "UPSTREAM": upstream,
            "SUMDB": f"sum.golang.org={upstream}/sumdb/sum.golang.org"}
        self.lines, self.said = queue.Queue(), []
        self.process = subprocess.Popen(
            [launcher, "run"], cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            self.lines.put(line)
        self.lines.put(None)

    def wait_until_ready(self):
        while True:
            try:
                line = self.lines.get(timeout=START)
            except queue.Empty:
                raise GatewayError(f"the gateway was not ready in {START} s\n{self.tail()}") from None
            if line is None:
                raise GatewayError(f"the gateway ended before it was ready\n{self.tail()}")
            if line.startswith("ready"):
                return

    def tail(self):
        return "\n".join(f"  | {line}" for line in self.said[-20:])

    def stop(self):
        """Stops it as Ctrl-C does. Answers what was wrong, or None."""
        if self.process.poll() is not None:
            return f"the gateway ended by itself with exit code {self.process.returncode}\n{self.tail()}"
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.end_group(self.process)
            return f"the gateway did not end within {STOP} s of SIGINT\n{self.tail()}"
        if code not in (0, 130):
            return f"the gateway ended on SIGINT with exit code {code}, expected 0 or 130\n{self.tail()}"
        return None
