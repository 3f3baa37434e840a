#!/usr/bin/env python3
"""Everything that can be said about the source without running it: `make lint`. Exit code 1 when a check does not pass."""
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "integration"), str(ROOT / "integration" / "toolchain")]

from runner import process  # noqa: E402
import go  # noqa: E402
import xmod  # noqa: E402
from common import BIN, ToolError, foreground  # noqa: E402
from get import get  # noqa: E402

ORIGIN = ROOT / "integration" / "origin"


class Skipped(Exception):
    """A check that cannot be made here, with the reason."""


def call(*command, **options):
    """Runs a command with its output shown; True when it found nothing to say."""
    return foreground(command, **options)[0] == 0


def sources():
    """Every file of the project, whether git knows it already or not."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def cargo_fmt():
    return call("cargo", "fmt", "--all", "--check")


def cargo_clippy():
    return call("cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings")


def cargo_deny():
    if not shutil.which("cargo-deny"):
        raise Skipped("cargo-deny is not installed (`cargo install cargo-deny`, some minutes)")
    # Advisories come from a Git repository; a machine that reaches it runs `cargo deny check` for all.
    return call("cargo", "deny", "--all-features", "check", "bans", "licenses", "sources")


def gofmt():
    needs_origin()
    found = subprocess.run([BIN / "gofmt", "-l", ORIGIN], check=True, capture_output=True, text=True,
                           stdin=subprocess.DEVNULL).stdout
    print(found, end="")
    return not found


def go_vet():
    needs_origin()
    get("xmod")
    return call(BIN / "go", "vet", f"-modfile={xmod.modfile(ORIGIN)}", "./...", cwd=ORIGIN, env=go.environment())


def needs_origin():
    if not (ORIGIN / "go.mod").is_file():
        raise Skipped("integration/origin has no go.mod")
    get("go")


def python():
    good = True
    for path in sources():
        if path.suffix == ".py":
            try:
                compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
            except SyntaxError as error:
                print(f"{path.relative_to(ROOT)}:{error.lineno}: {error.msg}")
                good = False
    return good


def shell():
    def is_shell(path):
        with open(path, "rb") as handle:
            first = handle.readline(80)
        return path.suffix == ".sh" or first.startswith(b"#!") and first.split()[-1].split(b"/")[-1] in (b"bash", b"sh")

    # No `all(...)` over a generator: every file is looked at, not only those up to the first fault.
    return all([call("bash", "-n", path) for path in sources() if is_shell(path)])


CHECKS = {
    "cargo fmt": cargo_fmt,
    "python syntax": python,
    "shell syntax": shell,
    "gofmt": gofmt,
    "go vet": go_vet,
    "cargo deny": cargo_deny,
    "cargo clippy": cargo_clippy,
}


def main():
    process.unwind_on_sigterm()
    failed = []
    for name, check in CHECKS.items():
        try:
            verdict = "ok" if check() else "FAILED"
        except Skipped as reason:
            verdict = f"skipped: {reason}"
        except (ToolError, OSError, subprocess.CalledProcessError) as error:
            verdict = f"FAILED: {error}"
        if verdict.startswith("FAILED"):
            failed.append(name)
        print(f"lint: {name}: {verdict}", flush=True)
    sys.exit(f"lint: did not pass: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
