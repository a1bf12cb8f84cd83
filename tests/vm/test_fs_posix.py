"""fs_posix, the suite of a file system's behaviour, finds in a share what it finds on the host, and no fault."""
import difflib
import os

from harness import call, deadline, guest_program, lacks_direct, run, scratch, settings, size

# A case or two of each kind; the whole suite is for the long run.
SHORT = ("chmod_set", "chown_set", "open_kinds", "unlink_open", "rename_directories", "rename_errors", "truncate_set")
SHORT += ("times_now", "xattr", "io_app", "map_shared", "special_nameless")


def answers(path):
    with open(path, encoding="utf-8", errors="backslashreplace") as file:
        return file.read().splitlines()


def compare(options, leave_out=()):
    chosen = [] if settings.long else [word for name in SHORT for word in ("--only", name)]
    # A share has it, whatever lies beneath.
    leave_out = [*leave_out, *["direct"] * lacks_direct(scratch(""))]
    chosen += [word for feature in leave_out for word in ("--without", feature)]
    for name in ("host", "share", "out"):
        os.mkdir(scratch(name))
        os.chmod(scratch(name), 0o755)
    timeout = size(110, 1100)
    here = [guest_program("fs_posix"), scratch("host"), "--answers", scratch("out/host"), *chosen]
    there = ["/fs_posix", "/s", "--answers", "/out/guest", *chosen]
    flags = ["-v", f"{guest_program('fs_posix')}:/fs_posix:ro", "-v", f"{scratch('share')}:/s{options}"]
    flags += ["-v", f"{scratch('out')}:/out"]
    for outcome in (call(here, timeout=timeout), run(there, flags, timeout=timeout)):
        assert outcome.code == 0 and b" 0 failed" in outcome.out, outcome
    difference = list(difflib.unified_diff(answers(scratch("out/host")), answers(scratch("out/guest")), lineterm=""))
    assert not difference, "\n".join(difference[:40])


@deadline(240)
def test_the_same_on_both_sides():
    # As an ordinary user the guest's command is root, and has less to say over the host's files than root there.
    compare(":devices", leave_out=["root"] if settings.user else [])
