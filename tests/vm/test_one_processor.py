"""A VMM with one processor for everything serves its guest's devices behind the vCPU; with more it has no need to."""
import os
import subprocess

import sandboxes
from harness import same_for_everyone, start, vmm_of


def policies(pid):
    """(of the main thread, of the others)."""
    of = {int(task): os.sched_getscheduler(int(task)) for task in os.listdir(f"/proc/{pid}/task")}
    return of.pop(pid), set(of.values())


def expected():
    alone = len(os.sched_getaffinity(0)) == 1
    return (os.SCHED_BATCH if alone else os.SCHED_OTHER), {os.SCHED_OTHER}


@same_for_everyone
def test_the_loop_is_behind_and_the_vcpus_are_not():
    process = start(["cat"], ["--cpus=2"], stdin=subprocess.PIPE)
    try:
        process.stdin.write(b"x\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"x\n"
        assert policies(vmm_of(process)) == expected()
    finally:
        process.communicate()


@same_for_everyone
def test_in_a_sandbox_too():
    with sandboxes.sandbox():
        assert policies(sandboxes.info("box")["pid"]) == expected()
