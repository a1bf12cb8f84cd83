"""--disk PATH:ro: the guest can read it and nothing else, whatever it tries, and several VMs can at once."""
import os

from harness import sh, start, succeeds, write


def image():
    path = write("disk.img", b"content")
    os.truncate(path, 1 << 20)
    os.chmod(path, 0o444)
    return path


def test_nothing_is_written():
    script = """head -c 7 /dev/vda; cat /sys/block/vda/ro
      for act in 'echo x > /dev/vda' 'blkdiscard /dev/vda' 'blkdiscard -z /dev/vda' \
        'blockdev --setrw /dev/vda; echo x | dd of=/dev/vda oflag=direct bs=512 conv=sync'; do
        sh -c "$act" 2>/dev/null && echo "done: $act"; done; exit 0"""
    path = image()
    out = succeeds(sh(script, ["--disk", f"{path}:ro"])).out
    assert out.startswith(b"content1\n") and b"> /dev/vda" not in out and b"blkdiscard" not in out, out
    with open(path, "rb") as file:
        assert file.read() == b"content".ljust(1 << 20, b"\0")


def test_several_read_one_image():
    flags = ["--disk", f"{image()}:ro"]
    first = start(["sh", "-c", "echo there; cat"], ["-i", *flags], stdin=-1)
    assert first.stdout.readline() == b"there\n"
    succeeds(sh("head -c 7 /dev/vda", flags), out=b"content")
    first.communicate(b"", timeout=30)
    assert first.returncode == 0
