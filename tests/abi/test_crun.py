"""Container runtimes whose containers are VMs of libkrun's: crun with its handler, from Debian's source, and podman
on that crun.
"""
import json
import os
import pathlib
import subprocess

from harness import call, deadline, only_root, scratch, settings
from installed import in_machine, library, make_root

SHOW = "uname -r; cat /proc/1/comm; echo $NAME; pwd; id -u; cat; echo to standard error >&2; exit 7"


def runtime():
    """crun under the name that chooses the handler, for callers that clear their environment."""
    program = scratch("krun")
    if not os.path.exists(program):
        crun = pathlib.Path(settings.cloche).parents[2] / "crun" / "krun"  # tools/build_crun
        with open(program, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nLD_LIBRARY_PATH={library()} exec {crun} "$@"\n')
        os.chmod(program, 0o755)
    return program


def make_bundle(arguments, **process):
    """An OCI bundle, from the runtime's own template."""
    bundle = scratch("bundle")
    os.makedirs(bundle)
    os.rename(make_root(), f"{bundle}/rootfs")
    for folder in ("dev", "proc", "sys"):
        os.mkdir(f"{bundle}/rootfs/{folder}")
    subprocess.run([runtime(), "spec"], cwd=bundle, check=True)
    with open(f"{bundle}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    config["root"]["readonly"] = False
    config["process"].update(terminal=False, args=arguments, **process)
    with open(f"{bundle}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    return bundle


def crun(*words, **options):
    return in_machine(runtime(), "--root", "/dev/shm/crun", *words, **options)


def test_crun_has_the_handler():
    version = call([runtime(), "--version"])
    assert version.code == 0 and b"+LIBKRUN" in version.out, version


@only_root
def test_an_oci_bundle():
    bundle = make_bundle(["/bin/sh", "-c", SHOW], cwd="/etc", env=["PATH=/bin", "NAME=a name"])
    outcome = crun("run", "--bundle", bundle, "bundle", stdin=b"the input\n")
    assert outcome.code == 7, outcome
    release, init, *lines = outcome.out.decode().splitlines()
    assert release.endswith("-cloche") and init == "init", outcome  # The guest's kernel, and its first program.
    assert lines == ["a name", "/etc", "0", "the input"], outcome
    assert outcome.err == b"to standard error\n", outcome
    assert crun("list", "--quiet").out == b""


@only_root
def test_a_program_that_the_bundle_does_not_have():
    outcome = crun("run", "--bundle", make_bundle(["no-such-program"]), "missing")
    assert outcome.code == 127 and b"no-such-program" in outcome.err, outcome


def podman_script(*steps):
    """Runs steps of a shell with `podman` in the machine; it keeps what it has in memory."""
    place = "/dev/shm/podman-test"
    options = f"--root {place}/storage --runroot {place}/run --tmpdir {place}/tmp --storage-driver vfs"
    options += f" --cgroup-manager cgroupfs --events-backend file --runtime {runtime()}"
    script = f"set -e; podman() {{ command podman {options} \"$@\"; }}; trap 'rm -rf {place}' EXIT; mkdir {place}; "
    return in_machine("/bin/bash", "-c", script + "\n".join(steps), timeout=300)


@only_root
@deadline(400)
def test_podman_runs_a_container_image():
    root = make_root()
    with open(scratch("volume"), "w", encoding="ascii") as file:
        file.write("from a volume\n")
    outcome = podman_script(
        f"tar -C {root} -c . | podman import --quiet - local/box >/dev/null 2>&1",
        "run='podman run --rm --network=none'",
        f"$run -e GREETING=hello -v {scratch('volume')}:/volume:ro local/box"
        " sh -c 'uname -r; echo $GREETING; cat /volume'",
        "echo the input | $run -i local/box cat",
        "$run local/box sh -c 'exit 5' || echo code $?",
        "id=$(podman run -d --network=none local/box sh -c 'trap \"echo told; exit 3\" TERM; echo up; while :; do"
        " sleep 0.1; done')",
        "until podman logs $id | grep -q up; do sleep 0.2; done",
        "podman stop -t 60 $id >/dev/null",
        "podman wait $id; podman logs $id; podman rm $id >/dev/null",
    )
    assert outcome.code == 0, outcome
    release, *lines = outcome.out.decode().splitlines()
    assert release.endswith("-cloche"), outcome
    assert lines == ["hello", "from a volume", "the input", "code 5", "3", "up", "told"], outcome
