"""A tree that is to be a stub is configured, without the kernels' images and QEMU."""
import json
import os
import pathlib

import stub
from harness import call
from trees import ROOT, configure, copy_tree

# The one file that knows.
ANSWER = "src/base/built_as_stub.cc"


def commands(build, tree):
    """How each object is compiled, but the kernels', which a stub has not: {(source, object): command}, wherever the
    tree lies."""
    found = {}
    for each in json.loads((pathlib.Path(build) / "compile_commands.json").read_text(encoding="utf-8")):
        command, source = each["command"].replace(str(tree), "TREE"), os.path.relpath(each["file"], tree)
        if not source.startswith("kernel/"):
            found[source, command.split(" -o ")[1].split()[0]] = command
    return found


def test_its_objects_are_those_of_a_usual_build():
    """So that what CMake linked as stubs in the usual build is what this tree would have."""
    tree = copy_tree()
    build = configure(tree, "-DCLOCHE_STUB=ON")
    usual, stubs = commands(stub.build, ROOT), commands(build, tree)
    assert usual.keys() == stubs.keys(), usual.keys() ^ stubs.keys()
    different = {key for key in usual if usual[key] != stubs[key]}
    assert {source for source, _ in different} == {ANSWER}, different
    # The object that makes the difference is compiled in the usual build, too.
    (key,) = different
    (linked,) = [command for (source, at), command in usual.items() if source == ANSWER and (source, at) != key]
    assert "-DCLOCHE_STUB_BUILD=1" in linked and "-DCLOCHE_STUB_BUILD=1" in stubs[key], (linked, stubs[key])
    # Nothing that has to be built lacks what it is built from.
    planned = call(["ninja", "-n", "all", "product"], cwd=build)
    assert planned.code == 0 and b"no work to do" not in planned.out, planned


def test_the_environment_asks_for_it_as_well():
    build = configure(copy_tree(), CLOCHE_STUB="1")
    assert "CLOCHE_STUB:BOOL=ON" in (build / "CMakeCache.txt").read_text(encoding="utf-8")
