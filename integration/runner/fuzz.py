"""The fuzz targets of filter/core/fuzz under libFuzzer: each for some seconds, two at a time, one test for each.

What is built and found stays in `target/fuzz/`: the programs, the inputs that a run found interesting, and those that fail.
Seeds are `corpus/<target>/` beside the targets; nothing is written there. See filter/core/fuzz/README.md.
"""
import itertools
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import BIN, ToolError, run, say
from get import get
from runner.counts import Counts

FUZZ = Path("filter") / "core" / "fuzz"
# Seeds that are there anyway.
MORE_SEEDS = {"config": Path("filter") / "config" / "examples" / "config"}
AT_A_TIME = 2
# Seconds beside its own that a run may take to read its corpus and to end.
GRACE = 120
STOP = "FUZZ_SECONDS: expected whole seconds above 0, got {!r}"


def seconds():
    """How long each target runs: what is asked for (`.ci/run` asks for a minute), else a few seconds."""
    asked = os.environ.get("FUZZ_SECONDS") or "10"
    if not asked.isdecimal() or int(asked) == 0:
        raise ToolError(STOP.format(asked))
    return int(asked)


def targets(root):
    return sorted(path.stem for path in (root / FUZZ / "fuzz_targets").glob("*.rs"))


def environment():
    """cargo-fuzz wants flags that a stable rustc takes only so."""
    return os.environ | {"RUSTC_BOOTSTRAP": "1", "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def missing():
    """Why there can be no fuzzing here, or None."""
    library = Path(subprocess.run(["rustc", "--print=target-libdir"], check=True, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True).stdout.strip())
    if not list(library.glob("librustc*_rt.asan.*")):
        return "this rustc comes without the address sanitizer"
    if not (os.environ.get("CXX") or shutil.which("c++")):
        return "libFuzzer needs a C++ compiler, and there is none"
    try:
        get("cargo-fuzz")
    except ToolError as error:
        return f"cargo-fuzz cannot be had: {str(error).strip().splitlines()[-1]}"
    return None


def build(root):
    """Builds all targets; the folder of their programs."""
    place = root / "target" / "fuzz"
    run([BIN / "cargo-fuzz", "fuzz", "build", "--fuzz-dir", root / FUZZ, "--target-dir", place], "building the fuzz targets",
        env=environment())
    version = subprocess.run(["rustc", "-vV"], check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    return place / re.search(r"host: (\S+)", version)[1] / "release"


def fuzz(root, programs, name, limit):
    """One target's run: (its name, whether it found nothing, what to say of it)."""
    found, failures = (root / "target" / "fuzz" / kind / name for kind in ("corpus", "failures"))
    for folder in (found, failures):
        folder.mkdir(parents=True, exist_ok=True)
    command = [programs / name, f"-max_total_time={limit}", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1",
               f"-artifact_prefix={failures}{os.sep}"]
    dictionary = root / FUZZ / "dictionaries" / f"{name}.dict"
    command += [f"-dict={dictionary}"] if dictionary.is_file() else []
    # The first folder is where libFuzzer writes what it finds.
    command += [found, root / FUZZ / "corpus" / name]
    command += [root / MORE_SEEDS[name]] if name in MORE_SEEDS else []
    try:
        done = subprocess.run([str(part) for part in command], cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=limit + GRACE)
    except subprocess.TimeoutExpired:
        return name, False, f"no end {GRACE} s after its time"
    if done.returncode == 0:
        runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stdout)
        return name, runs is not None, f"{runs[1] if runs else 'no'} inputs"
    return name, False, trouble(root, name, done.stdout)


def trouble(root, name, output):
    """What went wrong, and how to see it again."""
    lines = output.splitlines()
    start = next((at for at, line in enumerate(lines) if "panicked at" in line or "ERROR:" in line), max(len(lines) - 20, 0))
    said = list(itertools.takewhile(lambda line: line != "stack backtrace:", lines[start:start + 20]))
    if written := re.search(r"Test unit written to (\S+)", output):
        path = os.path.relpath(written[1], root)
        said.append(f"again: RUSTC_BOOTSTRAP=1 PATH=.toolchain/bin:$PATH cargo fuzz run --fuzz-dir {FUZZ} --target-dir "
                    f"target/fuzz {name} {path}")
        said.append(f"kept as a test: cp {path} {FUZZ}/corpus/{name}/what-it-is; cargo test -p goproxy-core --test fuzz_corpus")
    return "\n".join(said)


def suite(root):
    """Counts of all targets."""
    counts, names, limit = Counts(), targets(root), seconds()
    if reason := missing():
        counts.skipped += [(f"fuzz {name}", reason) for name in names]
        return counts
    programs = build(root)
    say(f"fuzzing {len(names)} targets, {limit} s each")
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for name, good, said in pool.map(lambda name: fuzz(root, programs, name, limit), names):
            print(f"fuzz {name}: {said}", flush=True)
            if good:
                counts.passed += 1
            else:
                counts.fail(f"fuzz {name}")
    return counts
