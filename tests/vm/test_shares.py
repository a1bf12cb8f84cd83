"""-v shows a folder or file of the host in the guest, read and write or read-only, and nothing beside it."""
import hashlib
import os

from harness import run, scratch, settings, sh, start, succeeds, write


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
