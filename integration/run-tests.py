#!/usr/bin/env python3
"""Every test that needs no container: `make test`, or `make test SUITE=core,plugin` for some suites.

Streams what each suite prints, then a line for each suite, the skipped tests with their reasons, the failed ones, and as
the very last line `N passed, N failed, N skipped`. Exit code 1 when anything failed, and when a suite that should have run
had no test at all.
"""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "integration"), str(ROOT / "integration" / "toolchain")]

from runner import conformance, fuzz, process  # noqa: E402
from runner.counts import Cargo, Counts, GoTest  # noqa: E402
import build  # noqa: E402
import go  # noqa: E402
import rust  # noqa: E402
import xmod  # noqa: E402
from common import BIN, ToolError  # noqa: E402
from get import get  # noqa: E402

# Seconds a suite may take; one that hangs must not hang the whole run.
LIMIT = 1800
CORES = ["goproxy-config", "goproxy-core", "goproxy-event", "goproxy-json", "goproxy-pages", "goproxy-protocol"]
PACKAGE, STRICT = "goproxy-integration", "goproxy-strict-host"
PLUGIN_TEST = "wasm_imports"
# Test programs of the package, and the tool without which each is skipped. Within them its absence is a failure.
NEEDED = {"prometheus": "prometheus", "browser": "chromium", "rsyslog": "rsyslog"}


def cargo(*arguments, env=None, command=None):
    """Counts of one `cargo test`."""
    reader = Cargo()

    def each(line):
        reader.line(line)
        return line

    code = process.stream(command or ["cargo", "test", *arguments], each, ROOT, env or dict(os.environ), LIMIT)
    if code != 0 and reader.counts.failed == 0:
        reader.counts.fail(f"{' '.join(['cargo test', *arguments])}: exit code {code}")
    return reader.counts


def own_reading():
    """The runner itself: it reads counts right, and no package's tests are forgotten."""
    import unittest
    from runner import test_counts
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=1).run(
        unittest.defaultTestLoader.loadTestsFromModule(test_counts))
    failures = [str(test) for test, _ in result.failures + result.errors]
    counts = Counts(result.testsRun - len(failures), len(failures), failures)
    for name, targets in packages().items():
        if name not in [*CORES, PACKAGE, STRICT] and any(target["test"] for target in targets):
            counts.fail(f"the package {name} has tests, and no suite runs them")
    return counts


