"""What is installed: both libraries under their names, their headers, their pc files, and no symbol besides the
interfaces'."""
import os
import pathlib
import re

from harness import call
from installed import declared, installed, library, pkg_config


def exported(name):
    """What a library exports, its version's own name apart."""
    listed = call(["nm", "-D", "--defined-only", f"{library()}/{name}"])
    return {line.split()[-1].split("@")[0] for line in listed.out.decode().splitlines() if " A " not in line}


def has_its_names(link, name, header):
    folder = pathlib.Path(library())
    about = call(["readelf", "-d", str(folder / name)]).out.decode()
    assert f"soname: [{name}]" in about, about
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", about))
    assert needed <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}, needed
    assert os.path.realpath(folder / link) == os.path.realpath(folder / name)
    assert os.path.exists(f"{installed.prefix}/include/{header}")


def test_libkrun_exports_the_interface_and_nothing_else():
    exports = exported("libkrun.so.1")
    assert exports == declared("libkrun.h", "krun_"), exports ^ declared("libkrun.h", "krun_")
    assert len(exports) == 71, len(exports)


def test_libcloche_exports_the_interface_and_nothing_else():
    exports = exported("libcloche.so.0")
    assert exports == declared("cloche.h", "cloche_"), exports ^ declared("cloche.h", "cloche_")
    assert len(exports) == 81, len(exports)
    versions = call(["nm", "-D", "--defined-only", f"{library()}/libcloche.so.0"]).out.decode()
    assert all("@@CLOCHE_0" in line for line in versions.splitlines() if " A " not in line), versions


def test_they_have_their_names():
    has_its_names("libkrun.so", "libkrun.so.1", "libkrun.h")
    has_its_names("libcloche.so", "libcloche.so.0", "cloche.h")


def test_pkg_config_finds_them():
    krun, cloche = pkg_config("libkrun", "--modversion"), pkg_config("cloche", "--modversion")
    assert krun.code == 0 and re.fullmatch(rb"1\.\d+\.\d+\n", krun.out), krun
    assert cloche.code == 0 and re.fullmatch(rb"0\.\d+\.\d+\n", cloche.out), cloche
