"""A share's quota: the guest adds so much and no more, sees it in df, and gets it back for what it removes."""
import os

from harness import scratch, sh, succeeds


def share(options):
    folder = scratch("share")
    os.mkdir(folder)
    return folder, ["-v", f"{folder}:/s:{options}"]


def used(folder):
    """Bytes on the host's disk of all that lies in the folder."""
    return sum(os.lstat(os.path.join(folder, name)).st_blocks * 512 for name in os.listdir(folder))


def test_files_are_counted():
    folder, flags = share("inodes=3")
    script = """cd /s; touch a; mkdir b; ln -s a c; touch d; mkdir e; ln a a2 && echo linked; rm a; touch d; rm a2 c
      touch d f; ls; stat -f -c %d ."""
    outcome = sh(script, flags)
    assert outcome.out == b"linked\nb\nd\nf\n0\n", outcome
    assert outcome.err.count(b"Disk quota exceeded") == 3, outcome
    assert sorted(os.listdir(folder)) == ["b", "d", "f"]


def test_bytes_are_counted():
    folder, flags = share("quota=4M")
    script = """cd /s; stat -f -c '%b %S' . | { read b s; echo $((b*s)); }
      head -c 3M /dev/zero > a && truncate -s 1G sparse && head -c 2M /dev/zero > b; rm a b sparse
      head -c 3M /dev/zero > c && echo again; stat -f -c '%a %S' . | { read a s; echo $((a*s)); }"""
    outcome = sh(script, flags)
    assert outcome.out == b"4194304\nagain\n1048576\n", outcome
    assert outcome.err.count(b"Disk quota exceeded") == 1, outcome
    assert used(folder) == 3 << 20


# What a process writes to a file and a mapping while the guest's kernel keeps it back.
WRITER = r"""
import errno, mmap, os
def result(act, *words):
    try: act(*words); return "fine"
    except OSError as error: return errno.errorcode[error.errno]
f = os.open("/s/written", os.O_RDWR | os.O_CREAT)
os.write(f, bytes(8 << 20))
print("fsync", result(os.fsync, f) in ("EDQUOT", "ENOSPC", "EIO"))
result(os.close, f); os.unlink("/s/written")  # It may say so once more.
f = os.open("/s/closed", os.O_RDWR | os.O_CREAT)
os.write(f, bytes(8 << 20))
print("close", result(os.close, f) in ("EDQUOT", "ENOSPC", "EIO"))
os.unlink("/s/closed")
f = os.open("/s/mapped", os.O_RDWR | os.O_CREAT)
os.ftruncate(f, 8 << 20)
m = mmap.mmap(f, 8 << 20)
for at in range(0, 8 << 20, 4096): m[at] = 1
print("msync", result(m.flush) != "fine" or result(os.fsync, f) != "fine")
m.close(); result(os.close, f); os.unlink("/s/mapped")
f = os.open("/s/fits", os.O_RDWR | os.O_CREAT)
os.write(f, bytes(1 << 20))
print("fits", result(os.fsync, f), result(os.close, f))
"""


def test_what_is_kept_back_fails_aloud():
    folder, flags = share("cache=always,quota=2M")
    outcome = succeeds(sh(f"python3 -c '{WRITER}'", flags))
    assert outcome.out == b"fsync True\nclose True\nmsync True\nfits fine fine\n", outcome
    assert used(folder) == 1 << 20


def test_an_open_file_keeps_its_space():
    _, flags = share("quota=4M")
    script = """cd /s; exec 3> a; head -c 3M /dev/zero >&3; rm a; head -c 2M /dev/zero > b; rm b; exec 3>&-
      head -c 3M /dev/zero > c && echo given back"""
    outcome = sh(script, flags)
    assert outcome.out == b"given back\n" and outcome.err.count(b"Disk quota exceeded") == 1, outcome


def test_one_file():
    folder, _ = share("rw")
    with open(f"{folder}/file", "wb") as file:
        file.write(bytes(4096))
    outcome = sh("head -c 4096 /dev/zero >> /it && head -c 1M /dev/zero >> /it", ["-v", f"{folder}/file:/it:quota=64K"])
    assert b"Disk quota exceeded" in outcome.err, outcome
    assert 8192 <= os.stat(f"{folder}/file").st_size <= 4096 + 65536
