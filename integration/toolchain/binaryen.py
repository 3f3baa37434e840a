"""wasm-opt, which makes the plugin smaller after the compiler and the linker: the machine's from version 108 on, else Debian's."""
import re

from common import HOME, link, linked, on_path, output_of, say, staging
import debian

FOLDER = HOME / "binaryen"
# Debian 12's, with which the figures in build.py were measured; older ones were not tried.
OLDEST = 108


def ready():
    return linked("wasm-opt", FOLDER)


def install():
    own = on_path("wasm-opt")
    if own:
        found = output_of([own, "--version"]).strip()
        number = re.search(r"version (\d+)", found)
        if number and int(number[1]) >= OLDEST:
            link("wasm-opt", own)
            return
        say(f"wasm-opt: {own} is older than version {OLDEST} ({found[:80] or 'no version'}), taking Debian's")
    else:
        say("wasm-opt: none on PATH, taking Debian's")
    with staging(FOLDER) as folder:
        debian.program("binaryen", "wasm-opt", folder)
    link("wasm-opt", FOLDER / "wasm-opt")
