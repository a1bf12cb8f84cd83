"""The exercisers of file systems on a raw disk's ext4: fs_model, which does what fsx does and more (reads, writes,
maps, cuts, holes, pieces taken out and put in, all compared with a model in memory), and fio with verified contents.
Another VM finds the same afterwards, and e2fsck nothing wrong. Ten minutes each with --long."""
import os
import random

from harness import call, deadline, guest_program, same_for_everyone, sh, size, write

MIB = 1 << 20

# What is freed is discarded while others write.
MOUNT = "set -e; mount -o discard /dev/vda /mnt\n"
# With blocks smaller than a page Linux 6.1's ext4 is wrong by itself: SEEK_HOLE finds data, on a loop device without a
# VM too, and what was written through a mapping has been lost.
MAKE = "mkfs.ext4 -q -b 4096 /dev/vda\n"


def image():
    path = write("disk.img", b"")
    os.truncate(path, 256 * MIB)
    return path


def on_disk(script, path, flags=()):
    """Runs it, and looks at the file system that it leaves."""
    flags = ["--disk", path, "--memory", "256M", *flags]
    outcome = sh(script, flags, timeout=1200)
    assert outcome.code == 0, outcome
    checked = call(["/sbin/e2fsck", "-fn", path])
    assert checked.code == 0 and b"recovering" not in checked.out + checked.err, checked
    return outcome


DIGEST = "tar -C /mnt --sort=name -cf - one tree | sha256sum\n"


@same_for_everyone
@deadline(120)
def test_fsx():
    path, seed = image(), size(1, random.randrange(1 << 32))
    model = ["-v", f"{guest_program('fs_model')}:/fs_model:ro"]
    limit = f"--seconds {size(6, 600)}"
    script = f"""mkdir /mnt/one /mnt/tree
      /fs_model /mnt/tree --seed {seed} {limit} & /fs_model /mnt/one --one-file --seed {seed} {limit}
      wait $!; fstrim /mnt\n"""
    lines = on_disk(MAKE + MOUNT + script + DIGEST, path, model).out.decode().splitlines()
    print("\n".join(lines))
    assert sum(each.endswith(" no difference") for each in lines) == 2, lines
    # ext4 lacks nothing that the program can do.
    assert sum(each.endswith(" direct zero-range shared-map tmpfile whiteout shift") for each in lines) == 2, lines
    assert on_disk(MOUNT + DIGEST, path).out.decode().splitlines() == lines[-1:], lines


# Four ways to write at once, each block with its checksum and with numbers that follow from the seed.
ROUND = r"""fio --directory=/mnt --size=4M --bsrange=1k-64k --verify=crc32c --verify_fatal=1 --verify_state_save=0 \
  --output-format=terse --randseed=$seed $more \
  --name=direct --rw=randwrite --direct=1 --ioengine=libaio --iodepth=16 --verify_backlog=64 \
  --name=ring --rw=randrw --direct=1 --ioengine=io_uring --iodepth=8 \
  --name=buffered --rw=randwrite --ioengine=psync --fsync=32 --invalidate=1 \
  --name=mapped --rw=randwrite --ioengine=mmap"""


@same_for_everyone
@deadline(180)
def test_fio():
    path, first = image(), size(1, random.randrange(1 << 30))
    script = f"""seed={first} more=; end=$(($(date +%s) + {size(6, 600)}))
      while :; do
        {ROUND} >&2
        [ $(date +%s) -lt $end ] || break
        seed=$((seed + 1))
      done; echo $seed"""
    last = int(on_disk(MAKE + MOUNT + script, path).out)
    print(f"seeds {first} to {last}")
    on_disk(f"{MOUNT} seed={last} more=--verify_only; {ROUND}", path)
