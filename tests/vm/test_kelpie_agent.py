"""--kelpie-port: cloche's agent is what kelpie's host talks to, on a socket that is there when the sandbox is."""
import os
import socket
import stat
import threading

import kelpie
from harness import cloche, deadline, refuses, same_for_everyone, scratch, succeeds, wait_until
from kelpie import ask, connect, execute, operate, result
from sandboxes import execute as cloche_exec
from sandboxes import info, sandbox, status


def test_it_speaks_kelpies_protocol():
    path = scratch("kelpie.sock")
    with sandbox(flags=["--kelpie-port", path, "-e", "A=sandbox", "-w", "/usr"]) as box:
        # At once: whoever has started it may use it.
        mode = os.stat(path).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, oct(mode)
        assert kelpie.probe(path)
        kelpie.check_basics(path).close()
        # What kelpie's own guest passes over.
        shown = ["-c", "echo $A $B; pwd; id -u"]
        assert operate(path, execute("sh", *shown)) == result(0, "sandbox\n/usr\n0\n")
        more = execute("sh", *shown, cwd="/workspace/new", env=[["B", "2"], ["A", "1"]])
        assert operate(path, more) == result(0, "1 2\n/workspace/new\n0\n")
        assert operate(path, execute("sh", "-c", "kill -15 $$")) == result(-1, signal=15)
        assert operate(path, execute("sh", "-c", r"printf 'a\377b\303'")) == result(0, "a\ufffdb\ufffd")
        missing = operate(path, execute("no-such-program"))
        assert missing["type"] == "error" and "no-such-program" in missing["message"], missing
        assert operate(path, execute("true", cwd="relative"))["type"] == "error"
        # It is the same guest that cloche's own commands enter.
        assert operate(path, kelpie.write_file("/tmp/file", b"from kelpie")) == {"type": "success"}
        succeeds(cloche_exec(box, "cat", "/tmp/file"), out=b"from kelpie")
        assert info(box)["kelpie_port"] == {"path": path, "socket": "listen", "server": "agent"}
    assert not os.path.exists(path)


def test_a_timeout_ends_the_whole_group():
    path = scratch("kelpie.sock")
    stubborn = "trap '' TERM; setsid sleep 12345 & for i in 1 2 3; do sleep 12345 & done; echo before; wait"
    with sandbox(flags=["--kelpie-port", path]) as box:
        reply = operate(path, execute("bash", "-c", stubborn, timeout_ms=8000))
        assert reply == result(-1, "before\n", signal=9, timed_out=True), reply
        assert int(cloche_exec(box, "pgrep", "-c", "-x", "sleep").out) == 0
        # A host that gives up takes its command along.
        client = connect(path)
        client.sendall(kelpie.frame(execute("sleep", "12345")))
        wait_until(lambda: int(cloche_exec(box, "pgrep", "-c", "-x", "sleep").out) == 1, what="the command")
        client.close()
        wait_until(lambda: int(cloche_exec(box, "pgrep", "-c", "-x", "sleep").out) == 0, what="the command's end")


def test_shutdown_ends_the_guest_in_order():
    path, share = scratch("kelpie.sock"), scratch("share")
    os.mkdir(share)
    with sandbox(flags=["--kelpie-port", path, "-v", f"{share}:/s"]) as box:
        script = "trap 'echo > /s/ended; exit' TERM; echo > /s/ready; while :; do sleep 0.1; done"
        client = connect(path)
        client.sendall(kelpie.frame(execute("sh", "-c", script)))
        wait_until(lambda: os.path.exists(f"{share}/ready"), what="the command")
        assert operate(path, {"type": "shutdown"}) == {"type": "success"}
        wait_until(lambda: status(box) == "stopped", what="the end")
        client.close()
        # Its programs were told, and had their time.
        assert os.path.exists(f"{share}/ended") and "kelpie" in info(box)["reason"], info(box)
        assert not os.path.exists(path)
        # It can be started again, at the same place.
        succeeds(cloche("start", box))
        assert operate(path, {"type": "ping"}) == {"type": "pong"}


