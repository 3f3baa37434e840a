#!/usr/bin/env python3
"""Runs cargo for a wasm target, whichever way its std was had.

usage: cargo-wasm.py [--target wasm32-wasip1|wasm32-unknown-unknown] build|test|clippy ... (cargo's own arguments)
"""
import os
import sys

from common import BIN, ToolError
from get import get
import rust


def command(target, arguments):
    """(command line, environment) of cargo for this target, once what it needs is there."""
    get("rust")
    environment, flags = rust.cargo(target)
    if target == rust.BARE:
        get("node")
        get("wasm-bindgen")
        environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
        environment["CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER"] = str(BIN / "wasm-bindgen-test-runner")
    return ["cargo", arguments[0], *flags, *arguments[1:]], environment


def main():
    arguments, target = sys.argv[1:], rust.WASI
    if arguments[:1] == ["--target"]:
        target, arguments = (arguments + [""])[1], arguments[2:]
    if not arguments or target not in rust.TARGETS:
        sys.exit(f"{__doc__}\nexpected a cargo command, and a target of {', '.join(rust.TARGETS)}")
    try:
        line, environment = command(target, arguments)
    except ToolError as error:
        sys.exit(f"toolchain: {error}")
    os.execvpe(line[0], line, environment)


if __name__ == "__main__":
    main()
