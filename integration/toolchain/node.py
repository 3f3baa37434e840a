"""Node, which runs the core's tests as wasm: the machine's, else Debian's."""
import re

from common import HOME, link, linked, on_path, output_of, say, staging
import debian

AT_LEAST = 18
FOLDER = HOME / "node"


def ready():
    return linked("node", FOLDER)


def install():
    own = on_path("node")
    found = re.match(r"v(\d+)\.", output_of([own, "--version"])) if own else None
    if found and int(found[1]) >= AT_LEAST:
        link("node", own)
        return
    say(f"node: none of version {AT_LEAST} or newer on PATH, taking Debian's")
    with staging(FOLDER) as folder:
        debian.program("nodejs", "node", folder)
    link("node", FOLDER / "node")
