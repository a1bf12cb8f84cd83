"""File sharing, measured: the same job in a share of ours, in one that Debian's virtiofsd serves to QEMU's microvm, and
without a VM. The job takes its own time; both guests have the same kernel, a cold cache, and the default policy."""
import contextlib
import os
import shlex
import shutil
import subprocess
import time

import guests
import harness

MEMORY_MIB = 512
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
SECONDS = 600  # Of real time, for one run.

# name: (the job's words, the MiB that it moves or None, the most that ours may be of virtiofsd's time)
JOBS = {
    "sequential write, 64 MiB": (["write", "/s"], 64, 1),
    "sequential read, 64 MiB": (["read", "/s"], 64, 1),
    "random 4 KiB reads": (["random-read", "/s"], None, 1),
    "random 4 KiB reads, O_DIRECT": (["random-read-direct", "/s"], None, 1),
    "random 4 KiB writes": (["random-write", "/s"], None, 1),
    "random 4 KiB writes, O_DIRECT": (["random-write-direct", "/s"], None, 1),
    "10000 files: create, stat, unlink": (["small-files", "/s"], None, 0.7),
    "git status, 20000 files": (["exec", "/s/root", "/usr/bin/git", "-C", "/repository", "status"], None, 0.7),
    "tar x, 5000 files": (["exec", "/s/root", "/usr/bin/tar", "xf", "/linux.tar", "-C", "/tmp"], None, 0.7),
    "python3 -c 'import json, asyncio, sqlite3'": (
        ["exec", "/s/root", "/usr/bin/python3", "-c", "import json, asyncio, sqlite3"],
        None,
        1,
    ),
}
MAPPED = "mmap read of 64 MiB in use, dax"
ON_THE_HOST = {"random-read-direct": "random-read", "random-write-direct": "random-write"}  # tmpfs has no O_DIRECT.


class Tree:
    """The measured tree, in memory."""

    def __init__(self, archive, program, folder):
        self.folder = folder
        os.makedirs(folder)
        subprocess.run(["tar", "xf", archive, "-C", folder], check=True)
        shutil.copy(program, f"{folder}/fs_job")
        # The index learns the files' times here.
        without(None, self, JOBS["git status, 20000 files"][0])

    def clean(self):
        """As it was before a job."""
        for name in ("result", "new"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.folder}/{name}")
        for name in os.listdir(f"{self.folder}/root/tmp"):
            shutil.rmtree(f"{self.folder}/root/tmp/{name}")

    def milliseconds(self):
        """What the job wrote down."""
        with open(f"{self.folder}/result", encoding="ascii") as file:
            took = int(file.read()) / 1e6
        self.clean()
        return took


def ours(bench, tree, words, options=""):
    flags = ["--cpus", "1", "--memory", str(MEMORY_MIB), "--rootfs", bench.rootfs, "-v", f"{tree.folder}:/s{options}"]
    outcome = harness.run(["/s/fs_job", "/s/result", *words], flags, timeout=SECONDS)
    assert outcome.code == 0, outcome
    return tree.milliseconds()


def virtiofsd(bench, tree, words):
    socket, initramfs = bench.path("virtiofsd.sock"), bench.path("virtiofs.cpio")
    job = shlex.join(["/s/fs_job", "/s/result", *words])
    script = f"#!/bin/sh\nmount -t devtmpfs dev /dev\nmount -t virtiofs s /s\n{job}\nreboot -f\n"
    guests.make_busybox_initramfs(initramfs, script)
    server = subprocess.Popen(
        [VIRTIOFSD, f"--socket-path={socket}", "-o", f"source={tree.folder}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not os.path.exists(socket):
        time.sleep(0.01)
    command = guests.qemu_microvm_with_share(bench.kernel, initramfs, MEMORY_MIB, socket)
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=SECONDS, check=True)
    server.wait(SECONDS)
    return tree.milliseconds()


def without(_, tree, words):
    place = [word.replace("/s", tree.folder, 1) if word.startswith("/s") else word for word in words]
    place[0] = ON_THE_HOST.get(place[0], place[0])
    command = [f"{tree.folder}/fs_job", f"{tree.folder}/result", *place]
    subprocess.run(command, stdin=subprocess.DEVNULL, timeout=SECONDS, check=True)
    return tree.milliseconds()


def compare(bench, archive, program, repeat, chosen=""):
    tree = Tree(archive, program, bench.path("tree"))
    for name, (words, mib, most) in JOBS.items():
        if chosen not in name:
            continue
        took = {way: repeat(lambda: way(bench, tree, words)) for way in (ours, virtiofsd, without)}
        unit = "ms" if mib is None else "MiB/s"
        medians = [
            bench.add(
                f"{'    ' * (way is not ours)}{label}",
                [each if mib is None else mib / each * 1e3 for each in took[way]],
                unit,
            )
            for way, label in ((ours, f"fs: {name}"), (virtiofsd, "virtiofsd"), (without, "without a VM"))
        ]
        times = medians if mib is None else [mib / each for each in medians]
        bench.add("    time, ours to virtiofsd's", [times[0] / times[1]], "", limit=most)
        bench.add("    time, ours to the host's", [times[0] / times[2]], "")
    if chosen in MAPPED:
        compare_mapped(bench, tree, repeat)


def compare_mapped(bench, tree, repeat):
    words = ["map", "/s"]
    with_dax = bench.add(f"fs: {MAPPED}", repeat(lambda: ours(bench, tree, words, ":dax")), "ms")
    cached = bench.add("    the guest's page cache", repeat(lambda: ours(bench, tree, words)), "ms")
    bench.add("    time, dax to the guest's page cache", [with_dax / cached], "", limit=1.1)
