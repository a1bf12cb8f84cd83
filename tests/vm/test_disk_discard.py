"""What the guest discards, or zeroes with unmapping, the host gets back, and it reads as zeros."""
import os

from harness import call, scratch, sh, succeeds, write

MIB = 1 << 20


def check(path, blocks):
    script = """set -e; head -c 16M /dev/urandom > /dev/vda; sync; %s; echo 3 > /proc/sys/vm/drop_caches
      head -c 8M /dev/vda | tr -d '\\000' | wc -c"""
    succeeds(sh("head -c 16M /dev/urandom > /dev/vda; sync", ["--disk", path]))
    full = blocks()
    for act in ("blkdiscard -o 0 -l 8M /dev/vda", "blkdiscard -z -o 0 -l 8M /dev/vda"):
        succeeds(sh(script % act, ["--disk", path]), out=b"0\n")
        assert act.startswith("blkdiscard -z") or blocks() <= full - 7 * MIB, (act, full, blocks())


def test_raw():
    path = write("disk.img", b"")
    os.truncate(path, 16 * MIB)
    check(path, lambda: os.stat(path).st_blocks * 512)


def test_qcow2():
    path = scratch("disk.qcow2")
    succeeds(call(["qemu-img", "create", "-q", "-f", "qcow2", path, "16M"]))
    check(path, lambda: os.stat(path).st_blocks * 512)
    assert call(["qemu-img", "check", "-q", path]).code == 0


def test_fstrim():
    path = write("disk.img", b"")
    os.truncate(path, 64 * MIB)
    flags = ["--disk", path]
    make = """set -e; mkfs.ext4 -q -E nodiscard /dev/vda; mount /dev/vda /mnt
      head -c 32M /dev/urandom > /mnt/big; sync"""
    succeeds(sh(make, flags))
    before = os.stat(path).st_blocks * 512
    succeeds(sh("set -e; mount /dev/vda /mnt; rm /mnt/big; sync; fstrim /mnt", flags))
    after = os.stat(path).st_blocks * 512
    assert after < before - 30 * MIB, (before, after)
