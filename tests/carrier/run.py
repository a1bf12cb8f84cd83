#!/usr/bin/env python3
"""Tests of `cloche machine` from the host's side: a command in it must look as if it ran here.

usage: tests/carrier/run.py --cloche PATH [NAME...]

The machine that is there is used, and left running: only one test starts and stops machines, in a home of its own.
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
import run as runner  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="tests of cloche machine")
    parser.add_argument("--cloche", required=True)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    harness.settings.cloche = os.path.abspath(options.cloche)
    harness.settings.long, options.user = options.long, False
    ready = harness.cloche("machine", "exec", "--", "true", timeout=300)
    if ready.code != 0:
        print(f"the machine does not start: {ready}")
        return 1
    runner.adopt_orphans()  # Only now: the machine outlives us.
    with tempfile.TemporaryDirectory(prefix="cloche-tests-") as folder:
        harness.settings.scratch = folder
        return runner.run_tests(runner.load_tests(HERE, options.names), options)


if __name__ == "__main__":
    sys.exit(main())
