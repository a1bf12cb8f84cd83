#!/usr/bin/env python3
"""Tests of a stub: a cloche for where there can be no VM, which builds, links and says so when it is asked for one.

usage: tests/stub/run.py --build DIR [--long] [NAME...]

DIR is the tree of a usual build, in which CMake has linked stubs as well: the same objects but for one. With --long a
tree is built with CLOCHE_STUB from nothing, too.
"""
import argparse
import os
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LONG = HERE / "long"
sys.path[:0] = [str(HERE.parent / "vm"), str(HERE.parent / "abi"), str(HERE), str(LONG)]
sys.dont_write_bytecode = True
import harness  # noqa: E402
import installed  # noqa: E402
import run as runner  # noqa: E402
import stub  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="tests of a stub")
    parser.add_argument("--build", required=True)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    stub.build = os.path.abspath(options.build)
    harness.settings.cloche = os.path.join(stub.build, "bin", "cloche")
    harness.settings.long, options.user = options.long, False
    runner.adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="cloche-tests-") as folder:
        harness.settings.scratch = folder
        installed.install(stub.build, os.path.join(folder, "installed"))
        tests = runner.load_tests(HERE, options.names)
        if options.long:
            tests += runner.load_tests(LONG, options.names)
        return runner.run_tests(tests, options)


if __name__ == "__main__":
    sys.exit(main())
