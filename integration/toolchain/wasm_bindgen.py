"""wasm-bindgen-test-runner, of exactly the version of `wasm-bindgen` in Cargo.lock: built by cargo, once."""
import os
import re

from common import BIN, HOME, ROOT, ToolError, link, linked, on_path, output_of, run, say, staging

RUNNER = "wasm-bindgen-test-runner"


def version():
    lock = (ROOT / "Cargo.lock").read_text()
    found = re.search(r'name = "wasm-bindgen"\nversion = "([^"]+)"', lock)
    if not found:
        raise ToolError("Cargo.lock: expected the crate wasm-bindgen in it, since wasm-bindgen-test needs it")
    return found[1]


def folder():
    return HOME / f"wasm-bindgen-{version()}"


def ready():
    return linked(RUNNER, folder())


def install():
    wanted = version()
    own = on_path(RUNNER)
    if own and output_of([own, "--version"]).split()[-1:] == [wanted]:
        link(RUNNER, own)
        return
    say(f"{RUNNER} {wanted}: cargo install, some minutes, once")
    target = HOME / "tmp" / "wasm-bindgen-target"
    # It runs for a second a time, so it is built quickly rather than to be quick.
    quick = {"CARGO_TARGET_DIR": str(target), "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1", "CARGO_PROFILE_RELEASE_LTO": "off",
             "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16", "CARGO_PROFILE_RELEASE_DEBUG": "0"}
    with staging(folder()) as place:
        run(["cargo", "install", "wasm-bindgen-cli", "--version", wanted, "--bin", RUNNER, "--root", place],
            f"building {RUNNER} {wanted}", env=os.environ | quick)
    run(["rm", "-rf", target], "clearing")
    link(RUNNER, folder() / "bin" / RUNNER)
