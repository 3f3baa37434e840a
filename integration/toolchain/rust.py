"""Rust's standard library for the two wasm targets, with the user's toolchain left as it is.

Three ways, the first that works:
1. the user's toolchain has the target already: it is used as it stands;
2. `rustup target add`, into a private copy (of links) of the user's toolchain;
3. the same private folder with the library's source, from Debian's `rust-src` of exactly rustc's version, and wasi-libc's
   start files from Debian; cargo then builds std itself (`-Zbuild-std`, which the environment variable allows).
"""
import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

from common import HOME, ROOT, ToolError, attempt, output_of, run, say
import debian

WASI = "wasm32-wasip1"
BARE = "wasm32-unknown-unknown"
TARGETS = (WASI, BARE)
# Where Debian keeps a rust-src; which suite has exactly our version changes with time.
RUST_SRC_SUITES = ("trixie-backports", "forky", "sid", "trixie", "bookworm-backports", "bookworm")
# What std links against on wasip1: usr/lib/wasm32-wasip1/ of the package, which Debian 12 does not have yet.
WASI_LIBC_SUITE = "trixie"
WASI_FILES = ("libc.a", "crt1-command.o", "crt1-reactor.o")


class Compiler:
    """The rustc that cargo would use in this repository, and the private sysroot that goes with it."""

    def __init__(self):
        version = output_of(["rustc", "-vV"])
        fields = dict(re.findall(r"^([\w-]+): (.*)$", version, re.M))
        self.sysroot = Path(output_of(["rustc", "--print", "sysroot"]).strip() or "/nonexistent")
        if "release" not in fields or not self.sysroot.is_dir():
            raise ToolError("rustc: expected one on PATH, and there is none that works: see https://rustup.rs")
        self.release, self.host = fields["release"], fields["host"]
        self.private = HOME / "rust" / f"{self.release}-{fields.get('commit-hash', 'unknown')[:9]}"
        # rustup's name of the toolchain; the private folder keeps it, so that rustup takes it for one of its own.
        self.name = self.sysroot.name
        self.private_sysroot = self.private / "toolchains" / self.name
        self.wrapper = self.private / "rustc"

    def has_std(self, sysroot, target):
        return any((sysroot / "lib" / "rustlib" / target / "lib").glob("libstd-*.rlib"))

    def stamp(self, target):
        return self.private / f".ready-{target}"

    def way(self, target):
        """`user`, `rustup`, `build-std`, or None when the target is not there yet."""
        if self.has_std(self.sysroot, target):
            return "user"
        try:
            return self.stamp(target).read_text().strip()
        except FileNotFoundError:
            return None


@cache
def compiler():
    return Compiler()


def ready():
    return all(compiler().way(target) for target in TARGETS)


def install():
    for target in TARGETS:
        if not compiler().way(target):
            install_target(compiler(), target)


def install_target(rust, target):
    private_sysroot(rust)
    if attempt(f"rust std for {target}: rustup target add", lambda: add_target(rust, target),
               "building it from Debian's rust-src"):
        say(f"rust std for {target}: fetched by rustup")
        rust.stamp(target).write_text("rustup\n")
        return
    rust_src(rust)
    if target == WASI:
        wasi_libc(rust)
    rust.stamp(target).write_text("build-std\n")


def private_sysroot(rust):
    """Links into the user's toolchain; what rustup writes (lists of components) is copied, so that it writes ours."""
    ours, theirs = rust.private_sysroot, rust.sysroot
    (ours / "lib" / "rustlib").mkdir(parents=True, exist_ok=True)
    for path in [theirs / "bin", *(theirs / "lib").iterdir(), *(theirs / "lib" / "rustlib").iterdir()]:
        copy = ours / path.relative_to(theirs)
        if copy.exists() or path == theirs / "lib" / "rustlib":
            continue
        if path.is_dir() or path.parent.name != "rustlib":
            copy.symlink_to(path)
        else:
            shutil.copyfile(path, copy)
    rust.wrapper.write_text(
        "#!/bin/sh\n# The user's rustc with the wasm targets beside its own.\n"
        f'exec "{theirs}/bin/rustc" --sysroot "${{0%/*}}/toolchains/{rust.name}" "$@"\n')
    rust.wrapper.chmod(0o755)


