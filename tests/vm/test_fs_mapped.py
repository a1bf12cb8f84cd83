"""Memory mappings of a share's files: processes of the guest see each other's writes, and a file cut short under a
mapping costs the process that looks beyond its end, and nobody else."""
import os
import subprocess

from harness import deadline, run, sh, start, succeeds, write

PAGE = 4096


# Two processes map one file; each sees the other's writes, and write() and the mapping agree.
SHARED = r"""
import mmap, os
fd = os.open("/s/file", os.O_RDWR)
view, own = mmap.mmap(fd, 8192), mmap.mmap(fd, 8192, mmap.MAP_PRIVATE)
own[0:3] = b"own"
there, back = os.pipe(), os.pipe()
if os.fork() == 0:
    other = os.open("/s/file", os.O_RDWR)
    mapped = mmap.mmap(other, 8192)
    os.read(there[0], 1)
    assert mapped[0:5] == b"first" and os.pread(other, 5, 4096) == b"write"
    mapped[100:105] = b"child"
    os.write(back[1], b"x")
    os._exit(0)
view[0:5] = b"first"
os.pwrite(fd, b"write", 4096)
assert view[4096:4101] == b"write"
os.write(there[1], b"x")
os.read(back[0], 1)
assert os.wait()[1] == 0
assert view[100:105] == b"child" and os.pread(fd, 5, 100) == b"child"
assert own[0:3] == b"own" and os.pread(fd, 5, 0) == b"first"
view.flush()
print("ok")
"""


def test_processes_share_a_mapping():
    for cache in ("auto", "always"):
        path = write(f"{cache}/file", bytes(2 * PAGE))
        succeeds(run(["python3", "-c", SHARED], ["-v", f"{os.path.dirname(path)}:/s:cache={cache}"]), out=b"ok\n")
        with open(path, "rb") as file:
            data = file.read()
        assert (data[:5], data[100:105], data[PAGE : PAGE + 5]) == (b"first", b"child", b"write")


# A child that looks beyond the new end is ended by SIGBUS (7); another goes on.
CUT = r"""
import mmap, os, sys
fd = os.open("/s/file", os.O_RDWR)
view = mmap.mmap(fd, 16384)
print(view[0], view[12288], flush=True)
if CUT_BY_HOST:
    sys.stdin.readline()
    while os.stat("/s/file").st_size != 4096: pass
else:
    os.ftruncate(fd, 4096)
def look(at):
    if os.fork() == 0:
        view[at]
        os._exit(0)
    return os.waitstatus_to_exitcode(os.wait()[1])
print(look(12288), look(0), flush=True)
os.ftruncate(fd, 16384)
print(look(12288), view[12288], flush=True)
"""


def test_a_file_cut_short_in_the_guest():
    path = write("share/file", b"a" * 4 * PAGE)
    script = CUT.replace("CUT_BY_HOST", "False")
    succeeds(run(["python3", "-c", script], ["-v", f"{os.path.dirname(path)}:/s"]), out=b"97 97\n-7 0\n0 0\n")


@deadline(60)
def test_a_file_cut_short_on_the_host():
    path = write("share/file", b"a" * 4 * PAGE)
    script = CUT.replace("CUT_BY_HOST", "True")
    process = start(["python3", "-c", script], ["-i", "-v", f"{os.path.dirname(path)}:/s"], stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"97 97\n"
    os.truncate(path, PAGE)
    out, err = process.communicate(b"cut\n", timeout=50)
    assert process.returncode == 0 and out == b"-7 0\n0 0\n", (process.returncode, out, err)
    succeeds(sh("cat /s/file | wc -c", ["-v", f"{os.path.dirname(path)}:/s"]), out=b"16384\n")
