"""A VMM that may open few files serves a guest that keeps many more: it finds again what it had to close, and more
files open at once than it has descriptors for are an errno in the guest."""
import os

from harness import call, command, deadline, scratch, size, succeeds

# Knows every file by an O_PATH descriptor, which is none on the host; opens each through it, then as many as can be.
GUEST = r"""
import errno, os, resource, stat, sys
count, limit = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
found = sorted(os.path.join(folder, name) for folder, _, names in os.walk("/s") for name in names)
assert len(found) == count, len(found)
kept = [os.open(path, os.O_PATH) for path in found]
for path, fd in zip(found, kept):
    assert os.fstat(fd).st_size == len(path), path
    with open(f"/proc/self/fd/{fd}") as file:
        assert file.read() == path, path
for fd in kept: os.close(fd)
opened = []
try:
    for path in found: opened.append(os.open(path, os.O_RDONLY))
except OSError as error:
    print(errno.errorcode[error.errno], len(opened), flush=True)
for path, fd in zip(found, opened):
    assert os.pread(fd, 99, 0) == path.encode(), path
    os.close(fd)
for path in found[-limit:]:
    with open(path) as file:
        assert file.read() == path
print("ok")
"""


def walk(count, limit, cache):
    flags = ["-q", "-v", f"{scratch('share')}:/s:cache={cache}"]
    guest = command(["python3", "-c", GUEST, str(count), str(limit)], flags)
    outcome = call(["prlimit", f"--nofile={limit}:{limit}", *guest], timeout=size(55, 300))
    error, opened, end = succeeds(outcome).out.split()
    assert error == b"ENFILE" and limit / 8 < int(opened) < limit and end == b"ok", outcome


@deadline(100)
def test_more_files_than_descriptors():
    count, limit = size((500, 160), (5000, 1024))
    for number in range(count):
        folder = f"d{number % 50}"
        os.makedirs(scratch(f"share/{folder}"), exist_ok=True)
        with open(scratch(f"share/{folder}/{number}"), "w", encoding="ascii") as file:
            file.write(f"/s/{folder}/{number}")
    for cache in size(("none",), ("none", "auto", "always")):
        walk(count, limit, cache)
