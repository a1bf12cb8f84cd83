"""A guest kernel writes random values to every virtio register and ring: the VMM survives it, and says what it did."""
import os
import re
import time

import bare_metal
from harness import deadline, no_leftovers, own_memory_kib, run, scratch, size, start, succeeds, vmm_of, write


@deadline(200)
def test_random_registers_and_rings():
    kernel, seconds = bare_metal.build("hostile"), size(8, 60)
    os.mkdir(scratch("share"))
    secret = write("outside", "secret")
    flags = ["--verbose", "--timeout", str(seconds), "-v", f"{scratch('share')}:/s"]
    flags += ["--kernel", kernel, "--console", scratch("console")]
    with no_leftovers():
        process = start(["true"], flags)
        vmm = vmm_of(process)
        time.sleep(seconds * 0.7)
        memory = own_memory_kib(vmm)
        _, err = process.communicate(timeout=60)
    with open(scratch("console"), encoding="utf-8", errors="replace") as file:
        rounds = [int(number) for number in re.findall(r"hostile: round (\d+)", file.read())]
    print(f"{rounds[-1:]} rounds, {memory} KiB of its own, {err.decode()}")
    assert len(rounds) > 1, "the hostile kernel did not get anywhere"
    assert process.returncode == 125 and b"timed out" in err, (process.returncode, err)
    assert b"refused" in err or b"fault" in err, f"what the devices refused is not said: {err}"
    assert memory < 32 << 10, f"the VMM grew to {memory} KiB"
    with open(secret, encoding="ascii") as file:
        assert file.read() == "secret"


def test_the_next_vm_is_fine():
    succeeds(run(["echo", "fine"]), out=b"fine\n")
