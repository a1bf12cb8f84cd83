"""One machine per user, however many ask for it; started when needed, stopped on demand, replaced when it died."""
import concurrent.futures
import contextlib
import os
import signal

from harness import call, deadline, descendants, kill_quietly, scratch, settings, wait_until

BOOT_ID = ["exec", "--", "cat", "/proc/sys/kernel/random/boot_id"]


@contextlib.contextmanager
def own_machine():
    """Calls `cloche machine` for a machine of the test's own."""
    environment = dict(os.environ, XDG_RUNTIME_DIR=scratch(""), CLOCHE_MACHINE_MEMORY_MIB="1024")

    def machine(*words):
        return call([settings.cloche, "machine", *words], timeout=250, environment=environment)

    try:
        yield machine
    finally:
        machine("stop")


def computers():
    """The QEMU processes below this run of the tests: the ones that its own machines are."""
    return [each.pid for each in descendants(os.getppid()) if each.name.startswith("qemu") and each.state != "Z"]


@deadline(300)
def test_started_together_there_is_one():
    with own_machine() as machine, concurrent.futures.ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda _: machine(*BOOT_ID), range(6)))
        assert all(outcome.code == 0 for outcome in outcomes), [str(outcome) for outcome in outcomes]
        assert len({outcome.out for outcome in outcomes}) == 1, outcomes
        assert len(computers()) == 1


@deadline(300)
def test_start_status_stop():
    with own_machine() as machine:
        assert b"not running" in machine("status").out
        assert machine("start").code == 0 and machine("start").code == 0
        status = machine("status")
        assert status.code == 0 and b"running" in status.out and b"not running" not in status.out, status
        # On two, QEMU loses interrupts: src/carrier/qemu.cc.
        assert all(len(os.sched_getaffinity(pid)) == 1 for pid in computers())
        assert machine("stop").code == 0 and machine("stop").code == 0
        assert b"not running" in machine("status").out
        wait_until(lambda: not computers(), 20, "QEMU to end")


@deadline(300)
def test_a_killed_machine_is_replaced():
    with own_machine() as machine:
        first = machine(*BOOT_ID)
        for pid in computers():
            kill_quietly(pid, signal.SIGKILL)
        second = machine(*BOOT_ID)
        assert first.code == second.code == 0 and first.out != second.out, (str(first), str(second))
