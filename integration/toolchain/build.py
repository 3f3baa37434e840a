#!/usr/bin/env python3
"""Builds what a task needs. cargo and go decide what is out of date; a result in `dist/` that is the same is not touched.

usage: build.py filter|noop|origin|launcher|launcher-release ...
  filter     dist/goproxy_filter.wasm      the plugin
  noop       dist/noop_filter.wasm         a plugin that does nothing, for the benchmarks to compare with
  origin     dist/origin                   the module origin and checksum database of demo, tests and benchmarks
  launcher   target/debug/goproxy-launch   what starts the host; launcher-release: target/release/goproxy-launch
"""
import json
import signal
import subprocess
import sys
from pathlib import Path

from common import BIN, HOME, ROOT, ToolError, foreground, say, write_if_changed
from get import get
import go
import rust
import xmod

DIST = ROOT / "dist"


def wasm(manifest, name):
    """A release build of one cdylib crate for wasip1, copied to `dist/`."""
    get("rust")
    if not (ROOT / manifest).is_file():
        raise ToolError(f"{manifest}: no such crate, so dist/{name} cannot be built")
    environment, flags = rust.cargo(rust.WASI)
    code, output = foreground(
        ["cargo", "build", *flags, "--release", "--manifest-path", ROOT / manifest,
         "--message-format=json-render-diagnostics"], env=environment, stdout=subprocess.PIPE)
    if code != 0:
        raise ToolError(f"cargo could not build {manifest} (see above)")
    messages = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    # The last artifact is the crate that was asked for; its dependencies come before it.
    files = [f for m in messages for f in m.get("filenames", []) if f.endswith(".wasm")]
    if not files:
        raise ToolError(f"{manifest}: expected a cdylib, and cargo made no .wasm")
    place(Path(files[-1]), name)


def place(built, name):
    data = built.read_bytes()
    if write_if_changed(DIST / name, data, built.stat().st_mode & 0o777):
        say(f"dist/{name}: {len(data):,} bytes")


def origin():
    """The origin, with golang.org/x/mod from `.toolchain/xmod`: no module is asked of anybody."""
    get("go")
    get("xmod")
    source = ROOT / "integration" / "origin"
    if not (source / "go.mod").is_file():
        raise ToolError("integration/origin/go.mod: not there, so dist/origin cannot be built")
    DIST.mkdir(exist_ok=True)
    output = HOME / "origin"
    code, _ = foreground(
        [BIN / "go", "build", f"-modfile={xmod.modfile(source)}", "-trimpath", "-o", output, "."],
        cwd=source, env=go.environment())
    if code != 0:
        raise ToolError("go could not build integration/origin (see above)")
    place(output, "origin")


def launcher(*flags):
    """The launcher stays in cargo's folder. It waits most of the time, so it is built quickly, and with the tests; only the
    benchmarks, whose client it is, want it quick."""
    code, _ = foreground(["cargo", "build", *flags, "-p", "goproxy-integration", "--bin", "goproxy-launch"])
    if code != 0:
        raise ToolError("cargo could not build goproxy-launch (see above)")


TASKS = {
    "filter": lambda: wasm("filter/Cargo.toml", "goproxy_filter.wasm"),
    "noop": lambda: wasm("integration/noop-filter/Cargo.toml", "noop_filter.wasm"),
    "origin": origin,
    "launcher": launcher,
    "launcher-release": lambda: launcher("--release"),
}


def main():
    asked = sys.argv[1:]
    if not asked or any(task not in TASKS for task in asked):
        sys.exit(f"{__doc__}\nexpected one of {', '.join(TASKS)}, got {' '.join(asked) or 'nothing'}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        for task in asked:
            TASKS[task]()
    except ToolError as error:
        sys.exit(f"build: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
