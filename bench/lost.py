"""How long it takes to say of a guest that it is lost, from what ended it to the end of the program."""
import subprocess
import time

import harness
import tiny_kernel

LIMIT_MS = 2000
TIMEOUT_SECONDS = 1


def ended(bench, words, flags):
    """ms to the end of the run, which has to be that of a lost guest."""
    began = time.monotonic_ns()
    code = subprocess.run(
        harness.command(words, bench.flags(*flags)), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    ).returncode
    took = (time.monotonic_ns() - began) / 1e6
    assert code == 125, code
    return took


def panicked(bench):
    """ms from the word that makes the guest's kernel panic."""
    words = ["/bin/sh", "-c", "echo ready; read go; echo c >/proc/sysrq-trigger; sleep 1000"]
    process = harness.start(words, bench.flags(), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.readline()
    began = time.monotonic_ns()
    process.stdin.write(b"go\n")
    process.stdin.flush()
    assert process.wait() == 125, process.returncode
    return (time.monotonic_ns() - began) / 1e6


def measure(bench, repeat):
    triple_fault = tiny_kernel.make("triple-fault", tiny_kernel.TRIPLE_FAULT)
    spin = tiny_kernel.make("spin", tiny_kernel.SPIN)
    timeout = ["--kernel", spin, f"--timeout={TIMEOUT_SECONDS}"]
    bench.add("lost: a kernel that panics", repeat(lambda: panicked(bench)), "ms", limit=LIMIT_MS)
    bench.add(
        "lost: a triple fault, start to reaped",
        repeat(lambda: ended(bench, ["/bin/true"], ["--kernel", triple_fault])),
        "ms",
        limit=LIMIT_MS,
    )
    bench.add(
        "lost: spinning, interrupts off, after its --timeout",
        repeat(lambda: ended(bench, ["/bin/true"], timeout) - TIMEOUT_SECONDS * 1e3),
        "ms",
        limit=LIMIT_MS,
    )
