"""A sandbox from its making to its removal: what it is at each step is what `cloche ps` says."""
import os

from harness import cloche, no_leftovers, refuses, same_for_everyone, scratch, succeeds, wait_until
from sandboxes import execute, info, listed, sandbox, status


def test_create_start_stop_remove():
    os.makedirs(os.path.expanduser("~/.local"))
    with no_leftovers():
        made = succeeds(cloche("create", "--name", "one", "--label", "team=x", "-e", "A=1"))
        identity = made.out.decode().strip()
        assert len(identity) == 12 and status("one") == "created"
        assert listed() == {} and set(listed("-a")) == {"one"} and info("one")["labels"] == {"team": "x"}
        succeeds(cloche("start", "one"), out=made.out)
        assert status(identity[:4]) == "running" and set(listed()) == {"one"}
        refuses(cloche("start", "one"), "one", "running")
        refuses(cloche("rm", "one"), "one", "running", "stop it first")
        refuses(cloche("create", "--name", "one"), "one", identity)
        succeeds(execute(identity, "sh", "-c", "echo $A; hostname; touch /tmp/file"), out=b"1\none\n")
        succeeds(cloche("rename", "one", "two"))
        succeeds(cloche("stop", "two"))
        assert status("two") == "stopped" and "told to stop" in info("two")["reason"]
        refuses(execute("two", "true"), "two", "does not run")
        # A start is a new guest.
        succeeds(cloche("restart", "two"), out=made.out)
        assert execute("two", "ls", "/tmp/file").code == 2
        succeeds(cloche("kill", "two"))
        assert "killed" in info("two")["reason"]
        succeeds(cloche("rm", "two"))
        assert listed("-a") == {}
        refuses(cloche("start", "two"), "two")


def test_a_command_of_its_own():
    with sandbox("job", "sh", "-c", "echo first; echo second >&2; sleep 1; exit 7") as job:
        succeeds(cloche("wait", job), out=b"7\n")
        seen = info(job)
        assert (seen["status"], seen["exit_code"], seen["signal"]) == ("exited", 7, 0)
        logs = cloche("logs", job)
        assert logs.code == 0 and logs.out == b"first\n" and logs.err.startswith(b"second\n"), logs
    with sandbox("loop", "sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done") as loop:
        wait_until(lambda: cloche("logs", loop).out == b"up\n", what="its first line")
        succeeds(cloche("kill", "-s", "TERM", loop))
        succeeds(cloche("wait", loop), out=b"0\n")
        assert cloche("logs", "-f", loop).out == b"up\nbye\n"  # The other stream may have a word on its sleep.
        assert len(cloche("logs", "-t", "--tail", "1", loop).out.split()) == 2
        succeeds(cloche("logs", "--since", "1h", "--until", "1m", loop), out=b"")
        # Once more: the log goes on.
        succeeds(cloche("start", loop))
        wait_until(lambda: cloche("logs", loop).out == b"up\nbye\nup\n", what="its first line again")
        succeeds(cloche("stop", loop))
        assert status(loop) == "stopped" and cloche("logs", loop).out == b"up\nbye\nup\nbye\n"


def test_what_cannot_be_started_says_why():
    outcome = cloche("run", "-d", "--name", "lost", "--", "no-such-program")
    assert outcome.code == 127 and b"no-such-program: not found" in outcome.err and outcome.out == b"", outcome
    assert listed("-a") == {}
    with open(scratch("kernel"), "wb") as file:
        file.write(os.urandom(5000))
    refuses(cloche("create", "--kernel", scratch("kernel")), "kernel")
    os.mkdir(scratch("share"))
    succeeds(cloche("create", "--name", "gone", "-v", f"{scratch('share')}:/s"))
    os.rmdir(scratch("share"))
    refuses(cloche("start", "gone"), "gone", scratch("share"))
    assert status("gone") == "created"
    succeeds(cloche("rm", "gone"))


def said():
    with open(scratch("share/said"), encoding="ascii") as file:
        return file.read()


def test_stop_is_orderly():
    script = "trap 'echo told; sleep 0.5; echo done; exit' TERM; echo up; while :; do sleep 0.1; done"
    os.mkdir(scratch("share"))
    with sandbox("orderly", flags=["-v", f"{scratch('share')}:/s"]) as box:
        succeeds(execute(box, "sh", "-c", f"({script}) > /s/said 2> /dev/null < /dev/null & sleep 1"))
        succeeds(cloche("stop", box))
        assert said() == "up\ntold\ndone\n", said()  # Its exec is long over.
    with sandbox("orderly", "sh", "-c", f"({script}) > /s/said", flags=["-v", f"{scratch('share')}:/s"]) as box:
        wait_until(lambda: said() == "up\n", what="its first line")
        succeeds(cloche("stop", box))
        assert said() == "up\ntold\ndone\n", said()
    # Who does not want to end is ended.
    with sandbox("stubborn", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done") as box:
        stopped = succeeds(cloche("stop", "-t", "500ms", box))
        assert stopped.seconds < 10 and status(box) == "stopped"


@same_for_everyone
def test_pause_and_resume():
    with sandbox("still", "sh", "-c", "while :; do echo tick; sleep 0.1; done") as box:
        wait_until(lambda: cloche("logs", box).out, what="its first line")
        succeeds(cloche("pause", box))
        assert status(box) == "paused"
        before = cloche("logs", box).out
        refuses(execute(box, "true"), box, "paused")
        assert cloche("logs", box).out == before
        succeeds(cloche("resume", box))
        wait_until(lambda: len(cloche("logs", box).out) > len(before), what="another line")
        succeeds(cloche("pause", box))
        succeeds(cloche("stop", "-t", "0", box))
        assert status(box) == "stopped"


@same_for_everyone
def test_limits_of_a_life():
    # Long enough for a busy computer to look meanwhile.
    with sandbox("short", flags=["--timeout", "12s", "--stop-timeout", "0"]) as box:
        assert status(box) == "running"
        succeeds(cloche("wait", "-t", "50s", box), out=b"125\n")
        assert status(box) == "stopped" and "lifetime" in info(box)["reason"]
    with sandbox("idle", flags=["--idle-timeout", "5s"]) as box:
        succeeds(execute(box, "sleep", "6"))
        assert status(box) == "running"
        succeeds(cloche("wait", "-t", "50s", box), out=b"125\n")
        assert status(box) == "stopped" and "nobody used it" in info(box)["reason"]
