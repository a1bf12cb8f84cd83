"""A /dev of the test's own, seen by it and its children alone: with /dev/kvm as the test wants it, or without."""
import ctypes
import os
import stat
import subprocess

from harness import scratch

CLONE_NEWNS = 0x20000
KEPT = ("null", "zero", "full", "random", "urandom", "tty")


def own_dev(kvm_mode=None):
    """From here on this process sees a new /dev; /dev/kvm has `kvm_mode` there, or is missing."""
    numbers = {name: os.stat(f"/dev/{name}").st_rdev for name in (*KEPT, "kvm")}
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) < 0:
        raise OSError(ctypes.get_errno(), "unshare")
    new = scratch("dev")
    os.mkdir(new)
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "-o", "mode=755", "none", new)
    os.mkdir(f"{new}/shm")
    mount("--bind", "/dev/shm", f"{new}/shm")  # The tests' own files are there.
    for name in KEPT:
        make(f"{new}/{name}", numbers[name], 0o666)
    if kvm_mode is not None:
        make(f"{new}/kvm", numbers["kvm"], kvm_mode)
    mount("--rbind", new, "/dev")


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def make(path, number, mode):
    os.mknod(path, stat.S_IFCHR | 0o600, number)
    os.chmod(path, mode)


def become_nobody():
    """Gives up root for good."""
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    os.environ["HOME"] = os.environ["TMPDIR"] = "/nonexistent"
