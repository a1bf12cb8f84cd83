"""Provider of cloche/provider.h, in each of its modes: whatever a guest does, its caller gets a result or an error."""
import contextlib
import json
import os
import signal
import subprocess

from harness import deadline, guest_program, same_for_everyone, settings, wait_until
from sandboxes import listed, nothing_left

NOT_FOUND, PERMISSION, UNAVAILABLE, INVALID = 1, 2, 3, 0  # ErrorCode of cloche/result.h.


class Provider:
    """A program that has one, and does with it what it is told."""

    def __init__(self, mode):
        installation = os.path.dirname(os.path.dirname(settings.cloche))
        words = [guest_program("vm_provider"), installation, mode]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.answer() == {}

    def answer(self):
        line = self.process.stdout.readline()
        assert line, f"it is gone: {self.process.wait()}"
        return json.loads(line)

    def tell(self, word, **more):
        self.process.stdin.write(json.dumps({"op": word, **more}).encode() + b"\n")
        self.process.stdin.flush()
        return self.answer()

    def sh(self, script, **more):
        return self.tell("exec", command="sh", arguments=["-c", script], **{"timeout_ms": 60_000, **more})

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(120) == 0
        self.process.stdout.close()


@contextlib.contextmanager
def provider(mode):
    with nothing_left():
        one = Provider(mode)
        try:
            yield one
        finally:
            one.end()


@deadline(300)
def test_one_shot():
    with provider("one-shot") as one:
        result = one.sh("cat; pwd; echo $A >&2; exit 7", input="in\n", environment=["A=1"], workdir="/tmp")
        assert result.pop("duration_ms") > 0
        assert result == {
            "exit_code": 7,
            "signal": 0,
            "output": "in\n/tmp\n",
            "error_output": "1\n",
            "output_cut": False,
            "error_output_cut": False,
            "timed_out": False,
        }
        result = one.sh("head -c 100000 /dev/zero | tr '\\0' x; echo short >&2; kill -9 $$", limit=1000)
        assert (result["signal"], result["output"], result["output_cut"]) == (9, "x" * 1000, True)
        assert (result["error_output"], result["error_output_cut"]) == ("short\n", False)
        assert listed("-a") == {}
        assert one.tell("exec", command="no-such-program")["code"] == NOT_FOUND
        assert one.tell("exec", command="/etc/passwd")["code"] == PERMISSION
        assert one.tell("exec", command="true", timeout_ms=300_001)["code"] == INVALID
        assert one.tell("health") == {}


@same_for_everyone
@deadline(300)
def test_per_agent():
    with provider("per-agent") as one:
        assert one.tell("stats", agent="a")["code"] == NOT_FOUND and one.tell("health", agent="a") == {}
        one.sh("echo a > /tmp/mine", agent="a")
        one.sh("echo b > /tmp/mine", agent="b")
        assert one.sh("cat /tmp/mine", agent="a")["output"] == "a\n"
        assert one.sh("cat /tmp/mine", agent="b")["output"] == "b\n"
        assert one.sh("true", agent="c")["code"] == UNAVAILABLE  # There may be two.
        assert one.sh("true", agent="")["code"] == INVALID and one.sh("true", agent="a\n")["code"] == INVALID
        assert one.tell("health", agent="a") == {}
        stats = one.tell("stats", agent="a")
        assert stats["status"] == "running" and stats["execs"] == 2 and stats["memory_bytes"] > 1 << 20, stats
        assert stats["uptime_ms"] > 0 and set(listed()) == {stats["sandbox"], one.tell("stats", agent="b")["sandbox"]}
        # What an agent does to its guest is seen, and the next command finds a fresh one.
        os.kill(listed()[stats["sandbox"]]["pid"], signal.SIGKILL)
        wait_until(lambda: one.tell("stats", agent="a")["status"] == "crashed", what="its end")
        assert "error" in one.tell("health", agent="a")
        assert one.sh("ls /tmp/mine", agent="a")["exit_code"] == 2
        assert one.tell("stats", agent="a")["sandbox"] == stats["sandbox"]
        assert one.tell("destroy", agent="a") == {} == one.tell("destroy", agent="a")
        assert stats["sandbox"] not in listed("-a")
        assert one.sh("cat /tmp/mine", agent="c")["exit_code"] == 1


@same_for_everyone
@deadline(300)
def test_shared():
    with provider("shared") as one:
        one.sh("echo a > /tmp/mine")
        assert one.sh("ls /tmp/mine")["exit_code"] == 2
        assert one.tell("health") == {}
        # A guest that goes under its command is an error, and the next command has another one.
        assert "error" in one.sh("echo c > /proc/sysrq-trigger; sleep 60")
        assert one.sh("echo well")["output"] == "well\n"


@same_for_everyone
@deadline(300)
def test_a_command_that_does_not_end():
    with provider("kept") as one:
        result = one.sh("trap '' TERM; echo begun; sleep 1000 & while :; do :; done", timeout_ms=2000)
        assert result["timed_out"] and result["signal"] == 9 and result["output"] == "begun\n", result
        assert one.sh("ps ax | grep -c '[s]leep 1000'")["output"] == "0\n"
        result = one.sh("yes", timeout_ms=1000)
        assert result["timed_out"] and result["output_cut"] and len(result["output"]) == 1 << 20


@same_for_everyone
@deadline(300)
def test_what_a_killed_one_left_is_taken_away_by_the_next():
    with nothing_left():
        one = Provider("per-agent")
        one.sh("true", agent="a")
        left = set(listed())
        assert len(left) == 1
        one.process.kill()
        one.process.communicate()
        assert set(listed()) == left
        other = Provider("per-agent")
        assert listed("-a") == {}
        other.end()
