"""Guests that bring their own first program: on their root as libkrun's does, in an initramfs, or as firmware."""
import bz2
import gzip
import os
import shutil

from harness import LIBKRUNFW, call, scratch
from installed import HERE, compiled, in_machine, installed

OWN_LINE = "console=hvc0 reboot=k panic=-1 quiet COLOUR=red init=/init"
ELF, BZ2, GZIP, ZSTD = 1, 3, 4, 5


def kernel():
    return f"{installed.prefix}/share/cloche/guest-vmlinux"


def guest_init(path):
    """Puts the test's own first program there."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    built = call(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", path, str(HERE / "guest_init.c")])
    assert built.code == 0, built


def own_root():
    root = scratch("root")
    for folder in ("dev", "proc", "sys", "tmp"):
        os.makedirs(f"{root}/{folder}")
    guest_init(f"{root}/init.krun")
    return root


def initramfs():
    guest_init(scratch("initial/init"))
    packed = call(["cpio", "-o", "-H", "newc", "--quiet"], stdin=b"init\n", cwd=scratch("initial"))
    assert packed.code == 0, packed
    path = scratch("initramfs")
    with open(path, "wb") as file:
        file.write(packed.out)
    return path


def lines(outcome):
    return outcome.out.decode(errors="replace").replace("\r", "").splitlines()


def own_lines(outcome):
    """Without what depends on the host: external_kernel asks for nested VMs."""
    return [line for line in lines(outcome) if line != "can run VMs"]


def says_what_it_was_told(outcome):
    expected = ["pid 1", "KRUN_INIT=/bin/true", "KRUN_WORKDIR=/tmp", "KRUN_RLIMITS=7=100:200", "COLOUR=blue"]
    expected += ["SPACED=a b", "argument <42>", "argument <two words>", "ioctl 0"]
    assert outcome.code == 42 and lines(outcome) == expected, outcome


def test_libkruns_way_on_our_kernel():
    says_what_it_was_told(in_machine(compiled("own_init"), own_root(), "-", "42", "two words"))


def test_libkruns_way_on_its_kernel():
    libraries = [os.path.dirname(LIBKRUNFW)]
    says_what_it_was_told(in_machine(compiled("own_init"), own_root(), "-", "42", "two words", libraries=libraries))


def test_a_restart_without_a_report_is_the_end_and_code_0():
    outcome = in_machine(compiled("own_init", "c++"), own_root(), kernel())
    assert outcome.code == 0 and "pid 1" in lines(outcome), outcome


def test_a_root_without_that_program_is_no_success():
    root = own_root()
    os.unlink(f"{root}/init.krun")
    outcome = in_machine(compiled("own_init"), root, "-")
    assert outcome.code == 125 and b"panic" in outcome.err, outcome


def test_an_initramfs_and_a_command_line():
    outcome = in_machine(compiled("external_kernel"), kernel(), str(ELF), initramfs(), OWN_LINE)
    assert outcome.code == 0 and own_lines(outcome) == ["pid 1", "COLOUR=red"], outcome


def test_nested_vms_where_the_host_has_them():
    outcome = in_machine(compiled("external_kernel"), kernel(), str(ELF), initramfs(), OWN_LINE)
    host = in_machine("cat", "/sys/module/kvm_amd/parameters/nested", "/sys/module/kvm_intel/parameters/nested")
    assert ("can run VMs" in lines(outcome)) == any(each in (b"1", b"Y") for each in host.out.split()), (outcome, host)


def test_a_kernel_that_is_compressed_inside_its_file():
    with open(kernel(), "rb") as file:
        image = file.read()
    packed = {BZ2: bz2.compress(image, 1), GZIP: gzip.compress(image, 1)}
    packed[ZSTD] = call(["zstd", "-q", "-c", kernel()]).out
    initial = initramfs()
    for form, contents in packed.items():
        with open(scratch("packed"), "wb") as file:
            file.write(b"something else".ljust(1000, b"\0") + contents + b"and more")
        outcome = in_machine(compiled("external_kernel"), scratch("packed"), str(form), initial, OWN_LINE)
        assert outcome.code == 0 and own_lines(outcome) == ["pid 1", "COLOUR=red"], (form, outcome)
    outcome = in_machine(compiled("external_kernel"), kernel(), str(GZIP), initial, OWN_LINE)
    assert outcome.code == 1 and b"krun_start_enter: -22" in outcome.err and b"no ELF kernel" in outcome.err, outcome


def test_a_root_on_a_disk_that_the_command_line_names():
    root, image = own_root(), scratch("root.img")
    shutil.move(f"{root}/init.krun", f"{root}/init")
    assert call(["mke2fs", "-q", "-t", "ext4", "-d", root, image, "16M"]).code == 0
    line = f"{OWN_LINE} root=/dev/vda rootfstype=ext4 ro"
    outcome = in_machine(compiled("external_kernel"), kernel(), str(ELF), "-", line, image)
    assert outcome.code == 0 and own_lines(outcome) == ["pid 1", "COLOUR=red"], outcome


def test_firmware():
    text = b"in real mode\n\0"
    # mov dx, 0x3f8; mov si, TEXT; again: cs lodsb; test al, al; jz done; out dx, al; jmp again;
    # done: mov al, 0xfe; out 0x64, al; hlt; jmp to the hlt
    code = b"\xba\xf8\x03\xbe\x40\xf0\x2e\xac\x84\xc0\x74\x03\xee\xeb\xf7\xb0\xfe\xe6\x64\xf4\xeb\xfd"
    image = (code.ljust(0x40, b"\x90") + text).ljust(0xFF0, b"\xff")
    image += b"\xea\x00\xf0\x00\xf0".ljust(16, b"\0")  # At the reset vector: jmp f000:f000, which is below 1 MiB.
    with open(scratch("firmware"), "wb") as file:
        file.write(image)
    outcome = in_machine(compiled("firmware"), scratch("firmware"))
    assert outcome.code == 0 and outcome.out == b"in real mode\n", outcome
    assert in_machine(compiled("firmware"), scratch("none")).code == 1


def test_its_input_and_outputs_are_the_callers():
    root = own_root()
    built = call(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", f"{root}/init.krun", str(HERE / "guest_echo.c")])
    assert built.code == 0, built
    outcome = in_machine(compiled("own_init"), root, "-", stdin=b"some words\n" * 10_000)
    assert outcome.code == 0 and outcome.out == b"some words\n" * 10_000, outcome
    assert outcome.err.replace(b"\r", b"").startswith(b"to the console\nto the error output\n"), outcome
