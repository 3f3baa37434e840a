"""webdis, the HTTP gateway before Redis that the filter asks: the machine's, else Debian's."""
from common import HOME, link, linked, on_path, say, staging
import debian

FOLDER = HOME / "webdis"


def ready():
    return linked("webdis", FOLDER)


def install():
    own = on_path("webdis")
    if own:
        link("webdis", own)
        return
    say("webdis: none on PATH, taking Debian's")
    with staging(FOLDER) as folder:
        debian.program("webdis", "webdis", folder)
    link("webdis", FOLDER / "webdis")
