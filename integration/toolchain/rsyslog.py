"""rsyslog with its Elasticsearch output, which ships event lines in the tests: the machine's, else Debian's."""
import os
from pathlib import Path

from common import HOME, link, linked, on_path, say, staging
import debian

FOLDER = HOME / "rsyslog"
MODULES = Path("usr/lib") / f"{os.uname().machine}-linux-gnu" / "rsyslog"
OUTPUT = "omelasticsearch.so"


def ready():
    return linked("rsyslogd", FOLDER)


def install():
    own = on_path("rsyslogd")
    if own and (Path("/") / MODULES / OUTPUT).exists():
        link("rsyslogd", own)
        return
    say("rsyslogd with omelasticsearch: not on this machine, taking Debian's")
    with staging(FOLDER) as folder:
        debian.unpack(folder, "rsyslog", "rsyslog-elasticsearch")
        debian.wrap("rsyslogd", "rsyslog", folder, environment=f'RSYSLOG_MODDIR="$here/{MODULES}"\nexport RSYSLOG_MODDIR\n')
    link("rsyslogd", FOLDER / "rsyslogd")
