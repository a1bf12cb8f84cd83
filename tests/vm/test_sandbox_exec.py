"""Commands in a running sandbox: their codes, streams, users and ends; and that they leave nothing behind."""
import contextlib
import os
import signal
import subprocess
import time

from harness import deadline, refuses, same_for_everyone, size, succeeds, wait_until
from sandboxes import execute, info, sandbox, start_exec

WAITING_SERVERS = 2


def processes_in(name, program):
    """How many processes of the guest run `program`."""
    return int(execute(name, "pgrep", "-c", "-x", program).out)


def test_codes_streams_and_surroundings():
    flags = ["-e", "A=1", "-e", "B=2", "-w", "/tmp"]
    with sandbox(flags=flags) as box:
        both = execute(box, "sh", "-c", "echo out; echo err >&2; exit 3")
        assert (both.code, both.out, both.err) == (3, b"out\n", b"err\n"), both
        assert execute(box, "sh", "-c", "kill -9 $$").code == 137
        assert execute(box, "no-such-program").code == 127
        assert execute(box, "/etc/passwd").code == 126
        succeeds(execute(box, "cat", stdin=b"through\0and\xff"), out=b"through\0and\xff")
        more = ["-e", "B=3", "-e", "C=4"]
        succeeds(execute(box, "sh", "-c", "echo $A $B $C; pwd; id -u", flags=more), out=b"1 3 4\n/tmp\n0\n")
        succeeds(execute(box, "sh", "-c", "pwd; id -u; id -g", flags=["-w", "/usr", "-u", "5:6"]), out=b"/usr\n5\n6\n")
        # What one leaves, the next one finds: it is one guest.
        succeeds(execute(box, "sh", "-c", "echo kept > /tmp/file"))
        succeeds(execute(box, "cat", "file"), out=b"kept\n")
        refuses(execute("no-such-box", "true"), "no-such-box")


@same_for_everyone
@deadline(200)
def test_many_at_once_and_in_a_row():
    with sandbox() as box:
        vmm = info(box)["pid"]
        scripts = [f"echo {number}; sleep 1; exit {number}" for number in range(size(10, 50))]
        running = [start_exec(box, "sh", "-c", script) for script in scripts]
        for number, each in enumerate(running):
            ended = *each.communicate(timeout=100), each.returncode
            assert ended == (f"{number}\n".encode(), b"", number), ended

        def held():
            # Files of the root stay open, as many as the guest knows; what execs bring with them are sockets.
            sockets = 0
            for each in os.listdir(f"/proc/{vmm}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    sockets += os.readlink(f"/proc/{vmm}/fd/{each}").startswith("socket:")
            # The kernel's own threads, which have no command line, come and go as it likes.
            count = "grep -lz . /proc/[0-9]*/cmdline 2>/dev/null | wc -l; ls /sys/fs/cgroup/exec | wc -l"
            guest = succeeds(execute(box, "sh", "-c", count))
            return [sockets, len(os.listdir(f"/proc/{vmm}/task")), *map(int, guest.out.split())]

        succeeds(execute(box, "true"))
        # One that has just ended may still be on its way out, then as now.
        before = [max(each) for each in zip(*(held() for _ in range(3)))]
        for _ in range(size(10, 1000)):
            succeeds(execute(box, "true"))
        # In the guest each of the agent's servers that wait keeps a group, once it has served: that is no growth.
        most = [before[0], before[1], before[2] + WAITING_SERVERS, before[3] + WAITING_SERVERS]
        wait_until(lambda: all(now <= then for now, then in zip(held(), most)), what=f"no more than {most}")


def test_a_killed_client_takes_its_command_along():
    with sandbox() as box:
        client = start_exec(box, "sh", "-c", "echo started; sleep 12345 & setsid sleep 12345 & wait")
        assert client.stdout.readline() == b"started\n"
        wait_until(lambda: processes_in(box, "sleep") == 2, what="both sleeps")
        client.kill()
        client.wait()
        wait_until(lambda: processes_in(box, "sleep") == 0, what="the command's end")


def test_a_timeout_ends_all_its_processes():
    sleeps = "trap '' TERM; sleep 12345; sleep 12345"
    stubborn = f"trap '' TERM; echo stubborn; for i in 1 2 3 4 5 6 7 8 9 10; do ({sleeps}) & done; {sleeps}"
    with sandbox() as box:
        # On a busy computer a second may be over before the command has come to its first word.
        for _ in range(5):
            outcome = execute(box, "bash", "-c", stubborn, flags=["--timeout", "1s"])
            if outcome.out == b"stubborn\n":
                break
        assert outcome.code == 137 and b"timed out" in outcome.err, outcome
        assert processes_in(box, "sleep") == 0


def test_signals_and_terminal():
    with sandbox() as box:
        client = start_exec(box, "sh", "-c", "trap 'echo got; exit 5' USR1; echo started; while :; do sleep 0.1; done")
        assert client.stdout.readline() == b"started\n"
        client.send_signal(signal.SIGUSR1)
        out, err = client.communicate(timeout=30)
        assert (client.returncode, out, err) == (5, b"got\n", b"")
        main, other = os.openpty()
        script = "test -t 0 && test -t 1 && test -t 2 && echo terminal; stty size"
        client = start_exec(box, "sh", "-c", script, flags=["-t"], stdin=other, stdout=other, stderr=other)
        os.close(other)
        said = b""
        while b"24 80" not in said and b"0 0" not in said:
            said += os.read(main, 1000)
        assert b"terminal" in said and client.wait(timeout=30) == 0, said
        os.close(main)


@same_for_everyone
@deadline(150)
def test_much_output_arrives_unchanged():
    count = size(16, 1024)
    with sandbox() as box:
        script = f"head -c {count}M /dev/urandom | tee >(sha256sum >&2)"
        client = start_exec(box, "bash", "-c", script)
        digest = subprocess.Popen(["sha256sum"], stdin=client.stdout, stdout=subprocess.PIPE)
        client.stdout.close()
        ours, theirs = digest.communicate(timeout=size(100, 1000))[0], client.stderr.read()
        assert client.wait() == 0 and ours.split()[0] == theirs.split()[0], (ours, theirs)


@same_for_everyone
def test_a_reader_that_stalls_holds_up_nobody_else():
    with sandbox() as box:
        vmm = info(box)["pid"]
        stalled = start_exec(box, "sh", "-c", "yes")
        assert stalled.stdout.read(1) == b"y"
        time.sleep(1)
        with open(f"/proc/{vmm}/statm", encoding="ascii") as file:
            before = int(file.read().split()[1])
        time.sleep(size(1, 60))
        with open(f"/proc/{vmm}/statm", encoding="ascii") as file:
            assert int(file.read().split()[1]) < before + 2048  # 8 MiB of pages, the guest's own included.
        succeeds(execute(box, "echo", "fine"), out=b"fine\n")
        stalled.send_signal(signal.SIGKILL)
        stalled.wait()
        wait_until(lambda: processes_in(box, "yes") == 0, what="the command's end")
