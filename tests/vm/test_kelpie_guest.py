"""A root file system that brings its own kelpie-guest, of either generation, works unchanged."""
import os

import kelpie
from harness import cloche, scratch, succeeds, wait_until
from kelpie import ask, execute, operate, result
from sandboxes import info, sandbox, status


def test_one_that_listens():
    path = scratch("kelpie.sock")
    flags = ["--rootfs", kelpie.rootfs_with("kelpie_guest_listens"), "--kelpie-port", f"{path},command"]
    with sandbox(flags=flags) as box:
        assert info(box)["command"] == ["/usr/local/bin/kelpie-guest"]
        kelpie.wait_for_guest(path)
        kelpie.check_basics(path).close()
        # Each operation on a connection of its own. It honours neither cwd nor env, and knows no shutdown.
        assert operate(path, {"type": "ping"}) == {"type": "pong"}
        passed_over = execute("sh", "-c", "echo $A; pwd", cwd="/workspace", env=[["A", "1"]])
        assert operate(path, passed_over) == result(0, "\n/\n")
        assert operate(path, {"type": "shutdown"})["type"] == "error"
        # cloche's own agent is there as well.
        succeeds(cloche("exec", box, "--", "cat", "/tmp/test"), out=bytes([0, 1, 2, 3, 0xFF]))
        succeeds(cloche("stop", box))
    assert not os.path.exists(path)


def test_one_that_connects():
    path = scratch("host.sock")
    host = kelpie.Host(path)
    flags = ["--rootfs", kelpie.rootfs_with("kelpie_guest_connects"), "--kelpie-port", f"{path},command,connect"]
    with sandbox(flags=flags) as box:
        client = host.accept()
        kelpie.check_basics(client)
        assert ask(client, {"type": "ping"}) == {"type": "pong"}
        assert status(box) == "running"
        client.close()
        # It serves one connection and exits.
        wait_until(lambda: status(box) == "exited", what="its end")
        assert info(box)["exit_code"] == 0
    host.close()


def test_before_it_listens_a_connect_is_refused():
    path = scratch("kelpie.sock")
    root = kelpie.rootfs_with("kelpie_guest_listens")
    script = "while ! [ -e /tmp/go ]; do busybox sleep 0.1; done; exec /usr/local/bin/kelpie-guest"
    flags = ["--rootfs", root, "--kelpie-port", f"{path},command"]
    with sandbox("box", "sh", "-c", script, flags=flags) as box:
        assert os.path.exists(path) and not kelpie.probe(path)
        succeeds(cloche("exec", box, "--", "sh", "-c", "echo > /tmp/go"))
        kelpie.wait_for_guest(path)
        assert operate(path, {"type": "ping"}) == {"type": "pong"}
