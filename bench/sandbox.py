"""Sandboxes, measured: from nothing to ready, a command in one that runs, output, copying in, and memory."""
import contextlib
import json
import os
import shutil
import subprocess
import time

import guests
import harness

FILES, FILES_PER_FOLDER = 10_000, 100
OUTPUT_MIB = 64
EXECS = 20


def cloche(bench, *words, **more):
    return subprocess.run([bench.cloche, *words], stdin=subprocess.DEVNULL, check=True, stdout=subprocess.PIPE, **more)


@contextlib.contextmanager
def running(bench, *more):
    """The name of a sandbox that runs."""
    cloche(bench, "create", "--name", "box", *bench.flags(*more))
    try:
        cloche(bench, "start", "box")
        yield "box"
    finally:
        cloche(bench, "rm", "-f", "box")


def to_ready(bench):
    """ms from the start of `cloche run -d` to its end, when the agent has answered."""
    began = time.monotonic_ns()
    cloche(bench, "run", "-d", "--name", "box", *bench.flags(), "--", "/bin/sleep", "100000")
    took = (time.monotonic_ns() - began) / 1e6
    cloche(bench, "rm", "-f", "box")
    return took


def exec_by_program(bench, box):
    """ms of each, through the library, after one more."""
    program = os.path.join(bench.folder, "product", "tests", "exec_job")
    told = subprocess.run([program, box, str(EXECS + 1)], check=True, stdout=subprocess.PIPE)
    return [int(line) / 1e6 for line in told.stdout.split()[1:]]


def output(bench, box):
    """MiB/s out of a command."""
    words = [bench.cloche, "exec", box, "--", "/bin/dd", "if=/dev/zero", "bs=1M", f"count={OUTPUT_MIB}"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return guests.mib_per_second(process, OUTPUT_MIB)


def make_files(folder):
    for number in range(FILES):
        place = f"{folder}/{number // FILES_PER_FOLDER}"
        os.makedirs(place, exist_ok=True)
        with open(f"{place}/{number}", "wb") as file:
            file.write(bytes(number % 2000))


def copy_in(bench, box, folder, milliseconds):
    took = milliseconds([bench.cloche, "cp", folder, f"{box}:/tmp"])
    cloche(bench, "exec", box, "--", "/bin/rm", "-r", f"/tmp/{os.path.basename(folder)}")
    return took


def tar(folder, place, milliseconds):
    script = f"mkdir {place} && tar c -C {os.path.dirname(folder)} {os.path.basename(folder)} | tar x -C {place}"
    took = milliseconds(["sh", "-c", script])
    shutil.rmtree(place)
    return took


@contextlib.contextmanager
def pool(bench):
    """The name of a pool with two sandboxes ready."""
    words = [bench.cloche, "pool", "serve", "--name", "pool", "--min", "2", "--max", "4", *bench.flags()]
    server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield "pool"
    finally:
        server.terminate()
        server.wait()


def wait_for_two(bench, name):
    while True:
        told = subprocess.run([bench.cloche, "pool", "status", "--json", name], capture_output=True, check=False)
        if told.returncode == 0 and json.loads(told.stdout)["ready"] == 2:
            return
        time.sleep(0.1)


def acquire(bench, name):
    """ms until `cloche pool acquire` has named a sandbox."""
    wait_for_two(bench, name)
    began = time.monotonic_ns()
    box = cloche(bench, "pool", "acquire", name).stdout.decode().strip()
    took = (time.monotonic_ns() - began) / 1e6
    cloche(bench, "pool", "release", name, box)
    return took


def memory(bench, box):
    """MiB of the VMM's own and of the guest's memory that is in use, with a guest in which nothing happens."""
    pid = int(cloche(bench, "inspect", "--format", "{pid}", box).stdout)
    own = harness.own_memory_kib(pid)
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        resident = next(int(line.split()[1]) for line in file if line.startswith("Rss:"))
    return own / 1024, (resident - own) / 1024


def measure(bench, repeat, milliseconds):
    bench.add("sandbox: create and start to ready", repeat(lambda: to_ready(bench)), "ms")
    cold = bench.add(
        "cold `cloche run /bin/true`",
        repeat(lambda: milliseconds(harness.command(["/bin/true"], bench.flags()))),
        "ms",
    )
    with running(bench, "--memory", "256") as box:
        took = bench.add("sandbox: exec of /bin/true by a program", exec_by_program(bench, box), "ms")
        bench.add("    time, exec to a cold run", [took / cold], "", limit=0.05)
        warm = [bench.cloche, "exec", box, "--", "/bin/true"]
        took = bench.add("sandbox: `cloche exec` of /bin/true", repeat(lambda: milliseconds(warm), EXECS), "ms")
        bench.add("    time, `cloche exec` to a cold run", [took / cold], "")
        nothing = [f"{bench.rootfs}/bin/true"]
        bench.add("    /bin/true on the host", repeat(lambda: milliseconds(nothing), EXECS), "ms")
        bench.add(f"sandbox: output of exec, {OUTPUT_MIB} MiB", repeat(lambda: output(bench, box)), "MiB/s")
        folder = bench.path("files")
        make_files(folder)
        ours = bench.add(
            f"sandbox: copy in {FILES} files", repeat(lambda: copy_in(bench, box, folder, milliseconds), 3), "ms"
        )
        theirs = bench.add(
            "    tar on the host", repeat(lambda: tar(folder, bench.path("copied"), milliseconds), 3), "ms"
        )
        bench.add("    time, cp to tar's", [ours / theirs], "")
    with running(bench) as box:
        time.sleep(1)
        own, guest = memory(bench, box)
        bench.add("sandbox: resident memory of the idle VMM", [own], "MiB", limit=6)
        bench.add("sandbox: resident memory of the idle guest", [guest], "MiB")
    with pool(bench) as name:
        bench.add("sandbox: acquire from a pool with one ready", repeat(lambda: acquire(bench, name)), "ms")
