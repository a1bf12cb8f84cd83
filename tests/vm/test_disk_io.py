"""--disk shows an image of the host as /dev/vda, vdb ...: what is written to one is in its file, and the other way
round."""
import hashlib
import os

from harness import cloche, deadline, refuses, run, scratch, settings, sh, size, succeeds, write

MIB = 1 << 20


def image(name, mib=16, content=b""):
    path = write(name, content)
    os.truncate(path, mib * MIB)
    return path


def read(path, at=0, count=-1):
    with open(path, "rb") as file:
        file.seek(at)
        return file.read(count)


def test_round_trip():
    path = image("disk.img", content=b"from the host")
    script = """set -e; head -c 13 /dev/vda
      printf 'from the guest' | dd of=/dev/vda bs=1M seek=3 conv=notrunc,fsync 2>/dev/null
      cat /sys/block/vda/size /sys/block/vda/ro /sys/block/vda/queue/logical_block_size"""
    succeeds(sh(script, ["--disk", path]), out=b"from the host32768\n0\n512\n")
    assert read(path, 3 * MIB, 14) == b"from the guest"
    assert os.path.getsize(path) == 16 * MIB


def test_much_of_it():
    path = image("disk.img", size(64, 1024))
    script = """set -e; head -c %dM /dev/urandom > /dev/vda; sync; sha256sum < /dev/vda
      echo 3 > /proc/sys/vm/drop_caches
      dd if=/dev/vda bs=1M iflag=direct 2>/dev/null | sha256sum""" % size(64, 1024)
    lines = succeeds(sh(script, ["--disk", path], timeout=600)).out.split()
    assert lines[0] == lines[2] == hashlib.sha256(read(path)).hexdigest().encode(), lines


def test_order_and_serial():
    flags = []
    for number, name in enumerate(("a", "b", "c")):
        flags += ["--disk", f"{image(name, number + 1)},serial=number {name}"]
    script = "cat /sys/block/vd?/size; for each in a b c; do cat /sys/block/vd$each/serial; echo; done"
    succeeds(sh(script, flags), out=b"2048\n4096\n6144\nnumber a\nnumber b\nnumber c\n")


def test_a_file_system_of_the_guests():
    path = image("disk.img", 32)
    succeeds(sh("mkfs.ext4 -q /dev/vda && mount /dev/vda /mnt && echo kept > /mnt/file", ["--disk", path]))
    # It was left clean though nobody unmounted it: a read-only disk could not be mounted else.
    succeeds(sh("mount -o ro /dev/vda /mnt && cat /mnt/file", ["--disk", f"{path}:ro"]), out=b"kept\n")


def test_each_sync_and_an_unusual_name():
    path = image("a disk:with=signs.raw", 1)
    for sync in ("none", "relaxed", "full"):
        script = f"printf {sync} > /dev/vda; sync; cat /sys/block/vda/queue/write_cache"
        cache = b"write through\n" if sync == "none" else b"write back\n"
        succeeds(sh(script, ["--disk", f"{path},sync={sync}"]), out=cache)
        assert read(path, 0, len(sync)) == sync.encode()


def test_a_sandbox_keeps_its_disk():
    path = image("disk.img", 4)
    home = scratch("home")
    succeeds(cloche("create", "--home", home, "--name", "box", "--disk", path))
    for number in range(2):
        succeeds(cloche("start", "--home", home, "box", timeout=120))
        script = f"dd if=/dev/vda bs=1 count=1 2>/dev/null | tr -d '\\000'; printf {number} > /dev/vda; sync"
        outcome = cloche("exec", "--home", home, "box", "sh", "-c", script)
        succeeds(outcome, out=b"" if number == 0 else b"0")
        succeeds(cloche("stop", "--home", home, "box"))
    succeeds(cloche("rm", "--home", home, "box"))
    assert read(path, 0, 1) == b"1"


def test_what_is_no_disk_is_named():
    refuses(run(["true"], ["--disk", scratch("none")]), "disk", "none", "no such file")
    refuses(run(["true"], ["--disk", settings.scratch]), "disk", "neither")
    refuses(run(["true"], ["--disk", write("tiny", "x")]), "tiny", "512")
    refuses(run(["true"], ["--disk", write("no.qcow2", "x" * 4096)]), "no.qcow2", "format=raw")


@deadline(300)
def test_a_slow_disk_holds_up_nobody():
    """A writer that flushes all the time, beside output that must flow."""
    path = image("disk.img", 64)
    script = """(while :; do dd if=/dev/zero of=/dev/vda bs=64k count=64 conv=notrunc,fsync 2>/dev/null; done) &
      for i in $(seq 20); do head -c 100000 /dev/zero; done"""
    outcome = succeeds(sh(script, ["--disk", path], timeout=200))
    assert len(outcome.out) == 2_000_000, len(outcome.out)
