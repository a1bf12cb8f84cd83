"""What the tests of escapes share: one of probes/*.py run in a sandbox and, as its counterpart, on the host.

A probe that finds nothing proves something only if it would find it: each test runs its probe first where the thing
is, and there it must be found.
"""
import json
import pathlib
import subprocess

from harness import succeeds
from sandboxes import execute

PROBES = pathlib.Path(__file__).resolve().parent / "probes"
PYTHON = "/usr/bin/python3"


def words(name, arguments):
    return [PYTHON, "-c", (PROBES / f"{name}.py").read_text(encoding="utf-8"), *map(str, arguments)]


def on_the_host(name, *arguments):
    """What a probe, which prints JSON, says here."""
    done = subprocess.run(words(name, arguments), stdin=subprocess.DEVNULL, capture_output=True, timeout=100)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def inside(box, name, *arguments):
    """What it says in the sandbox, as its root."""
    return json.loads(succeeds(execute(box, *words(name, arguments), timeout=100)).out)
