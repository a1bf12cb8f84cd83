"""A sandbox whose command or VM has ended begins again as its policy says, and what is said of it is true all along."""
import json
import os

from harness import cloche, deadline, no_leftovers, refuses, same_for_everyone, scratch, succeeds, wait_until, write
from sandboxes import execute, info, listed, sandbox, status


def lives(share):
    """How often the command below has run."""
    try:
        with open(f"{share}/lives", "rb") as file:
            return len(file.read())
    except FileNotFoundError:
        return 0


def counting(then):
    os.makedirs(scratch("share"), exist_ok=True)
    return scratch("share"), ["sh", "-c", f"printf x >> /s/lives; {then}"]


def kinds(name):
    out = succeeds(cloche("events", "--no-follow", "--filter", f"name={name}", "--format", "{event}")).out
    return out.decode().split()


@deadline(300)
def test_a_command_that_fails_begins_again_so_many_times():
    os.makedirs(os.path.expanduser("~/.local"))
    share, command = counting("echo life; exit 3")
    with no_leftovers():
        flags = ["-v", f"{share}:/s", "--restart", "on-failure:2"]
        with sandbox("box", *command, flags=flags) as box:
            succeeds(cloche("wait", box), out=b"3\n")
            seen = info(box)
            assert (seen["status"], seen["exit_code"], seen["restarts"]) == ("exited", 3, 2), seen
            assert lives(share) == 3 and cloche("logs", box).out == b"life\n" * 3
            once = ["started", "ready", "command-ended"]
            assert kinds(box) == ["created"] + (once + ["restarting"]) * 2 + once + ["exited"], kinds(box)
            # A start by hand begins to count anew.
            succeeds(cloche("start", box))
            succeeds(cloche("wait", box), out=b"3\n")
            assert lives(share) == 6 and info(box)["restarts"] == 2


@deadline(300)
def test_one_that_succeeds_does_not():
    share, command = counting("test $(wc -c < /s/lives) = 2")
    with sandbox("box", *command, flags=["-v", f"{share}:/s", "--restart", "on-failure"]) as box:
        succeeds(cloche("wait", box), out=b"0\n")
        assert lives(share) == 2 and info(box)["restarts"] == 1


@deadline(300)
def test_stop_and_kill_end_it():
    share, command = counting("true")
    flags = ["-v", f"{share}:/s", "--restart", "always"]
    for verb, kind, word in (("stop", "stopped", "told to stop"), ("kill", "killed", "killed")):
        with sandbox("box", *command, flags=flags) as box:
            before = lives(share)
            pid = info(box)["pid"]
            # Also between two lives, which are more often than not.
            wait_until(lambda: lives(share) >= before + 3, seconds=90, what="the third life")
            seen = info(box)
            assert seen["pid"] == pid and set(listed()) == {box}, seen
            succeeds(cloche(verb, box))
            seen = info(box)
            assert seen["status"] in ("stopped", "exited") and seen["pid"] == 0, seen
            assert seen["status"] == "exited" or word in seen["reason"], seen
            assert kinds(box)[-1] in (kind, "exited"), kinds(box)
            after = lives(share)
            assert cloche("wait", box).code == 0 and lives(share) == after


@deadline(300)
def test_while_it_rests():
    share, command = counting("exit 1")
    with sandbox("box", *command, flags=["-v", f"{share}:/s", "--restart", "always"]) as box:
        # Pauses double: the sixth is 3.2 s.
        wait_until(lambda: info(box)["restarts"] >= 5 and status(box) == "restarting", 100, "a long pause")
        refuses(execute(box, "true"), box, "restarting")
        refuses(cloche("start", box), box, "restarting")
        refuses(cloche("rm", box), box, "stop it first")
        refuses(cloche("pause", box), box, "restarting")
        succeeds(cloche("stop", box))
        seen = info(box)
        assert seen["status"] == "stopped" and "told to stop" in seen["reason"], seen


@deadline(300)
def test_a_lost_vm_begins_again():
    with sandbox("box", flags=["--restart", "on-failure:1"]) as box:
        for restarts in (0, 1):
            wait_until(lambda: status(box) == "running", what="the guest")
            assert info(box)["restarts"] == restarts
            assert execute(box, "sh", "-c", "kill -9 -1").code in (125, 137)
            wait_until(lambda: info(box)["restarts"] > restarts or status(box) == "failed", what="its end to show")
        succeeds(cloche("wait", "-t", "60s", box), out=b"125\n")
        assert status(box) == "failed" and "agent" in info(box)["reason"], info(box)


@same_for_everyone
@deadline(300)
def test_a_signal_by_hand_is_no_failure():
    script = "trap 'exit 9' TERM HUP; echo up; while :; do sleep 0.1; done"
    with sandbox("box", "sh", "-c", script, flags=["--restart", "on-failure"]) as box:
        wait_until(lambda: cloche("logs", box).out == b"up\n", what="its trap")
        succeeds(cloche("kill", "-s", "HUP", box))
        wait_until(lambda: cloche("logs", box).out == b"up\nup\n", what="its next life")
        succeeds(cloche("kill", "-s", "TERM", box))
        succeeds(cloche("wait", box), out=b"9\n")
        assert info(box)["restarts"] == 1


@same_for_everyone
def test_its_lifetime_holds_over_all_lives():
    with sandbox("box", "sh", "-c", "sleep 0.2; exit 1", flags=["--restart", "always", "--timeout", "20s"]) as box:
        succeeds(cloche("wait", "-t", "60s", box), out=b"125\n")
        seen = info(box)
        assert seen["status"] == "stopped" and "lifetime" in seen["reason"] and seen["restarts"] >= 1, seen


@same_for_everyone
def test_what_never_came_up_does_not():
    outcome = cloche("run", "-d", "--name", "box", "--restart", "always", "--", "no-such-program")
    assert outcome.code == 127 and b"not found" in outcome.err and listed("-a") == {}, outcome
    refuses(cloche("run", "--restart", "always", "--", "true"), "--restart", "-d")
    refuses(cloche("create", "--restart", "often"), "--restart", "on-failure")


@same_for_everyone
@deadline(300)
def test_nothing_of_a_life_is_left_in_the_next():
    os.makedirs(scratch("share"))
    write("share/file", "x")
    flags = ["-v", f"{scratch('share')}:/s", "--restart", "always"]
    with sandbox("box", "sh", "-c", "exec sleep 0.2 < /s/file", flags=flags) as box:

        def held():
            pid = info(box)["pid"]
            try:
                descriptors = sorted(os.readlink(f"/proc/{pid}/fd/{each}") for each in os.listdir(f"/proc/{pid}/fd"))
            except FileNotFoundError:
                return []
            return [each for each in descriptors if "kvm-vm" in each or each.endswith("life")]

        for life in (1, 3):
            wait_until(lambda: info(box)["restarts"] >= life, what=f"restart {life}")
            wait_until(lambda: len(held()) == 2, what="one VM and one lock")
        assert len(json.loads(succeeds(cloche("inspect", box)).out)) == 1
