"""krun_add_vhost_user_device(): a disk of qemu-storage-daemon."""
import shutil

from harness import scratch
from installed import HERE, compiled, in_machine, make_root

SCRIPT = """cat /sys/block/vda/size; head -n 1 /dev/vda
  echo by queue %d > /dev/vda; sync; ls /sys/block/vda/mq; exit 4"""


def used(queues):
    """What the guest says of the disk, and what is on it afterwards."""
    image = scratch(f"disk-{queues}")
    with open(image, "wb") as file:
        file.write(b"a disk\n".ljust(1 << 20, b"\0"))
    python = shutil.which("python3", path="/usr/bin:/bin")
    words = [compiled("vhost"), make_root(), image, SCRIPT % queues, str(queues)]
    outcome = in_machine(python, str(HERE / "vhost_peer.py"), *words)
    with open(image, "rb") as file:
        return outcome, file.readline()


def test_as_many_queues_as_there_are():
    outcome, line = used(0)
    assert outcome.code == 4 and outcome.out == b"2048\na disk\n0\n1\n" and line == b"by queue 0\n", (outcome, line)


def test_as_many_queues_as_are_asked_for():
    outcome, line = used(1)
    assert outcome.code == 4 and outcome.out == b"2048\na disk\n0\n" and line == b"by queue 1\n", (outcome, line)


def test_more_queues_than_there_are():
    outcome, _ = used(3)
    assert outcome.code == 1 and b"krun_start_enter: -22\n" in outcome.err, outcome
    assert b"3 queues are wanted, and the vhost-user back end has 2" in outcome.err, outcome
