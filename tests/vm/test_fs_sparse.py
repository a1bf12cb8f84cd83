"""A sparse file of 5 GiB keeps its holes in a share, and so does its copy."""
import os

from harness import run, scratch, sh, succeeds

GIB = 1 << 30

# Writes here and there in a file of 5 GiB, and says where its data is.
SPARSE = r"""
import os
fd = os.open("/s/sparse", os.O_RDWR | os.O_CREAT)
os.truncate(fd, 5 << 30)
for at in (0, 1 << 30, (3 << 30) + 4096, (5 << 30) - 4096):
    os.pwrite(fd, b"x" * 4096, at)
os.fsync(fd)
at, data = 0, []
while True:
    try:
        start = os.lseek(fd, at, os.SEEK_DATA)
    except OSError:
        break
    at = os.lseek(fd, start, os.SEEK_HOLE)
    data.append((start, at))
print(os.fstat(fd).st_size, os.fstat(fd).st_blocks, data)
"""


def data_of(path):
    at, data = 0, []
    with open(path, "rb") as file:
        while True:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                return data
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            data.append((start, at))


def test_holes_stay():
    os.mkdir(scratch("share"))
    flags = ["-v", f"{scratch('share')}:/s"]
    outcome = succeeds(run(["python3", "-c", SPARSE], flags))
    succeeds(sh("cp --sparse=auto /s/sparse /s/copy && cmp -n 8192 /s/sparse /s/copy", flags))
    data = data_of(scratch("share/sparse"))
    blocks = os.stat(scratch("share/sparse")).st_blocks
    assert outcome.out.decode() == f"{5 * GIB} {blocks} {data}\n", (outcome, data)
    assert len(data) == 4 and blocks < 1000, (data, blocks)
    copy = os.stat(scratch("share/copy"))
    assert copy.st_size == 5 * GIB and copy.st_blocks < 1000 and data_of(scratch("share/copy")) == data, copy
