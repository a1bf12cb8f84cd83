"""`cloche machine exec`: streams, exit codes, signals, terminal and paths as if the command ran here."""
import concurrent.futures
import hashlib
import os
import signal
import subprocess

from harness import call, deadline, scratch, settings, size, wait_until
from terminal import Terminal


def words(*command):
    return [settings.cloche, "machine", "exec", "--", *command]


def inside(*command, **more):
    return call(words(*command), **more)


def test_streams_apart_and_code():
    outcome = inside("sh", "-c", "echo out; echo err >&2; exit 7")
    assert (outcome.code, outcome.out, outcome.err) == (7, b"out\n", b"err\n"), outcome


def test_codes_and_signals():
    assert inside("sh", "-c", "kill -TERM $$").code == 143
    assert inside("no-such-program").code == 127
    assert inside("/etc/passwd").code == 126


def test_input_arrives_whole():
    data = os.urandom(size(8, 256) << 20)
    outcome = inside("sha256sum", stdin=data)
    assert outcome.out.split()[0].decode() == hashlib.sha256(data).hexdigest(), outcome


def test_output_arrives_whole():
    data = os.urandom(size(8, 256) << 20)
    outcome = inside("cat", stdin=data)
    assert outcome.code == 0 and outcome.out == data, (outcome.code, len(outcome.out), outcome.err)


def test_same_paths_and_folder():
    path = scratch("here")
    os.mkdir(path)
    outcome = call(words("sh", "-c", "pwd; ls /usr/bin/python3"), cwd=path)
    assert outcome.out.decode() == f"{os.path.realpath(path)}\n/usr/bin/python3\n", outcome


def test_environment_comes_along():
    outcome = inside("sh", "-c", "echo $MARK", environment=dict(os.environ, MARK="here"))
    assert outcome.out == b"here\n", outcome


def test_it_is_another_kernel_with_kvm():
    outcome = inside("sh", "-c", "uname -r; test -w /dev/kvm && grep -c svm /proc/cpuinfo")
    assert outcome.code == 0 and outcome.out.split()[0].decode() != os.uname().release, outcome


def test_a_signal_reaches_the_command():
    process = subprocess.Popen(
        words("sh", "-c", "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.1; done"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (5, b"caught\n"), (process.returncode, out)


def test_terminal():
    terminal = Terminal(
        words("sh", "-i"), rows=31, columns=99, environment=dict(os.environ, PS1="ready> ", TERM="dumb", ENV="")
    )
    terminal.read_until("ready> ", 60)
    terminal.type("stty size\n")
    terminal.read_until("31 99")
    terminal.resize(40, 90)

    def resized():
        terminal.type("stty size\n")
        try:
            terminal.read_until("40 90", 2)
            return True
        except AssertionError:
            return False

    wait_until(resized, 20, "the new size")
    terminal.type("sleep 1000\n")
    terminal.read_until("sleep 1000")
    terminal.type(b"\x03")
    terminal.type("exit 9\n")
    assert terminal.wait(60) == 9, terminal.screen
    assert terminal.modes() == terminal.modes_before
    terminal.close()


@deadline(300)
def test_twenty_at_once():
    def one(number):
        return inside("sh", "-c", f"sleep 1; echo {number}; exit {number}", timeout=200)

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        for number, outcome in enumerate(pool.map(one, range(20))):
            assert (outcome.code, outcome.out) == (number, f"{number}\n".encode()), outcome


def test_a_killed_client_ends_its_command():
    mark = f"98765{os.getpid()}"
    process = subprocess.Popen(
        words("sh", "-c", f"echo ready; sleep {mark}"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"ready\n"
    assert inside("pgrep", "-f", f"sleep {mark}").code == 0
    process.kill()
    process.communicate()
    wait_until(lambda: inside("pgrep", "-f", f"[s]leep {mark}").code == 1, 30, "the command to end")


def test_status_says_that_it_runs():
    outcome = call([settings.cloche, "machine", "status"])
    assert outcome.code == 0 and b"running" in outcome.out, outcome
