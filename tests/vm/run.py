#!/usr/bin/env python3
"""Runs the VM tests: whole microVMs, one behaviour per file test_*.py.

usage: tests/vm/run.py --cloche PATH [--rootfs DIR] [--long] [--user] [NAME...]

Where the host's KVM is of no use, it starts itself anew in `cloche machine`. One Python process loads every test
(starting Python is slow there); each test runs in a fork of it, with a deadline, a folder of its own in memory, and
with --user as an ordinary user. A process that a test leaves behind fails it.
"""
import argparse
import contextlib
import ctypes
import importlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import harness  # noqa: E402

DEADLINE_SECONDS = 120
KILLED_SECONDS = 60  # What SIGKILL does not end within this, it will not end.
ORDINARY_USER = 65534
PR_SET_CHILD_SUBREAPER = 36
MS_BIND, MS_REC, MS_PRIVATE, CLONE_NEWNS = 1 << 12, 1 << 14, 1 << 18, 0x20000
_libc = ctypes.CDLL(None, use_errno=True)


def parse():
    parser = argparse.ArgumentParser(description="the VM tests")
    parser.add_argument("--cloche", required=True)
    parser.add_argument("--rootfs", default="", help="a directory made with mmdebstrap")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--user", action="store_true", help="as an ordinary user (needs root to become one)")
    parser.add_argument("--here", action="store_true", help="do not look for a better place")
    parser.add_argument("names", nargs="*")
    return parser.parse_args()


def kvm_is_usable(cloche):
    """What `cloche doctor` measured."""
    report = subprocess.run([cloche, "doctor", "--json"], capture_output=True, stdin=subprocess.DEVNULL)
    return json.loads(report.stdout)["runs_directly"]


def move_into_machine(options):
    """Becomes `cloche machine exec` of this very program."""
    words = [options.cloche, "machine", "exec", "--", sys.executable, str(HERE / "run.py"), "--here", *sys.argv[1:]]
    os.execv(options.cloche, words)


