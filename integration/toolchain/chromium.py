"""A browser without a screen, for the tests of the pages: the machine's Chromium or Chrome, else Debian's."""
import os

from common import HOME, link, linked, on_path, say, staging
import debian

FOLDER = HOME / "chromium"
OWN = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# libpulse finds its own part by a run path that only an installed package has.
SOUND = f'LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$here/usr/lib/{os.uname().machine}-linux-gnu/pulseaudio"\n'
# A small machine has neither fonts nor their configuration; text would be boxes.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir prefix="relative">usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""


def ready():
    return linked("chromium", FOLDER)


def install():
    own = next(filter(None, map(on_path, OWN)), None)
    if own:
        link("chromium", own)
        return
    say("chromium: none on PATH, taking Debian's")
    with staging(FOLDER) as folder:
        debian.unpack(folder, "chromium", "fonts-dejavu-core")
        (folder / "fonts.conf").write_text(FONTS)
        # Its script in usr/bin looks for the browser where it would be installed, so the browser itself is run.
        debian.wrap("chromium", "chromium", folder, ["usr/lib/chromium"],
                    SOUND + 'FONTCONFIG_FILE="$here/fonts.conf"\nexport FONTCONFIG_FILE\n')
    link("chromium", FOLDER / "chromium")
