"""Odd surroundings: no HOME, an empty environment, few descriptors, no right to /dev/kvm."""
import os
import resource

import devices
from harness import call, command, no_leftovers, only_root, refuses, run, succeeds


def test_without_home():
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    succeeds(run(["echo", "x"], environment=environment), out=b"x\n")
    succeeds(run(["echo", "x"], environment=dict(environment, HOME="/nonexistent")), out=b"x\n")


def test_without_any_environment():
    succeeds(call(command(["/bin/echo", "x"]), environment={}), out=b"x\n")


def test_in_a_folder_that_is_gone():
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")
    succeeds(run(["echo", "x"]), out=b"x\n")


def test_with_few_descriptors():
    for limit in (10, 16, 24, 64):
        with no_leftovers():
            outcome = call(["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", *command(["echo", "x"])])
            assert (outcome.code, outcome.out) == (0, b"x\n") or (
                outcome.code == 125 and outcome.err.startswith(b"cloche")
            ), (limit, outcome)


def test_with_a_file_size_limit():
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    assert limit == resource.RLIM_INFINITY
    outcome = call(["sh", "-c", 'ulimit -f 16; exec "$@"', "sh", *command(["echo", "x"])])
    assert (outcome.code, outcome.out) == (0, b"x\n"), outcome


@only_root
def test_kvm_without_permission():
    devices.own_dev(kvm_mode=0o600)
    devices.become_nobody()
    refuses(run(["true"], ["--machine=never"]), "/dev/kvm", "may not open")


@only_root
def test_kvm_missing():
    devices.own_dev()
    refuses(run(["true"], ["--machine=never"]), "/dev/kvm")
