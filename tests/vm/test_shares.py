"""-v shows a folder or file of the host in the guest, read and write or read-only, and nothing beside it."""
import fcntl
import hashlib
import os
import subprocess
import time

from harness import only_root, run, scratch, settings, sh, start, succeeds, write


def share(mode=""):
    """A folder with a file in it, and the flags that show it at /s."""
    path = write("share/file", "content\n")
    # The guest's root acts with the rights of the user who runs cloche.
    return os.path.dirname(path), ["-v", f"{os.path.dirname(path)}:/s{mode}"]


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_read_and_write():
    folder, flags = share()
    script = """cat /s/file; echo more >> /s/file; mkdir /s/d; echo new > /s/d/new; mv /s/d/new /s/d/newer
      ln -s file /s/link; chmod 600 /s/d/newer"""
    succeeds(sh(script, flags), out=b"content\n")
    assert read(f"{folder}/file") == b"content\nmore\n"
    assert read(f"{folder}/d/newer") == b"new\n" and os.stat(f"{folder}/d/newer").st_mode & 0o777 == 0o600
    assert os.readlink(f"{folder}/link") == "file"


def test_read_only():
    folder, flags = share(":ro")
    script = """cat /s/file; for act in 'echo x >> /s/file' 'echo x > /s/new' 'rm /s/file' 'mkdir /s/d' \
      'chmod 777 /s/file' 'mv /s/file /s/g' 'ln /s/file /s/h' 'touch /s/file' 'truncate -s 0 /s/file'; do
      sh -c "$act" 2>/dev/null && echo "done: $act"; done; exit 0"""
    succeeds(sh(script, flags), out=b"content\n")
    assert os.listdir(folder) == ["file"] and read(f"{folder}/file") == b"content\n"


def test_read_only_holds_against_a_remount():
    folder, flags = share(":ro")
    sh("mount -o remount,rw /s; echo x > /s/new; echo x > /s/file", flags)
    assert os.listdir(folder) == ["file"] and read(f"{folder}/file") == b"content\n"


def test_one_file():
    folder, _ = share()
    write("share/other", "other")
    outcome = sh("cat /data/it; echo more >> /data/it; ls /data", ["-v", f"{folder}/file:/data/it"])
    succeeds(outcome, out=b"content\nit\n")
    assert read(f"{folder}/file") == b"content\nmore\n"


def test_one_file_read_only():
    folder, _ = share()
    outcome = sh("cat /it; echo more >> /it", ["-v", f"{folder}/file:/it:ro"])
    assert outcome.out == b"content\n" and outcome.code != 0, outcome
    assert read(f"{folder}/file") == b"content\n"


def ids_of(path):
    status = os.stat(path)
    return status.st_uid, status.st_gid


def test_the_caller_is_the_commands_user():
    """Only for who is not root: then the caller's files are the command's, and those it makes are the caller's."""
    folder, flags = share()
    mine = (os.geteuid(), os.getegid())
    outcome = sh("stat -c %u:%g /s/file; touch /s/new; stat -c %u:%g /s/new; chown 0:0 /s/new", flags)
    succeeds(outcome, out=b"0:0\n0:0\n")
    assert ids_of(f"{folder}/new") == mine
    os.chmod(folder, 0o755)
    outcome = sh("touch /s/of-user; stat -c %u:%g /s/of-user", [*flags, "-u", "77:88"])
    if settings.user:
        succeeds(outcome, out=b"77:88\n")
        assert ids_of(f"{folder}/of-user") == mine
    else:
        assert outcome.code != 0 and b"Permission denied" in outcome.err, outcome


@only_root
def test_mapped_ids():
    folder, flags = share(":uidmap=0/5000/10,gidmap=0/6000/10")
    os.chown(folder, 5000, 6000)
    os.chown(f"{folder}/file", 1, 1)
    script = "stat -c %u:%g /s /s/file; touch /s/new; chown 3:4 /s/new; stat -c %u:%g /s/new; chown 10 /s/new"
    outcome = sh(script, flags)
    assert outcome.code == 1 and outcome.out == b"0:0\n65534:65534\n3:4\n", outcome
    assert ids_of(f"{folder}/new") == (5003, 6004)


