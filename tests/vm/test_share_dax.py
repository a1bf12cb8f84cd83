"""DAX: the guest maps a share's files from the host's page cache, sees what happens to them there, and survives it."""
import hashlib
import os
import subprocess

from harness import call, guest_program, lacks_direct, run, scratch, settings, size, start, succeeds, vmm_of, write

MIB = 1 << 20


def share(name="share"):
    folder = scratch(name)
    os.makedirs(folder, exist_ok=True)
    return folder


def python(program, flags, **more):
    return run(["python3", "-c", program], flags, **more)


# Writes and reads one file by mappings, and another through what a mapping cannot do.
MAPS = r"""
import mmap, os
f = os.open("/s/file", os.O_RDWR)
m = mmap.mmap(f, 0)
print(m[:4], m[3 << 20:(3 << 20) + 4])
m[1 << 20:(1 << 20) + 5] = b"GUEST"
os.pwrite(f, b"WRITE", 2 << 20)
print(m[2 << 20:(2 << 20) + 5], os.pread(f, 5, 1 << 20))
print("mapped", flush=True); input()
print(m[:4], os.pread(f, 4, 0))
p = mmap.mmap(f, 0, mmap.MAP_PRIVATE)
p[0:5] = b"mine!"
new = os.open("/s/new", os.O_RDWR | os.O_CREAT)
os.ftruncate(new, 1 << 16)
n = mmap.mmap(new, 0)
n[5000:5003] = b"new"
os.write(new, b"begin")
os.pwrite(new, b"end", 1 << 17)
print(os.fstat(new).st_size, n[:5])
"""


def test_both_sides_see_one_file():
    folder = share()
    path = write("share/file", b"host" * MIB)
    popen = start(["python3", "-c", MAPS], ["-v", f"{folder}:/s:dax"], stdin=subprocess.PIPE)
    lines = [popen.stdout.readline() for _ in range(3)]
    assert lines == [b"b'host' b'host'\n", b"b'WRITE' b'GUEST'\n", b"mapped\n"], lines
    with open(path, "r+b", buffering=0) as file:
        assert os.pread(file.fileno(), 5, MIB) == b"GUEST" and os.pread(file.fileno(), 5, 2 * MIB) == b"WRITE"
        os.pwrite(file.fileno(), b"HOST", 0)
    with open(f"/proc/{vmm_of(popen)}/maps", "rb") as maps:
        assert path.encode() in maps.read(), "the VMM has not mapped the file"
    out, err = popen.communicate(b"\n", timeout=60)
    assert popen.returncode == 0 and out == b"b'HOST' b'HOST'\n131075 b'begin'\n", (out, err)
    with open(path, "rb") as file:
        assert file.read(8) == b"HOSThost", "a private mapping was written through"
    with open(f"{folder}/new", "rb") as file:
        content = file.read()
    assert len(content) == 131075 and content[5000:5003] == b"new" and content.endswith(b"\0end"), content[:10]


SHRINKS = r"""
import mmap, os, signal, sys
f = os.open("/s/file", os.O_RDWR)
m = mmap.mmap(f, 0)
print(m[(4 << 20) - 1], flush=True); input()
pid = os.fork()
if pid == 0:
    for at in range(0, 4 << 20, 4096): m[at]
    for at in range(0, 4 << 20, 4096): m[at] = 1
    os._exit(0)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(status in (0, -signal.SIGBUS), m[10], flush=True); input()
print(os.stat("/s/file").st_size, os.pread(f, 1, (4 << 20) - 1), flush=True)
"""


def test_a_file_that_shrinks_on_the_host():
    folder = share()
    path = write("share/file", b"\x07" * (4 * MIB))
    popen = start(["python3", "-c", SHRINKS], ["-v", f"{folder}:/s:dax,timeout=0"], stdin=subprocess.PIPE)
    assert popen.stdout.readline() == b"7\n"
    os.truncate(path, 5000)
    popen.stdin.write(b"\n")
    popen.stdin.flush()
    line = popen.stdout.readline()
    assert line == b"True 7\n", (line, popen.communicate(timeout=30))
    assert os.path.getsize(path) == 5000
    with open(path, "r+b") as file:
        file.truncate(4 * MIB)
        file.seek(4 * MIB - 1)
        file.write(b"\x09")
    out, err = popen.communicate(b"\n", timeout=60)
    assert popen.returncode == 0 and out == b"4194304 b'\\t'\n", (out, err)


