"""A served pool: sandboxes that are ready, for one user at a time, and nothing of it left when it ends."""
import contextlib
import json
import os
import signal
import subprocess

from harness import cloche, deadline, refuses, same_for_everyone, settings, succeeds, wait_until
from sandboxes import execute, listed, nothing_left

POOL = "web"
PATIENCE = 120  # Seconds: a microVM may boot slowly where others are busy.


def look():
    """What `cloche pool status` says; None where nobody serves it."""
    outcome = cloche("pool", "status", "--json", POOL)
    return json.loads(outcome.out) if outcome.code == 0 else None


def start(*flags):
    words = [settings.cloche, "pool", "serve", "--name", POOL, "--memory", "128", *flags]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def end(process, number=signal.SIGTERM):
    """Its exit code, and what it had to say."""
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    return process.returncode, said


@contextlib.contextmanager
def served(*flags):
    process = start(*flags)
    try:
        wait_until(look, PATIENCE, "the pool")
        yield process
    finally:
        code, said = end(process)
        assert code == 0, said


def acquire(*flags):
    words = ["pool", "acquire", "--timeout", f"{PATIENCE}s", *flags, POOL]
    return succeeds(cloche(*words, timeout=2 * PATIENCE)).out.decode().strip()


def release(name):
    succeeds(cloche("pool", "release", POOL, name))


def wait_for_ready(count):
    wait_until(lambda: look()["ready"] == count and look()["starting"] == 0, PATIENCE, f"{count} ready ones")


@deadline(300)
def test_a_user_finds_nothing_of_the_one_before():
    with nothing_left():
        with served("--min", "1", "--max", "2"):
            first = acquire()
            succeeds(execute(first, "sh", "-c", "echo secret > /tmp/mine; sleep 1000 > /dev/null 2>&1 &"))
            second = acquire()
            assert first != second and first.startswith(f"{POOL}-")
            refuses(cloche("pool", "acquire", "--timeout", "100ms", POOL), POOL, "2 of 2 are in use", "100 ms")
            # Whoever waits gets what takes the place of the one that comes back.
            words = [settings.cloche, "pool", "acquire", "--timeout", f"{PATIENCE}s", POOL]
            waiter = subprocess.Popen(words, stdout=subprocess.PIPE)
            wait_until(lambda: look()["waiting"] == 1, what="a waiter")
            release(first)
            third = waiter.communicate(timeout=2 * PATIENCE)[0].decode().strip()
            assert third not in ("", first, second) and waiter.returncode == 0
            assert execute(third, "ls", "/tmp/mine").code == 2
            assert set(listed("-a")) == {second, third}
            refuses(cloche("pool", "release", POOL, first), POOL, first)
        assert listed("-a") == {}
        refuses(cloche("pool", "status", POOL), POOL, "nobody serves it")


@same_for_everyone
@deadline(300)
def test_a_kept_one_is_handed_on_as_it_is_and_a_dead_one_is_replaced():
    with nothing_left(), served("--min", "1", "--max", "1", "--keep"):
        first = acquire()
        succeeds(execute(first, "touch", "/tmp/kept"))
        release(first)
        assert acquire() == first
        succeeds(execute(first, "ls", "/tmp/kept"))
        os.kill(listed()[first]["pid"], signal.SIGKILL)
        release(first)
        second = acquire()
        assert second != first
        release(second)
        wait_for_ready(1)
        os.kill(listed()[second]["pid"], signal.SIGKILL)  # One that lies ready.
        wait_until(lambda: second not in listed("-a") and look()["ready"] == 1, PATIENCE, "another one")


@same_for_everyone
@deadline(300)
def test_a_lease_ends_and_a_removed_one_makes_room():
    with nothing_left(), served("--min", "0", "--max", "1", "--idle-time", "100ms"):
        assert look()["sandboxes"] == []
        first = acquire("--lease", "500ms")
        second = acquire()
        assert second != first
        succeeds(cloche("rm", "-f", second))
        third = acquire()
        release(third)
        wait_until(lambda: look()["sandboxes"] == [], PATIENCE, "none to be there")


@same_for_everyone
@deadline(300)
def test_what_a_killed_one_left_is_taken_away_by_the_next():
    with nothing_left():
        succeeds(cloche("create", "--name", "other"))
        process = start("--min", "2", "--max", "2")
        wait_until(look, PATIENCE, "the pool")
        refuses(cloche("pool", "serve", "--name", POOL), POOL, "already")
        wait_for_ready(2)
        assert end(process, signal.SIGKILL)[0] == -signal.SIGKILL
        left = set(listed("-a"))
        assert len(left) == 3 and len(listed()) == 2
        refuses(cloche("pool", "acquire", POOL), "nobody serves it")
        with served("--min", "1", "--max", "2"):
            wait_for_ready(1)
            assert set(listed("-a")) & left == {"other"}
        assert set(listed("-a")) == {"other"}
        succeeds(cloche("rm", "other"))


@same_for_everyone
def test_what_cannot_be_started_is_told():
    with nothing_left(), served("--min", "0", "--", "no-such-program"):
        refuses(cloche("pool", "acquire", POOL), POOL, "no-such-program", "not found")
        assert "no-such-program" in look()["failure"] and listed("-a") == {}


@same_for_everyone
def test_wrong_words():
    refuses(cloche("pool"), "serve")
    refuses(cloche("pool", "sreve"), "sreve")
    refuses(cloche("pool", "serve"), "--name")
    refuses(cloche("pool", "serve", "--name", "a/b"), "a/b")
    refuses(cloche("pool", "serve", "--name", POOL, "--min", "3", "--max", "2"), "min 3", "max 2")
    refuses(cloche("pool", "serve", "--name", POOL, "--idle-timeout", "5s"), "--idle-time")
    refuses(cloche("pool", "acquire"), "acquire")
    refuses(cloche("pool", "acquire", "none"), "none", "nobody serves it")
    refuses(cloche("pool", "release", "none"), "release")
    refuses(cloche("pool", "release", "none", "x"), "none", "nobody serves it")
