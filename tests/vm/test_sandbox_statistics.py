"""`cloche stats` and `cloche top`: what they show is what the guest and the host have."""
import json
import signal

from harness import cloche, deadline, lines_of, refuses, same_for_everyone, settings, succeeds
from sandboxes import execute, info, sandbox, start_exec
from terminal import Terminal

MIB = 1 << 20
# Now and then: the emulated computer has one processor for all of us.
BUSY = """
import time
while True:
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        pass
    time.sleep(0.15)
"""
MOVER = """
import os, time
file = os.open("/tmp/file", os.O_RDWR | os.O_CREAT)
os.pwrite(file, bytes(2 << 20), 0)
os.pread(file, 2 << 20, 0)
print("moved", flush=True)
time.sleep(1000)
"""


def stats(*words):
    return {each["name"]: each for each in json.loads(succeeds(cloche("stats", "--json", *words)).out)}


def top(name):
    return {each["pid"]: each for each in json.loads(succeeds(cloche("top", "--json", name)).out)}


@same_for_everyone
@deadline(300)
def test_what_a_sandbox_uses():
    with sandbox("busy", "python3", "-c", BUSY, flags=["--memory", "256M"]) as box:
        seen = stats()[box]
        assert seen["cpus"] == 1 and 1 < seen["cpu_percent"] <= 100, seen
        assert 150 * MIB < seen["memory_total_bytes"] <= 256 * MIB
        assert 0 < seen["memory_bytes"] < seen["memory_total_bytes"]
        assert seen["processes"] == 1 and seen["uptime_ms"] > 0
        assert seen["vmm_pid"] == info(box)["pid"] and seen["vmm_threads"] >= 2 and seen["vmm_cpu_percent"] > 0, seen
        with open(f"/proc/{seen['vmm_pid']}/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1]) * 4096
        assert resident / 2 < seen["vmm_memory_bytes"] < resident * 2
        # What its programs read and write counts while they run.
        client = start_exec(box, "python3", "-c", MOVER)
        assert client.stdout.readline() == b"moved\n"
        more = stats(box)[box]
        assert more["processes"] == 2, more
        assert more["read_bytes"] >= 2 * MIB and more["written_bytes"] >= 2 * MIB, more
        client.kill()
        client.communicate()
        table = lines_of(succeeds(cloche("stats", "--no-stream", box)))
        assert len(table) == 2 and table[0].split()[:3] == ["NAME", "CPU", "MEMORY"] and table[1].startswith("busy ")
        succeeds(cloche("stats", "--format", "{name} {cpus}", box), out=b"busy 1\n")
        refuses(cloche("stats", "--format", "{nothing}", box), "nothing", "cpu_percent")


@same_for_everyone
def test_only_those_that_run_are_shown_unless_named():
    succeeds(cloche("create", "--name", "off"))
    assert stats() == {}
    outcome = cloche("stats", "off")
    assert outcome.code == 125 and b"off" in outcome.err and b"does not run" in outcome.err, outcome
    refuses(cloche("stats", "none"), "none")
    refuses(cloche("top", "off"), "off", "does not run")
    with sandbox("still") as box:
        succeeds(cloche("pause", box))
        seen = stats()[box]
        assert seen["cpu_percent"] is None and seen["vmm_memory_bytes"] > 0
        refuses(cloche("top", box), box, "paused")
        succeeds(cloche("resume", box))
        assert stats()[box]["processes"] == 0
    succeeds(cloche("rm", "off"))


@same_for_everyone
@deadline(300)
def test_the_processes_in_it():
    with sandbox("box", "sleep", "1000", flags=["-u", "5:6"]) as box:
        hostile = "import os, time; print('up', flush=True); time.sleep(1000)"
        client = start_exec(box, "python3", "-c", hostile, "\x1b[2J\n\xff")
        assert client.stdout.readline() == b"up\n"
        seen = top(box)
        by_command = {each["command"].split()[0]: each for each in seen.values()}
        assert set(by_command) == {"sleep", "python3"}, seen
        assert by_command["sleep"]["uid"] == 5 and by_command["sleep"]["state"] == "S"
        python = by_command["python3"]
        assert python["uid"] == 5 and python["memory_bytes"] > MIB and python["threads"] == 1
        assert python["user_ms"] + python["system_ms"] > 0
        assert str(python["pid"]) in execute(box, "pgrep", "python3").out.decode().split()
        # Whatever a program calls itself, a terminal is safe.
        table = succeeds(cloche("top", box)).out
        assert b"\x1b" not in table and b"\\x1b[2J\\x0a" in table and len(table.splitlines()) == 3, table
        succeeds(cloche("top", "--format", "{uid} {command}", box))
        client.kill()
        client.communicate()
        refuses(cloche("top"), "one sandbox")


@same_for_everyone
def test_a_terminal_shows_it_again_and_again():
    with sandbox("box") as box:
        terminal = Terminal([settings.cloche, "stats"], columns=120)
        terminal.read_until(box)
        terminal.read_until("\x1b[H")
        terminal.read_until(box)
        terminal.type("\x03")
        assert terminal.wait() == -signal.SIGINT
        terminal.close()
