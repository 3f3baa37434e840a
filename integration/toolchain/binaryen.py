"""wasm-opt and wasm-metadce, which make the plugin smaller after the compiler and the linker: the machine's from version 108 on,
else Debian's."""
import re

from common import HOME, link, linked, on_path, output_of, say, staging
import debian

FOLDER = HOME / "binaryen"
PROGRAMS = ("wasm-opt", "wasm-metadce")
# Debian 12's, with which the figures in build.py were measured; older ones were not tried.
OLDEST = 108


def ready():
    return all(linked(name, FOLDER) for name in PROGRAMS)


def install():
    own = [on_path(name) for name in PROGRAMS]
    if all(own):
        found = output_of([own[0], "--version"]).strip()
        number = re.search(r"version (\d+)", found)
        if number and int(number[1]) >= OLDEST:
            for name, path in zip(PROGRAMS, own):
                link(name, path)
            return
        say(f"binaryen: {own[0]} is older than version {OLDEST} ({found[:80] or 'no version'}), taking Debian's")
    else:
        say("wasm-opt, wasm-metadce: not both on PATH, taking Debian's")
    with staging(FOLDER) as folder:
        debian.unpack(folder, "binaryen")
        for name in PROGRAMS:
            debian.wrap(name, "binaryen", folder)
    for name in PROGRAMS:
        link(name, FOLDER / name)
