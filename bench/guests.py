"""What the benchmarks run: a root file system of one busybox, a bare initramfs, and QEMU's command line for it."""
import contextlib
import os
import pathlib
import shutil
import struct
import subprocess
import time

import harness

MIB = 1 << 20
BUSYBOX = "/bin/busybox"
APPLETS = ("sh", "true", "cat", "dd", "find", "ls", "rm", "sleep", "sync", "echo")
PAIR_APPLETS = ("ip", "mount", "ping", "reboot", "seq")
PAIR_SECONDS = 900  # Of real time, for one run.
# reboot(0xfee1dead, 672274793, RB_AUTOBOOT): the whole of the bare guest's PID 1.
RESTART = b"\xb8\xa9\0\0\0" b"\xbf\xad\xde\xe1\xfe" b"\xbe\x69\x19\x12\x28" b"\xba\x67\x45\x23\x01" b"\x0f\x05\xeb\xfe"


def mib_per_second(process, mib):
    """How fast so many MiB come out of a process, its start apart."""
    total = len(process.stdout.read(1))
    began = time.monotonic_ns()
    while chunk := process.stdout.read1(MIB):
        total += len(chunk)
    took = time.monotonic_ns() - began
    process.wait()
    assert total == mib * MIB, total
    return mib / (took / 1e9)


def make_busybox_root(folder):
    """A directory with busybox in it, as small as a userland can be."""
    for name in ("bin", "dev", "proc", "sys", "tmp", "run", "etc", "s", "shares"):
        os.makedirs(os.path.join(folder, name))
    shutil.copy(BUSYBOX, os.path.join(folder, "bin", "busybox"))
    for applet in APPLETS:
        os.symlink("busybox", os.path.join(folder, "bin", applet))
    return folder


def _elf(code):
    base = 0x400000
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, base + 120, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    size = 120 + len(code)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + code


def _cpio_entry(name, mode, content=b"", device=(0, 0)):
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head.ljust((len(head) + 3) & ~3, b"\0") + content.ljust((len(content) + 3) & ~3, b"\0")


def make_initramfs(path):
    """An initramfs whose init restarts the machine."""
    with open(path, "wb") as file:
        file.write(
            _cpio_entry("dev", 0o40755)
            + _cpio_entry("dev/console", 0o20600, device=(5, 1))
            + _cpio_entry("init", 0o100755, _elf(RESTART))
            + _cpio_entry("TRAILER!!!", 0)
        )
    return path


def make_busybox_initramfs(path, script):
    """An initramfs of busybox and `script` as its init."""
    with open(BUSYBOX, "rb") as file:
        busybox = file.read()
    with open(path, "wb") as file:
        for name in ("bin", "dev", "s"):
            file.write(_cpio_entry(name, 0o040755))
        file.write(_cpio_entry("dev/console", 0o020600, device=(5, 1)))
        file.write(_cpio_entry("bin/busybox", 0o100755, busybox))
        for applet in ("sh", "mount", "reboot"):
            file.write(_cpio_entry(f"bin/{applet}", 0o120777, b"busybox"))
        file.write(_cpio_entry("init", 0o100755, script.encode()) + _cpio_entry("TRAILER!!!", 0))


class Pair:
    """The same root and the same script, in a guest of ours and in one of QEMU's; what the script prints comes back."""

    def __init__(self, bench, name, memory_mib, script):
        self._kernel, self._memory_mib = bench.kernel, memory_mib
        self._initramfs = bench.path(f"{name}.cpio")
        self._root = pathlib.Path(make_busybox_root(bench.path(f"{name}-root")))
        for applet in PAIR_APPLETS:
            (self._root / "bin" / applet).symlink_to("busybox")
        self._write("job", f"#!/bin/sh\n{script}")
        self._write("init", "#!/bin/sh\nmount -t devtmpfs dev /dev\n/job >/dev/hvc0 2>&1\nreboot -f\n")

    def _write(self, name, text):
        path = self._root / name
        path.write_text(text, encoding="ascii")
        path.chmod(0o755)

    def add_program(self, path, place=""):
        """The program at `path`, or a library, at `place` in the root: without one, at its top."""
        target = self._root / (place or os.path.basename(path)).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(os.path.realpath(path), target)

    def ours(self, flags):
        memory = ["--cpus", "1", "--memory", str(self._memory_mib)]
        outcome = harness.run(["/job"], [*memory, "--rootfs", str(self._root), *flags], timeout=PAIR_SECONDS)
        assert outcome.code == 0, outcome
        return outcome.out.decode()

    def qemu(self, devices, **more):
        """With a console on its standard output: what is measured never waits for that."""
        _pack(self._root, self._initramfs)
        command = [
            *qemu_microvm(self._kernel, self._initramfs, self._memory_mib, ",auto-kernel-cmdline=on"),
            "-global",
            "virtio-mmio.force-legacy=off",
            "-chardev",
            "stdio,id=console,signal=off",
            "-device",
            "virtio-serial-device",
            "-device",
            "virtconsole,chardev=console",
            *devices,
        ]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=PAIR_SECONDS, check=True, **more
        )
        return done.stdout.decode()


def _pack(root, path):
    """A root as an initramfs."""
    with open(path, "wb") as file:
        for found in sorted(root.rglob("*")):
            name = str(found.relative_to(root))
            if found.is_symlink():
                file.write(_cpio_entry(name, 0o120777, os.readlink(found).encode()))
            elif found.is_dir():
                file.write(_cpio_entry(name, 0o040755))
            else:
                file.write(_cpio_entry(name, 0o100755, found.read_bytes()))
        file.write(_cpio_entry("dev/console", 0o020600, device=(5, 1)) + _cpio_entry("TRAILER!!!", 0))


def qemu_microvm_with_share(kernel, initramfs, memory_mib, socket):
    """The same with a virtio-fs device whose server listens on `socket`."""
    return [
        *qemu_microvm(kernel, initramfs, memory_mib, ",memory-backend=memory,auto-kernel-cmdline=on"),
        "-object",
        f"memory-backend-memfd,id=memory,size={memory_mib}M,share=on",
        "-chardev",
        f"socket,id=share,path={socket}",
        "-global",
        "virtio-mmio.force-legacy=off",
        "-device",
        "vhost-user-fs-device,chardev=share,tag=s,queue-size=1024",
    ]


def qemu_microvm(kernel, initramfs, memory_mib=128, machine_options=",auto-kernel-cmdline=off"):
    """QEMU as lean as it goes: no firmware devices, no option ROMs, the kernel entered through PVH."""
    return [
        "qemu-system-x86_64",
        "-M",
        "microvm,rtc=off,pit=off,pic=off,acpi=off,x-option-roms=off,isa-serial=off" + machine_options,
        "-accel",
        "kvm",
        "-cpu",
        "host,-xsave,-avx",  # As in our guests: TCG does XSAVE wrong, and Linux warns of it at length.
        "-m",
        str(memory_mib),
        "-smp",
        "1",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-kernel",
        kernel,
        "-initrd",
        initramfs,
        "-append",
        "quiet reboot=t panic=-1 no_timer_check random.trust_cpu=on",
    ]


@contextlib.contextmanager
def bound(source, target):
    """`source` mounted at `target` for a while."""
    subprocess.run(["mount", "--bind", source, target], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", target], check=True)
