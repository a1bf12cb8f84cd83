"""`cloche prune` removes what does not run, what was asked for of it, and says what; `cloche signal` reaches commands."""
import json
import os

from harness import cloche, refuses, same_for_everyone, settings, succeeds, wait_until
from sandboxes import info, listed, sandbox
from terminal import Terminal


def make(name, *flags):
    return succeeds(cloche("create", "--name", name, *flags)).out.decode().strip()


def pruned(*flags):
    return json.loads(succeeds(cloche("prune", "-f", "--json", *flags)).out)


@same_for_everyone
def test_what_does_not_run_goes():
    one, _ = make("one", "--label", "team=x"), make("two", "--label", "team=y", "--label", "keep")
    make("three")
    refuses(cloche("prune"), "-f")
    refuses(cloche("prune", "-f", "--filter", "colour=red"), "colour=red", "label=")
    refuses(cloche("prune", "-f", "--filter", "until=soon"), "soon")
    assert pruned("--filter", "until=1h") == {"removed": [], "bytes": 0}
    assert pruned("--filter", "label=team", "--filter", "label=keep=no")["removed"] == []
    report = pruned("--filter", "label=team=x")
    assert [(each["id"], each["name"]) for each in report["removed"]] == [(one, "one")]
    assert report["bytes"] == report["removed"][0]["bytes"] >= 4096
    assert set(listed("-a")) == {"two", "three"}
    with sandbox("runs") as box:
        assert {each["name"] for each in pruned("--filter", "label=team")["removed"]} == {"two"}
        # Asked on a terminal, and taken at its word.
        for answer, left in (("n", {"three", box}), ("y", {box})):
            terminal = Terminal([settings.cloche, "prune"])
            terminal.read_until("[y/N]")
            terminal.type(answer + "\r")
            assert terminal.wait() == 0
            assert (b"1 removed" in terminal.screen) == (answer == "y"), terminal.screen
            terminal.close()
            assert set(listed("-a")) == left
        logs = os.path.join(os.path.expanduser("~/.local/share/cloche/sandboxes"), info(box)["id"])
        succeeds(cloche("kill", box))
        with open(os.path.join(logs, "big"), "wb") as file:
            file.write(bytes(1 << 20))
        assert pruned()["bytes"] > 1 << 20
    assert listed("-a") == {}


@same_for_everyone
def test_signals_reach_the_command():
    script = "trap 'echo hup' HUP; trap 'echo usr1' USR1; trap 'exit 4' TERM; echo up; while :; do sleep 0.1; done"
    with sandbox("one", "sh", "-c", script) as one, sandbox("two", "sh", "-c", script) as two:
        for box in (one, two):
            wait_until(lambda: cloche("logs", box).out == b"up\n", what="its first line")
        succeeds(cloche("signal", "HUP", one, two))
        for box in (one, two):
            wait_until(lambda: cloche("logs", box).out == b"up\nhup\n", what="its second line")
        succeeds(cloche("signal", "-s", "SIGUSR1", two))
        wait_until(lambda: cloche("logs", two).out.endswith(b"usr1\n"), what="its third line")
        refuses(cloche("signal", "NONE", one), "NONE")
        refuses(cloche("signal", "TERM"), "name a sandbox")
        refuses(cloche("signal"), "name a sandbox")
        succeeds(cloche("signal", "15", one, two))
        succeeds(cloche("wait", one, two), out=b"4\n4\n")
        refuses(cloche("signal", "TERM", one), one, "does not run")
    with sandbox("plain") as plain:
        refuses(cloche("signal", "TERM", plain), plain, "no command of its own")
