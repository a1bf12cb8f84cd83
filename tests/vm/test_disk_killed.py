"""SIGKILL of the VMM in the middle of writes loses nothing that fsync() had confirmed to the guest: a
bare disk, raw or qcow2, and the files on one."""
import os
import random
import signal
import time

from harness import call, deadline, run, scratch, size, start, succeeds, vmm_of, write

# Writes numbered blocks all over the disk, in an order that repeats; a line of output confirms each.
GUEST = r"""
import os
fd = os.open("/dev/vda", os.O_RDWR)
number = 0
while True:
    at = number * 7919 % 4096 * 4096
    os.pwrite(fd, (b"%012d" % number * 342)[:4096], at)
    os.fdatasync(fd)
    os.write(1, b"%d\n" % number)
    number += 1
"""


# The same with files of ext4, each replaced by another of its name again and again.
GUEST_FILES = r"""
import os
folder = os.open("/mnt", os.O_RDONLY)
number = 0
while True:
    with open("/mnt/new", "wb") as file:
        file.write(b"%012d" % number * (1 + number * 7919 % 4096))
        file.flush()
        os.fsync(file.fileno())
    os.rename("/mnt/new", f"/mnt/{number % 64}")
    os.fsync(folder)
    os.write(1, b"%d\n" % number)
    number += 1
"""

# What each of them holds; 0 times when it is not whole.
LOOK = r"""
import os
for name in os.listdir("/mnt"):
    if not name.isdigit(): continue
    data = open("/mnt/" + name, "rb").read()
    print(name, int(data[:12]), len(data) // 12 if data == data[:12] * (len(data) // 12) else 0)
"""


def kill_while_writing(path, after_seconds, command=("python3", "-c", GUEST)):
    process = start(command, ["--disk", path])
    assert process.stdout.readline() == b"0\n", process.communicate()
    time.sleep(after_seconds)
    os.kill(vmm_of(process), signal.SIGKILL)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 125, process.returncode
    return 1 + out.count(b"\n")


def check(raw, confirmed):
    # Each place holds the last block that was confirmed for it, or one that was underway.
    last = {}
    for number in range(confirmed):
        last[number * 7919 % 4096 * 4096] = number
    with open(raw, "rb") as file:
        for at, number in last.items():
            file.seek(at)
            block = file.read(4096)
            assert block[:12].isdigit() and int(block[:12]) >= number, f"block {number} of {confirmed} is lost"
            assert block == (block[:12] * 342)[:4096], f"block {number} of {confirmed} is torn"


@deadline(120)
def test_raw():
    choose = random.Random()
    for turn in range(size(2, 30)):
        path = scratch(f"disk{turn}.img")
        with open(path, "wb") as file:
            file.truncate(16 << 20)
        check(path, kill_while_writing(path, choose.uniform(0.1, 2)))
        os.unlink(path)


@deadline(120)
def test_qcow2():
    choose = random.Random()
    for turn in range(size(2, 30)):
        path = scratch(f"disk{turn}.qcow2")
        succeeds(call(["qemu-img", "create", "-q", "-f", "qcow2", path, "16M"]))
        confirmed = kill_while_writing(path, choose.uniform(0.1, 2))
        assert call(["qemu-img", "check", "-q", path]).code in (0, 3)  # 3: clusters that nobody uses, no errors.
        raw = scratch("raw.img")
        succeeds(call(["qemu-img", "convert", "-O", "raw", path, raw]))
        check(raw, confirmed)
        os.unlink(path)


@deadline(120)
def test_ext4():
    choose = random.Random()
    for turn in range(size(1, 30)):
        path = write(f"disk{turn}.img", b"")
        os.truncate(path, 64 << 20)
        make = 'mkfs.ext4 -q /dev/vda && mount /dev/vda /mnt && exec python3 -c "$0"'
        confirmed = kill_while_writing(path, choose.uniform(1, 4), ["sh", "-c", make, GUEST_FILES])
        outcome = succeeds(run(["sh", "-c", 'mount /dev/vda /mnt && python3 -c "$0"', LOOK], ["--disk", path]))
        lines = [tuple(map(int, line.split())) for line in outcome.out.splitlines()]
        found = {name: (number, times) for name, number, times in lines}
        for number in range(max(0, confirmed - 64), confirmed):
            there, times = found[number % 64]
            assert there >= number and times == 1 + there * 7919 % 4096, (number, confirmed, there, times)
        assert call(["/sbin/e2fsck", "-fn", path]).code == 0
        os.unlink(path)
