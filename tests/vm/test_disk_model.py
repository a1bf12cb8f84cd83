"""Random writes, reads, cuts, discards and syncs of a file on a disk's file system, and of a bare disk, against what
must be there: the exerciser that file systems are tested with, in small. Ten minutes each with --long."""
import os

from harness import call, deadline, scratch, sh, size, succeeds, write

# Works on a file (or a device, which keeps its size), and reads all of it past the guest's cache now and then.
EXERCISER = r"""
import os, random, sys, time
path, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
choose, end = random.Random(seed), time.monotonic() + seconds
device = path.startswith("/dev/")
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
most = 4 << 20
model = bytearray(most if device else 0)
steps = 0
def check(at, count):
    got = os.pread(fd, count, at)
    assert got == model[at:at + count], f"step {steps}: {count} bytes at {at} differ"
def put(at, data):
    if at > len(model): model.extend(bytes(at - len(model)))
    model[at:at + len(data)] = data
while time.monotonic() < end:
    steps += 1
    at, count = choose.randrange(most), choose.choice((1, 100, 512, 4096, 50_000, 300_000))
    count = min(count, most - at)
    act = choose.randrange(20)
    if act < 8:
        data = choose.randbytes(count)
        os.pwrite(fd, data, at)
        put(at, data)
    elif act < 14:
        check(at, count)
    elif act < 16:
        os.fsync(fd)
    elif act == 16 and not device:
        os.ftruncate(fd, at)
        model[at:] = bytes(max(0, at - len(model)))
    elif act == 17:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    elif act == 18 and device:
        at, count = at // 4096 * 4096, count // 4096 * 4096
        if count and os.system(f"blkdiscard -z -o {at} -l {count} {path}") == 0: put(at, bytes(count))
    elif act == 19:
        check(0, len(model))
os.fsync(fd)
check(0, len(model))
print(steps > 10)
"""


def flags_for(path):
    return ["--disk", path, "-v", f"{write('exerciser.py', EXERCISER)}:/exerciser.py:ro", "--memory", "256M"]


def exercise(path, script):
    outcome = sh(script, flags_for(path), timeout=1200)
    assert (outcome.code, outcome.out) == (0, b"True\n"), outcome


def images():
    raw = write("disk.img", b"")
    os.truncate(raw, 64 << 20)
    yield raw
    packed = scratch("disk.qcow2")
    succeeds(call(["qemu-img", "create", "-q", "-f", "qcow2", packed, "64M"]))
    yield packed
    succeeds(call(["qemu-img", "check", "-q", packed]))


@deadline(180)
def test_a_bare_disk():
    for seed, path in enumerate(images()):
        exercise(path, f"python3 /exerciser.py /dev/vda {size(8, 300)} {seed}")


@deadline(180)
def test_a_file_system():
    for seed, path in enumerate(images()):
        program = f"python3 /exerciser.py /mnt/file {size(8, 300)} {seed}"
        exercise(path, f"mkfs.ext4 -q /dev/vda && mount -o discard /dev/vda /mnt && {program}")
