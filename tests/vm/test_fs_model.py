"""fs_model's random operations in shares of every cache policy find no difference from its model of a file system; what
the host changes meanwhile is seen at once without a cache, after its timeout with one."""
import os
import random
import subprocess
import time

from harness import deadline, guest_program, scratch, settings, sh, size, start

CACHES = ("auto", "always", "none")


def model_flags():
    return ["-v", f"{guest_program('fs_model')}:/fs_model:ro"]


@deadline(120)
def test_no_difference():
    seed, flags = size(1, random.randrange(1 << 32)), model_flags()
    lengths = size("--seconds 1", "--seconds 100")
    script = ["cd /; set -e"]
    for index, cache in enumerate(CACHES):
        for mode in ("tree", "one-file"):
            os.makedirs(scratch(f"{cache}/{mode}"))
            words = f"--seed {seed + index} {lengths} --sync-to-seek {'--one-file' * (mode == 'one-file')}"
            script.append(f"/fs_model /{cache}/{mode} {words}")
        flags += ["-v", f"{scratch(cache)}:/{cache}:cache={cache}"]
    outcome = sh("\n".join(script), flags, timeout=size(100, 1000))
    print(outcome.out.decode(errors="replace"))
    assert outcome.code == 0 and outcome.out.count(b"no difference") == 6, outcome
    # A share lacks nothing but what its policy takes away, and whiteouts where the caller is not root.
    features = [b" direct", b" shared-map", b" tmpfile"] + ([] if settings.user else [b" whiteout"])
    assert [outcome.out.count(each) for each in features] == [6, 4, 6, 6][: len(features)], outcome


# Answers each line of input with all there is to see in a directory.
LOOK = """cd /s/watched; while read line; do stat -c '%n %F %s %a %Y %h' * | sort; cat *; echo; echo "end"; done"""


class Changes:
    """A directory on the host that changes at random, and what the guest must say of it."""

    def __init__(self, folder, seed):
        self.folder, self.choose = folder, random.Random(seed)
        os.mkdir(folder)

    def change(self):
        name = os.path.join(self.folder, self.choose.choice("abcdef"))
        other = os.path.join(self.folder, self.choose.choice("abcdef"))
        act = self.choose.randrange(6)
        if act <= 1 or not os.path.exists(name):
            with open(name, "wb") as file:
                file.write(self.choose.randbytes(self.choose.randrange(9000)).hex().encode())
        elif act == 2:
            os.chmod(name, self.choose.choice((0o600, 0o644, 0o755)))
        elif act == 3:
            os.utime(name, (self.choose.randrange(1 << 31),) * 2)
        elif act == 4:
            os.rename(name, other)
        elif not os.path.exists(other):
            os.link(name, other)
        else:
            os.unlink(name)

    def look(self):
        lines, contents = [], b""
        for name in sorted(os.listdir(self.folder)):
            path = os.path.join(self.folder, name)
            status = os.stat(path)
            kind = "regular file" if status.st_size else "regular empty file"
            what = (name, kind, status.st_size, f"{status.st_mode & 0o777:o}", int(status.st_mtime), status.st_nlink)
            lines.append(" ".join(map(str, what)))
            with open(path, "rb") as file:
                contents += file.read()
        return "\n".join(lines).encode() + b"\n" + contents + b"\n"


def watch(cache, rounds, wait_seconds):
    os.makedirs(scratch("share/model"))
    changes = Changes(scratch("share/watched"), 1)
    script = f"/fs_model /s/model --sync-to-seek --seconds 1000 > /s/difference & {LOOK}; kill $!; true"
    flags = [*model_flags(), "-i", "-v", f"{scratch('share')}:/s:cache={cache}"]
    process = start(["sh", "-c", script], flags, stdin=subprocess.PIPE)
    for number in range(rounds):
        for _ in range(3):
            changes.change()
        time.sleep(wait_seconds)
        process.stdin.write(b"look\n")
        process.stdin.flush()
        seen = b""
        while not seen.endswith(b"\nend\n"):
            line = process.stdout.readline()
            assert line, (seen, process.communicate())
            seen += line
        expected = changes.look()
        assert seen == expected + b"end\n", f"round {number}: the guest sees {seen[:600]}, not {expected[:600]}"
    _, err = process.communicate(timeout=30)
    with open(scratch("share/difference"), encoding="utf-8") as file:
        text = file.read()
    assert process.returncode == 0 and text.startswith("seed") and "DIFFERENCE" not in text, (err, text)


@deadline(250)
def test_changes_on_the_host_at_once():
    watch("none", size(6, 1500), 0)


@deadline(100)
def test_changes_on_the_host_after_the_timeout():
    watch("auto", size(2, 100), 1.1)
