"""cloche's own kernel as a libkrunfw.so.5, for programs that look for one."""
import os
import subprocess

from harness import call, cloche, scratch, settings
from installed import compiled, in_machine, make_root


def own_libkrunfw():
    prefix = scratch("bundle")
    build = os.path.dirname(os.path.dirname(settings.cloche))
    command = ["cmake", "--install", build, "--prefix", prefix, "--component", "libkrunfw"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    listed = call(["find", prefix, "-name", "libkrunfw.so.5"]).out.decode().split()
    assert len(listed) == 1, listed
    return listed[0]


def test_it_has_libkrunfws_names():
    library = own_libkrunfw()
    symbols = call(["nm", "-D", "--defined-only", library]).out.decode().splitlines()
    assert sorted(line.split()[-1] for line in symbols) == ["krunfw_get_kernel", "krunfw_get_version"], symbols
    about = call(["readelf", "-d", library]).out.decode()
    assert "soname: [libkrunfw.so.5]" in about and "NEEDED" not in about and "TEXTREL" not in about, about


def test_whoever_loads_it_can_boot_it():
    library, root = own_libkrunfw(), make_root()
    # The command line takes it for what it says it is, and boots it as it does any such library's.
    outcome = cloche("run", "--kernel", library, "--rootfs", root, "--", "sh", "-c", "cat /proc/version; ls -A /tmp")
    assert outcome.code == 0 and b"cloche" in outcome.out, outcome


def test_libkrun_knows_it_and_takes_the_kernel_that_it_came_with():
    # That has an initramfs, and gives a network through passt where the other would be asked for TSI.
    words = ["/bin/sh", "-c", "cat /proc/cmdline"]
    outcome = in_machine(compiled("chroot"), make_root(), *words, libraries=[os.path.dirname(own_libkrunfw())])
    assert outcome.code == 0 and b"tsi_hijack" not in outcome.out and b"root=" not in outcome.out, outcome
