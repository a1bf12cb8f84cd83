"""A guest kernel speaks raw FUSE requests to the shares, as no Linux would: each gets the answer it deserves, what lies
beside the shares is neither read nor written, and a read-only share stays as it is."""
import concurrent.futures
import os
import re
import time

import bare_metal
from harness import deadline, no_leftovers, own_memory_kib, run, scratch, size, start, succeeds, vmm_of, write

SECRET = "what nobody may read"
PARTS = ("sessions", "names", "nodes", "forgets", "lengths", "handles", "links", "sizes", "read-only", "storm")
PARTS += ("faults",)


def make_share(name):
    write(f"{name}/file", "contents")
    write(f"{name}/dir/inner", "inner")
    os.symlink("../outside", scratch(f"{name}/host-link"))
    os.mkfifo(scratch(f"{name}/fifo"))


def picture(folder, without=""):
    """All that can be told of what lies in a folder, but when it was last read."""
    seen = {}
    for path, folders, files in os.walk(folder):
        if without in folders:
            folders.remove(without)
        for name in (".", *folders, *files):
            each = os.path.join(path, name)
            status = os.lstat(each)
            content = os.readlink(each) if os.path.islink(each) else b""
            if os.path.isfile(each) and not os.path.islink(each):
                with open(each, "rb") as file:
                    content = file.read()
            seen[each] = (status.st_mode, status.st_ino, status.st_nlink, status.st_uid, status.st_gid, status.st_size)
            seen[each] += (status.st_mtime_ns, status.st_ctime_ns, tuple(os.listxattr(each, follow_symlinks=False)))
            seen[each] += (content,)
    return seen


def unchanged():
    """What must be as it was: the read-only share, and all that lies beside the other."""
    return picture(scratch("read-only")), picture(scratch("all"), without="share")


def most_memory_kib(process):
    """The most that its VMM takes for itself until it ends."""
    vmm, most = vmm_of(process), 0
    while process.poll() is None:
        try:
            most = max(most, own_memory_kib(vmm))
        except OSError:  # It has just ended.
            break
        time.sleep(0.2)
    return most


def read_console():
    with open(scratch("console"), encoding="utf-8", errors="replace") as file:
        return file.read().replace("\r", "")


@deadline(100)
def test_raw_requests():
    kernel = bare_metal.build("hostile_fuse", f'-DSECRET="{SECRET}"', f"-DROUNDS={size(3000, 300_000)}")
    make_share("all/share")
    make_share("read-only")
    write("all/outside", SECRET)
    write("all/beside/secret", SECRET)
    before = unchanged()
    # The quota keeps random FUSE_FALLOCATE requests from filling the computer's memory.
    flags = ["-v", f"{scratch('all/share')}:/a:quota=64M", "-v", f"{scratch('read-only')}:/r:ro"]
    with no_leftovers():
        process = start(["true"], [*flags, "--kernel", kernel, "--console", scratch("console")])
        # Its warnings are read all the time: a pipe that is full would hold up cloche, the VMM and the guest.
        with concurrent.futures.ThreadPoolExecutor() as watcher:
            watched = watcher.submit(most_memory_kib, process)
            _, err = process.communicate(timeout=size(90, 900))
            memory = watched.result()
    console = read_console()
    print(f"{console}\n{memory} KiB of its own, {err.decode()}")
    # The guest ends by a restart, which is a lost VM; the VMM is there to say so.
    assert process.returncode == 125 and b"restart" in err, (process.returncode, err)
    assert "WRONG" not in console and console.endswith("verdict: 0 wrong, 0 leaks\n"), "answers are wrong"
    counts = {part: int(count) for part, count in re.findall(r"^(\S+): (\d+) as expected", console, re.MULTILINE)}
    assert set(counts) == set(PARTS) and all(counts.values()), counts
    assert 0 < memory < 32 << 10, f"the VMM grew to {memory} KiB"
    assert unchanged() == before, "what must not change was changed"
    succeeds(run(["cat", "/r/file"], flags), out=b"contents")
