#!/usr/bin/env python3
"""Runs the unit tests of one build folder, as many programs at once as there are processors, and counts their cases.

usage: tests/unit.py BUILD_DIR [FILTER...]

The programs are those that CMake registered (add_test). A GoogleTest program is counted by its cases, any other as one.
"""
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import time

DEADLINE_SECONDS = 300


def registered_tests(build_dir):
    """The (name, command) pairs that ctest knows."""
    listing = subprocess.run(["ctest", "--test-dir", build_dir, "--show-only=json-v1"], capture_output=True, check=True)
    return [(test["name"], test["command"]) for test in json.loads(listing.stdout)["tests"] if "command" in test]


def run_one(test):
    """Runs one program: (name, passed, failed, seconds, output)."""
    name, command = test
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=DEADLINE_SECONDS,
        )
        output, code = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = (late.stdout or b"").decode(errors="replace") + f"\nended after {DEADLINE_SECONDS} s\n", 1
    except OSError as error:
        output, code = f"{command[0]}: {error}\n", 1
    passed = len(re.findall(r"^\[       OK \]", output, re.M))
    failed = len(re.findall(r"^\[  FAILED  \] .*\(\d+ ms\)$", output, re.M))
    if code != 0 and failed == 0:
        failed = 1  # It crashed, or it is no GoogleTest program.
    if code == 0 and passed == 0 and "[==========]" not in output:
        passed = 1
    return name, passed, failed, time.monotonic() - began, output


def hear_signals():
    """What a starter ignores (nohup, a shell's background), our programs would; several tests are about signals."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def main():
    hear_signals()
    build_dir, filters = sys.argv[1], sys.argv[2:]
    tests = [test for test in registered_tests(build_dir) if not filters or any(f in test[0] for f in filters)]
    total_passed = total_failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, passed, failed, seconds, output in pool.map(run_one, tests):
            print(
                f"{'FAIL' if failed else 'ok  '} {name}: {passed} passed, {failed} failed, {seconds:.1f} s", flush=True
            )
            if failed:
                print(output)
            for skipped in re.findall(r"^\[  SKIPPED \] (.*\(\d+ ms\))$", output, re.M):
                print(f"     skipped: {skipped}")
            total_passed += passed
            total_failed += failed
    print(f"{total_passed} passed, {total_failed} failed")
    return 1 if total_failed or not total_passed else 0


if __name__ == "__main__":
    sys.exit(main())
