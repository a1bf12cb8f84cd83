"""An installation of cloche, and C programs compiled against it."""
import os
import pathlib
import re
import shutil
import subprocess

from harness import call, scratch, settings

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = HERE.parent.parent / "include"
# What a guest's root needs; all of it is one program.
PROGRAMS = "sh cat echo env false grep head id ls mkdir mount pwd sleep touch true".split()
LANGUAGES = {"c": ["gcc", "-x", "c", "-std=c11", "-D_GNU_SOURCE"], "c++": ["g++", "-x", "c++", "-std=c++17"]}


class Installed:
    prefix = ""


installed = Installed()


def install(build, prefix):
    subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
    installed.prefix = prefix


def library():
    """The folder that holds libkrun.so.1 and libcloche.so.0."""
    return str(next(pathlib.Path(installed.prefix).rglob("libkrun.so.1")).parent)


def package_of(program):
    """Whose interface it is written for."""
    return "cloche" if program.startswith("capi_") else "libkrun"


def pkg_config(package, *words):
    environment = dict(os.environ, PKG_CONFIG_PATH=os.path.join(library(), "pkgconfig"))
    return call(["pkg-config", *words, package], environment=environment)


def declared(header, prefix):
    """The functions of a header."""
    text = re.sub(r"/\*.*?\*/", "", (INCLUDE / header).read_text(encoding="utf-8"), flags=re.DOTALL)
    return set(re.findall(rf"^(?:const )?\w+\*? ({prefix}\w+)\(", text, re.MULTILINE))


def compiled(name, language="c"):
    """The program of NAME.c."""
    program, package = scratch(f"{name}-{language}"), package_of(name)
    if not os.path.exists(program):
        flags = pkg_config(package, "--cflags").out.decode().split()
        libraries = pkg_config(package, "--libs").out.decode().split()
        warnings = ["-Wall", "-Wextra", "-Werror", "-O1", "-pthread"]
        source = str(HERE / f"{name}.c")
        done = call([*LANGUAGES[language], *warnings, *flags, "-o", program, source, "-x", "none", *libraries])
        assert done.code == 0, done
    return program


def environment(*folders):
    """One in which a program finds our library, and those in `folders`."""
    return dict(os.environ, LD_LIBRARY_PATH=":".join([library(), *folders]))


def in_machine(*words, stdin=b"", timeout=120, libraries=()):
    """Runs a program of ours where there is a KVM that runs VMs."""
    command = [settings.cloche, "machine", "exec", "--", *words]
    return call(command, stdin=stdin, timeout=timeout, environment=environment(*libraries))


def make_root():
    """A root file system of the test's own."""
    root = scratch("root")
    for folder in ("bin", "etc", "tmp"):
        os.makedirs(f"{root}/{folder}")
    shutil.copy("/bin/busybox", f"{root}/bin/busybox")
    for name in PROGRAMS:
        os.symlink("busybox", f"{root}/bin/{name}")
    return root
