"""What the host cannot do is an I/O error in the guest, and neither a VM that hangs nor the end of one: an image that
was cut, a full host, a limit on the size of files."""
import contextlib
import os
import resource
import subprocess

from harness import call, only_root, scratch, start, succeeds, write

MIB = 1 << 20

TOUCH = r"""
import errno, os, sys
def result(act, *words):
    try: act(*words); return "fine"
    except OSError as error: return errno.errorcode[error.errno]
import mmap
fd = os.open("/dev/vda", os.O_RDWR | os.O_DIRECT)
page = mmap.mmap(-1, 4096)
def read(at): return result(os.preadv, fd, [page], at)
def write(at): return result(os.pwritev, fd, [page], at)
"""


def python(script):
    return ["python3", "-c", TOUCH + script]


def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MIB, 8 * MIB))


def test_an_image_that_was_cut():
    path = write("disk.img", b"")
    os.truncate(path, 4 * MIB)
    script = """
print(read(1 << 20), flush=True)
input()
print(read(0), write(0), read(1 << 20), write(1 << 20), read(3 << 20))
"""
    process = start(python(script), ["-i", "--disk", path], stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"fine\n"
    os.truncate(path, MIB // 2)
    out, err = process.communicate(b"\n", timeout=60)
    assert (process.returncode, out) == (0, b"fine fine EIO EIO EIO\n"), (process.returncode, out, err)
    assert os.path.getsize(path) == MIB // 2


def test_a_limit_on_the_size_of_files():
    """Of qcow2, which grows."""
    path = scratch("disk.qcow2")
    succeeds(call(["qemu-img", "create", "-q", "-f", "qcow2", path, "64M"]))
    script = "said = [write(at << 16) for at in range(256)]; print(said[0], said[-1], read(0), read(15 << 20))"
    process = start(python(script), ["--disk", path], preexec_fn=limit_files)
    out, err = process.communicate(timeout=90)
    assert (process.returncode, out) == (0, b"fine EIO fine fine\n"), (process.returncode, out, err)
    assert call(["qemu-img", "check", "-q", path]).code in (0, 3)  # 3: clusters that nobody uses.


@only_root
def test_a_full_host():
    folder = scratch("small")
    os.makedirs(folder)
    succeeds(call(["mount", "-t", "tmpfs", "-o", "size=2M", "none", folder]))
    try:
        path = os.path.join(folder, "disk.img")
        with contextlib.closing(open(path, "wb")) as file:
            os.truncate(file.fileno(), 8 * MIB)
        script = "said = [write(at << 12) for at in range(1024)]; print(said[0], said[-1], read(0), write(0))"
        process = start(python(script), ["--disk", path])
        out, err = process.communicate(timeout=90)
        assert (process.returncode, out) == (0, b"fine EIO fine fine\n"), (process.returncode, out, err)
        assert err.startswith(b"cloche: ") and b"No space left" in err, err
    finally:
        succeeds(call(["umount", "--lazy", folder]))
