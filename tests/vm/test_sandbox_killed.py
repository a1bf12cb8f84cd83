"""A sandbox whose VMM is killed is shown as that, can be removed, and its name used again."""
import os
import random
import signal
import threading

from harness import cloche, deadline, no_leftovers, refuses, same_for_everyone, size, succeeds, wait_until
from sandboxes import execute, info, listed, sandbox, start_exec, status


def test_a_killed_vmm_is_a_crashed_sandbox():
    os.makedirs(os.path.expanduser("~/.local"))
    with no_leftovers():
        with sandbox("box", "sleep", "1000") as box:
            waiting = start_exec(box, "sleep", "1000")
            wait_until(lambda: execute(box, "pgrep", "-c", "-x", "sleep").out == b"2\n", what="both sleeps")
            os.kill(info(box)["pid"], signal.SIGKILL)
            _, err = waiting.communicate(timeout=30)
            assert waiting.returncode == 125 and b"ended" in err, err
            assert status(box) == "crashed" and "killed" in info(box)["reason"] and listed() == {}
            refuses(execute(box, "true"), box)
            succeeds(cloche("wait", box), out=b"125\n")
            succeeds(cloche("rm", box))
        with sandbox("box") as box:
            succeeds(execute(box, "echo", "fine"), out=b"fine\n")
            os.kill(info(box)["pid"], signal.SIGKILL)
            wait_until(lambda: status(box) == "crashed", what="the crash to show")
            succeeds(cloche("start", box))  # It can also be used again as it is.
            succeeds(execute(box, "echo", "fine"), out=b"fine\n")


@deadline(200)
def test_what_the_guest_does_to_its_own_agent():
    with sandbox() as box:
        assert execute(box, "sh", "-c", "kill -9 -1").code in (125, 137)
        # Its first process ends the guest when the agent is gone: that is said, and nothing else happens.
        succeeds(cloche("wait", "-t", "30s", box), out=b"125\n")
        assert status(box) == "failed" and "agent" in info(box)["reason"], info(box)


@same_for_everyone
@deadline(300)
def test_names_that_two_fight_for():
    names, seconds = ["a", "b", "c"], size(5, 300)
    mistakes = []

    def play(seed):
        choose = random.Random(seed)
        end = threading.Event()
        timer = threading.Timer(seconds, end.set)
        timer.start()
        while not end.is_set():
            name, other = choose.choice(names), choose.choice(names)
            acts = [["create", "--name", name], ["rm", "-f", name], ["ps", "-a"], ["inspect", name]]
            acts.append(["rename", name, other])
            words = choose.choice(acts)
            outcome = cloche(*words)
            # What is taken or gone is an error of one line; a torn file would be another one.
            if outcome.code not in (0, 125) or b"damaged" in outcome.err or len(outcome.err.splitlines()) > 1:
                mistakes.append((words, outcome))

    players = [threading.Thread(target=play, args=(seed,)) for seed in range(2)]
    for each in players:
        each.start()
    for each in players:
        each.join()
    assert not mistakes, mistakes[:3]
    left = listed("-a")
    assert set(left) <= set(names)
    for name in left:
        succeeds(cloche("rm", name))
    home = os.path.expanduser("~/.local/share/cloche/sandboxes")
    succeeds(cloche("create", "--name", "last"))
    assert sorted(os.listdir(home)) == sorted([".lock", info("last")["id"]]), os.listdir(home)
    succeeds(cloche("rm", "last"))
