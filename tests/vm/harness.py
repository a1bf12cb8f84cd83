"""What the VM tests share: starting cloche, looking at its processes, and finding what it left behind.
A test is a function `test_...` in a file test_*.py. It says what it expects with assert; whatever it prints is shown
when it fails. `settings` is filled in by run.py before the first test.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time
from typing import NamedTuple

# Debian's, which `./dev` has put there.
LIBKRUNFW = str(pathlib.Path(__file__).resolve().parent.parent.parent / "build" / "libkrunfw5" / "libkrunfw.so.5")
PATIENCE = 100  # Seconds for a program that does little, on a busy computer; a test has DEADLINE_SECONDS of run.py.
BIG_MAPPING_KIB = 48 << 10  # The VMM's own mappings are far smaller, guest memory is larger.


class Settings:
    cloche = ""  # The program under test.
    rootfs = ""  # A directory that mmdebstrap made.
    scratch = ""  # A folder of the test's own, in memory.
    long = False  # Full length instead of what fits into every run.
    user = False  # Running as an ordinary user.


settings = Settings()


class Outcome(NamedTuple):
    code: int
    out: bytes
    err: bytes
    seconds: float

    def __str__(self):
        error = self.err.decode(errors="replace")
        return f"code {self.code} after {self.seconds:.1f} s\nstdout: {self.out[-2000:]!r}\nstderr: {error}"


def deadline(seconds):
    """A test that may take longer than most."""

    def mark(function):
        function.deadline = seconds
        return function

    return mark


def only_root(function):
    """A test that changes what only root may; it is not part of the ordinary user's run."""
    function.only_root = True
    return function


def same_for_everyone(function):
    """A test of what does not depend on the user: root's run is enough."""
    return only_root(function)


def size(usual, long):
    """How much of something a test does."""
    return long if settings.long else usual


def command(arguments, flags=()):
    return [settings.cloche, "run", *flags, "--", *arguments]


def call(words, stdin=b"", timeout=PATIENCE, environment=None, cwd=None):
    """Runs any program to its end."""
    began = time.monotonic()
    done = subprocess.run(
        words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, env=environment, cwd=cwd
    )
    return Outcome(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def run(arguments, flags=(), stdin=b"", timeout=PATIENCE, environment=None, cwd=None):
    """`cloche run FLAGS -- ARGUMENTS` to its end, with `stdin` as its input."""
    return call(command(arguments, flags), stdin, timeout, environment, cwd)


def sh(script, flags=(), **more):
    return run(["sh", "-c", script], flags, **more)


def cloche(*words, **more):
    """Any other subcommand."""
    return call([settings.cloche, *words], **more)


def start(arguments, flags=(), **popen):
    """`cloche run` in the background, with pipes unless told otherwise."""
    popen.setdefault("stdin", subprocess.DEVNULL)
    popen.setdefault("stdout", subprocess.PIPE)
    popen.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen(command(arguments, flags), **popen)


def succeeds(outcome, out=None):
    """The outcome, when it is code 0, with nothing on stderr, and `out` on stdout if given."""
    assert outcome.code == 0 and outcome.err == b"", outcome
    assert out is None or outcome.out == out, outcome
    return outcome


def refuses(outcome, *words):
    """It is an error of ours: code 125, one line on stderr that names each of `words`, nothing on stdout."""
    assert outcome.code == 125, outcome
    assert outcome.out == b"", outcome
    lines = outcome.err.decode().strip().split("\n")
    assert len(lines) == 1 and lines[0].startswith("cloche"), outcome
    for word in words:
        assert word.lower() in lines[0].lower(), f"the message does not say {word!r}: {outcome}"


def guest_program(name):
    """The path of one of the programs below tests/ that CMake built."""
    return os.path.join(os.path.dirname(os.path.dirname(settings.cloche)), "tests", name)


def lacks_direct(folder):
    """Whether the file system there knows no O_DIRECT: tmpfs before Linux 6.6."""
    try:
        os.close(os.open(os.path.join(folder, "direct"), os.O_CREAT | os.O_RDWR | os.O_DIRECT))
    except OSError:
        return True
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, "direct"))
    return False


def lines_of(outcome):
    return outcome.out.decode().splitlines()


