"""--vhost-user: devices that another process serves, a real one and such as are played here."""
import hashlib
import os
import signal
import subprocess

from harness import cloche, deadline, lines_of, refuses, run, scratch, sh, size, start, succeeds, wait_until, write
from vhost_back_end import GARBAGE, GET_FEATURES, HANG, HANG_UP, SET_MEM_TABLE, BackEnd

MIB = 1 << 20


class StorageDaemon:
    """qemu-storage-daemon with one disk, for as long as a `with` lasts."""

    def __init__(self, image, queues=1):
        self.socket = scratch("disk.sock")
        exported = f"type=vhost-user-blk,id=e,node-name=d,writable=on,num-queues={queues},addr.type=unix"
        words = ["--blockdev", f"driver=file,node-name=d,filename={image}"]
        words += ["--export", f"{exported},addr.path={self.socket}"]
        self.process = subprocess.Popen(["qemu-storage-daemon", *words], stdin=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(self.socket), what="qemu-storage-daemon")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def image_of(mib, content=b""):
    path = write("disk.img", content)
    os.truncate(path, mib * MIB)
    return path


@deadline(300)
def test_a_disk_of_qemu_storage_daemon():
    image = image_of(64, b"from the host")
    script = """set -e; head -c 13 /dev/vda; echo; cat /sys/block/vda/size
      ls /sys/block/vda/mq | wc -l
      printf 'from the guest' | dd of=/dev/vda bs=1M seek=40 conv=fsync 2>/dev/null
      head -c %dM /dev/urandom | dd of=/dev/vda bs=1M seek=1 conv=fsync iflag=fullblock 2>/dev/null
      echo 3 > /proc/sys/vm/drop_caches
      dd if=/dev/vda bs=1M skip=1 count=%d iflag=direct 2>/dev/null | sha256sum""" % (size(4, 32), size(4, 32))
    with StorageDaemon(image, queues=2) as daemon:
        flags = ["-q", "--cpus", "2", "--vhost-user", f"block={daemon.socket},name=disk,size=128"]
        lines = lines_of(succeeds(sh(script, flags, timeout=200)))
        # The back end is free for the next.
        succeeds(sh("head -c 13 /dev/vda", flags), out=b"from the host")
    with open(image, "rb") as file:
        content = file.read()
    assert lines[:3] == ["from the host", str(64 * 2048), "2"], lines
    assert content[40 * MIB :].startswith(b"from the guest")
    assert lines[3].split()[0] == hashlib.sha256(content[MIB : MIB + size(4, 32) * MIB]).hexdigest()


@deadline(300)
def test_a_file_system_on_it_beside_a_disk_of_ours():
    image, ours = image_of(32), write("ours.img", b"ours".ljust(MIB, b"\0"))
    script = """mkfs.ext4 -q /dev/vdb && mount /dev/vdb /mnt && cp -L /bin/sh /bin/bash /mnt && ls /mnt/sh
      head -c 4 /dev/vda"""
    with StorageDaemon(image) as daemon:
        flags = ["--disk", ours, "--vhost-user", f"2={daemon.socket}"]
        succeeds(sh(script, flags, timeout=200), out=b"/mnt/sh\nours")
    assert subprocess.run(["e2fsck", "-fn", image], capture_output=True, check=False).returncode == 0


@deadline(200)
def test_a_back_end_that_dies_takes_its_device_along_and_no_more():
    image = image_of(16)
    script = """head -c 1M /dev/vda | wc -c; echo ready; read word
      for each in $(seq 100); do grep -l 0x0000004f /sys/bus/virtio/devices/*/status && break; sleep 0.1; done | wc -l
      exit 7"""
    with StorageDaemon(image) as daemon:
        flags = ["-i", "--vhost-user", f"block={daemon.socket},name=disk"]
        guest = start(["sh", "-c", script], flags, stdin=subprocess.PIPE)
        assert guest.stdout.readline() == b"1048576\n" and guest.stdout.readline() == b"ready\n"
        daemon.process.send_signal(signal.SIGKILL)
        out, err = guest.communicate(b"go\n", timeout=100)
    assert guest.returncode == 7 and out == b"1\n", (guest.returncode, out, err)
    assert b"disk: stopped: the vhost-user back end hung up" in err, err


@deadline(400)
def test_what_a_disk_that_has_stopped_does_not_have_holds_nobody_up():
    dead, ours = image_of(16), write("ours.img", b"")
    os.truncate(ours, 16 * MIB)
    subprocess.run(["mkfs.ext4", "-q", ours], check=True)
    # A file that is not all on the disk yet, and a process that waits for that and cannot be killed.
    script = """mkfs.ext4 -q /dev/vdb && mkdir /a /b && mount /dev/vda /a && mount /dev/vdb /b || exit 1
      echo first > /b/file; sync; echo ready; read word; echo saved > /a/file; echo lost >> /b/file
      sync /b/file & sleep 1; exit 7"""
    with StorageDaemon(dead) as daemon:
        flags = ["-i", "--disk", ours, "--vhost-user", f"block={daemon.socket},name=disk"]
        guest = start(["sh", "-c", script], flags, stdin=subprocess.PIPE)
        assert guest.stdout.readline() == b"ready\n"
        daemon.process.send_signal(signal.SIGKILL)
        out, err = guest.communicate(b"go\n", timeout=100)
    assert guest.returncode == 7 and out == b"", (guest.returncode, out, err)
    assert b"what was written to /dev/vdb could not be saved" in err and b"/dev/vda" not in err, err
    assert subprocess.run(["e2fsck", "-fn", ours], capture_output=True, check=False).returncode == 0
    assert subprocess.run(["debugfs", "-R", "cat file", ours], capture_output=True, check=True).stdout == b"saved\n"


@deadline(300)
def test_random_numbers_in_the_place_of_ours():
    path = scratch("rng.sock")
    back_end = BackEnd(path)
    script = "cat /sys/class/misc/hw_random/rng_available; head -c 100 /dev/hwrng"
    succeeds(sh(script, ["--vhost-user", f"rng={path}"]), out=b"virtio_rng.0 \n" + b"Z" * 100)
    assert back_end.served > 0 and back_end.truncated is False


@deadline(400)
def test_hostile_back_ends():
    for number, (deed, words) in enumerate(
        {HANG: "does not answer", HANG_UP: "back end", GARBAGE: "answered request"}.items()
    ):
        path = scratch(f"early-{number}.sock")
        BackEnd(path, GET_FEATURES, deed)
        refuses(run(["true"], ["--vhost-user", f"rng={path},name=dice"]), "dice", words)
        path = scratch(f"late-{number}.sock")
        BackEnd(path, SET_MEM_TABLE, deed)
        outcome = sh("sleep 1; exit 3", ["--vhost-user", f"rng={path},name=dice"])
        assert outcome.code == 3, outcome
        assert b"dice: stopped: " in outcome.err and words.encode() in outcome.err, outcome


def test_what_cannot_be_is_named():
    path = scratch("none.sock")
    refuses(run(["true"], ["--vhost-user", f"block={path},name=disk"]), "disk", path, "no such file")
    refuses(run(["true"], ["--vhost-user", f"vsock={path}"]), "vhost-user device 0", "vsock")
    refuses(run(["true"], ["--vhost-user", f"0={path}"]), "type", "0")
    refuses(run(["true"], ["--vhost-user", f"block={path},size=100"]), "power of two")
    refuses(run(["true"], ["--vhost-user", f"disk={path}"]), "'disk'")
    refuses(cloche("create", "--home", scratch("home"), "--vhost-user", f"block={path}"), "sandbox")
