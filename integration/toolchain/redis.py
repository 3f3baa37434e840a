"""Redis and its command line, for the tests of the cache's outer tier: the machine's, else Debian's."""
from common import HOME, link, linked, on_path, say, staging
import debian

FOLDER = HOME / "redis"
PROGRAMS = ("redis-server", "redis-cli")


def ready():
    return all(linked(name, FOLDER) for name in PROGRAMS)


def install():
    own = [on_path(name) for name in PROGRAMS]
    if all(own):
        for name, path in zip(PROGRAMS, own):
            link(name, path)
        return
    say("redis-server, redis-cli: not both on PATH, taking Debian's")
    with staging(FOLDER) as folder:
        debian.program("redis-server", "redis-server", folder)
        debian.wrap("redis-cli", "redis-tools", folder)
    for name in PROGRAMS:
        link(name, FOLDER / name)