def system(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def show_rootfs(rootfs, place):
    """Makes the directory reachable for everyone, also where it lies below somebody's home."""
    if not rootfs or os.geteuid() != 0:
        return os.path.abspath(rootfs) if rootfs else ""
    system(_libc.unshare(CLONE_NEWNS), "unshare")
    system(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "make mounts private")
    os.mkdir(place)
    system(_libc.mount(os.fsencode(os.path.abspath(rootfs)), os.fsencode(place), None, MS_BIND, None), f"bind {rootfs}")
    return place


def adopt_orphans():
    """Makes this process the parent of what tests leave behind."""
    system(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def load_tests(folder, names):
    """(name, function) of every test in `folder` whose file or function is named so."""
    tests = []
    for path in sorted(folder.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for key, function in vars(module).items():
            name = f"{path.stem[5:]}: {key[5:]}"
            chosen = not names or any(each.replace(" ", "_") in name.replace(" ", "_") for each in names)
            if key.startswith("test_") and callable(function) and chosen:
                tests.append((name, function))
    return tests


def become_ordinary_user():
    # Who may open /dev/kvm is a matter of its group on many hosts.
    group = os.stat("/dev/kvm").st_gid
    os.setgroups([] if group == 0 else [group])
    os.setresgid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER)
    os.setresuid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER)
    # Such a process may not be looked into until it says so.
    _libc.prctl(4, 1, 0, 0, 0)


def prepare_child(folder, output, user):
    """In the forked child: its own session, signals, streams, folder and perhaps user."""
    os.setsid()
    # A background start ignores some of them, and so would all that the test starts.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, 256)
    for name in ("home", "tmp", "work"):
        os.mkdir(os.path.join(folder, name))
        if user:
            os.chown(os.path.join(folder, name), ORDINARY_USER, ORDINARY_USER)
    if user:
        become_ordinary_user()
    harness.settings.scratch = os.path.join(folder, "work")
    os.environ.clear()
    os.environ.update(
        PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        LANG="C.UTF-8",
        HOME=os.path.join(folder, "home"),
        TMPDIR=os.path.join(folder, "tmp"),
    )
    os.chdir(harness.settings.scratch)


@contextlib.contextmanager
def runtime_directory(user):
    """What a login would have made for the ordinary user: a place for sockets, in memory."""
    folder = pathlib.Path(f"/run/user/{ORDINARY_USER}")
    if not user or folder.exists():
        yield
        return
    folder.mkdir(parents=True, mode=0o700)
    os.chown(folder, ORDINARY_USER, ORDINARY_USER)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def child_main(function, folder, output, user):
    code = 1
    try:
        prepare_child(folder, output, user)
        function()
        code = 0
    except BaseException:  # Also SystemExit: nothing may leave the child but its exit code.
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Stuck(Exception):
    """Processes that SIGKILL does not end: no test can go on beside them."""

    def __init__(self):
        lines = [f"{KILLED_SECONDS} s after SIGKILL these are still there:"]
        for each in harness.descendants(os.getpid()):
            lines += [f"{each.pid} {each.name} {each.state}: {where}" for where in places_of(each.pid)]
        super().__init__("\n".join(lines))


def places_of(pid):
    """For every thread of a process: where in the kernel it is."""
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            name, where, call = ((task / each).read_text().strip() for each in ("comm", "wchan", "syscall"))
            yield f"{name} in {where}, {call}"


def end_leftovers():
    """Kills what a test left running, and names it. Orphans become children of ours (PR_SET_CHILD_SUBREAPER)."""
    end = time.monotonic() + 3
    while (left := [each for each in harness.descendants(os.getpid()) if each.state != "Z"]) and time.monotonic() < end:
        time.sleep(0.05)
    end = time.monotonic() + KILLED_SECONDS
    while there := harness.descendants(os.getpid()):
        for each in there:  # Again and again: one may have started another just before its end.
            harness.kill_quietly(each.pid)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if time.monotonic() > end:
            raise Stuck
        time.sleep(0.01)
    return [each.name for each in left]


def run_test(function, user):
    """(passed, output) of one test."""
    folder = tempfile.mkdtemp(dir=harness.settings.scratch)
    os.chmod(folder, 0o755)
    output = os.memfd_create("output")
    limit = getattr(function, "deadline", DEADLINE_SECONDS) * (10 if harness.settings.long else 1)
    pid = os.fork()
    if pid == 0:
        child_main(function, folder, output, user)
    handle = os.pidfd_open(pid)
    ended = bool(select.select([handle], [], [], limit)[0])
    if not ended:
        harness.kill_quietly(pid)
        if not select.select([handle], [], [], KILLED_SECONDS)[0]:
            raise Stuck
    os.close(handle)
    _, status = os.waitpid(pid, 0)
    left = end_leftovers()
    text = os.pread(output, os.fstat(output).st_size, 0).decode(errors="replace")
    os.close(output)
    shutil.rmtree(folder, ignore_errors=True)
    if not ended:
        return False, f"{text}\nnot done after {limit} s; it was killed, and with it: {left}"
    if left and status == 0:
        return False, f"{text}\nprocesses were left behind: {left}"
    return status == 0, text


def run_tests(tests, options):
    passed = failed = 0
    for name, function in tests:
        if getattr(function, "only_root", False) and (options.user or os.geteuid() != 0):
            continue
        began = time.monotonic()
        try:
            good, output = run_test(function, options.user)
        except Stuck as stuck:
            sys.exit(f"FAIL {name}\n{stuck}")
        print(f"{'ok  ' if good else 'FAIL'} {name}  {time.monotonic() - began:.1f} s", flush=True)
        if not good:
            print("".join(f"     {line}\n" for line in output.rstrip().split("\n")), flush=True)
        passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if passed and not failed else 1


def main():
    options = parse()
    options.cloche = os.path.abspath(options.cloche)
    if not options.here and not kvm_is_usable(options.cloche):
        move_into_machine(options)
    if options.user and os.geteuid() != 0:
        sys.exit("--user: only root can become an ordinary user")
    adopt_orphans()
    base = tempfile.mkdtemp(prefix="cloche-tests-", dir="/dev/shm")
    os.chmod(base, 0o755)
    try:
        settings = harness.settings
        settings.long, settings.user, settings.scratch = options.long, options.user, base
        settings.cloche = harness.copy_product(options.cloche, os.path.join(base, "product"))
        settings.rootfs = show_rootfs(options.rootfs, os.path.join(base, "rootfs"))
        print(
            f"-- VM tests as uid {ORDINARY_USER if options.user else os.geteuid()}, {os.cpu_count()} processors",
            flush=True,
        )
        with runtime_directory(options.user):
            return run_tests(load_tests(HERE, options.names), options)
    finally:
        if settings.rootfs.startswith(base):
            _libc.umount2(os.fsencode(settings.rootfs), 2)
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
