"""wrk, the load generator of the benchmarks: the machine's, else Debian's."""
from common import HOME, link, linked, on_path, say, staging
import debian

FOLDER = HOME / "wrk"


def ready():
    return linked("wrk", FOLDER)


def install():
    own = on_path("wrk")
    if own:
        link("wrk", own)
        return
    say("wrk: none on PATH, taking Debian's")
    with staging(FOLDER) as folder:
        debian.program("wrk", "wrk", folder)
    link("wrk", FOLDER / "wrk")
