"""--root-disk: the root lies on a disk. The exit code arrives, what is written stays, the file system is left clean."""
import os

from harness import call, cloche, deadline, refuses, run, scratch, sh, succeeds, write

MIB = 1 << 20


def make_root(name="root.img"):
    """A disk with busybox, made in a guest, as the ordinary user cannot mount."""
    path = write(name, b"")
    os.truncate(path, 64 * MIB)
    script = """set -e; mkfs.ext4 -q /dev/vda; mount /dev/vda /mnt; mkdir /mnt/bin /mnt/etc
      cp /usr/bin/busybox /mnt/bin/
      for each in sh cat echo ls touch mount id sleep; do ln -s busybox /mnt/bin/$each; done
      echo rooted > /mnt/etc/here"""
    succeeds(sh(script, ["--disk", path]))
    return path


def clean(path):
    """Nothing is left to be replayed, and nothing is wrong."""
    done = call(["/sbin/e2fsck", "-fn", path])
    return done.code == 0 and b"recovering" not in done.out + done.err


def test_code_output_and_what_stays():
    path = make_root()
    assert clean(path)
    outcome = sh("cat /etc/here; echo new > /etc/new; exit 7", ["--root-disk", path])
    assert (outcome.code, outcome.out, outcome.err) == (7, b"rooted\n", b""), outcome
    assert clean(path)
    outcome = sh("cat /etc/new; mount | cat", ["--root-disk", f"{path},fstype=ext4,mount=noatime"])
    assert outcome.code == 0 and outcome.out.startswith(b"new\n"), outcome
    assert b"on / type ext4 (rw,noatime" in outcome.out, outcome
    assert run(["no-such-program"], ["--root-disk", path]).code == 127
    assert sh("kill -9 $$", ["--root-disk", path]).code == 137
    # With a process that still writes when the command has ended.
    assert sh("(while :; do echo x >> /busy; done) & sleep 1; exit 3", ["--root-disk", path]).code == 3
    assert clean(path)


def test_read_only_and_private():
    path = make_root()
    with open(path, "rb") as file:
        before = file.read()
    outcome = sh("echo x > /etc/new; cat /etc/new", ["--root-disk", f"{path}:ro"])
    assert (outcome.code, outcome.out) == (0, b"x\n"), outcome
    outcome = sh("touch /etc/new", ["--root-disk", path, "--read-only"])
    assert outcome.code == 1 and b"Read-only" in outcome.err, outcome
    with open(path, "rb") as file:
        assert file.read() == before


def test_beside_shares_and_another_disk():
    path, other = make_root(), write("other.img", b"other")
    os.truncate(other, MIB)
    share = os.path.dirname(write("share/file", b"shared\n"))
    flags = ["--disk", other, "--root-disk", path, "-v", f"{share}:/data"]
    outcome = sh("cat /data/file /etc/here; ls /dev/vd?; echo back > /data/back", flags)
    assert (outcome.code, outcome.out) == (0, b"shared\nrooted\n/dev/vda\n/dev/vdb\n"), outcome
    with open(f"{share}/back", "rb") as file:
        assert file.read() == b"back\n"


def test_a_qcow2_root():
    path = scratch("root.qcow2")
    succeeds(call(["qemu-img", "convert", "-O", "qcow2", make_root(), path]))
    for number in range(2):
        outcome = sh("echo x >> /count; cat /count; exit 5", ["--root-disk", path])
        assert (outcome.code, outcome.out) == (5, b"x\n" * (number + 1)), outcome
    succeeds(call(["qemu-img", "check", "-q", path]))


def test_what_is_no_root():
    empty = write("empty.img", b"")
    os.truncate(empty, MIB)
    refuses(run(["true"], ["--root-disk", empty]), "root file system", "/dev/vda", "ext4")
    refuses(run(["true"], ["--root-disk", f"{make_root()},fstype=xfs"]), "root file system", "xfs")


@deadline(240)
def test_a_sandbox():
    path, home = make_root(), scratch("home")
    succeeds(cloche("create", "--home", home, "--name", "box", "--root-disk", path))
    for number in range(2):
        succeeds(cloche("start", "--home", home, "box", timeout=120))
        outcome = cloche("exec", "--home", home, "box", "sh", "-c", "echo x >> /count; cat /count")
        succeeds(outcome, out=b"x\n" * (number + 1))
        succeeds(cloche("stop", "--home", home, "box"))
        assert clean(path)
    succeeds(cloche("rm", "--home", home, "box"))
