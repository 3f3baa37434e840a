"""What every tool's installer shares: where things live, what is said, how a step runs, and how two runs keep apart.

Everything goes to `.toolchain/` at the top of the repository. A tool is there when its stamp says so, and the stamp is
written last; so a run that was interrupted leaves nothing that a later run would take for whole.
"""
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".toolchain"
BIN = HOME / "bin"
# Seconds between two signs of life of a long step when nobody watches a terminal.
HEARTBEAT = 15


class ToolError(Exception):
    """A step that failed, with what to do about it."""


def say(text):
    """One line for the person who waits. Standard error, since standard output belongs to the command's result."""
    print(f"toolchain: {text}", file=sys.stderr, flush=True)


def closed_network():
    """With CLOSED_NETWORK=1 only crates.io, PyPI and Debian are asked; the ordinary ways are not even tried."""
    return os.environ.get("CLOSED_NETWORK", "") not in ("", "0")


def attempt(what, ordinary, fallback_name):
    """Runs the ordinary way. True when it worked; when it did not, one line says why and what comes instead."""
    if closed_network():
        say(f"{what}: CLOSED_NETWORK is set, {fallback_name}")
        return False
    try:
        ordinary()
        return True
    except ToolError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = next((line for line in lines if line.startswith("error")), lines[-1] if lines else "no reason given")
        say(f"{what}: refused ({reason[:160]}), {fallback_name}")
        return False


def run(command, what, env=None, cwd=None, timeout=1800):
    """Runs a step, showing its last line while it works; its output is kept for the error and returned."""
    command = [str(part) for part in command]
    try:
        process = subprocess.Popen(
            command, env=env, cwd=cwd or ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
    except FileNotFoundError:
        raise ToolError(f"{command[0]}: not found") from None
    lines, timed_out = [], threading.Event()

    def give_up():
        timed_out.set()
        end_group(process)

    timer = threading.Timer(timeout, give_up)
    timer.start()
    try:
        with progress(what, lines):
            for line in process.stdout:
                if line.strip():
                    lines.append(line.rstrip())
        code = process.wait()
    finally:
        timer.cancel()
        if process.poll() is None:
            end_group(process)
    if timed_out.is_set():
        raise ToolError(f"{' '.join(command[:3])}: no end after {timeout} s")
    if code != 0:
        raise ToolError("\n".join(lines[-20:]) or f"{command[0]}: exit code {code}")
    return "\n".join(lines)


def foreground(command, **options):
    """Runs a build whose output is shown as it comes; (exit code, captured standard output). Ends with us, all of it."""
    process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, start_new_session=True,
                               text=True, **{"cwd": ROOT} | options)
    try:
        output, _ = process.communicate()
        return process.returncode, output
    finally:
        if process.poll() is None:
            end_group(process)


def end_group(process):
    """Ends a step and all it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


@contextlib.contextmanager
def progress(what, lines):
    """On a terminal the last line of output is shown in place; elsewhere a line comes every 15 seconds."""
    done, began, tty = threading.Event(), time.monotonic(), sys.stderr.isatty()

    def beat():
        while not done.wait(0.5 if tty else HEARTBEAT):
            seconds, last = int(time.monotonic() - began), lines[-1].strip() if lines else ""
            if tty:
                width = shutil.get_terminal_size().columns - 1
                print("\r\033[K" + f"toolchain: {what} ({seconds} s) {last}"[:width], end="", file=sys.stderr, flush=True)
            else:
                say(f"{what} ({seconds} s) {last[:100]}")
        if tty:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def lock(name):
    """One installer of a tool at a time, over all processes."""
    (HOME / "locks").mkdir(parents=True, exist_ok=True)
    with open(HOME / "locks" / name, "w", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{name}: another run is at it, waiting")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def staging(destination):
    """A folder to build in; it takes the destination's place only when everything in it went well."""
    temporary = HOME / "tmp" / destination.name
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(destination, ignore_errors=True)
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary.rename(destination)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def link(name, target):
    """`.toolchain/bin/<name>`, replaced in one step. Relative inside `.toolchain`, so that the clone can be moved."""
    BIN.mkdir(parents=True, exist_ok=True)
    target = Path(target)
    if target.is_relative_to(HOME):
        target = os.path.relpath(target, BIN)
    temporary = BIN / f".{name}.{os.getpid()}"
    temporary.symlink_to(target)
    temporary.rename(BIN / name)


def linked(name, folder):
    """True when `.toolchain/bin/<name>` works and is the machine's own program, or one from `folder`."""
    target = (BIN / name).resolve()
    return target.exists() and (not target.is_relative_to(HOME) or target.is_relative_to(folder))


def write_if_changed(path, text, mode=0o644):
    """Writes a file in one step, and leaves it alone when it already says the same."""
    data = text.encode() if isinstance(text, str) else text
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.chmod(mode)
    temporary.rename(path)
    return True


def on_path(name):
    """A program of the machine's own, never one of `.toolchain/bin`."""
    folders = [f for f in os.environ.get("PATH", "").split(os.pathsep) if f and Path(f).resolve() != BIN]
    return shutil.which(name, path=os.pathsep.join(folders))


def output_of(command):
    """Standard output of a quick command, or an empty text when it cannot be run."""
    try:
        return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
