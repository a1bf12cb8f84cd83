"""C programs that run VMs and sandboxes through libcloche.so.0, and survive them."""
from harness import deadline
from installed import compiled, in_machine, make_root

SHOW = "echo $TEST; cat; echo to standard error >&2; kill -TERM $$"


def test_a_command_and_how_it_ended():
    root = make_root()
    for language in ("c", "c++"):
        program = compiled("capi_run", language)
        exited = in_machine(program, root, "/bin/sh", "-c", "head -c 300000 /dev/zero; exit 7")
        assert exited.code == 0, exited
        assert exited.out == bytes(300000) + b"ended 0 value 7 reason 0 code 7\n", exited
        signaled = in_machine(program, root, "/bin/sh", "-c", SHOW, stdin=b"the input\n")
        assert signaled.out == b"works\nthe input\nended 1 value 15 reason 0 code 143\n", signaled
        assert signaled.err == b"to standard error\n", signaled
        missing = in_machine(program, root, "no-such-program")
        assert missing.out == b"ended 2 value 0 reason 1 code 127\n" and b"no-such-program" in missing.err, missing


def test_what_cannot_be_started():
    refused = in_machine(compiled("capi_run"), "/nowhere", "/bin/true")
    assert refused.code == 1 and refused.out == b"", refused
    assert refused.err.startswith(b"code 2: ") and b"/nowhere" in refused.err, refused


@deadline(240)
def test_guests_that_die_and_threads():
    root = make_root()
    for language in ("c", "c++"):
        outcome = in_machine(compiled("capi_survive", language), root)
        assert outcome.code == 0 and outcome.out == b"survived\n", outcome


@deadline(240)
def test_a_sandbox():
    # In the machine's memory: a UNIX socket cannot be made on every file system.
    script = 'home=$(mktemp -d -p /dev/shm) && "$0" "$1" "$home"; code=$?; rm -r "$home"; exit $code'
    root = make_root()
    for language in ("c", "c++"):
        outcome = in_machine("sh", "-c", script, compiled("capi_sandbox", language), root)
        assert outcome.code == 0 and outcome.out == b"done\n", outcome
