"""A guest kernel writes random values to every virtio register and ring: the VMM survives it, and says what it did."""
import os
import re
import time

from harness import call, deadline, no_leftovers, own_memory_kib, run, scratch, size, start, succeeds, vmm_of, write

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hostile.c")


def build():
    flags = [
        "-O1",
        "-std=gnu11",
        "-nostdlib",
        "-static",
        "-ffreestanding",
        "-fno-pic",
        "-no-pie",
        "-mno-red-zone",
        "-mgeneral-regs-only",
        "-fno-stack-protector",
        "-fcf-protection=none",
        "-fno-asynchronous-unwind-tables",
        "-Wl,--build-id=none",
        "-Wl,-z,noexecstack",
        "-Wl,-Ttext-segment=0x1000000",
        "-Wl,--section-start=.start=0x1010000",
        "-Wl,-e,start",
        "-Wl,-z,max-page-size=4096",
    ]
    with open(SOURCE, "rb") as file:
        path = write("hostile.c", file.read())
    outcome = call(["gcc", *flags, "-o", scratch("hostile"), path], timeout=100)
    assert outcome.code == 0, outcome
    return scratch("hostile")


@deadline(200)
def test_random_registers_and_rings():
    kernel, seconds = build(), size(8, 60)
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