def test_without_a_cache_each_look_is_new():
    folder, flags = share(":cache=none")
    script = "cat /s/file; read go; cat /s/file; stat -c %s /s/file; ls /s"
    process = start(["sh", "-c", script], ["-i", *flags], stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"content\n"
    write("share/file", "CONTENT and more\n")
    write("share/another", "")
    out, err = process.communicate(b"go\n", timeout=30)
    assert out == b"CONTENT and more\n17\nanother\nfile\n", (out, err)


def test_names_and_attributes_are_kept_for_their_time():
    folder, flags = share(":timeout=6")
    script = "stat -c %a /s/file; read go; stat -c %a /s/file; sleep 6.2; stat -c %a /s/file"
    process = start(["sh", "-c", script], ["-i", *flags], stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"644\n"
    os.chmod(f"{folder}/file", 0o600)
    out, err = process.communicate(b"go\n", timeout=30)
    assert out == b"644\n600\n", (out, err)


def test_what_is_kept_back_arrives_at_the_end():
    folder, flags = share(":cache=always")
    script = """i=0; while [ $i -lt 200 ]; do echo line $i >> /s/lines; i=$((i+1)); done
      printf X | dd of=/s/file bs=1 seek=3 conv=notrunc 2>/dev/null; cat /s/file"""
    succeeds(sh(script, flags), out=b"conXent\n")
    assert read(f"{folder}/lines") == b"".join(b"line %d\n" % i for i in range(200))
    assert read(f"{folder}/file") == b"conXent\n"


@only_root
def test_device_nodes_where_allowed():
    folder, flags = share(":devices")
    succeeds(sh("mknod /s/d b 7 77; stat -c '%F %t %T' /s/d", flags), out=b"block special file 7 4d\n")
    status = os.stat(f"{folder}/d")
    assert (os.major(status.st_rdev), os.minor(status.st_rdev)) == (7, 77)
    assert sh("mknod /s/e b 7 77", ["-v", f"{folder}:/s"]).code == 1 and not os.path.exists(f"{folder}/e")


def test_locks_on_the_host():
    folder, flags = share(":locks=host")
    with open(f"{folder}/file", "rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        succeeds(sh("flock -n /s/file true || echo held", flags), out=b"held\n")
        process = start(["sh", "-c", "echo go; flock /s/file echo mine"], flags)
        assert process.stdout.readline() == b"go\n"
        time.sleep(0.5)
        assert process.poll() is None
        fcntl.flock(file, fcntl.LOCK_UN)
        out, err = process.communicate(timeout=30)
        assert out == b"mine\n", (out, err)
    succeeds(sh("flock -n /s/file true || echo held", ["-v", f"{folder}:/s"]), out=b"")


def test_relative_host_path():
    share()
    succeeds(run(["cat", "/s/file"], ["-v", "./share:/s"], cwd=scratch("")), out=b"content\n")


def test_several_shares():
    flags = []
    for index in range(6):
        flags += ["-v", f"{os.path.dirname(write(f'{index}/n', str(index)))}:/many/{index}"]
    succeeds(sh("cat /many/*/n", flags), out=b"012345")


def test_a_large_file_both_ways():
    folder, flags = share()
    data = os.urandom(24 << 20)
    write("share/large", data)
    outcome = succeeds(sh("sha256sum < /s/large; cp /s/large /s/copy", flags))
    assert outcome.out.split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert read(f"{folder}/copy") == data


def test_no_way_out_through_links():
    folder, flags = share()
    secret = write("secret", "secret")
    os.symlink(secret, f"{folder}/absolute")
    os.symlink("../secret", f"{folder}/relative")
    os.symlink("..", f"{folder}/up")
    os.symlink("/etc", f"{folder}/etc")
    script = """cat /s/absolute /s/relative /s/up/secret /s/../secret; echo x > /s/absolute; echo x > /s/relative
      echo x > /s/up/new; ls /s/etc/shadow"""
    outcome = sh(script, flags)
    assert b"secret" not in outcome.out and b"shadow" not in outcome.out, outcome
    assert read(secret) == b"secret" and not os.path.exists(scratch("new"))


# Swaps a folder for a link to its parent while another process writes through it.
RACE = r"""
import os, threading
os.chdir("/s")
os.makedirs("a/b", exist_ok=True)
stop = False
def swap():
    while not stop:
        try:
            os.rename("a/b", "a/c"); os.symlink("../..", "a/b"); os.unlink("a/b"); os.rename("a/c", "a/b")
        except OSError: pass
thread = threading.Thread(target=swap); thread.start()
for i in range(300):
    for name in ("a/b/../../out", "a/b/escaped", "a/b/secret"):
        try: open(name, "a").write("x")
        except OSError: pass
stop = True; thread.join()
"""


def test_no_way_out_through_a_race():
    _, flags = share()
    secret = write("secret", "secret")
    before = set(os.listdir(scratch("")))
    sh(f"python3 -c '{RACE}'", flags)
    assert read(secret) == b"secret"
    assert set(os.listdir(scratch(""))) == before


def test_special_files_are_not_opened():
    folder, flags = share()
    os.mkfifo(f"{folder}/fifo")
    outcome = sh("timeout 5 cat /s/fifo & sleep 1; echo alive; ls /s", flags, timeout=30)
    assert b"alive" in outcome.out, outcome
    if not settings.user:
        sh("mknod /s/disk b 259 0; cat /s/disk", flags)
        assert not os.path.exists(f"{folder}/disk") or not os.path.isfile(f"{folder}/disk")


def test_changes_on_the_host_are_seen():
    _, flags = share()
    process = start(["sh", "-c", "cat /s/file; until test -e /s/go; do sleep 0.2; done; cat /s/file"], flags)
    assert process.stdout.readline() == b"content\n"
    write("share/file", "changed by the host\n")
    write("share/go", "")
    out, _ = process.communicate(timeout=30)
    assert out == b"changed by the host\n", out
