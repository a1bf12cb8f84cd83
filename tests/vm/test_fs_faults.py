"""What the host cannot do is an errno in the guest, and neither a VM that hangs nor the end of one: a full disk, a file
that may not grow, a disk that fails, a share removed under the guest. (EDQUOT: test_share_quota.py.)"""
import contextlib
import fcntl
import os
import shutil
import subprocess

from harness import call, command, only_root, run, scratch, start, succeeds, write

# result(act, ...) is the errno's name, "fine" otherwise.
RESULT = r"""
import errno, os, sys
def result(act, *words):
    try: act(*words); return "fine"
    except OSError as error: return errno.errorcode[error.errno]
def fill(path):
    "Writes 4 MiB and syncs them; the first error. All the guest's errors are told by then."
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    said = [result(os.write, fd, bytes(65536)) for _ in range(64)]
    said += [result(os.fsync, fd), result(os.close, fd)]
    return next((each for each in said if each != "fine"), "fine")
"""


MKFS = ["mkfs.ext4", "-q", "-N", "64", "-b", "4096", "-O", "^has_journal,^metadata_csum"]


def python(script):
    return ["python3", "-c", RESULT + script]


@contextlib.contextmanager
def mounted(folder, *words):
    os.makedirs(scratch(folder))
    succeeds(call(["mount", *words, scratch(folder)]))
    try:
        yield scratch(folder)
    finally:
        succeeds(call(["umount", "--lazy", scratch(folder)]))


CACHES = ("auto", "always", "none")

FULL = r"""
for share in sys.argv[1:]:
    os.chdir(share)
    print(fill("big"), os.stat("big").st_size >= 1 << 20)
    os.unlink("big")
    names = [str(number) for number in range(100)]
    said = [result(os.mkdir, name) for name in names]
    print(sorted(set(said)), said.count("fine") > 10)
    for name in names[:said.count("fine")]: os.rmdir(name)
    with open("small", "wb") as file: file.write(bytes(65536))
    print(os.stat("small").st_size, result(os.posix_fallocate, os.open("small", os.O_RDWR), 0, 4 << 20))
"""


@only_root
def test_a_full_disk():
    flags = [word for cache in CACHES for word in ("-v", f"{scratch(cache)}:/{cache}:cache={cache}")]
    with contextlib.ExitStack() as mounts:
        for cache in CACHES:
            mounts.enter_context(mounted(cache, "-t", "tmpfs", "-o", "size=2M,nr_inodes=64", "tmpfs"))
        outcome = succeeds(run([*python(FULL), *(f"/{cache}" for cache in CACHES)], flags))
    assert outcome.out == len(CACHES) * b"ENOSPC True\n['ENOSPC', 'fine'] True\n65536 ENOSPC\n", outcome


LIMITED = r"""
for share in sys.argv[1:]:
    os.chdir(share)
    print(fill("big"), os.stat("big").st_size >= 1 << 20)
    print(result(os.truncate, "big", 1 << 30), result(os.truncate, "big", 1000))
    with open("big", "r+b") as file: print(result(os.posix_fallocate, file.fileno(), 0, 4 << 20))
    with open("small", "wb") as file: file.write(bytes(1000000))
    print(os.stat("small").st_size)
"""


def test_a_file_that_may_not_grow():
    flags = [word for cache in CACHES for word in ("-v", f"{scratch(cache)}:/{cache}:cache={cache}")]
    for cache in CACHES:
        os.mkdir(scratch(cache))
    guest = command([*python(LIMITED), *(f"/{cache}" for cache in CACHES)], flags)
    outcome = succeeds(call(["prlimit", f"--fsize={1 << 20}:{1 << 20}", *guest]))
    assert outcome.out == len(CACHES) * b"EFBIG True\nEFBIG fine\nEFBIG\n1000000\n", outcome
    assert [os.stat(scratch(f"{cache}/small")).st_size for cache in CACHES] == len(CACHES) * [1000000]


FAILING = r"""
kept = [(share, os.open(share + "/file", os.O_RDWR)) for share in sys.argv[1:]]
print("ready", flush=True)
sys.stdin.readline()
for share, file in kept:
    print(result(os.pread, file, 4096, 0), result(os.pwrite, file, b"x", 0), result(os.fsync, file),
          result(os.open, share + "/file", os.O_RDONLY), result(os.mkdir, share + "/new"))
"""
EXT4_IOC_SHUTDOWN = 0x8004587D  # As if the disk were gone: whatever the file system is asked for is EIO from then on.
NO_LOG_FLUSH = 2


@only_root
def test_a_disk_that_fails():
    with open(scratch("image"), "wb") as file:
        file.truncate(24 << 20)
    succeeds(call([*MKFS, scratch("image")]))
    with mounted("disk", "-o", "loop", scratch("image")) as folder:
        write("disk/file", "contents")
        flags = ["-i", "-v", f"{folder}:/auto", "-v", f"{folder}:/none:cache=none"]
        process = start([*python(FAILING), "/auto", "/none"], flags, stdin=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n", process.communicate()
        root = os.open(folder, os.O_RDONLY)
        fcntl.ioctl(root, EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH.to_bytes(4, "little"))
        os.close(root)
        out, err = process.communicate(b"go\n", timeout=50)
    assert (process.returncode, out) == (0, b"EIO EIO EIO EIO EIO\n" * 2), (process.returncode, out, err)


# A file and a directory open from before, and what is asked for by name.
REMOVED = r"""
before = [(share, os.open(share + "/file", os.O_RDWR), os.open(share + "/dir", os.O_RDONLY)) for share in sys.argv[1:]]
print("ready", flush=True)
sys.stdin.readline()
for share, kept, folder in before:
    os.fchdir(folder)
    file = share + "/file"
    print(os.pread(kept, 99, 0), result(os.pwrite, kept, b"new", 0), result(os.fsync, kept), os.fstat(kept).st_nlink)
    for act in ((os.stat, file), (os.open, share + "/new", os.O_CREAT), (os.mkdir, share + "/made"), (os.stat, "inner"),
                (os.open, "inner", os.O_RDONLY), (os.mkdir, "made"), (os.rename, file, share + "/other"),
                (os.unlink, file)):
        print(act[0].__name__, result(*act))
    print(os.listdir(share), os.listdir(folder), result(os.statvfs, share), result(os.stat, share))
"""
ANSWERS = """b'contents' fine fine 0
stat ENOENT
open ENOENT
mkdir ENOENT
stat ENOENT
open ENOENT
mkdir ENOENT
rename ENOENT
unlink ENOENT
[] [] fine fine
"""


def test_a_share_removed_under_the_guest():
    flags = ["-i"]
    for name, options in (("none", "cache=none"), ("auto", "timeout=0")):
        write(f"{name}/file", "contents")
        write(f"{name}/dir/inner", "contents")
        flags += ["-v", f"{scratch(name)}:/{name}:{options}"]
    process = start([*python(REMOVED), "/none", "/auto"], flags, stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n", process.communicate()
    shutil.rmtree(scratch("none"))
    shutil.rmtree(scratch("auto"))
    out, err = process.communicate(b"go\n", timeout=40)
    assert (process.returncode, out.decode()) == (0, 2 * ANSWERS), (process.returncode, out.decode(), err)
