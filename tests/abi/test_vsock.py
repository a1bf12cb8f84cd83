"""Ports of the guest's vsock as UNIX sockets, in both directions."""
import shutil

from harness import call
from installed import HERE, compiled, in_machine, make_root


def test_both_directions():
    root = make_root()
    built = call(["gcc", "-static", "-O1", "-o", f"{root}/bin/guest", str(HERE / "guest_vsock.c")])
    assert built.code == 0, built
    python = shutil.which("python3", path="/usr/bin:/bin")
    outcome = in_machine(python, str(HERE / "vsock_peer.py"), compiled("vsock"), root, "/bin/guest")
    assert outcome.out == b"the guest\nthe host says hello\n0 False\n", outcome
