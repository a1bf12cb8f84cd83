"""`cloche prune` removes what does not run, or what was asked for of it, and says what."""
import json
import os

from harness import cloche, refuses, same_for_everyone, settings, succeeds
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