def add_target(rust, target):
    if not (rust.private_sysroot / "lib" / "rustlib" / "multirust-channel-manifest.toml").is_file():
        raise ToolError(f"rustc at {rust.sysroot} was not installed by rustup")
    environment = os.environ | {"RUSTUP_HOME": str(rust.private), "RUSTUP_MAX_RETRIES": "1", "RUST_BACKTRACE": "0"}
    for name in ("RUSTUP_TOOLCHAIN", "RUSTUP_OVERRIDE_HOST_TRIPLE"):
        environment.pop(name, None)
    run(["rustup", "target", "add", "--toolchain", rust.name, target], f"rustup target add {target}",
        env=environment, timeout=600)
    if not rust.has_std(rust.private_sysroot, target):
        raise ToolError("rustup ended well and left no libstd")


def rust_src(rust):
    """The library's source, at the place where cargo looks for it."""
    place = rust.private_sysroot / "lib" / "rustlib" / "src" / "rust"
    if (place / "library" / "Cargo.lock").is_file():
        return
    if place.parent.is_symlink():
        raise ToolError(f"{place.parent}: a toolchain with half a rust-src; run `rustup component add rust-src`")
    folder = rust.private / "debian-rust-src"
    suite, version = find_rust_src(rust.release)
    shutil.rmtree(folder, ignore_errors=True)
    suite.unpack([f"rust-src={version}"], folder)
    libraries = [p.parent for p in folder.glob("usr/src/*/library/Cargo.toml")]
    if not libraries or not (libraries[0] / "Cargo.lock").is_file():
        raise ToolError(f"rust-src {version}: expected usr/src/*/library with a Cargo.lock")
    place.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place / "library", ignore_errors=True)
    libraries[0].rename(place / "library")
    # The compiler's own source came along, hundreds of megabytes that nobody reads.
    shutil.rmtree(folder)


def find_rust_src(release):
    """(suite, version) of the rust-src whose upstream version is exactly ours: std and compiler fit only each other."""
    seen = []
    for name in RUST_SRC_SUITES:
        try:
            suite = debian.Suite(name)
            suite.update()
        except ToolError as error:
            say(f"rust-src: Debian's {name} cannot be read ({str(error).splitlines()[-1][:120]})")
            continue
        for version in suite.versions("rust-src"):
            seen.append(f"{version} ({name})")
            if re.match(rf"(\d+:)?{re.escape(release)}[+~-]", version):
                return suite, version
    raise ToolError(
        f"rust std: this rustc is {release}, and Debian's rust-src has only {', '.join(seen) or 'nothing'}.\n"
        f"Either let rustup reach its server (`rustup target add {WASI} {BARE}`), or use a rustc of one of these versions.")


def wasi_libc(rust):
    place = rust.private_sysroot / "lib" / "rustlib" / WASI / "lib" / "self-contained"
    folder = rust.private / "debian-wasi-libc"
    shutil.rmtree(folder, ignore_errors=True)
    suite = debian.Suite(WASI_LIBC_SUITE)
    suite.update()
    suite.unpack(["wasi-libc"], folder)
    place.mkdir(parents=True, exist_ok=True)
    for name in WASI_FILES:
        found = folder / "usr" / "lib" / WASI / name
        if not found.is_file():
            raise ToolError(f"wasi-libc: expected usr/lib/{WASI}/{name} in the package")
        shutil.copyfile(found, place / name)
    shutil.rmtree(folder)


def cargo(target):
    """(environment, arguments) with which cargo builds for a wasm target, whichever way std was had."""
    rust = compiler()
    way, environment, arguments = rust.way(target), dict(os.environ), ["--target", target]
    if way is None:
        raise ToolError(f"rust std for {target} is not there: run `{Path(sys.argv[0]).name}` after `get.py rust`")
    # A folder of its own: these builds use another rustc, and must not make the native ones start over.
    environment["CARGO_TARGET_DIR"] = str(ROOT / "target" / "wasm")
    if way != "user":
        environment["RUSTC"] = str(rust.wrapper)
    if way == "build-std":
        environment["RUSTC_BOOTSTRAP"] = "1"
        arguments.insert(0, "-Zbuild-std=std,panic_abort")
    # The texts of panics name source files: say where they are in the project, not on this machine.
    cargo_home = Path(environment.get("CARGO_HOME") or Path.home() / ".cargo")
    remap = f"--remap-path-prefix={cargo_home}/registry/src=crates --remap-path-prefix={ROOT}/= " \
            f"--remap-path-prefix={rust.private}=rust"
    # SHA-256 in a loop instead of 64 rounds written out: 7,100 bytes less, and 28 us for 2 KiB instead of 21 (V8).
    smaller = '--cfg=sha2_backend_soft="compact"'
    name = f"CARGO_TARGET_{target.upper().replace('-', '_')}_RUSTFLAGS"
    environment[name] = f"{environment.get(name, '')} {remap} {smaller}".strip()
    return environment, arguments
