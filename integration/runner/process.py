"""Runs a suite's commands: streams what they print, ends them when asked to, and finds what they leave behind."""
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
# Seconds a process has to end by itself after SIGTERM.
PATIENCE = 10


def adopt_orphans():
    """From now on what a dying child leaves behind becomes ours (prctl(2)), so that `leftovers` sees it."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stream(command, each_line, cwd, env, limit):
    """Runs a command, hands every line to `each_line`, which answers what to print; returns its exit code."""
    process = subprocess.Popen(
        [str(part) for part in command], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
    late = threading.Event()

    def too_long():
        late.set()
        end_group(process)

    timer = threading.Timer(limit, too_long)
    timer.start()
    try:
        for line in process.stdout:
            shown = each_line(line.rstrip("\n"))
            if shown is not None:
                print(shown, flush=True)
        code = process.wait()
    finally:
        timer.cancel()
        if process.poll() is None:
            end_group(process)
    if late.is_set():
        print(f"ended after {limit} s, which is all the time it has", flush=True)
        return -signal.SIGTERM
    return code


def end_group(process):
    """SIGTERM to all of a command's process group, then SIGKILL to what is still there."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(PATIENCE)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def children():
    """(pid, command name, state) of every process whose parent we are."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if int(rest[1]) == os.getpid():
            found.append((int(path.parent.name), name, rest[0]))
    return found


def leftovers(grace=3.0):
    """Names of processes that outlived their command; they are ended. What is just about to end gets a moment."""
    until = time.monotonic() + grace
    while True:
        alive = []
        for pid, name, state in children():
            if state == "Z":
                os.waitpid(pid, os.WNOHANG)
            else:
                alive.append((pid, name))
        if not alive or time.monotonic() > until:
            break
        time.sleep(0.05)
    for pid, _ in alive:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
    return [f"{name} ({pid})" for pid, name in alive]


def unwind_on_sigterm():
    """`make` ends what it started with SIGTERM: leave through the same doors as for Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
