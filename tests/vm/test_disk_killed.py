"""SIGKILL of the VMM in the middle of writes loses nothing that fsync() had confirmed to the guest, raw or qcow2."""
import os
import random
import signal
import time

from harness import call, deadline, scratch, size, start, succeeds, vmm_of

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


def kill_while_writing(path, after_seconds):
    process = start(["python3", "-c", GUEST], ["--disk", path])
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
