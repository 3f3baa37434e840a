"""Debian packages without root, from any suite of the machine's own mirror: fetched and unpacked, never installed."""
import os
import re
import shutil
from pathlib import Path

from common import HOME, ToolError, lock, output_of, run, say


def source_line(suite):
    """The machine's own mirror, repeated with another suite's name, as a one-line apt source."""
    codename = re.search(r"^VERSION_CODENAME=(\S+)", Path("/etc/os-release").read_text(), re.M)
    names = {codename[1], "stable", "bookworm", "trixie"} if codename else {"stable", "bookworm", "trixie"}
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        for uri, suites, signed_by in entries(path):
            if names & set(suites):
                options = f" [signed-by={signed_by}]" if signed_by else ""
                return f"deb{options} {uri} {suite} main\n"
    raise ToolError("no Debian mirror in /etc/apt/sources.list or sources.list.d: add one, or install the tool yourself")


def entries(path):
    """(uri, suites, signed-by) of every entry of an apt source file, in either of its two forms."""
    text = path.read_text(errors="replace")
    if path.suffix == ".sources":
        for stanza in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", text, flags=re.M)):
            fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*)$", stanza, re.M))
            if "deb" in fields.get("Types", "").split() and fields.get("URIs"):
                yield fields["URIs"].split()[0], fields.get("Suites", "").split(), fields.get("Signed-By", "")
    else:
        for options, uri, suite in re.findall(r"^deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)", text, re.M):
            signed = re.search(r"signed-by=(\S+)", options)
            yield uri, [suite], signed[1] if signed else ""


class Suite:
    """One suite's package lists, kept in `.toolchain/apt/<suite>`, apart from the machine's."""

    def __init__(self, suite):
        self.suite, self.folder = suite, HOME / "apt" / suite
        (self.folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (self.folder / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        (self.folder / "own.list").write_text(source_line(suite))
        self.options = [
            "-o", f"Dir::Etc::sourcelist={self.folder}/own.list", "-o", "Dir::Etc::sourceparts=-",
            "-o", "Dir::Etc::preferencesparts=-",
            "-o", f"Dir::State::lists={self.folder}/lists", "-o", f"Dir::Cache={self.folder}",
            "-o", f"Dir::Cache::archives={self.folder}/archives", "-o", "APT::Sandbox::User=",
            "-o", "Debug::NoLocking=1", "-o", "Acquire::Languages=none", "-o", "Acquire::Retries=2",
            "-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "-o", f"APT::Default-Release={suite}",
        ]

    def update(self):
        """Fetches the lists once; a package that has since gone from the mirror makes `unpack` fetch them anew."""
        with lock(f"apt-{self.suite}"):
            if not any((self.folder / "lists").glob("*_Packages*")):
                self.fetch_lists()

    def refresh(self):
        """Fetches the lists again."""
        with lock(f"apt-{self.suite}"):
            self.fetch_lists()

    def fetch_lists(self):
        run(["apt-get", *self.options, "update"], f"reading the package lists of {self.suite}", timeout=600)

    def versions(self, package):
        """The versions of a package that the suite has."""
        table = output_of(["apt-cache", *self.options, "madison", package])
        return [row.split("|")[1].strip() for row in table.splitlines() if row.count("|") == 2]

    def missing(self, *packages):
        """The packages and what they need that the machine lacks, in apt's own words."""
        plan = run(["apt-get", *self.options, "-s", "--no-install-recommends", "install", *packages],
                   f"asking apt what {packages[0]} needs", timeout=120)
        return re.findall(r"^Inst (\S+)", plan, re.M)

    def unpack(self, packages, folder):
        """Downloads packages (`name` or `name=version`) and unpacks them into `folder`."""
        say(f"{' '.join(packages)}: apt-get download from {self.suite}")
        downloads = HOME / "tmp" / f"apt-{packages[0].partition('=')[0]}"
        shutil.rmtree(downloads, ignore_errors=True)
        downloads.mkdir(parents=True)
        try:
            command = ["apt-get", *self.options, "download", *packages]
            try:
                run(command, f"downloading {packages[0]}", cwd=downloads)
            except ToolError:
                self.refresh()
                run(command, f"downloading {packages[0]}", cwd=downloads)
            for package in sorted(downloads.glob("*.deb")):
                run(["dpkg-deb", "-x", package, folder], f"unpacking {package.name}")
        except ToolError as error:
            hint = "\ncan apt reach its mirror (apt-get update)?"
            raise ToolError(f"{' '.join(packages)} could not be had from Debian's {self.suite}: {error}{hint}") from None
        finally:
            shutil.rmtree(downloads, ignore_errors=True)


def own_suite():
    """The suite this machine runs, so that what is unpacked fits its C library."""
    found = re.search(r"^VERSION_CODENAME=(\S+)", Path("/etc/os-release").read_text(), re.M)
    if not found or not shutil.which("apt-get"):
        raise ToolError("this needs a Debian machine with apt-get, or the tool on PATH")
    suite = Suite(found[1])
    suite.update()
    return suite


def program(package, binary, folder):
    """Unpacks a program with the libraries that the machine lacks, and writes a wrapper that finds them."""
    unpack(folder, package)
    wrap(binary, package, folder)


def unpack(folder, *packages):
    """Unpacks packages with what they need that the machine lacks."""
    suite = own_suite()
    suite.unpack(suite.missing(*packages) or list(packages), folder)


def wrap(binary, package, folder, places=("usr/bin", "usr/sbin"), environment=""):
    """Writes a wrapper that runs a program of an unpacked package with the libraries that were unpacked beside it.

    `environment` is more of the wrapper's shell, in which `$here` is the folder.
    """
    found = next((p for p in (folder / place / binary for place in places) if p.exists()), None)
    if found is None:
        raise ToolError(f"{package}: expected the program {binary} in the package, and it is not there")
    triplet = os.uname().machine + "-linux-gnu"
    wrapper = folder / binary
    wrapper.write_text(
        "#!/bin/sh\n# Runs the unpacked program with the libraries that were unpacked beside it.\n"
        'here=$(dirname "$(readlink -f "$0")")\n'
        f'LD_LIBRARY_PATH="$here/usr/lib/{triplet}:$here/lib/{triplet}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"\n'
        f'export LD_LIBRARY_PATH\n{environment}exec "$here/{found.relative_to(folder)}" "$@"\n')
    wrapper.chmod(0o755)
