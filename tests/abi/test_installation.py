"""What is installed: the library under its names, its header, its pc file, and no symbol besides the interface's."""
import os
import pathlib
import re

from harness import call
from installed import HERE, installed, library, pkg_config

HEADER = HERE.parent.parent / "include" / "libkrun.h"


def declared():
    """The functions of the header."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.DOTALL)
    return set(re.findall(r"^int32_t (krun_\w+)\(", text, re.MULTILINE))


def test_it_exports_the_interface_and_nothing_else():
    listed = call(["nm", "-D", "--defined-only", f"{library()}/libkrun.so.1"])
    exported = {line.split()[-1].split("@")[0] for line in listed.out.decode().splitlines() if " A " not in line}
    assert exported == declared(), exported ^ declared()
    assert len(exported) == 71, len(exported)


def test_it_has_libkruns_names():
    folder = pathlib.Path(library())
    about = call(["readelf", "-d", str(folder / "libkrun.so.1")]).out.decode()
    assert "soname: [libkrun.so.1]" in about, about
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", about))
    assert needed <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}, needed
    assert os.path.realpath(folder / "libkrun.so") == os.path.realpath(folder / "libkrun.so.1")
    assert os.path.exists(f"{installed.prefix}/include/libkrun.h")


def test_pkg_config_finds_it():
    version = pkg_config("--modversion")
    assert version.code == 0 and re.fullmatch(rb"1\.\d+\.\d+\n", version.out), version
