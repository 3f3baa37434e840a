"""golang.org/x/mod (`zip`, `sumdb`, `sumdb/note`), which the origin is made of: from Go's own proxy, else from Debian."""
import json
import os
import shutil
from pathlib import Path

from common import BIN, HOME, ToolError, attempt, run, say, staging, write_if_changed
import debian
import go

# What Debian 12 carries, so that both ways give the same source.
VERSION = "v0.7.0"
PACKAGE = "golang-golang-x-mod-dev"
FOLDER = HOME / "xmod"
# x/mod needs another module only for its own tests, and the origin does not run those.
GO_MOD = "module golang.org/x/mod\n\ngo 1.21\n"


def ready():
    return (FOLDER / "go.mod").is_file()


def install():
    with staging(FOLDER) as folder:
        if attempt("golang.org/x/mod: go mod download", lambda: from_proxy(folder), f"taking Debian's {PACKAGE}"):
            say("golang.org/x/mod: fetched by go")
        else:
            from_debian(folder)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        (folder / "go.mod").write_text(GO_MOD)
        for needed in ("zip/zip.go", "sumdb/server.go", "sumdb/note/note.go"):
            if not (folder / needed).is_file():
                raise ToolError(f"golang.org/x/mod: expected {needed} in what was fetched")


def from_proxy(folder):
    from get import get
    get("go")
    kept = {name: os.environ[name] for name in ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE") if name in os.environ}
    environment = go.environment()
    del environment["GOPROXY"], environment["GONOSUMDB"]
    answer = run([BIN / "go", "mod", "download", "-json", f"golang.org/x/mod@{VERSION}"], "go mod download",
                 env=environment | kept, cwd=folder, timeout=60)
    try:
        fetched = json.loads(answer[answer.index("{"):])
    except ValueError:
        raise ToolError(answer) from None
    shutil.copytree(fetched["Dir"], folder, dirs_exist_ok=True)


def from_debian(folder):
    unpacked = folder / "debian"
    debian.own_suite().unpack([PACKAGE], unpacked)
    found = [p.parent for p in unpacked.rglob("golang.org/x/mod/module")]
    if not found:
        raise ToolError(f"{PACKAGE}: expected golang.org/x/mod in the package")
    shutil.copytree(found[0], folder, dirs_exist_ok=True, symlinks=False)
    shutil.rmtree(unpacked)


def modfile(source):
    """A go.mod like the one in `source`, with golang.org/x/mod replaced by ours: what `go build -modfile` reads."""
    text = (Path(source) / "go.mod").read_text()
    path = HOME / "origin.mod"
    write_if_changed(path, f"{text.rstrip()}\n\nreplace golang.org/x/mod => {FOLDER}\n")
    return path
