"""Disks, measured: the same job in a guest of ours and in one of QEMU's microvm, on the same raw image in memory, each
with its defaults. The guest takes the time, past its own page cache."""
import os

import guests

MIB, ACCESSES, DISK_MIB, MEMORY_MIB = 1 << 20, 2048, 64, 256

# What block_job calls it: (name, MiB that it moves or None for so many accesses)
JOBS = {
    "sequential-write": ("1 MiB sequential writes", DISK_MIB),
    "sequential-read": ("1 MiB sequential reads", DISK_MIB),
    "random-read": ("4 KiB random reads", None),
    "random-write": ("4 KiB random writes", None),
    "random-reads-at-once": ("4 KiB random reads, 16 at once", None),
    "random-writes-at-once": ("4 KiB random writes, 16 at once", None),
}


def make_image(path):
    with open(path, "wb") as file:
        for _ in range(DISK_MIB):
            file.write(os.urandom(MIB))


def times(words):
    """{job: [ns, ...]} that block_job has printed, without the first round."""
    found = {job: [] for job in JOBS}
    for line in words.splitlines():
        job, _, took = line.strip().partition(" ")
        if job in found:
            found[job].append(int(took))
    assert all(len(each) > 1 for each in found.values()), words
    return {job: each[1:] for job, each in found.items()}


def figure(took, mib):
    return mib / took * 1e9 if mib is not None else took / ACCESSES / 1e3


def compare(bench, program, rounds):
    image = bench.path("disk.img")
    make_image(image)
    pair = guests.Pair(bench, "block", MEMORY_MIB, f"/block_job /dev/vda {rounds + 1}\n")
    pair.add_program(program)
    disk = ["-drive", f"file={image},format=raw,if=none,id=disk", "-device", "virtio-blk-device,drive=disk"]
    ours, theirs = times(pair.ours(["--disk", image])), times(pair.qemu(disk))
    for job, (name, mib) in JOBS.items():
        unit = "us" if mib is None else "MiB/s"
        medians = [
            bench.add(label, [figure(each, mib) for each in took[job]], unit)
            for label, took in ((f"block: {name}", ours), ("    QEMU microvm", theirs))
        ]
        bench.add_ratio(medians, smaller_is_better=mib is None)
    os.unlink(image)
