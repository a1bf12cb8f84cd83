#!/usr/bin/env python3
"""Measures what SPECIFICATION.md promises, inside `cloche machine exec --icount`: an instruction is a nanosecond there.

usage: bench/run.py --cloche PATH [--tree TAR] [NAME...]

Everything lies in that machine's memory, each measurement is warmed up once and then taken five times; the median
counts. Ratios are to QEMU's microvm with the same kernel in the same run, or to the same work without a VM. A table
goes to standard error, JSON to standard output.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "vm")]
sys.dont_write_bytecode = True
import harness  # noqa: E402
import block  # noqa: E402
import fs  # noqa: E402
import guests  # noqa: E402
import lost  # noqa: E402
import net  # noqa: E402
import sandbox  # noqa: E402

ROUNDS = 5
MIB = 1 << 20
SMALL = ["--cpus", "1", "--memory", "128"]


class Bench:
    """The figures so far, and where the files are."""

    def __init__(self, cloche, folder):
        self.folder, self.figures = folder, []
        self.cloche = harness.settings.cloche = harness.copy_product(cloche, os.path.join(folder, "product"))
        self.kernel = os.path.join(folder, "product", "share", "cloche", "guest-vmlinux")
        harness.settings.scratch = folder
        self.rootfs = guests.make_busybox_root(os.path.join(folder, "rootfs"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def flags(self, *more):
        return [*SMALL, "--rootfs", self.rootfs, *more]

    def add(self, name, values, unit, limit=None, goal=None):
        """One figure: the median of `values`, with all of them kept."""
        figure = {
            "name": name,
            "unit": unit,
            "median": statistics.median(values),
            "values": values,
            "limit": limit,
            "goal": goal,
        }
        self.figures.append(figure)
        note = "" if limit is None else f"   at most {limit}" + ("" if goal is None else f", goal {goal}")
        print(
            f"{name:<52} {figure['median']:>10.2f} {unit:<6} {min(values):.2f} .. {max(values):.2f}{note}",
            file=sys.stderr,
            flush=True,
        )
        return figure["median"]

    def add_ratio(self, medians, smaller_is_better):
        """How the first compares with the second, as times: below 1 is ahead."""
        ours, theirs = medians
        self.add("    time, ours to QEMU's", [ours / theirs if smaller_is_better else theirs / ours], "", limit=1)


def milliseconds(words, out=subprocess.DEVNULL):
    """From the start of a program to its end, reaped."""
    began = time.monotonic_ns()
    pid = os.posix_spawnp(
        words[0],
        words,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
        ],
    )
    _, status = os.waitpid(pid, 0)
    took = (time.monotonic_ns() - began) / 1e6
    if status != 0:
        sys.exit(f"{' '.join(words)}: ended with status {status}")
    return took


def repeat(measure, rounds=ROUNDS):
    """So many values after one that is thrown away."""
    measure()
    return [measure() for _ in range(rounds)]


def phases(bench):
    """{phase: (begin, end)} in ms of one run of /bin/true, and the whole run's ms."""
    trace = bench.path("trace.json")
    took = milliseconds(harness.command(["/bin/true"], bench.flags(f"--timings={trace}")))
    with open(trace, encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    return {
        event["name"]: (event["ts"] / 1e3, (event["ts"] + event["dur"]) / 1e3) for event in events if event["ph"] == "X"
    }, took


def bench_boot(bench):
    runs = repeat(lambda: phases(bench))
    boot = [spans["run: first vCPU instruction to PID 1"] for spans, _ in runs]
    begin = [min(each[0] for each in spans.values()) for spans, _ in runs]
    ended = [spans["run: Start to exit report"][1] for spans, _ in runs]
    bench.add("boot: first vCPU instruction to PID 1", [end - start for start, end in boot], "ms", limit=40, goal=15)
    bench.add(
        "set-up: library called to first KVM_RUN", [start - first for (start, _), first in zip(boot, begin)], "ms"
    )
    bench.add("guest: PID 1 to exit report", [end - first[1] for first, end in zip(boot, ended)], "ms")
    bench.add(
        "exec before, teardown and reaping after",
        [took - (end - first) for (_, took), first, end in zip(runs, begin, ended)],
        "ms",
    )


def bench_start(bench):
    ours = bench.add(
        "run /bin/true, directory root, start to reaped",
        repeat(lambda: milliseconds(harness.command(["/bin/true"], bench.flags()))),
        "ms",
        limit=120,
        goal=80,
    )
    kernel, initramfs = bench.kernel, guests.make_initramfs(bench.path("bare.cpio"))
    theirs = repeat(lambda: milliseconds(guests.qemu_microvm(kernel, initramfs)))
    bench.add("QEMU microvm, same kernel, bare initramfs", theirs, "ms")
    # Its threads wait for each other at times: the best of its runs is what we are measured against.
    bench.add("ratio to QEMU's best", [ours / min(theirs)], "")


def bench_lost(bench):
    lost.measure(bench, repeat)


def resident(bench, shares):
    """KiB of the VMM apart from guest memory, with a guest asleep."""
    flags = bench.flags()
    for index in range(shares):
        folder = bench.path(f"share{index}")
        os.makedirs(folder, exist_ok=True)
        flags += ["-v", f"{folder}:/shares/{index}"]
    process = harness.start(["/bin/sh", "-c", "ls /shares/* >/dev/null; echo ready; exec sleep 100000"], flags)
    process.stdout.readline()
    kib = harness.own_memory_kib(harness.vmm_of(process))
    process.terminate()
    process.communicate()
    return kib / 1024


def bench_memory(bench):
    for shares in (1, 32):
        bench.add(
            f"resident memory of the VMM, {shares} share{'s' * (shares > 1)}",
            repeat(lambda: resident(bench, shares)),
            "MiB",
            limit=6,
            goal=3,
        )


def from_guest(bench, mib):
    """MiB/s out of a guest."""
    process = harness.start(
        ["/bin/dd", "if=/dev/zero", "bs=1M", f"count={mib}"], bench.flags(), stderr=subprocess.DEVNULL
    )
    return guests.mib_per_second(process, mib)


def into_guest(bench, mib):
    """MiB/s into a guest."""
    process = harness.start(["/bin/sh", "-c", "echo ready; exec cat >/dev/null"], bench.flags(), stdin=subprocess.PIPE)
    process.stdout.readline()
    block, began = bytes(MIB), time.monotonic_ns()
    for _ in range(mib):
        process.stdin.write(block)
    process.stdin.close()
    process.stdout.read()
    took = time.monotonic_ns() - began
    process.wait()
    return mib / (took / 1e9)


def round_trip(bench, count):
    """Microseconds for a byte to go through `cat` and back."""
    process = harness.start(["/bin/cat"], bench.flags(), stdin=subprocess.PIPE, bufsize=0)

    def once():
        process.stdin.write(b"x")
        process.stdout.read(1)

    once()
    began = time.monotonic_ns()
    for _ in range(count):
        once()
    took = time.monotonic_ns() - began
    process.stdin.close()
    process.wait()
    return took / count / 1e3


def bench_vsock(bench):
    bench.add("vsock: guest to host, 32 MiB", repeat(lambda: from_guest(bench, 32)), "MiB/s")
    bench.add("vsock: host to guest, 32 MiB", repeat(lambda: into_guest(bench, 32)), "MiB/s")
    bench.add("vsock: a byte through cat and back", repeat(lambda: round_trip(bench, 200)), "us")


def bench_fs(bench):
    program = os.path.join(bench.folder, "product", "tests", "fs_job")
    fs.compare(bench, bench.tree_archive, program, lambda measure: repeat(measure, bench.rounds), bench.fs_job)


def bench_block(bench):
    block.compare(bench, os.path.join(bench.folder, "product", "tests", "block_job"), bench.rounds)


def bench_passt(bench):
    net.compare_passt(bench, bench.rounds)


def bench_tap(bench):
    net.compare_tap(bench, bench.rounds)


def bench_sandbox(bench):
    sandbox.measure(bench, repeat, milliseconds)


def main():
    parser = argparse.ArgumentParser(description="the measurements behind SPECIFICATION.md")
    parser.add_argument("--cloche", required=True)
    parser.add_argument("--tree", default="", help="what bench/fs_tree.py made, for fs")
    parser.add_argument("--rounds", type=int, default=3, help="runs of a job of block, passt, tap and fs that count")
    parser.add_argument(
        "names", nargs="*", help="boot, start, lost, memory, vsock, block, passt, tap, sandbox, fs or fs=JOB"
    )
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="cloche-bench-", dir="/dev/shm")
    os.environ.update(HOME=folder, TMPDIR=folder, XDG_RUNTIME_DIR=folder)
    try:
        bench = Bench(os.path.abspath(options.cloche), folder)
        bench.rounds = options.rounds
        bench.tree_archive = os.path.abspath(options.tree)
        bench.fs_job = next((name[3:] for name in options.names if name.startswith("fs=")), "")
        names = [name.partition("=")[0] for name in options.names]
        for name, function in list(globals().items()):
            if name.startswith("bench_") and (not names or name[6:] in names):
                function(bench)
        json.dump({"kernel": os.uname().release, "figures": bench.figures}, sys.stdout, indent=1)
        print()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
