"""Prometheus and promtool, for the tests of metrics, rules and dashboard: the machine's, else Debian's."""
from common import HOME, link, linked, on_path, say, staging
import debian

FOLDER = HOME / "prometheus"
PROGRAMS = ("prometheus", "promtool")


def ready():
    return all(linked(name, FOLDER) for name in PROGRAMS)


def install():
    own = [on_path(name) for name in PROGRAMS]
    if all(own):
        for name, path in zip(PROGRAMS, own):
            link(name, path)
        return
    say("prometheus, promtool: not both on PATH, taking Debian's")
    with staging(FOLDER) as folder:
        # Without the libraries of its web page, which no test opens.
        debian.own_suite().unpack(["prometheus"], folder)
        for name in PROGRAMS:
            debian.wrap(name, "prometheus", folder)
    for name in PROGRAMS:
        link(name, FOLDER / name)
