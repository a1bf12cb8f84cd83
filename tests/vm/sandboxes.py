"""What the tests of sandboxes share: one that is there for as long as a `with`, and what `cloche` says of it."""
import contextlib
import json
import os
import subprocess

from harness import call, cloche, no_leftovers, settings, succeeds


def info(name):
    """What `cloche inspect` says."""
    return json.loads(succeeds(cloche("inspect", name)).out)[0]


def status(name):
    return info(name)["status"]


def listed(*flags):
    """The names in `cloche ps`."""
    return {each["name"]: each for each in json.loads(succeeds(cloche("ps", "--json", *flags)).out)}


@contextlib.contextmanager
def nothing_left():
    """What is done inside leaves no sandbox behind, and nothing else."""
    os.makedirs(os.path.expanduser("~/.local"), exist_ok=True)
    with no_leftovers():
        yield
        assert listed("-a") == {}


def execute(name, *arguments, flags=(), **more):
    """`cloche exec` to its end."""
    return cloche("exec", *flags, name, "--", *arguments, **more)


def start_exec(name, *arguments, flags=(), **popen):
    """`cloche exec` in the background, with pipes unless told otherwise."""
    popen.setdefault("stdin", subprocess.DEVNULL)
    popen.setdefault("stdout", subprocess.PIPE)
    popen.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([settings.cloche, "exec", *flags, name, "--", *arguments], **popen)


@contextlib.contextmanager
def sandbox(name="box", *arguments, flags=()):
    """A running sandbox of this name, with a command where there are arguments; removed at the end."""
    if arguments:
        succeeds(cloche("run", "-d", "--name", name, *flags, "--", *arguments))
    else:
        succeeds(cloche("create", "--name", name, *flags))
        succeeds(cloche("start", name))
    try:
        yield name
    finally:
        call([settings.cloche, "rm", "-f", name])
