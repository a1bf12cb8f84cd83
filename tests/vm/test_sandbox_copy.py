"""Trees go into a sandbox and come out of it as they were; a stream that would lead out is refused."""
import io
import os
import tarfile

from harness import call, cloche, deadline, refuses, scratch, settings, size, succeeds, write
from sandboxes import execute, sandbox


def make_tree(top, count):
    os.makedirs(f"{top}/deep/er")
    for number in range(count):
        folder = f"{top}/{number % 20}"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/{number}", "wb") as file:
            file.write(os.urandom(number % 300))
    odd = os.fsencode(f"{top}/deep/er/") + b"odd \xff\n'\"\\ name \xc3\xa4" + b"x" * 200
    with open(odd, "wb") as file:
        file.write(b"odd")
    os.symlink("../0/0", f"{top}/deep/link")
    os.symlink("nowhere", f"{top}/deep/dangling")
    os.link(f"{top}/0/0", f"{top}/deep/hard")
    os.mkfifo(f"{top}/deep/fifo")
    with open(f"{top}/sparse", "wb") as file:
        file.seek(1 << 30)
        file.write(b"end")
    write(f"{top}/program", "#!/bin/sh\n", 0o4755)
    os.chmod(f"{top}/deep", 0o1710)
    os.utime(f"{top}/deep/er", ns=(1_000_000_001, 987_654_321_123_456_789))
    os.utime(f"{top}/0/0", ns=(1, 1_234_567_890_000_000_007))


def looks(top, with_owners):
    """All that there is to see of a tree."""
    found = {}
    for folder, folders, files in os.walk(os.fsencode(top)):
        for path in [folder, *(os.path.join(folder, each) for each in folders + files)]:
            status = os.lstat(path)
            what = [oct(status.st_mode), status.st_size if not os.path.isdir(path) else 0, status.st_mtime_ns]
            if with_owners:
                what += [status.st_uid, status.st_gid]
            if os.path.islink(path):
                what = [what[0], os.readlink(path)]  # Their times are nobody's concern.
            elif os.path.isfile(path) and not path.endswith(b"sparse"):
                with open(path, "rb") as file:
                    what.append(file.read())
            found[os.path.relpath(path, os.fsencode(top))] = what
    return found


@deadline(300)
def test_a_tree_comes_back_equal():
    top = scratch("tree")
    make_tree(top, size(300, 10_000))
    archive = [] if settings.user else ["-a"]
    if not settings.user:
        os.lchown(f"{top}/1/1", 12345, 54321)
    with sandbox() as box:
        succeeds(cloche("cp", *archive, top, f"{box}:/tmp", timeout=size(60, 600)))
        assert int(execute(box, "sh", "-c", "du -k /tmp/tree/sparse | cut -f1").out) < 1000
        succeeds(execute(box, "sh", "-c", "test /tmp/tree/0/0 -ef /tmp/tree/deep/hard"))
        succeeds(cloche("cp", *archive, f"{box}:/tmp/tree", scratch("back"), timeout=size(60, 600)))
    left, right = looks(top, not settings.user), looks(scratch("back"), not settings.user)
    if settings.user:
        left[b"program"][0] = right[b"program"][0]  # Its set-user-ID bit is root's there: it went.
    assert left.keys() == right.keys() and all(left[each] == right[each] for each in left), [
        (each, left[each][:3], right[each][:3]) for each in left if left[each] != right.get(each)
    ][:5]
    assert os.stat(scratch("back/sparse")).st_blocks < 1000
    assert os.path.samefile(scratch("back/0/0"), scratch("back/deep/hard"))


def test_where_things_land():
    write("file", "one")
    os.makedirs(scratch("out/there"))
    with sandbox() as box:
        succeeds(cloche("cp", scratch("file"), f"{box}:/tmp"))
        succeeds(cloche("cp", scratch("file"), f"{box}:/tmp/named"))
        succeeds(execute(box, "cat", "/tmp/file", "/tmp/named"), out=b"oneone")
        succeeds(execute(box, "sh", "-c", "mkdir /tmp/d; echo 1 > /tmp/d/1"))
        succeeds(cloche("cp", f"{box}:/tmp/d", scratch("out")))
        succeeds(cloche("cp", f"{box}:/tmp/d", scratch("out/new")))
        succeeds(cloche("cp", f"{box}:/tmp/d/.", scratch("out/there")))
        assert all(os.path.exists(scratch(f"out/{each}/1")) for each in ("d", "new", "there"))
        refuses(cloche("cp", scratch("nothing"), f"{box}:/tmp"), "nothing")
        refuses(cloche("cp", f"{box}:/nothing", scratch("out")), "nothing")
        refuses(cloche("cp", scratch("file"), f"{box}:/no/such/place"), "/no/such")
        refuses(cloche("cp", scratch("file"), f"{box}:relative"), "absolute")
        refuses(cloche("cp", "a", "b"), "NAME")
        packed = succeeds(cloche("cp", f"{box}:/tmp/d", "-")).out
        assert tarfile.open(fileobj=io.BytesIO(packed)).getnames() == ["d", "d/1"]
        succeeds(execute(box, "mkdir", "/tmp/e"))
        succeeds(call([settings.cloche, "cp", "-", f"{box}:/tmp/e"], stdin=packed))
        succeeds(execute(box, "cat", "/tmp/e/d/1"), out=b"1\n")


def stream(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, target, 0o644
            member.size = 3 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"bad") if member.size else None)
    return out.getvalue()


def test_a_stream_that_leads_out_is_refused():
    with sandbox() as box:
        succeeds(execute(box, "mkdir", "/tmp/in"))
        for members in (
            [("../out", tarfile.REGTYPE, "")],
            [("a/../../out", tarfile.REGTYPE, "")],
            [("/tmp/out", tarfile.REGTYPE, "")],
            [("link", tarfile.SYMTYPE, "/tmp"), ("link/out", tarfile.REGTYPE, "")],
            [("hard", tarfile.LNKTYPE, "../../etc/passwd")],
        ):
            outcome = call([settings.cloche, "cp", "-", f"{box}:/tmp/in"], stdin=stream(*members))
            refuses(outcome, "in the guest")
        assert execute(box, "ls", "/tmp/out").code == 2
