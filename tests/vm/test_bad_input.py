"""Every bad input is one clear line, code 125, and nothing made or left behind."""
import gzip
import os
import struct

import tiny_kernel
from harness import cloche, no_leftovers, refuses, run, scratch, settings, write


def refused(flags, *words, arguments=("true",)):
    with no_leftovers():
        outcome = run(list(arguments), flags, timeout=30)
        refuses(outcome, *words)


def test_rootfs():
    refused(["--rootfs", scratch("none")], scratch("none"))
    refused(["--rootfs", write("file", "x")], scratch("file"), "directory")
    os.mkdir(scratch("empty"))
    outcome = run(["true"], ["--rootfs", scratch("empty")])
    assert outcome.code in (125, 127), outcome


def test_unreadable_rootfs():
    if not settings.user:
        return check_as_somebody_else()
    os.mkdir(scratch("closed"), 0)
    refused(["--rootfs", scratch("closed")], scratch("closed"))


def check_as_somebody_else():
    """Root reads everything; so root becomes somebody else for this."""
    os.mkdir(scratch("closed"), 0o700)
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        outcome = run(["true"], ["--rootfs", scratch("closed")])
        refuses(outcome, scratch("closed"))
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_shares():
    refused(["-v", f"{scratch('none')}:/s"], scratch("none"))
    refused(["-v", f"{scratch('')}:relative"], "relative", "must begin with /")
    refused(["-v", scratch("")], "-v")
    refused(["-v", f"{scratch('')}:/s:what"], "what")
    refused(["-v", ":/s"], "-v")
    refused(["-v", "/dev/null:/s"], "/dev/null")


def test_the_same_place_twice():
    refused(["-v", f"{scratch('')}:/s", "-v", f"{scratch('')}:/s"], "/s")


def test_memory():
    for memory in ("0", "1", "100000000", "-5", "lots", "18446744073709551616"):
        refused(["--memory", memory], "memory")


def test_cpus():
    for cpus in ("0", "1000", "17", "-1", "two"):
        refused(["--cpus", cpus], "cpus")


def test_kernel_files():
    elf = tiny_kernel.elf(tiny_kernel.HALT)
    cases = {
        "empty": (b"", "empty"),
        "text": (b"this is a text\n" * 400, ""),
        "truncated": (elf[:0x1001], ""),
        "header-only": (elf[:40], ""),
        "aarch64": (tiny_kernel.elf(tiny_kernel.HALT, machine=183), ""),
        "i386": (b"\x7fELF\x01\x01\x01" + elf[7:], ""),
        "zeros": (bytes(8192), ""),
        "gzip": (gzip.compress(elf), ""),
        "far": (elf[:64] + struct.pack("<IIQQQQQQ", 1, 7, 0x1000, 1 << 60, 1 << 60, 18, 18, 0x1000) + elf[120:], ""),
        "huge": (
            elf[:64] + struct.pack("<IIQQQQQQ", 1, 7, 0x1000, 16 << 20, 16 << 20, 18, 1 << 62, 0x1000) + elf[120:],
            "",
        ),
    }
    for name, (content, word) in cases.items():
        path = write(name, content)
        refused(["--kernel", path], path, word)
    refused(["--kernel", scratch("none")], scratch("none"))
    refused(["--kernel", "/usr"], "/usr")


def test_truncated_bzimage():
    path = write(
        "bzImage", bytes(0x1F1) + b"\x04" + bytes(12) + b"\x55\xaa\xeb\x66HdrS" + struct.pack("<H", 0x20F) + bytes(600)
    )
    refused(["--kernel", path], path)


def test_command_line():
    for words in (
        ["run"],
        ["run", "--"],
        ["run", "--no-such-flag", "--", "true"],
        ["no-such-command"],
        ["run", "--cpus"],
    ):
        with no_leftovers():
            outcome = cloche(*words)
            assert outcome.code == 125 and outcome.out == b"" and outcome.err.count(b"\n") <= 2, (words, outcome)


def test_other_flags():
    refused(["-w", "relative"], "relative")
    refused(["-u", "nobody-of-this-name"], "nobody-of-this-name")
    refused(["-u", "-1"], "-1")
    refused(["--env-file", scratch("none")], scratch("none"))
    refused(["-e", "=x"], "=x")
    refused(["--ulimit", "nofile"], "nofile")
    refused(["--ulimit", "nonsense=1"], "nonsense")
    refused(["--ulimit", "nofile=9:8"], "nofile")
    refused(["--timeout", "soon"], "soon")
    refused(["--timeout", "-1"], "-1")
    refused(["--hostname", "a b"], "a b")
    refused(["--hostname", "x" * 65], "hostname")
    refused(["--console", scratch("none/console")], scratch("none/console"))
    refused([f"--timings={scratch('none/trace')}"], scratch("none/trace"))


def test_terminal_without_a_terminal():
    refused(["-t"], "terminal")
