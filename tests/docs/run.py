#!/usr/bin/env python3
"""Runs what README.md and docs/ show: each ```console block is typed into a shell, and its output compared.

usage: tests/docs/run.py --cloche PATH [FILE...]

A line `$ ...` is a command (continued by `> ` lines); what follows is its output, both streams together. A line of
three dots stands for any lines, three dots within a line for any text. The commands of one block share a shell's
folder with a copy of examples/ in it, and find the installed libraries. The line by which cloche announces the
emulated machine is left out of the comparison.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEADLINE_SECONDS = 300
ANNOUNCEMENT = re.compile(r"^cloche: [^\n]*running in the emulated machine[^\n]*\n", re.M)


class Step(NamedTuple):
    line: int
    command: str
    expected: str


def blocks(text):
    """The steps of each console block: lists of Step."""
    found, current = [], None
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() == "```console":
            current = []
        elif current is not None and line.strip() == "```":
            found.append(current)
            current = None
        elif current is None:
            continue
        elif line.startswith("$ "):
            current.append(Step(number, line[2:], ""))
        elif line.startswith("> ") and not current[-1].expected:
            current[-1] = current[-1]._replace(command=current[-1].command + "\n" + line[2:])
        else:
            current[-1] = current[-1]._replace(expected=current[-1].expected + line + "\n")
    return found


def matches(expected, output):
    """Whether `output` is what `expected` with its dots says."""
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += "[^\n]*".join(re.escape(part) for part in line.split("...")) + "[ \t]*\n"
    return re.fullmatch(pattern, output if not output or output.endswith("\n") else output + "\n") is not None


def play(step, folder, environment):
    """None when the command shows what is written, else what it showed."""
    done = subprocess.run(
        ["bash", "-c", step.command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DEADLINE_SECONDS,
    )
    output = ANNOUNCEMENT.sub("", done.stdout.decode(errors="replace").replace("\r\n", "\n"))
    return None if matches(step.expected, output) else output


def play_file(path, environment):
    """(passed, failed) of the steps of one file."""
    passed = failed = 0
    for block in blocks(path.read_text()):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "examples", os.path.join(folder, "examples"))
            for step in block:
                output = play(step, folder, environment)
                place = f"{path.relative_to(ROOT)}:{step.line}: {step.command.splitlines()[0]}"
                passed, failed = passed + (output is None), failed + (output is not None)
                print(
                    f"ok   {place}"
                    if output is None
                    else f"FAIL {place}\n--- written:\n{step.expected}--- shown:\n{output}---",
                    flush=True,
                )
    return passed, failed


def install(cloche, prefix):
    """Installs the tree that `cloche` was built in; the variables by which compilers and loaders find its libraries."""
    build = pathlib.Path(cloche).resolve().parent.parent
    subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
    libraries = next(pathlib.Path(prefix).rglob("libcloche.so.0")).parent
    return {"PKG_CONFIG_PATH": str(libraries / "pkgconfig"), "LD_LIBRARY_PATH": str(libraries)}


def main():
    parser = argparse.ArgumentParser(description="the console blocks of the documentation")
    parser.add_argument("--cloche", required=True)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    files = [path.resolve() for path in options.files] or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    environment = dict(
        os.environ, PATH=f"{os.path.dirname(os.path.abspath(options.cloche))}:{os.environ['PATH']}", LANG="C.UTF-8"
    )
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as prefix:
        environment["CLOCHE_HOME"] = home  # The sandboxes shown are not the user's own.
        environment.update(install(options.cloche, prefix))
        results = [play_file(path, environment) for path in files]
    passed, failed = (sum(each) for each in zip(*results))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
