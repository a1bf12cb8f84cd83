"""What the tests of a stub share: what is tried of one, wherever it was built."""
import ctypes
import os

from harness import call, refuses, scratch
from installed import compiled

build = ""  # The tree of a usual build, filled in by run.py.
WORDS = "as a stub"
# One of each kind that needs a VM, with a sandbox called "made".
COMMANDS = [
    "run -- true",
    "run -d -- true",
    "create",
    "start made",
    "exec made -- true",
    "attach made",
    "cp made:/etc/passwd .",
    "stats made",
    "top made",
    "pause made",
    "signal TERM made",
    "pool serve --name served",
    "machine start",
    "machine exec -- true",
]


def make_sandbox(home):
    """One that is written down, by a cloche that is none. It is called "made"."""
    cloche = ctypes.CDLL(os.path.join(build, "lib", "libcloche.so.0"))
    cloche.cloche_config_create.restype = ctypes.c_void_p
    config, sandbox = ctypes.c_void_p(cloche.cloche_config_create()), ctypes.c_void_p()
    assert cloche.cloche_config_set_name(config, b"made") == 0
    assert cloche.cloche_sandbox_create(config, os.fsencode(home), ctypes.byref(sandbox), None) == 0


def try_program(cloche, variables=()):
    """The commands of the program `cloche`: they refuse what needs a VM, and nothing else."""
    home = scratch("home-of-program")
    make_sandbox(home)
    environment = dict(os.environ, CLOCHE_HOME=home, **dict(variables))
    for words in COMMANDS:
        refuses(call([cloche, *words.split()], environment=environment), WORDS)
    doctor = call([cloche, "doctor"], environment=environment)
    assert doctor.code != 0 and WORDS.encode() in doctor.out, doctor
    assert call([cloche, "--version"], environment=environment).code == 0
    listed = call([cloche, "ps", "-a", "--format", "{name} {status}"], environment=environment)
    assert listed.out == b"made created\n", listed
    removed = call([cloche, "rm", "made"], environment=environment)
    assert removed.code == 0, removed


def try_libraries(folder, variables=()):
    """C programs with the libraries in `folder`: they come back from what needs a VM, with an error."""
    environment = dict(os.environ, LD_LIBRARY_PATH=folder, **dict(variables))
    for language in ("c", "c++"):
        ran = call([compiled("capi_run", language), "/", "/bin/true"], environment=environment)
        assert ran.code == 1 and ran.err.startswith(b"code 9: ") and WORDS.encode() in ran.err, ran
        kept = call([compiled("capi_sandbox", language), "/", scratch("home")], environment=environment)
        assert kept.code == 1 and kept.err.startswith(b"code 9: ") and WORDS.encode() in kept.err, kept
        entered = call([compiled("chroot", language), "/", "/bin/true"], environment=environment)
        assert entered.code == 1 and WORDS.encode() in entered.err, entered
        assert b"krun_start_enter: -95\n" in entered.err, entered


def try_calls(program, variables=()):
    """Each call of the C++ interface, by tests/stub/calls.cc."""
    home = scratch("home-of-calls")
    make_sandbox(home)
    outcome = call([program, home, "made"], environment=dict(os.environ, **dict(variables)))
    assert outcome.code == 0 and outcome.out == b"38 calls\n", outcome