def packages():
    """Name and targets of every package of the workspace."""
    answer = subprocess.run(["cargo", "metadata", "--no-deps", "--format-version=1"], cwd=ROOT, check=True,
                            stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    return {package["name"]: package["targets"] for package in json.loads(answer)["packages"]}


def core():
    """Unit, property and documentation tests of the core, natively."""
    return cargo(*(f"-p={name}" for name in CORES))


def core_wasm():
    """The same unit tests as wasm, in Node."""
    get("rust")
    get("node")
    get("wasm-bindgen")
    environment, flags = rust.cargo(rust.BARE)
    environment["CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER"] = str(BIN / "wasm-bindgen-test-runner")
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
    return cargo(*flags, *(f"-p={name}" for name in CORES), "--lib", env=environment)


def plugin():
    """What dist/goproxy_filter.wasm imports and exports, and its size."""
    build.TASKS["filter"]()
    return cargo("-p", PACKAGE, "--test", PLUGIN_TEST)


def strict():
    """The release wasm in a host that plays a proxy in process, and traps what the real ones would punish."""
    build.TASKS["filter"]()
    return cargo("--profile", "strict", "-p", STRICT)


def fuzzing():
    """The core under libFuzzer: FUZZ_SECONDS for each target, 10 unless set."""
    return fuzz.suite(ROOT)


def end_to_end():
    """The release wasm in a real Envoy, with the real go command."""
    for tool in ("envoy", "go", "redis", "webdis", "nginx"):
        get(tool)
    build.TASKS["filter"]()
    build.TASKS["noop"]()
    if (ROOT / "integration" / "origin" / "go.mod").is_file():
        build.TASKS["origin"]()
    chosen, skipped = ["--lib", "--bins"], []
    for target in packages()[PACKAGE]:
        name = target["name"]
        if "test" not in target["kind"] or name == PLUGIN_TEST:
            continue
        if reason := lacking(NEEDED.get(name)):
            skipped.append((name, reason))
        else:
            chosen += ["--test", name]
    # All of them, even when one test program fails: the rest is still worth knowing.
    counts = cargo("-p", PACKAGE, "--no-fail-fast", *chosen)
    counts.skipped += skipped
    return counts


def lacking(tool):
    """Why a tool that some tests need could not be had; nothing when it is there, or none is needed."""
    try:
        if tool:
            get(tool)
        return ""
    except ToolError as error:
        return f"{tool} could not be had: {' '.join(str(error).split())}"


def origin():
    """The Go tests of the module origin."""
    get("go")
    get("xmod")
    source, reader = ROOT / "integration" / "origin", GoTest()
    code = process.stream([BIN / "go", "test", f"-modfile={xmod.modfile(source)}", "-json", "./..."], reader.line, source,
                          go.environment(), LIMIT)
    if code != 0 and reader.counts.failed == 0:
        reader.counts.fail(f"go test: exit code {code}")
    return reader.counts


def table():
    """The conformance table against the gateway of `make run`."""
    get("envoy")
    build.TASKS["filter"]()
    build.TASKS["launcher"]()
    folder = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    return conformance.run(ROOT, ROOT / folder / "debug" / "goproxy-launch")


def suites():
    """Name and function of every suite, in the order in which a fault is best found."""
    found = {"runner": own_reading, "core": core, "core-wasm": core_wasm, "plugin": plugin}
    if (ROOT / "integration" / "strict-host").is_dir():
        found["strict"] = strict
    found["fuzz"] = fuzzing
    found["end-to-end"] = end_to_end
    if any((ROOT / "integration" / "origin").rglob("*_test.go")):
        found["origin"] = origin
    found["conformance"] = table
    return found


def run_suite(name, suite):
    """One suite's counts: what it could not do, and what it left behind, are failures like any other."""
    try:
        counts = suite()
    except (ToolError, subprocess.CalledProcessError, OSError) as error:
        counts = Counts()
        counts.fail(f"{name}: {error}")
    if counts.ran == 0:
        counts.fail(f"{name}: ran no test")
    if left := process.leftovers():
        counts.fail(f"{name}: left processes behind, now ended: {', '.join(left)}")
    return counts


def main():
    known = suites()
    asked = [s for s in ",".join(sys.argv[1:] or [os.environ.get("SUITE", "")]).replace(" ", ",").split(",") if s]
    if unknown := [s for s in asked if s not in known]:
        sys.exit(f"SUITE: expected some of {', '.join(known)}, got {', '.join(unknown)}")
    process.unwind_on_sigterm()
    process.adopt_orphans()
    # Programs look at CARGO_TERM_COLOR and NO_COLOR; a pipe stands between them and the terminal in any case.
    os.environ["CARGO_TERM_COLOR"] = "never"
    total, rows = Counts(), []
    try:
        for name in asked or known:
            print(f"\n=== {name}: {known[name].__doc__}", flush=True)
            began = time.monotonic()
            counts = run_suite(name, known[name])
            rows.append(f"{name}: {counts} ({time.monotonic() - began:.0f} s)")
            total += counts
    except KeyboardInterrupt:
        process.leftovers(grace=0)
        sys.exit(130)
    report(rows, total)
    sys.exit(1 if total.failed else 0)


def report(rows, total):
    print("\n=== suites")
    print("\n".join(rows))
    for name, reason in total.skipped:
        print(f"skipped: {name}: {reason}")
    for name in total.failures:
        print(f"failed: {name}")
    print(total, flush=True)


if __name__ == "__main__":
    main()
