"""Signals: one that ends the command is 128+n, and those sent to cloche reach the command."""
import signal
import time

from harness import sh, start


def test_ended_by_a_signal():
    for name, number in (("TERM", 15), ("KILL", 9), ("SEGV", 11)):
        outcome = sh(f"kill -{name} $$; sleep 9")
        assert outcome.code == 128 + number, (name, outcome)


def send(number, trap):
    """Starts a command that traps `trap`, sends cloche the signal once it is ready, and returns (code, stdout)."""
    process = start(["sh", "-c", f"trap 'echo caught; exit 5' {trap}; echo ready; while :; do sleep 0.1; done"])
    assert process.stdout.readline() == b"ready\n", process.communicate()
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    return process.returncode, out


def test_signals_reach_the_command():
    for number, trap in (
        (signal.SIGTERM, "TERM"),
        (signal.SIGINT, "INT"),
        (signal.SIGHUP, "HUP"),
        (signal.SIGUSR1, "USR1"),
    ):
        assert send(number, trap) == (5, b"caught\n"), trap


def test_untrapped_term_ends_the_command():
    process = start(["sh", "-c", "echo ready; exec sleep 100"])
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM, process.returncode


def test_a_command_that_ignores_term_is_ended_at_the_third():
    process = start(["sh", "-c", "trap '' TERM; echo ready; sleep 100; sleep 100"])
    assert process.stdout.readline() == b"ready\n"
    for _ in range(3):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 125 and err.startswith(b"cloche: "), (process.returncode, err)
