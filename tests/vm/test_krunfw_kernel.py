"""libkrunfw's kernel, as Debian ships it, in the place of cloche's own."""
from harness import LIBKRUNFW, cloche, lines_of, no_leftovers, run, scratch, sh, succeeds, write
from sandboxes import execute, nothing_left

KERNEL = ["--kernel", LIBKRUNFW]


def test_a_command_runs_on_it():
    write("data/file", "of the host\n")
    script = "uname -r; cat /data/file; echo kept > /data/new; touch /usr/file; read line; echo $line >&2; exit 9"
    with no_leftovers():
        flags = [*KERNEL, "-q", "--cpus", "2", "-v", f"{scratch('data')}:/data"]
        outcome = sh(script, flags, stdin=b"from the input\n")
    assert outcome.code == 9 and outcome.err == b"from the input\n", outcome
    release, text = lines_of(outcome)
    assert "cloche" not in release and text == "of the host", outcome
    with open(scratch("data/new"), encoding="ascii") as file:
        assert file.read() == "kept\n"


def test_ends_are_told():
    assert run(["no-such-program"], KERNEL).code == 127
    assert sh("kill -TERM $$", KERNEL).code == 143


def test_a_read_only_root_and_a_user():
    outcome = sh("id -u; touch /usr/file", [*KERNEL, "--read-only", "-u", "1000"])
    assert outcome.code == 1 and outcome.out == b"1000\n" and b"Read-only file system" in outcome.err, outcome


def test_a_sandbox_on_it():
    with nothing_left():
        succeeds(cloche("run", "-d", "--name", "box", *KERNEL))
        succeeds(execute("box", "echo", "hello"), out=b"hello\n")
        succeeds(cloche("rm", "-f", "box"))
