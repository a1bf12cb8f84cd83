"""Help, version and shell completion read well and start nothing."""
from harness import call, cloche, no_leftovers

FLAGS = (
    "--rootfs",
    "--read-only",
    "-v",
    "-w",
    "-e",
    "--env-file",
    "-u",
    "--net",
    "--tsi",
    "--publish",
    "--cpus",
    "--memory",
    "--hostname",
    "--ulimit",
    "-i",
    "-t",
    "--timeout",
    "--kernel",
    "--vhost-user",
    "--console",
    "-q",
    "--timings",
    "--machine",
)


def test_help_names_every_flag():
    with no_leftovers():
        outcome = cloche("run", "--help")
    assert outcome.code == 0 and outcome.err == b"", outcome
    for flag in FLAGS:
        assert flag in outcome.out.decode(), f"{flag} is not in the help"
    assert max(len(line) for line in outcome.out.decode().split("\n")) <= 120


def test_help_names_every_command():
    text = cloche("--help").out.decode()
    for command in ("run", "doctor", "version", "machine"):
        assert command in text, text


def test_version():
    for words in (["version"], ["--version"]):
        outcome = cloche(*words)
        assert outcome.code == 0 and outcome.out.startswith(b"cloche 0."), outcome


def test_completion_is_shell_code():
    outcome = cloche("completion", "bash")
    assert outcome.code == 0 and b"--rootfs" in outcome.out, outcome
    assert call(["bash", "-n"], stdin=outcome.out).code == 0
