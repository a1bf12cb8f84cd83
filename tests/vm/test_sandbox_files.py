"""Files of a running sandbox through cloche/files.h, each call of it: what it does, and what it says when it cannot."""
import errno
import os

from harness import call, cloche, deadline, guest_program, same_for_everyone, succeeds
from sandboxes import execute, sandbox

KINDS = {"file": 0, "directory": 1, "link": 2, "fifo": 3, "socket": 4, "character": 5, "block": 6}


def files(box, *words, stdin=b""):
    return call([guest_program("sandbox_files"), box, *words], stdin=stdin)


def fails(outcome, number, *words):
    """It is the guest's errno, and the message names the object."""
    assert outcome.code == 1 and outcome.out == b"", outcome
    text = outcome.err.decode()
    assert int(text.split()[0]) == number, outcome
    for word in ("sandbox box", *words):
        assert word in text, outcome


def rest_of(box, name):
    """The lines about a file without its name: kind, permissions, owner, size, links, target."""
    return succeeds(files(box, "status", name)).out.decode().split()[1:]


@same_for_everyone
@deadline(300)
def test_read_and_write():
    content = os.urandom(300_000)
    with sandbox() as box:
        succeeds(files(box, "write", "/tmp/file", "replace", stdin=content), out=b"")
        assert execute(box, "cat", "/tmp/file").out == content
        succeeds(files(box, "read", "/tmp/file", "300000"), out=content)
        succeeds(files(box, "read-part", "/tmp/file", "100000", "150000"), out=content[100_000:250_000])
        succeeds(files(box, "read-part", "/tmp/file", "299999", "10"), out=content[-1:])
        succeeds(files(box, "read-part", "/tmp/file", "400000", "10"), out=b"")
        fails(files(box, "read", "/tmp/file", "299999"), errno.EFBIG, "/tmp/file")
        assert rest_of(box, "/tmp/file")[:4] == [str(KINDS["file"]), "640", "0:0", "300000"]

        succeeds(files(box, "write", "/tmp/file", "append", stdin=b"end"))
        succeeds(files(box, "read-part", "/tmp/file", "299999", "10"), out=content[-1:] + b"end")
        fails(files(box, "write", "/tmp/file", "create", stdin=b"x"), errno.EEXIST, "/tmp/file")
        succeeds(files(box, "write", "/tmp/new", "create", stdin=b"x"))
        succeeds(files(box, "write", "/tmp/new", "other-owner", stdin=b"y"))
        assert rest_of(box, "/tmp/new")[2] == "5:6"
        # Through a link to where that leads; what is there stays until all has arrived.
        succeeds(execute(box, "ln", "-s", "new", "/tmp/link"))
        succeeds(files(box, "write-text", "/tmp/link", "short"))
        succeeds(files(box, "read", "/tmp/new", "100"), out=b"short")
        assert b"the source is gone" in files(box, "half", "/tmp/new", "other").err
        succeeds(files(box, "read", "/tmp/new", "100"), out=b"short")
        assert b".cloche" not in execute(box, "ls", "-a", "/tmp").out
        # An empty file, and one of the kernel's that does not know its size.
        succeeds(files(box, "write", "/tmp/empty", "replace"))
        succeeds(files(box, "read", "/tmp/empty", "0"), out=b"")
        assert b"Linux version" in succeeds(files(box, "read", "/proc/version", "10000")).out

        fails(files(box, "read", "/tmp/none", "1"), errno.ENOENT, "/tmp/none")
        fails(files(box, "read", "/tmp", "1"), errno.EISDIR, "/tmp")
        fails(files(box, "read", "/dev/zero", "1"), errno.EINVAL, "/dev/zero")
        fails(files(box, "write", "/tmp/none/file", "replace", stdin=b"x" * 1_000_000), errno.ENOENT, "/tmp/none/file")
        succeeds(execute(box, "sh", "-c", "mkdir /tmp/small && mount -t tmpfs -o size=64k none /tmp/small"))
        large = files(box, "write", "/tmp/small/file", "replace", stdin=b"x" * 3_000_000)
        fails(large, errno.ENOSPC, "/tmp/small/file")
        succeeds(execute(box, "ls", "-A", "/tmp/small"), out=b"")
        assert b"absolute" in files(box, "read", "tmp/file", "1").err


@same_for_everyone
@deadline(300)
def test_directories_and_names():
    with sandbox() as box:
        fails(files(box, "make", "/tmp/a/b"), errno.ENOENT, "/tmp/a/b")
        succeeds(files(box, "make-all", "/tmp/a/b"))
        succeeds(files(box, "make-all", "/tmp/a/b"))
        fails(files(box, "make", "/tmp/a/b"), errno.EEXIST, "/tmp/a/b")
        assert rest_of(box, "/tmp/a/b")[:2] == [str(KINDS["directory"]), "750"]
        succeeds(execute(box, "sh", "-c", "cd /tmp/a; echo x > f; ln f g; ln -s 'far away' l; mkfifo p; mknod c c 1 3"))
        lines = succeeds(files(box, "list", "/tmp/a")).out.decode().splitlines()
        seen = {line.split()[0]: line.split()[1:] for line in lines}
        assert {name: int(rest[0]) for name, rest in seen.items()} == {
            "b": KINDS["directory"],
            "f": KINDS["file"],
            "g": KINDS["file"],
            "l": KINDS["link"],
            "p": KINDS["fifo"],
            "c": KINDS["character"],
        }
        assert seen["f"][3:5] == ["2", "2"] and seen["l"][5:] == ["far", "away"], seen
        # More than fits into one frame.
        succeeds(execute(box, "sh", "-c", "mkdir /tmp/many; cd /tmp/many; seq 1 9000 | xargs touch"))
        assert len(succeeds(files(box, "list", "/tmp/many")).out.splitlines()) == 9000
        succeeds(files(box, "move", "/tmp/a/f", "/tmp/a/b/f"))
        fails(files(box, "move", "/tmp/a/f", "/tmp/x"), errno.ENOENT, "/tmp/a/f", "/tmp/x")
        fails(files(box, "remove", "/tmp/a"), errno.ENOTEMPTY, "/tmp/a")
        succeeds(files(box, "remove", "/tmp/a/g"))
        fails(files(box, "remove-all", "/tmp/none"), errno.ENOENT, "/tmp/none")
        succeeds(files(box, "remove-all", "/tmp/a"))
        fails(files(box, "status", "/tmp/a"), errno.ENOENT, "/tmp/a")
        fails(files(box, "list", "/etc/passwd"), errno.ENOTDIR, "/etc/passwd")


@same_for_everyone
def test_a_sandbox_that_does_not_run_has_no_files():
    succeeds(cloche("create", "--name", "box"))
    outcome = files("box", "status", "/tmp")
    assert outcome.code == 1 and b"sandbox box: it does not run" in outcome.err, outcome
    succeeds(cloche("rm", "box"))
