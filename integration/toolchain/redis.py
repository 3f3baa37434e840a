"""Redis, for the tests of the cache's outer tier: the machine's, else Debian's."""
from common import HOME, link, linked, on_path, say, staging
import debian

FOLDER = HOME / "redis"


def ready():
    return linked("redis-server", FOLDER)


def install():
    own = on_path("redis-server")
    if own:
        link("redis-server", own)
        return
    say("redis-server: none on PATH, taking Debian's")
    with staging(FOLDER) as folder:
        debian.program("redis-server", "redis-server", folder)
    link("redis-server", FOLDER / "redis-server")
