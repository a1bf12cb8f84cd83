"""Trees that are to be stubs: the repository without the kernels' images, configured where there is no QEMU."""
import os
import pathlib
import shutil
import subprocess

import stub
from harness import call, scratch
from installed import HERE

ROOT = HERE.parent.parent


def compilers():
    """As the usual build was told: what decides how a file is compiled, as words for CMake."""
    words = []
    with open(os.path.join(stub.build, "CMakeCache.txt"), encoding="utf-8") as file:
        for line in file:
            name = line.split(":", 1)[0]
            if name in {f"CMAKE_{kind}_{what}" for kind in ("C", "CXX") for what in ("COMPILER", "COMPILER_LAUNCHER")}:
                words.append("-D" + line.strip())
    return words


def without_qemu():
    """All programs of PATH but QEMU's."""
    folder = scratch("programs")
    os.makedirs(folder, exist_ok=True)
    for place in os.environ["PATH"].split(":"):
        for name in os.listdir(place) if os.path.isdir(place) else []:
            if not name.startswith("qemu") and not os.path.lexists(f"{folder}/{name}"):
                os.symlink(f"{place}/{name}", f"{folder}/{name}")
    return dict(os.environ, PATH=folder)


def copy_tree():
    """The repository's files without the kernels' images."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    tree = pathlib.Path(scratch("tree"))
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file() and not name.endswith(".bzImage"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    return tree


def configure(tree, *words, **variables):
    """Configures as the usual build was; returns the new build's folder."""
    environment = {**without_qemu(), **variables}
    outcome = call(["cmake", "--preset", "release", *compilers(), *words], environment=environment, cwd=tree)
    assert outcome.code == 0, outcome
    return tree / "build" / "release"
