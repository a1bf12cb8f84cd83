"""--timeout ends what takes too long, and nothing else."""
from harness import run, sh, succeeds


def test_too_long():
    outcome = sh("echo begun; sleep 100", ["--timeout", "4"])
    assert outcome.code == 125 and b"timed out" in outcome.err, outcome
    assert 4 <= outcome.seconds, outcome


def test_in_time():
    succeeds(run(["echo", "x"], ["--timeout", "60"]), out=b"x\n")
