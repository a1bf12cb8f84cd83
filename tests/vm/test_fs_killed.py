"""SIGKILL of the VMM in the middle of writes loses nothing that fsync() had confirmed to the guest."""
import os
import random
import signal
import time

from harness import deadline, scratch, size, start, vmm_of

RECORD = 1000  # Not a divisor of a page.

# Writes numbered records; a line of output confirms each. They go three ways: write, write beyond the end, mapping.
GUEST = r"""
import mmap, os, sys
fd = os.open("/s/records", os.O_RDWR | os.O_CREAT, 0o644)
number = 0
while True:
    for way in range(3):
        record = b"%012d" % number * 84
        at = number * 1000
        if way == 0:
            os.pwrite(fd, record[:1000], at)
        elif way == 1:
            os.lseek(fd, at, os.SEEK_SET)
            os.write(fd, record[:500])
            os.write(fd, record[500:1000])
        else:
            os.ftruncate(fd, at + 1000)
            with mmap.mmap(fd, at + 1000) as view:
                view[at:at + 1000] = record[:1000]
        os.fdatasync(fd) if number % 5 == 0 else os.fsync(fd)
        os.write(1, b"%d\n" % number)
        number += 1
"""


def record(number):
    return (b"%012d" % number * 84)[:RECORD]


def kill_while_writing(cache, after_seconds):
    """How many records were confirmed."""
    folder = scratch(f"share-{time.monotonic_ns()}")
    os.mkdir(folder)
    process = start(["python3", "-c", GUEST], ["-v", f"{folder}:/s:cache={cache}"])
    first = process.stdout.readline()
    assert first == b"0\n", (first, process.communicate())
    time.sleep(after_seconds)
    os.kill(vmm_of(process), signal.SIGKILL)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 125, process.returncode
    confirmed = 1 + out.count(b"\n")
    with open(f"{folder}/records", "rb") as file:
        for number in range(confirmed):
            assert file.read(RECORD) == record(number), f"record {number} of {confirmed} is lost with cache={cache}"
    return confirmed


@deadline(60)
def test_what_was_synced_is_there():
    choose = random.Random()
    counts = []
    for index in range(size(2, 30)):
        counts.append(kill_while_writing(("auto", "always")[index % 2], choose.uniform(0, 1.5)))
    print(counts)
    assert max(counts) > 10, "the guest hardly wrote"
