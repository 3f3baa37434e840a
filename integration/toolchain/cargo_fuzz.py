"""cargo-fuzz, which builds the fuzz targets of filter/core/fuzz with libFuzzer: built by cargo, once."""
import os

from common import HOME, link, linked, on_path, run, say, staging

# The version that was tried; a newer one is taken when this line says so.
VERSION = "0.13.2"
PROGRAM = "cargo-fuzz"


def folder():
    return HOME / f"{PROGRAM}-{VERSION}"


def ready():
    return linked(PROGRAM, folder())


def install():
    if own := on_path(PROGRAM):
        link(PROGRAM, own)
        return
    say(f"{PROGRAM} {VERSION}: cargo install, a minute, once")
    target = HOME / "tmp" / "cargo-fuzz-target"
    # It only starts other programs, so it is built quickly rather than to be quick.
    quick = {"CARGO_TARGET_DIR": str(target), "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
             "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16", "CARGO_PROFILE_RELEASE_DEBUG": "0"}
    with staging(folder()) as place:
        run(["cargo", "install", PROGRAM, "--version", VERSION, "--root", place], f"building {PROGRAM} {VERSION}",
            env=os.environ | quick)
    run(["rm", "-rf", target], "clearing")
    link(PROGRAM, folder() / "bin" / PROGRAM)