@same_for_everyone
def test_many_connections_at_once():
    path = scratch("kelpie.sock")
    with sandbox(flags=["--kelpie-port", path]):
        idle = [connect(path) for _ in range(20)]
        replies = {}

        def one(number):
            replies[number] = operate(path, execute("sh", "-c", f"sleep 0.5; echo {number}"))

        threads = [threading.Thread(target=one, args=[number]) for number in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(100)
        assert replies == {number: result(0, f"{number}\n") for number in range(8)}, replies
        for each in idle:
            assert ask(each, {"type": "ping"}) == {"type": "pong"}
            each.close()


@same_for_everyone
def test_what_is_there_is_refused_and_what_was_left_behind_is_not():
    path = scratch("kelpie.sock")
    with open(path, "w", encoding="ascii") as file:
        file.write("somebody's")
    succeeds(cloche("create", "--name", "box", "--kelpie-port", path))
    try:
        refuses(cloche("start", "box"), path, "something is there")
        with open(path, encoding="ascii") as file:
            assert file.read() == "somebody's"
        os.unlink(path)
        succeeds(cloche("start", "box"))
        # Another one's live socket is something, too.
        refuses(cloche("run", "-d", "--name", "other", "--kelpie-port", path, "--", "true"), "something is there")
        os.kill(info("box")["pid"], 9)
        wait_until(lambda: status("box") == "crashed", what="the crash to be seen")
        assert os.path.exists(path)
        succeeds(cloche("start", "box"))
        assert operate(path, {"type": "ping"}) == {"type": "pong"}
        os.kill(info("box")["pid"], 9)
        wait_until(lambda: status("box") == "crashed", what="the crash to be seen")
        succeeds(cloche("rm", "box"))
        assert not os.path.exists(path)
    finally:
        cloche("rm", "-f", "box")


@same_for_everyone
def test_paused_it_refuses():
    path = scratch("kelpie.sock")
    with sandbox(flags=["--kelpie-port", path]) as box:
        succeeds(cloche("pause", box))
        client = connect(path)
        assert client.recv(1) == b""  # Closed at once: no answer would come.
        client.close()
        succeeds(cloche("resume", box))
        assert operate(path, {"type": "ping"}) == {"type": "pong"}


@same_for_everyone
@deadline(200)
def test_large_and_malformed_frames():
    path = scratch("kelpie.sock")
    with sandbox(flags=["--kelpie-port", path, "--memory", "1G"]):
        client = connect(path, seconds=150)
        # Over the limit by one: an error, its payload is passed over, and the connection goes on.
        client.sendall((10_485_761).to_bytes(4, "big") + bytes(10_485_761))
        reply = kelpie.json.loads(kelpie.receive_raw(client))
        assert reply["type"] == "error" and "10485761" in reply["message"], reply
        client.sendall((0).to_bytes(4, "big"))
        assert kelpie.json.loads(kelpie.receive_raw(client))["type"] == "error"
        # As large as it may be.
        message = kelpie.write_file("/tmp/large", b"x")
        room = 10_485_760 - (len(kelpie.frame(message)) - 4) + 4
        large = b"y" * (room // 4 * 3)
        message = kelpie.write_file("/tmp/large", large)
        text = kelpie.frame(message)[4:].ljust(10_485_760)
        assert ask(client, text) == {"type": "success"}
        assert kelpie.contents_of(ask(client, {"type": "read_file", "path": "/tmp/large"})) == large
        # A file that fits into no reply, and output that is cut and said to be.
        assert ask(client, execute("truncate", "-s", "13M", "/tmp/larger")) == result(0)
        reply = ask(client, {"type": "read_file", "path": "/tmp/larger"})
        assert reply["type"] == "error" and "16777216" in reply["message"], reply["message"][:200]
        reply = ask(client, execute("sh", "-c", "head -c 12M /dev/zero | tr '\\0' x; echo end >&2; exit 5"))
        assert reply["exit_code"] == 5 and reply["stdout_truncated"] and reply["stdout"] == "x" * (10 << 20), len(reply)
        assert reply["stderr"] == "end\n\ncloche: stdout was cut after 10485760 bytes\n", reply["stderr"]
        deep = b'{"type":"ping","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        wrong = (b"\xff\xfe", b'{"type":"\\ud800"}', b'{"type":"ping","x":1e999}', b'"ping"', b"nul", b'{"type":7}')
        for each in (deep, *wrong):
            assert ask(client, each)["type"] == "error", each[:50]
        nul = {"contents": "AA==", "path": "a\0b"}
        for each in ({"contents": "A"}, {"contents": "AAECA_8="}, {"contents": 5}, nul):
            assert ask(client, {"type": "write_file", "path": "/tmp/never", **each})["type"] == "error", each
        for each in ({"args": "x"}, {"args": [1]}, {"env": {"A": "1"}}, {"env": [["A"]]}, {"timeout_ms": -1}):
            assert ask(client, execute("true", **each))["type"] == "error", each
        assert ask(client, {"type": "ping"}) == {"type": "pong"}
        # Half a frame and then nothing holds up nobody else.
        client.sendall(b"\0\0\0")
        assert operate(path, {"type": "ping"}) == {"type": "pong"}
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
        client.close()
