"""--kelpie-port SOCKET,connect: the host's program listens, and cloche's agent connects to it."""
import kelpie
from harness import cloche, refuses, scratch, succeeds, wait_until
from kelpie import ask, execute, result
from sandboxes import info, sandbox, status


def test_the_agent_connects_and_comes_again():
    path = scratch("host.sock")
    with sandbox(flags=["--kelpie-port", f"{path},connect"]) as box:
        # The host's program comes later than the guest, goes, and comes again.
        host = kelpie.Host(path)
        client = host.accept()
        kelpie.check_basics(client)
        assert ask(client, execute("sh", "-c", "echo $A; pwd", cwd="/tmp", env=[["A", "1"]])) == result(0, "1\n/tmp\n")
        client.close()
        client = host.accept()
        assert ask(client, {"type": "ping"}) == {"type": "pong"}
        assert ask(client, {"type": "shutdown"}) == {"type": "success"}
        wait_until(lambda: status(box) == "stopped", what="the end")
        assert "kelpie" in info(box)["reason"], info(box)
        client.close()
        host.close()
        assert kelpie.os.path.exists(path)  # It is not ours.


def test_only_with_a_sandbox():
    refuses(cloche("run", "--kelpie-port", scratch("k.sock"), "--", "true"), "--kelpie-port")
    refuses(cloche("create", "--kelpie-port", ""), "--kelpie-port")
    refuses(cloche("create", "--kelpie-port", "/tmp/"), "kelpie port")
    succeeds(cloche("create", "--name", "named", "--kelpie-port", "relative.sock", cwd="/tmp"))
    assert info("named")["kelpie_port"]["path"] == "/tmp/relative.sock"
    succeeds(cloche("rm", "named"))