# Reads and writes all of a file much larger than the window, by mapping.
LARGE = r"""
import hashlib, mmap, os
f = os.open("/s/file", os.O_RDWR)
m = mmap.mmap(f, 0)
print(hashlib.sha256(m).hexdigest())
for at in range(0, len(m), 4096): m[at] = 1
m.flush()
print(hashlib.sha256(m).hexdigest())
"""


def test_a_file_larger_than_the_window():
    folder = share()
    content = bytearray(os.urandom(1 << 20) * size(24, 200))
    path = write("share/file", bytes(content))
    before = hashlib.sha256(content).hexdigest()
    for at in range(0, len(content), 4096):
        content[at] = 1
    after = hashlib.sha256(content).hexdigest()
    outcome = python(LARGE, ["-v", f"{folder}:/s:dax=8M"], timeout=300)
    succeeds(outcome, f"{before}\n{after}\n".encode())
    with open(path, "rb") as file:
        assert hashlib.sha256(file.read()).hexdigest() == after


# A program, libraries and a read of another share straight into a mapping.
MANY = r"""
import mmap, os, subprocess
print(subprocess.run(["/bin/cat", "/one"], capture_output=True).stdout)
print(subprocess.run(["/a/echo", "from", "a"], capture_output=True).stdout)
b = mmap.mmap(os.open("/b/file", os.O_RDWR), 0)
plain = os.open("/plain/file", os.O_RDONLY | os.O_DIRECT)
print(os.preadv(plain, [memoryview(b)[8192:16384]], 0), b[8192:8196], b[16384])
a = mmap.mmap(os.open("/a/file", os.O_RDONLY), 0, prot=mmap.PROT_READ)
print(a[:4])
try: os.open("/a/file", os.O_RDWR)
except OSError as error: print(error.strerror)
"""


def test_several_windows_beside_shares_without():
    for name in ("a", "b", "plain"):
        share(name)
        write(f"{name}/file", name[:1].encode() * 32768)
    one = write("one", "one\n")
    with open("/bin/echo", "rb") as echo:
        write("a/echo", echo.read(), mode=0o755)
    flags = ["-v", f"{scratch('a')}:/a:dax=64,ro", "-v", f"{scratch('b')}:/b:dax=64", "-v", f"{one}:/one:dax=2M"]
    outcome = python(MANY, flags + ["-v", f"{scratch('plain')}:/plain"])
    expected = b"b'one\\n'\nb'from a\\n'\n8192 b'pppp' 98\nb'aaaa'\nRead-only file system\n"
    succeeds(outcome, expected)
    with open(scratch("b/file"), "rb") as file:
        assert file.read() == b"b" * 8192 + b"p" * 8192 + b"b" * 16384


def test_behaves_as_without():
    folder = share()
    # Not map_times: what is written through a mapping shows in a file's times when the guest asks the host again.
    names = ["map_shared", "map_private", "truncate_", "io_"] if settings.long else ["map_shared", "truncate_set"]
    chosen = [word for name in names for word in ("--only", name)]
    if settings.user:  # Who is root in the guest has less to say over the host's files than root there.
        chosen += ["--without", "root"]
    if lacks_direct(folder):
        chosen += ["--without", "direct"]
    flags = ["-v", f"{guest_program('fs_posix')}:/fs_posix:ro", "-v", f"{folder}:/s:devices,dax"]
    outcome = run(["/fs_posix", "/s", *chosen], flags, timeout=size(110, 1100))
    assert outcome.code == 0 and b" 0 failed" in outcome.out, outcome
    here = call([guest_program("fs_posix"), folder, *chosen])
    assert here.out == outcome.out, f"here {here}, in the guest {outcome}"
