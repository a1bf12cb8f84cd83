"""With libkrunfw's kernel, a guest's programs use the host's sockets as libkrun has it."""
import os
import shutil

from harness import LIBKRUNFW, call, deadline
from installed import HERE, compiled, in_machine, make_root

INET, UNIX = 1, 2


def check(features, expected):
    root = make_root()
    built = call(["gcc", "-static", "-O1", "-o", f"{root}/bin/guest", str(HERE / "guest_tsi.c")])
    assert built.code == 0, built
    python = shutil.which("python3", path="/usr/bin:/bin")
    words = [python, str(HERE / "tsi_peer.py"), compiled("tsi"), str(features), root, "/bin/guest"]
    outcome = in_machine(*words, libraries=[os.path.dirname(LIBKRUNFW)], timeout=250)
    assert outcome.out.decode().splitlines() == [*expected, "0 ['socket']"], outcome


@deadline(300)
def test_a_program_that_says_nothing_has_inet():
    check("implicit", ["tcp: the host", "unix: No such file or directory", "listening", "the guest"])


@deadline(300)
def test_one_that_asks_for_both_has_both():
    check(INET | UNIX, ["tcp: the host", "unix: the host", "listening", "the guest"])
