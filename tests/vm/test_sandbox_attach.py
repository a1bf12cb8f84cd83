"""`cloche attach`: the streams of a sandbox's own command, live, for many at once, and its end."""
import os
import select
import signal
import subprocess

from harness import cloche, deadline, refuses, same_for_everyone, settings, succeeds, wait_until
from sandboxes import execute, info, sandbox, status
from terminal import Terminal

# Says each line again; ends with the code that it is told.
PARROT = """
echo up
while read line; do case $line in exit*) exit ${line#exit};; *) echo "got $line";; esac; done
exit 9
"""


def attach(name, *flags, **popen):
    popen.setdefault("stdin", subprocess.PIPE)
    popen.setdefault("stdout", subprocess.PIPE)
    popen.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([settings.cloche, "attach", *flags, name], **popen)


def say(client, text):
    client.stdin.write(text.encode())
    client.stdin.flush()


def is_up(box):
    wait_until(lambda: cloche("logs", box).out.startswith(b"up"), what="its first line")


def joined(box, client, text):
    """Has `client` hear a line, so that it is certainly attached."""
    say(client, f"{text}\n")
    assert client.stdout.readline() == f"got {text}\n".encode()


def ticks(one, other):
    """Has `one` type, and says whether `other` has something to read then."""
    say(one, "tick\n")
    return select.select([other.stdout], [], [], 1)[0]


def without_ticks(output):
    return output.replace(b"got tick\n", b"")


@deadline(300)
def test_many_type_and_hear_and_end_with_it():
    with sandbox("parrot", "sh", "-c", PARROT, flags=["-i"]) as box:
        is_up(box)
        one = attach(box)
        joined(box, one, "one")
        two = attach(box)
        joined(box, two, "two")
        assert one.stdout.readline() == b"got two\n"
        # Who goes takes nothing with him, and his end of input is not the command's.
        three = attach(box)
        joined(box, three, "three")
        three.stdin.close()
        four = attach(box, "--no-stdin", stdin=subprocess.DEVNULL)
        wait_until(lambda: ticks(one, four), what="the fourth to hear anything")
        three.kill()
        three.wait()
        two.kill()
        two.wait()
        say(one, "exit7\n")
        out, err = one.communicate(timeout=60)
        assert (without_ticks(out), err, one.returncode) == (b"got three\n", b"", 7), (out, err)
        assert (four.wait(timeout=60), four.stderr.read()) == (7, b"")
        succeeds(cloche("wait", box), out=b"7\n")
        # The log has it all, from before as well.
        assert without_ticks(cloche("logs", box).out) == b"up\ngot one\ngot two\ngot three\n"
        refuses(cloche("attach", box), box, "does not run")


@same_for_everyone
def test_the_end_of_input_is_passed_on_where_that_is_wanted():
    with sandbox("counter", "sh", "-c", "echo up; wc -c", flags=["-i"]) as box:
        is_up(box)
        data = os.urandom(1 << 20)
        outcome = cloche("attach", "--close-stdin", box, stdin=data)
        assert (outcome.code, outcome.out.strip(), outcome.err) == (0, str(len(data)).encode(), b""), outcome


@same_for_everyone
def test_streams_are_apart_and_signals_passed_on():
    script = "trap 'echo out; echo err >&2; exit 3' TERM; echo up; while :; do sleep 0.1; done"
    with sandbox("loop", "sh", "-c", script) as box:
        is_up(box)
        stays = attach(box, "--sig-proxy=false")
        passes = attach(box)
        # A signal before that would find nothing to pass it on.
        wait_until(lambda: held_back(stays.pid) and held_back(passes.pid), what="both to hold signals back")
        stays.send_signal(signal.SIGTERM)
        assert stays.wait(timeout=60) == 128 + signal.SIGTERM and b"goes on" in stays.stderr.read()
        assert status(box) == "running"
        passes.send_signal(signal.SIGTERM)
        out, err = passes.communicate(timeout=60)
        assert (out, passes.returncode) == (b"out\n", 3) and b"err\n" in err, (out, err, passes.returncode)


def held_back(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        blocked = next(line for line in file if line.startswith("SigBlk"))
    return int(blocked.split()[1], 16) >> (signal.SIGTERM - 1) & 1


@same_for_everyone
def test_a_stop_and_a_kill_are_told_apart_from_the_commands_end():
    with sandbox("killed", "sh", "-c", PARROT, flags=["-i"]) as box:
        is_up(box)
        client = attach(box)
        joined(box, client, "x")
        succeeds(cloche("kill", box))
        out, err = client.communicate(timeout=60)
        assert client.returncode == 125 and b"killed" in err, (out, err)
    with sandbox("plain") as box:
        refuses(cloche("attach", box), box, "no command of its own")
    refuses(cloche("create", "-t"), "own command")


def test_a_terminal():
    tells = "while read line; do case $line in size) stty size;; quit) exit 4;; *) echo got $line;; esac; done"
    with sandbox("screen", "sh", "-c", f"stty size; {tells}", flags=["-t"]) as box:
        seen = info(box)
        assert seen["terminal"] and seen["input"]
        wait_until(lambda: cloche("logs", box).out == b"24 80\r\n", what="its first line")
        terminal = Terminal([settings.cloche, "attach", box], rows=30, columns=100)
        terminal.type("first\r")
        terminal.read_until("got first")
        terminal.type("size\r")
        terminal.read_until("30 100")
        terminal.resize(40, 120)
        wait_until(lambda: asked_size(terminal) == "40 120", what="the new size")
        # What only begins like the keys is typed; the keys leave it alone.
        terminal.type("a\x10b\r")
        terminal.read_until("got a")
        terminal.type("\x10\x11")
        assert terminal.wait() == 0 and b"goes on" in terminal.screen, terminal.screen
        assert terminal.modes() == terminal.modes_before
        terminal.close()
        assert status(box) == "running"
        again = Terminal([settings.cloche, "attach", "--detach-keys", "ctrl-],q", box])
        again.type("second\r")
        again.read_until("got second")
        again.type("\x1dq")
        assert again.wait() == 0
        again.close()
        last = Terminal([settings.cloche, "attach", box])
        last.type("quit\r")
        assert last.wait() == 4 and last.modes() == last.modes_before
        last.close()


def asked_size(terminal):
    terminal.type("size\r")
    terminal.read_until("size\r\n")
    return terminal.read_until("\r\n")


FLOOD = """
while read line; do case $line in go) break;; *) echo "got $line";; esac; done
dd if=/dev/zero bs=64k count=160 status=none
touch /tmp/done
read line
exit 5
"""


@same_for_everyone
def test_who_does_not_read_holds_up_nobody():
    with sandbox("flood", "sh", "-c", FLOOD, flags=["-i"]) as box:
        stalled = attach(box)
        joined(box, stalled, "x")
        other = attach(box)
        joined(box, other, "y")
        say(other, "go\n")
        # All of it is written although nobody reads; they are gone from there then.
        wait_until(lambda: execute(box, "test", "-e", "/tmp/done").code == 0, what="the command to have written all")
        for client in (stalled, other):
            out, err = client.communicate(timeout=60)
            assert client.returncode == 125 and b"cut off" in err and b"cloche logs" in err, err
            assert 0 < len(out) < 160 * 65536, len(out)
        assert len(cloche("logs", box).out) >= 160 * 65536
        last = attach(box)
        say(last, "more\n")
        assert last.wait(timeout=60) == 5
        last.communicate()
