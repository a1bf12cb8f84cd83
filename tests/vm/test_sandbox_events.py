"""Events: every change of every sandbox, each once, whoever made it, followed as it happens."""
import json
import os
import signal
import subprocess
import threading

from harness import cloche, deadline, refuses, same_for_everyone, settings, size, succeeds, wait_until
from sandboxes import info, sandbox


def events(*flags):
    out = succeeds(cloche("events", "--no-follow", "--json", *flags)).out.decode()
    return [json.loads(line) for line in out.splitlines()]


@deadline(300)
def test_a_whole_life():
    with sandbox("one", "sleep", "1000") as box:
        identity = info(box)["id"]
        succeeds(cloche("pause", box))
        succeeds(cloche("resume", box))
        succeeds(cloche("rename", box, "two"))
        succeeds(cloche("stop", "two"))
        succeeds(cloche("start", "two"))
        succeeds(cloche("kill", "two"))
        succeeds(cloche("start", "two"))
        os.kill(info("two")["pid"], signal.SIGKILL)
        wait_until(lambda: info("two")["status"] == "crashed", what="the crash to show")
        succeeds(cloche("rm", "two"))
    seen = events("--filter", f"id={identity}")
    life = ["started", "ready"]
    expected = ["created", *life, "paused", "resumed", "renamed"]
    expected += ["command-ended", "stopped", *life, "killed", *life, "crashed", "removed"]
    assert [each["event"] for each in seen] == expected, seen
    assert {each["id"] for each in seen} == {identity}
    renamed = next(each for each in seen if each["event"] == "renamed")
    assert renamed["name"] == "two" and renamed["details"] == {"old_name": "one"}
    assert [each["name"] for each in seen] == ["one"] * 5 + ["two"] * (len(seen) - 5), seen
    assert [each["time"] for each in seen] == sorted(each["time"] for each in seen)
    stopped = next(each for each in seen if each["event"] == "stopped")
    assert "told to stop" in stopped["details"]["reason"]
    middle = seen[5]["time"][:19] + "Z"
    assert [each["event"] for each in events("--since", "1h", "--filter", "event=created")] == ["created"]
    assert all(each["time"] < middle for each in events("--until", middle))


def test_following():
    reader = subprocess.Popen(
        [settings.cloche, "events", "--filter", "name=box", "--format", "{name} {event}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    # It shows what happens from its beginning on: the first that it shows says when that was.
    number = 0

    def knock():
        nonlocal number
        number += 1
        succeeds(cloche("create", "--name", "box"))
        succeeds(cloche("rm", "box"))
        return len(os.read(reader.stdout.fileno(), 1000)) > 0 if ready() else False

    def ready():
        import select

        return select.select([reader.stdout], [], [], 0.2)[0]

    wait_until(knock, what="the reader")
    with sandbox("box", "sh", "-c", "exit 5") as box:
        succeeds(cloche("wait", box))
    seen = b""
    while b"exited" not in seen:
        seen += os.read(reader.stdout.fileno(), 1000)
    wait_until(lambda: b"exited" in seen, what="its end")
    lines = seen.decode().split("\n")
    assert [each for each in lines if each.split(" ")[-1] in ("started", "ready", "command-ended", "exited")] == [
        "box started",
        "box ready",
        "box command-ended",
        "box exited",
    ], seen
    reader.send_signal(signal.SIGTERM)
    reader.wait(timeout=30)
    reader.stdout.close()


@same_for_everyone
def test_many_writers():
    def play(name):
        for _ in range(size(5, 100)):
            succeeds(cloche("create", "--name", name))
            succeeds(cloche("rm", name))

    players = [threading.Thread(target=play, args=(f"box{number}",)) for number in range(4)]
    for each in players:
        each.start()
    for each in players:
        each.join()
    with open(os.path.expanduser("~/.local/share/cloche/events.jsonl"), encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    assert len(lines) == 4 * 2 * size(5, 100)
    for number in range(4):
        of_one = [each["event"] for each in lines if each["name"] == f"box{number}"]
        assert of_one == ["created", "removed"] * size(5, 100)


@same_for_everyone
def test_what_is_wrong_is_said():
    refuses(cloche("events", "--since", "yesterday"), "--since", "yesterday")
    refuses(cloche("events", "--filter", "nothing"), "--filter", "KEY=VALUE")
    refuses(cloche("events", "--follow", "--no-follow"), "--no-follow")
    succeeds(cloche("create", "--name", "box"))
    outcome = cloche("events", "--no-follow", "--format", "{nothing}")
    assert outcome.code == 125 and b"nothing" in outcome.err and b"event" in outcome.err, outcome
    succeeds(cloche("rm", "box"))
