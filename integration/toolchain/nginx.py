"""nginx, the disk cache for archives behind Envoy: the machine's, else Debian's."""
from common import HOME, link, linked, on_path, say, staging
import debian

FOLDER = HOME / "nginx"


def ready():
    return linked("nginx", FOLDER)


def install():
    own = on_path("nginx")
    if own:
        link("nginx", own)
        return
    say("nginx: none on PATH, taking Debian's")
    with staging(FOLDER) as folder:
        debian.program("nginx", "nginx", folder)
    link("nginx", FOLDER / "nginx")
