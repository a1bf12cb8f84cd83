"""--memory: the guest has what was asked for, also across the hole below 4 GiB; and the VMM itself takes little."""
import os

from harness import deadline, own_memory_kib, run, same_for_everyone, scratch, sh, start, succeeds, vmm_of

SHARES = 32
OWN_MIB = 6

# Touches a byte of each page of most of the memory, and reads all of them back.
TOUCH = r"""
import mmap, sys
size = int(sys.argv[1]) << 20
memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_HUGEPAGE)
step = 1 << 21
for at in range(0, size, step): memory[at:at + 8] = at.to_bytes(8, "little")
print(all(memory[at:at + 8] == at.to_bytes(8, "little") for at in range(0, size, step)))
"""


def total_mib(memory):
    out = succeeds(sh("grep MemTotal /proc/meminfo", ["--memory", str(memory)])).out
    return int(out.split()[1]) >> 10


def test_as_much_as_asked_for():
    for memory in (128, 512):
        assert memory * 0.8 < total_mib(memory) < memory, memory


def test_beyond_the_hole():
    assert 4096 * 0.9 < total_mib(4096) < 4096


@deadline(300)
def test_memory_above_4_gib_is_real():
    succeeds(run(["python3", "-c", TOUCH, "3500"], ["--memory", "4096"], timeout=250), out=b"True\n")


@same_for_everyone
def test_a_vmm_with_many_shares_is_small():
    flags = []
    for index in range(SHARES):
        os.mkdir(scratch(str(index)))
        flags += ["-v", f"{scratch(str(index))}:/shares/{index}"]
    process = start(["sh", "-c", "for s in /shares/*; do mkdir $s/used; done; echo ready; exec sleep 1000"], flags)
    assert process.stdout.readline() == b"ready\n", process.communicate()
    assert all(os.path.isdir(scratch(f"{index}/used")) for index in range(SHARES))
    kib = own_memory_kib(vmm_of(process))
    assert kib < OWN_MIB << 10, kib
    print(f"{kib} KiB")
    process.terminate()
    process.communicate()
