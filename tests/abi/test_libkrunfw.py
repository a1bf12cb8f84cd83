"""The kernel of Debian's libkrunfw.so.5, where a program finds that library."""
import os

from harness import LIBKRUNFW, only_root
from installed import compiled, in_machine, make_root

LIBRARIES = [os.path.dirname(LIBKRUNFW)]


def test_a_command_runs_on_it():
    root = make_root()
    script = 'grep -c cloche /proc/version; pwd; echo "$QUOTED"; echo kept > /file; cat; exit 5'
    outcome = in_machine(compiled("chroot"), root, "/bin/sh", "-c", script, stdin=b"the input\n", libraries=LIBRARIES)
    assert outcome.code == 5, outcome
    assert outcome.out.decode().splitlines() == ["0", "/tmp", '"a b" c', "the input"], outcome
    with open(f"{root}/file", encoding="ascii") as file:
        assert file.read() == "kept\n"


@only_root
def test_it_is_taken_hold_of_before_the_root_directory_changes():
    root = make_root()
    for folder in ("dev", "proc"):
        os.mkdir(f"{root}/{folder}")
    words = ["/bin/sh", "-c", "grep -c cloche /proc/version; exit 5"]
    outcome = in_machine(compiled("changed_root"), root, *words, libraries=LIBRARIES)
    assert outcome.code == 5 and outcome.out == b"0\n", outcome


def test_without_it_the_kernel_is_cloches():
    outcome = in_machine(compiled("chroot"), make_root(), "/bin/grep", "-c", "cloche", "/proc/version")
    assert outcome.code == 0 and outcome.out == b"1\n", outcome
