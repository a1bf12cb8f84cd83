"""C programs that run something in a VM through the library."""
import json
import os

from harness import call, scratch
from installed import compiled, in_machine, make_root

SHOW = "env | cat; pwd; ulimit -n; ulimit -Hn; echo written > /file; cat; echo to standard error >&2; exit 7"


def test_a_directory_as_with_chroot():
    root = make_root()
    for language in ("c", "c++"):
        outcome = in_machine(compiled("chroot", language), root, "/bin/sh", "-c", SHOW, stdin=b"the input\n")
        assert outcome.code == 7, outcome
        lines = outcome.out.decode().splitlines()
        assert {"TEST=works", "EMPTY=", 'QUOTED="a b" c', "PATH=/bin"} <= set(lines), outcome
        assert lines[-4:] == ["/tmp", "100", "200", "the input"], outcome
        assert outcome.err == b"to standard error\n", outcome
        with open(f"{root}/file", encoding="ascii") as file:
            assert file.read() == "written\n"
        os.unlink(f"{root}/file")


def test_exit_codes():
    root, program = make_root(), compiled("chroot")
    assert in_machine(program, root, "/bin/false").code == 1
    assert in_machine(program, root, "sh", "-c", "kill -TERM $$").code == 143
    assert in_machine(program, root, "no-such-program").code == 127
    assert in_machine(program, root, "/etc").code == 126
    refused = in_machine(program, f"{root}/nowhere", "/bin/true")
    assert refused.code == 1 and b"krun_start_enter: -2" in refused.err and b"nowhere" in refused.err, refused


def test_arguments_of_any_length_and_bytes():
    root = make_root()
    words = ["x" * 100_000, 'a "quoted" $word', "", "line\nbreak", "\\", "caf\u00e9"]
    outcome = in_machine(compiled("chroot"), root, "/bin/sh", "-c", 'for each; do echo "<$each>"; done', "sh", *words)
    assert outcome.out.decode() == "".join(f"<{word}>\n" for word in words), outcome


def test_what_a_file_in_the_root_says():
    root, program = make_root(), compiled("configured")
    process = {"args": ["/bin/sh", "-c", "echo $NAME; pwd; cat /overlay/hello"], "env": ["PATH=/bin", "NAME=mine"]}
    shapes = {
        "oci": {"process": {**process, "cwd": "/etc"}},
        "flat": {**process, "cwd": "/etc"},
        "docker": {"Entrypoint": process["args"][:2], "Cmd": process["args"][2:], "Env": process["env"]},
    }
    shapes["docker"]["WorkingDir"] = "/etc"
    for shape, config in shapes.items():
        with open(f"{root}/.krun_config.json", "w", encoding="ascii") as file:
            json.dump(config, file)
        outcome = in_machine(program, root)
        assert outcome.out == b"mine\n/etc\nhello from the host\n", (shape, outcome)


def test_a_device_that_the_guest_mounts_by_its_tag():
    root, folder = make_root(), scratch("data")
    os.mkdir(folder)
    with open(f"{folder}/file", "w", encoding="ascii") as file:
        file.write("of the host\n")
    script = "mkdir -p /tmp/data; mount -t virtiofs data /tmp/data; cat /tmp/data/file; touch /tmp/data/new"
    with open(f"{root}/.krun_config.json", "w", encoding="ascii") as file:
        json.dump({"args": ["/bin/sh", "-c", script], "env": ["PATH=/bin"]}, file)
    outcome = in_machine(compiled("configured"), root, "data", folder)
    assert outcome.code == 1 and outcome.out == b"of the host\n", outcome
    assert b"Read-only file system" in outcome.err, outcome


def test_streams_of_the_programs_own_and_a_pause():
    outcome = in_machine(compiled("console"), make_root())
    assert outcome.code == 9 and outcome.out == b"through a pipe\n", outcome
    assert b"to standard error\n" in outcome.err and b"paused and resumed\n" in outcome.err, outcome


def test_strings_in_the_smbios():
    script = "cat /sys/firmware/dmi/tables/DMI; cat /sys/class/dmi/id/product_name"
    outcome = in_machine(compiled("smbios"), make_root(), script)
    structure = b"\x0b\x05\x00\x0b\x02" + "io.systemd.credential:name=value\0caf\u00e9\0\0".encode()
    assert outcome.code == 0 and structure in outcome.out and outcome.out.endswith(b"microVM\n"), outcome


def test_a_root_on_a_disk():
    root, image, data, raw = make_root(), scratch("root.img"), scratch("data.qcow2"), scratch("data.raw")
    with open(raw, "wb") as file:
        file.write(b"of the second disk\n".ljust(1 << 20, b"\0"))
    assert call(["qemu-img", "convert", "-O", "qcow2", raw, data]).code == 0
    assert call(["mke2fs", "-q", "-t", "ext4", "-d", root, image, "64M"]).code == 0
    script = "echo kept > /file; head -n 1 /dev/vdb; grep ' / ' /proc/mounts; exit 42"
    outcome = in_machine(compiled("disk"), image, data, "/bin/sh", "-c", script)
    assert outcome.code == 42, outcome
    lines = outcome.out.decode().splitlines()
    assert lines[0] == "of the second disk" and "ext4" in lines[1] and "noatime" in lines[1], outcome
    assert call(["debugfs", "-R", "cat /file", image]).out == b"kept\n"
    assert call(["e2fsck", "-fn", image]).code == 0
    outcome = in_machine(compiled("disk"), f"ro:{image}", data, "/bin/sh", "-c", "cat /file; echo lost > /file")
    assert outcome.code != 0 and outcome.out == b"kept\n", outcome
    assert b"Read-only file system" in outcome.err, outcome