def scratch(name):
    """A path in the test's own folder."""
    return os.path.join(settings.scratch, name)


def write(name, content, mode=0o644):
    """Makes a file in the test's own folder and returns its path."""
    path = scratch(name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    os.chmod(path, mode)
    return path


def wait_until(condition, seconds=30, what="it"):
    """What `condition` returns, as soon as that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


# --- Processes
# -----------------------------------------------------------------------------------------------------


class Process(NamedTuple):
    pid: int
    parent: int
    name: str
    state: str


def processes():
    """Every process there is."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        found[int(entry)] = Process(int(entry), int(rest[1]), name, rest[0])
    return found


def descendants(pid):
    """The processes below `pid`, zombies included."""
    everything = processes()
    below, grown = {pid}, True
    while grown:
        grown = {each.pid for each in everything.values() if each.parent in below} - below
        below |= grown
    return [everything[each] for each in below - {pid}]


def vmm_of(popen, seconds=30):
    """The process id of the VMM that a `cloche run` started."""

    def find():
        for each in descendants(popen.pid):
            if each.name.startswith("cloche-vmm") and each.state != "Z":
                return each.pid
        assert popen.poll() is None, f"cloche ended with {popen.returncode} before there was a VMM"
        return None

    return wait_until(find, seconds, "the VMM process")


def own_memory_kib(pid):
    """Resident memory of a VMM apart from its guest's memory, from /proc/PID/smaps."""
    total = current = 0
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as file:
        for line in file:
            key, _, rest = line.partition(":")
            if key == "Size":
                current = int(rest.split()[0])
            elif key == "Rss" and current < BIG_MAPPING_KIB:
                total += int(rest.split()[0])
    return total


def kill_quietly(pid, number=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


# --- Leftovers
# -----------------------------------------------------------------------------------------------------


def _files(folder, name_part=""):
    try:
        return {os.path.join(folder, name) for name in os.listdir(folder) if name_part in name}
    except OSError:
        return set()


def _is_ours(path):
    with contextlib.suppress(FileNotFoundError):
        return os.lstat(path).st_uid == os.geteuid()
    return False


def _snapshot():
    """Everything a VM could leave behind.

    Others use this computer too: outside our own folders, only what is named as ours counts.
    """
    below = {each.pid for each in descendants(os.getppid())}
    ours = ("cloche", "kvm", "vhost")  # KVM's helpers are kernel threads, named after it.
    # An orphan that has ended waits for run.py, which is not what the test is about.
    living = [each for each in processes().values() if each.state != "Z"]
    alive = {(each.pid, each.name) for each in living if each.pid in below or each.name.startswith(ours)}
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        sockets = {line.split()[-1] for line in file if "cloche" in line}
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
        mounts = set(file.readlines())
    files = _files(os.environ.get("HOME", "/nonexistent")) | _files(os.environ["TMPDIR"])
    for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run"):
        files |= {path for path in _files(folder, "cloche") if _is_ours(path)}
    files.discard(f"/dev/shm/cloche-{os.geteuid()}")  # KVM's measured speed, kept while the host is up.
    return alive, sockets, mounts, files, _files("/sys/kernel/debug/kvm")


@contextlib.contextmanager
def no_leftovers(seconds=10):
    """What is done inside leaves no process, socket, mount or file behind. Open files end with their processes."""
    before = _snapshot()
    descriptors = len(os.listdir("/proc/self/fd"))
    yield

    def left():
        return [sorted(now - then, key=str) for then, now in zip(before, _snapshot())]

    end = time.monotonic() + seconds
    while any(left()) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(left()), f"left behind: {left()}"
    assert len(os.listdir("/proc/self/fd")) <= descriptors, "the test itself leaks descriptors"


# --- Used by run.py
# ------------------------------------------------------------------------------------------------


def copy_product(cloche_path, target):
    """Copies the built tree to where every user may read it, and returns the program's new path."""
    build = os.path.dirname(os.path.dirname(os.path.realpath(cloche_path)))
    for folder in ("bin", "libexec", "share", "tests", "examples"):
        source = os.path.join(build, folder)
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(target, folder))
    return os.path.join(target, "bin", "cloche")
