"""From inside a sandbox nobody who listens on the host can be reached, not even through a socket in a share."""
import contextlib
import os
import socket

from escape import inside, on_the_host
from harness import scratch
from sandboxes import info, sandbox

ABSTRACT = "cloche-escape"
PORTS = [*range(1, 48), 1023, 1024, 2222, 5000, 9001, 1 << 16, (1 << 32) - 2]


def listener(family, address):
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind(address)
    server.listen(64)
    return server


def test_the_hosts_sockets_are_out_of_reach():
    os.makedirs(scratch("share"))
    path = scratch("share/socket")
    with contextlib.ExitStack() as stack:
        stack.enter_context(listener(socket.AF_UNIX, path))
        stack.enter_context(listener(socket.AF_UNIX, "\0" + ABSTRACT))
        tcp = stack.enter_context(listener(socket.AF_INET, ("127.0.0.1", 0))).getsockname()[1]
        assert on_the_host("sockets", path, ABSTRACT, tcp) == ["path", "abstract", "tcp"]
        box = stack.enter_context(sandbox(flags=["-v", f"{scratch('share')}:/mnt/share"]))
        assert inside(box, "sockets", "/mnt/share/socket", ABSTRACT, tcp, *PORTS) == []
        # The sandbox's own control socket in a share, even so.
        control = os.path.realpath(os.path.expanduser(f"~/.local/share/cloche/sandboxes/{info(box)['id']}/run"))
        other = stack.enter_context(sandbox("other", flags=["-v", f"{control}:/mnt/control"]))
        assert on_the_host("sockets", f"{control}/control", "none", tcp) == ["path", "tcp"]
        assert inside(other, "sockets", "/mnt/control/control", ABSTRACT, tcp) == []
