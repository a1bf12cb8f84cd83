"""`cloche run` where KVM is of no use: announced in one line, refused when asked, and otherwise as anywhere."""
import json
import os

from harness import call, cloche, run, scratch, settings, sh, write


def kvm_is_usable():
    return json.loads(cloche("doctor", "--json").out)["runs_directly"]


def test_announced_in_one_line():
    outcome = sh("echo out; echo err >&2; exit 7", ["--machine=always"] if kvm_is_usable() else [])
    assert (outcome.code, outcome.out) == (7, b"out\n"), outcome
    lines = outcome.err.decode().splitlines()
    assert lines[-1] == "err" and len(lines) <= 2, outcome
    if not kvm_is_usable():
        assert "emulated machine" in lines[0], outcome


def test_quiet():
    outcome = sh("cat; exit 3", ["-q", "--machine=always"], stdin=b"through")
    assert (outcome.code, outcome.out, outcome.err) == (3, b"through", b""), outcome


def test_never_is_a_refusal():
    outcome = run(["true"], ["--machine=never"])
    if kvm_is_usable():
        assert outcome.code == 0, outcome
    else:
        assert outcome.code == 125 and outcome.err.count(b"\n") == 1 and b"--machine=never" in outcome.err, outcome


def test_shares_are_the_hosts_own():
    write("share/in", "1")
    outcome = sh("cp /s/in /s/out", ["-q", "--machine=always", "-v", "./share:/s"], cwd=scratch(""))
    assert outcome.code == 0, outcome
    with open(scratch("share/out"), encoding="ascii") as file:
        assert file.read() == "1"


def test_bad_input_starts_no_machine():
    environment = dict(os.environ, XDG_RUNTIME_DIR=scratch(""))
    outcome = run(["true"], ["--machine=always", "--memory", "1"], environment=environment)
    assert outcome.code == 125 and not os.path.exists(scratch("cloche")), outcome


def test_doctor_names_the_reason():
    outcome = call([settings.cloche, "doctor"])
    assert outcome.code == 0 and (kvm_is_usable() or b"KVM" in outcome.out), outcome
