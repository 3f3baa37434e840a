#!/usr/bin/env python3
"""Builds what a task needs. cargo and go decide what is out of date; a result in `dist/` that is the same is not touched.

usage: build.py filter|noop|origin|launcher|launcher-release ...
  filter     dist/goproxy_filter.wasm      the plugin
  noop       dist/noop_filter.wasm         a plugin that does nothing, for the benchmarks to compare with
  origin     dist/origin                   the module origin and checksum database of demo, tests and benchmarks
  launcher   target/debug/goproxy-launch   what starts the host; launcher-release: target/release/goproxy-launch
"""
import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

from common import BIN, HOME, ROOT, ToolError, foreground, output_of, run, say, write_if_changed
from get import get
import go
import rust
import xmod

DIST = ROOT / "dist"
# -Oz: 7 KB less than with -O3, and a hit executes 1.4 % more; a worker compiles what is there. Which features of WebAssembly the
# module has, wasm-opt reads in a section that it then takes out; names go by itself.
# Nothing of ours lies below 1,024 (the stack is there, and grows down), so an address may be folded into what it is read with.
WASM_OPT = ("-Oz", "--low-memory-unused", "--strip-producers", "--strip-target-features")
# What a host may call of the plugin. The SDK exports every callback of the ABI; those that we leave as they are (gRPC, TCP, request
# bodies, ...) would be 16 KiB of code for nothing, and an entry into the VM for nothing each time: without them a host goes on at once.
EXPORTS = (
    "memory", "_initialize", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate",
    "proxy_on_vm_start", "proxy_on_configure", "proxy_on_tick", "proxy_on_queue_ready",
    "proxy_on_context_create", "proxy_on_request_headers", "proxy_on_response_headers", "proxy_on_response_body",
    "proxy_on_response_trailers", "proxy_on_http_call_response", "proxy_on_log", "proxy_on_delete",
)


def wasm(manifest, name, exports=()):
    """A release build of one cdylib crate for wasip1, made smaller by binaryen, in `dist/`; `exports` if not all are wanted."""
    get("rust")
    get("binaryen")
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
    place(smaller(Path(files[-1]), exports), name)


def smaller(built, exports):
    """The same module after binaryen, beside cargo's; what was made of the same bytes by the same wasm-opt is kept."""
    optimised, recipe = built.with_suffix(".opt.wasm"), built.with_suffix(".opt.recipe")
    version = output_of([BIN / "wasm-opt", "--version"]).strip()
    wanted = f"{version} {' '.join([*WASM_OPT, *exports])} of {hashlib.sha256(built.read_bytes()).hexdigest()}\n"
    if not (optimised.is_file() and recipe.is_file() and recipe.read_text() == wanted):
        recipe.unlink(missing_ok=True)
        run([BIN / "wasm-opt", *WASM_OPT, only(built, exports), "-o", optimised], f"wasm-opt {built.name}")
        write_if_changed(recipe, wanted)
    return optimised


def only(built, exports):
    """The same module with no more than these exports, and what they need."""
    if not exports:
        return built
    reached, graph = built.with_suffix(".reached.wasm"), built.with_suffix(".graph.json")
    host = {"name": "host", "root": True, "reaches": exports}
    graph.write_text(json.dumps([host, *({"name": name, "export": name} for name in exports)]))
    run([BIN / "wasm-metadce", built, f"--graph-file={graph}", "-o", reached], f"wasm-metadce {built.name}")
    return reached


def place(built, name, mode=0o644):
    data = built.read_bytes()
    if write_if_changed(DIST / name, data, mode):
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
    place(output, "origin", 0o755)


def launcher(*flags):
    """The launcher stays in cargo's folder. It waits most of the time, so it is built quickly, and with the tests; only the
    benchmarks, whose client it is, want it quick."""
    code, _ = foreground(["cargo", "build", *flags, "-p", "goproxy-integration", "--bin", "goproxy-launch"])
    if code != 0:
        raise ToolError("cargo could not build goproxy-launch (see above)")


TASKS = {
    "filter": lambda: wasm("filter/Cargo.toml", "goproxy_filter.wasm", EXPORTS),
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
