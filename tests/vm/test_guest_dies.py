"""A guest that dies without a report is lost: said as what it was, by itself, with its last lines, 125.

How soon is measured by `./dev bench lost`: here a computer may be as busy as it likes.
"""
import subprocess

import tiny_kernel
from harness import command, run, sh


def lost(script, flags=()):
    """Runs a script that ends its guest, once it has begun; what is said of it."""
    words = command(["sh", "-c", f"echo now; read go; {script}"], flags)
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"now\n", process.communicate()
    process.stdin.write(b"go\n")
    process.stdin.flush()
    out, err = process.communicate(timeout=90)  # The script would sleep for longer.
    assert process.returncode == 125 and out == b"", (process.returncode, out, err)
    return err.decode()


def test_kernel_panic():
    err = lost("echo c > /proc/sysrq-trigger; sleep 100")
    assert "panic" in err.lower() and "sysrq triggered crash" in err.lower(), err


# Overwrites the code of PID 1, so that it dies of the first instruction it runs: when there is output to carry.
KILL_INIT = r"""
import time
line = next(line for line in open("/proc/1/maps") if " r-xp " in line)
begin, end = (int(part, 16) for part in line.split()[0].split("-"))
memory = open("/proc/1/mem", "r+b", buffering=0)
memory.seek(begin)
time.sleep(0.5)
memory.write(b"\x0f\x0b" * ((end - begin) // 2))
print("never carried", flush=True)
"""


def test_init_killed():
    err = lost(f"python3 -c '{KILL_INIT}'; sleep 100")
    assert "init" in err and "kill" in err, err


def test_power_off_without_a_report():
    err = lost("echo o > /proc/sysrq-trigger; sleep 100")
    assert err.startswith("cloche"), err


def test_restart_without_a_report():
    err = lost("echo b > /proc/sysrq-trigger; sleep 100")
    assert err.startswith("cloche") and ("restart" in err or "reset" in err), err


def test_triple_fault():
    outcome = run(["true"], ["--kernel", tiny_kernel.make("kernel", tiny_kernel.TRIPLE_FAULT)])
    assert outcome.code == 125 and "triple fault" in outcome.err.decode().lower(), outcome


def test_spinning_with_interrupts_off():
    outcome = run(["true"], ["--timeout", "3", "--kernel", tiny_kernel.make("kernel", tiny_kernel.SPIN)])
    assert outcome.code == 125 and "timed out" in outcome.err.decode() and 3 <= outcome.seconds, outcome


def test_halted_for_good():
    outcome = run(["true"], ["--timeout", "3", "--kernel", tiny_kernel.make("kernel", tiny_kernel.HALT)])
    assert outcome.code == 125 and b"timed out" in outcome.err, outcome


def test_spinning_on_every_processor():
    outcome = run(["true"], ["--cpus", "4", "--timeout", "3", "--kernel", tiny_kernel.make("kernel", tiny_kernel.SPIN)])
    assert outcome.code == 125 and b"timed out" in outcome.err, outcome


def test_out_of_memory_ends_the_command_not_the_vm():
    outcome = sh("tail /dev/zero; echo code $?", ["--memory", "192"])
    assert outcome.code == 0 and b"code 137" in outcome.out, outcome
