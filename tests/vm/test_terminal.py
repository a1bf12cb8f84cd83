"""-t: a terminal in the guest, with job control and resizing; the user's own is as it was before, however it ends."""
import os
import signal
import termios
import time

from harness import command, descendants, vmm_of, wait_until
from terminal import Terminal


def open_shell(arguments=("sh", "-i"), **more):
    """A shell in a guest on a new terminal, with a prompt that no command prints by itself."""
    terminal = Terminal(command(list(arguments), ["-i", "-t", "-e", "PS1=ready> ", "-e", "TERM=dumb"]), **more)
    terminal.read_until("ready> ", 60)
    return terminal


def ask(terminal, line, seconds=30):
    """Types a line, and returns what the shell prints for it."""
    terminal.type(line + "\n")
    terminal.read_until(line, seconds)
    return terminal.read_until("ready> ", seconds).strip()


def leave(terminal, line="exit", code=0):
    terminal.type(line + "\n")
    assert terminal.wait() == code, terminal.screen
    assert terminal.modes() == terminal.modes_before, "the terminal was not restored"
    terminal.close()


def test_there_is_a_terminal():
    terminal = open_shell()
    assert ask(terminal, "tty").startswith("/dev/"), terminal.screen
    assert ask(terminal, "test -t 0 && test -t 1 && test -t 2 && echo all") == "all"
    leave(terminal, "exit 7", 7)


def test_without_t_there_is_none():
    terminal = Terminal(command(["sh", "-c", "test -t 1 || echo none"]))
    terminal.read_until("none", 60)
    assert terminal.wait() == 0
    terminal.close()


def test_size_and_resize():
    # What is changed must arrive as a signal, too.
    script = "stty size; trap 'stty size; exit 4' WINCH; echo go; while :; do sleep 0.1; done"
    terminal = Terminal(command(["sh", "-c", script], ["-t"]), rows=33, columns=101)
    terminal.read_until("33 101", 60)
    terminal.read_until("go")
    terminal.resize(40, 90)
    terminal.read_until("40 90")
    assert terminal.wait() == 4
    terminal.close()


def test_interrupt_reaches_the_program_only():
    terminal = open_shell()
    terminal.type("sleep 1000\n")
    terminal.read_until("sleep 1000")
    wait_until(lambda: _try_interrupt(terminal), 30, "the prompt after Ctrl-C")
    assert ask(terminal, "echo code $?") in ("code 130", "code 0")
    assert ask(terminal, "echo alive") == "alive"
    leave(terminal)


def _try_interrupt(terminal):
    terminal.type(b"\x03")
    try:
        terminal.read_until("ready> ", 1)
        return True
    except AssertionError:
        return False


def test_job_control():
    terminal = open_shell(("bash", "--norc", "--noprofile", "-i"))
    assert "no job control" not in terminal.screen.decode()
    terminal.type("sleep 1000\n")
    terminal.read_until("sleep 1000")
    time.sleep(1)
    terminal.type(b"\x1a")
    terminal.read_until("Stopped")
    terminal.read_until("ready> ")
    assert "Stopped" in ask(terminal, "jobs")
    ask(terminal, "bg")
    assert "Running" in ask(terminal, "jobs")
    terminal.type("fg\n")
    terminal.read_until("sleep 1000")
    time.sleep(1)
    terminal.type(b"\x03")
    terminal.read_until("ready> ")
    assert ask(terminal, "jobs") == ""
    leave(terminal)


def test_keys_arrive_unchanged():
    terminal = Terminal(command(["sh", "-c", "stty raw -echo; echo go; head -c 6 | od -An -tx1"], ["-i", "-t"]))
    terminal.read_until("go", 60)
    terminal.type(b"\x01\x04\x1a\x03\r\xff")
    terminal.read_until("01 04 1a 03 0d ff")
    assert terminal.wait() == 0
    terminal.close()


def test_restored_after_cloche_is_terminated():
    terminal = open_shell()
    assert terminal.modes() != terminal.modes_before, "the terminal was never made raw"
    # An interactive shell ignores SIGTERM, here as without a VM; the third one is for cloche itself.
    for _ in range(3):
        os.kill(terminal.process.pid, signal.SIGTERM)
        time.sleep(0.5)
    assert terminal.wait() == 125, terminal.screen
    assert terminal.modes() == terminal.modes_before
    terminal.close()


def test_restored_after_the_vmm_is_killed():
    terminal = open_shell()
    os.kill(vmm_of(terminal.process), signal.SIGKILL)
    assert terminal.wait() == 125, terminal.screen
    assert terminal.modes() == terminal.modes_before
    assert not [each for each in descendants(os.getpid()) if each.name.startswith("cloche")]
    terminal.close()


def test_output_processing_is_the_guests():
    """The local terminal is raw while the guest runs: the guest's own line discipline makes the line ends."""
    terminal = open_shell()
    assert not terminal.modes()[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
    leave(terminal)
