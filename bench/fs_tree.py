#!/usr/bin/env python3
"""Makes the tree on which file sharing is measured, as one tar file: a userland with git, Python and tar, a git
repository of 20 000 files, the first 5 000 files of Linux's source, and 64 MiB of noise.

usage: bench/fs_tree.py LINUX_TARBALL OUT
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

PROGRAMS = ("/usr/bin/git", "/usr/bin/python3", "/usr/bin/tar")
EXTENSIONS = "/usr/lib/python3*/lib-dynload/*.so"
REPOSITORY_FILES, FILES_PER_FOLDER, LINUX_FILES, NOISE_MIB = 20_000, 100, 5_000, 64


def libraries(program):
    """What the dynamic linker loads for it, itself included."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [word for word in listed.split() if word.startswith("/")]


def copy(path, root):
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy2(os.path.realpath(path), target)


def make_userland(root):
    for folder in ("bin", "dev", "proc", "tmp"):
        (root / folder).mkdir(parents=True)
    extensions = [str(path) for path in pathlib.Path("/").glob(EXTENSIONS.lstrip("/"))]
    for program in (*PROGRAMS, *extensions):
        copy(program, root)
        for library in libraries(program):
            copy(library, root)
    ask = ["/usr/bin/python3", "-c", "import os; print(os.__file__)"]
    library = pathlib.Path(subprocess.check_output(ask, text=True).strip())
    shutil.copytree(
        library.parent, root / str(library.parent).lstrip("/"), dirs_exist_ok=True, symlinks=True, ignore=unused
    )


def unused(_, names):
    return {"test", "tests", "idlelib", "lib2to3", "ensurepip", "dist-packages"} & set(names)


def make_repository(folder):
    for number in range(REPOSITORY_FILES):
        file = folder / str(number // FILES_PER_FOLDER) / f"file{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"file {number}\n" * 10, encoding="ascii")
    # Packed by ourselves: what git does by itself it does in the background, when the files are being read already.
    settings = ("-c", "user.name=cloche", "-c", "user.email=cloche@localhost", "-c", "gc.auto=0")
    # Inode numbers change as the tree is unpacked elsewhere.
    checks = ["config", "core.checkStat", "minimal"]
    for words in (["init", "-q"], checks, ["add", "-A"], ["commit", "-qm", "files"], ["gc", "-q"]):
        subprocess.run(["git", *settings, *words], cwd=folder, check=True)


def make_linux_tar(tarball, path):
    with tarfile.open(tarball) as source, tarfile.open(path, "w") as target:
        files = 0
        for member in source:
            target.addfile(member, source.extractfile(member) if member.isreg() else None)
            files += member.isreg()
            if files == LINUX_FILES:
                return


def main():
    tarball, out = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        tree = pathlib.Path(name)
        make_userland(tree / "root")
        make_repository(tree / "root" / "repository")
        make_linux_tar(tarball, tree / "root" / "linux.tar")
        (tree / "large").write_bytes(os.urandom(NOISE_MIB << 20))
        with tarfile.open(out + ".new", "w") as archive:
            archive.add(tree, ".")
    os.rename(out + ".new", out)


if __name__ == "__main__":
    main()
