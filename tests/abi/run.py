#!/usr/bin/env python3
"""Tests of libkrun.so.1 and libcloche.so.0 as C programs meet them: installed, found by pkg-config, and run where there
is a KVM.

usage: tests/abi/run.py --build DIR [--long] [NAME...]

Everything is compiled as C11 and as C++ against what `cmake --install` puts into a folder, and nothing else of ours.
"""
import argparse
import os
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "vm"), str(HERE)]
sys.dont_write_bytecode = True
import harness  # noqa: E402
import installed  # noqa: E402
import run as runner  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="tests of libkrun.so.1 and libcloche.so.0")
    parser.add_argument("--build", required=True)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    harness.settings.cloche = os.path.join(build, "bin", "cloche")
    harness.settings.long, options.user = options.long, False
    ready = harness.cloche("machine", "exec", "--", "true", timeout=300)
    if ready.code != 0:
        print(f"the machine does not start: {ready}")
        return 1
    runner.adopt_orphans()  # Only now: the machine outlives us.
    with tempfile.TemporaryDirectory(prefix="cloche-tests-") as folder:
        harness.settings.scratch = folder
        installed.install(build, os.path.join(folder, "installed"))
        return runner.run_tests(runner.load_tests(HERE, options.names), options)


if __name__ == "__main__":
    sys.exit(main())
