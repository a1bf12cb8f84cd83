"""The command's exit code is cloche's, and its two output streams stay apart."""
from harness import run, scratch, sh, succeeds, write


def test_streams_apart_and_code():
    outcome = sh("echo out; echo err >&2; exit 7")
    assert (outcome.code, outcome.out, outcome.err) == (7, b"out\n", b"err\n"), outcome


def test_success_is_silent():
    succeeds(run(["true"]), out=b"")


def test_largest_code():
    assert sh("exit 255").code == 255


def test_not_found_is_127():
    outcome = run(["no-such-program"])
    assert outcome.code == 127 and outcome.out == b"", outcome
    assert b"no-such-program" in outcome.err and outcome.err.count(b"\n") == 1, outcome


def test_not_executable_is_126():
    outcome = run(["/etc/passwd"])
    assert outcome.code == 126 and b"/etc/passwd" in outcome.err and outcome.err.count(b"\n") == 1, outcome


def test_directory_is_126():
    assert run(["/usr"]).code == 126


def test_garbage_with_execute_bit_is_126():
    write("share/garbage", b"\x00\x01\x02\x03 not a program", 0o755)
    outcome = run(["/s/garbage"], ["-v", f"{scratch('share')}:/s"])
    assert outcome.code == 126, outcome


def test_code_of_the_command_not_of_its_children():
    assert sh("(exit 3); sh -c 'exit 4' & wait; exit 5").code == 5
