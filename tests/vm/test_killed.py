"""SIGKILL of the VMM or of cloche at any moment: it is said, nothing stays behind, and the next run works."""
import os
import random
import signal
import subprocess
import time

from harness import command, deadline, descendants, no_leftovers, run, size, start, succeeds, vmm_of, wait_until


def test_killed_vmm_is_reported():
    process = start(["sh", "-c", "echo ready; sleep 1000"])
    assert process.stdout.readline() == b"ready\n"
    os.kill(vmm_of(process), signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 125 and out == b"" and err.startswith(b"cloche"), (process.returncode, err)


@deadline(300)
def test_vmm_killed_at_random_moments():
    choose = random.Random(1)
    for _ in range(size(4, 60)):
        with no_leftovers():
            process = start(["sh", "-c", "echo x; sleep 1000"])
            vmm = vmm_of(process)
            time.sleep(choose.uniform(0, 3))
            os.kill(vmm, signal.SIGKILL)
            _, err = process.communicate(timeout=30)
            assert process.returncode == 125 and err, process.returncode
    succeeds(run(["echo", "fine"]), out=b"fine\n")


@deadline(300)
def test_cloche_killed_at_random_moments():
    choose = random.Random(2)
    for _ in range(size(4, 60)):
        with no_leftovers():
            process = subprocess.Popen(command(["sleep", "1000"]), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            time.sleep(choose.uniform(0, 3))
            process.kill()
            process.wait()
            # Nobody tells the VMM to end but the socket that closed.
            wait_until(
                lambda: not [
                    each
                    for each in descendants(os.getppid())
                    if each.name.startswith("cloche") and each.state != "Z"  # run.py takes note of it later.
                ],
                10,
                "the VMM to end",
            )
    succeeds(run(["echo", "fine"]), out=b"fine\n")
