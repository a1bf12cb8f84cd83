"""A sandbox keeps its networks: each of its lives has a passt of its own, which is gone with it."""
import os
import signal

from harness import cloche, deadline, processes, same_for_everyone, succeeds, wait_until
from networks import HOST, Server, enter_namespace, read_line_from
from sandboxes import execute, info, nothing_left, sandbox, status


def passts():
    return [each.pid for each in processes().values() if each.name.startswith("passt") and each.state != "Z"]


@same_for_everyone
@deadline(300)
def test_create_keeps_it():
    enter_namespace()
    server = Server()
    with nothing_left(), sandbox(flags=["--net", "-p", "8080:80"]) as box:
        (network,) = info(box)["networks"]
        assert network["kind"] == "passt" and network["ports"][0]["host"] == 8080, network
        read = ["bash", "-c", read_line_from(HOST, server.port)]
        succeeds(execute(box, *read), out=b"hello from the host\n")
        succeeds(cloche("stop", box))
        assert passts() == []
        succeeds(cloche("start", box))
        succeeds(execute(box, *read), out=b"hello from the host\n")


@same_for_everyone
@deadline(300)
def test_a_restart_has_a_new_one():
    enter_namespace()
    command = ["sh", "-c", "cat /sys/class/net/eth0/carrier; sleep 1; exit 1"]
    with sandbox("box", *command, flags=["--net", "-p", "8080:80", "--restart", "always"]) as box:
        wait_until(lambda: info(box)["restarts"] >= 2, 120, "two restarts")
        # A life lasts a second, which may be over when a busy computer looks for its passt.
        wait_until(lambda: status(box) == "running" and len(passts()) == 1, 60, "a life with one passt")
        assert set(cloche("logs", box).out.split()) == {b"1"}
    assert passts() == []


@same_for_everyone
@deadline(300)
def test_a_killed_vmm_leaves_none():
    enter_namespace()
    with sandbox(flags=["--net"]) as box:
        assert len(passts()) == 1
        os.kill(info(box)["pid"], signal.SIGKILL)
        wait_until(lambda: passts() == [], what="the end of passt")
