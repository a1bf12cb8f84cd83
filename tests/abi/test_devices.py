"""File systems without a directory, and many devices at once."""
import os
import shutil

from harness import scratch
from installed import compiled, in_machine, make_root


def test_file_systems_without_a_directory():
    script = """
    busybox mkdir -p /proc; busybox mount -t virtiofs second /data || exit 1
    busybox cat /data/hello
    echo x > /data/new || echo refused
    echo x > /bin/new || echo refused
    exit 5"""
    busybox = scratch("busybox")
    shutil.copy("/bin/busybox", busybox)
    outcome = in_machine(compiled("overlay"), busybox, script)
    assert outcome.code == 5 and outcome.out == b"from memory\nrefused\nrefused\n", outcome


def test_forty_devices():
    root, folder, disk = make_root(), scratch("data"), scratch("disk")
    os.mkdir(folder)
    with open(f"{folder}/file", "w", encoding="ascii") as file:
        file.write("shared\n")
    with open(disk, "wb") as file:
        file.write(b"a disk\n".ljust(1 << 20, b"\0"))
    script = """
    for disk in a b c d e f g h i j k l m n o p q r s t u; do head -n 1 /dev/vd$disk; done
    for number in 0 1 2 3 4 5 6 7 8 9; do
      mkdir -p /tmp/$number; mount -t virtiofs data$number /tmp/$number; cat /tmp/$number/file
    done
    ls /sys/class/net | grep -c eth; ls /sys/bus/virtio/devices | grep -c virtio"""
    outcome = in_machine(compiled("devices"), root, script, disk, folder)
    lines = outcome.out.decode().splitlines()
    assert outcome.code == 0 and lines == ["a disk"] * 21 + ["shared"] * 10 + ["5", "40"], outcome
