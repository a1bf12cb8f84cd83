"""An image that one VM writes to is nobody else's; when that VM has ended, however it did, it is free again."""
import os
import signal

from harness import refuses, run, sh, start, succeeds, vmm_of, write


def test_a_second_vm_is_refused():
    path = write("disk.img", b"")
    os.truncate(path, 1 << 20)
    process = start(["sh", "-c", "echo there; sleep 1000"], ["--disk", path])
    assert process.stdout.readline() == b"there\n"
    refuses(run(["true"], ["--disk", path]), "disk.img", "in use")
    refuses(run(["true"], ["--disk", f"{path}:ro"]), "disk.img", "in use")
    os.kill(vmm_of(process), signal.SIGKILL)
    process.communicate(timeout=30)
    succeeds(sh("echo x > /dev/vda", ["--disk", path]))


def test_one_image_twice():
    path = write("disk.img", b"")
    os.truncate(path, 1 << 20)
    refuses(run(["true"], ["--disk", path, "--disk", path]), "disk.img", "two disks")
    succeeds(sh("ls /dev/vd?", ["--disk", f"{path}:ro", "--disk", f"{path}:ro"]), out=b"/dev/vda\n/dev/vdb\n")
