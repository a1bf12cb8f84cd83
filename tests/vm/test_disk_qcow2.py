"""qcow2 images: what QEMU's tool made, the guest reads and writes, and what that left, QEMU's tool finds good."""
import os

from harness import call, deadline, refuses, run, scratch, sh, succeeds, write

MIB = 1 << 20


def qemu_img(*words):
    return succeeds(call(["qemu-img", *words]))


@deadline(300)
def test_written_and_checked():
    for options in ((), ("-o", "compat=0.10"), ("-o", "cluster_size=4k")):
        path = scratch("disk.qcow2")
        qemu_img("create", "-q", "-f", "qcow2", *options, path, "1G")
        sums = "cd /mnt; rmdir lost+found 2>/dev/null; sha256sum * | sha256sum"
        script = f"set -e; mkfs.ext4 -q /dev/vda; mount /dev/vda /mnt; cp /usr/bin/[ab]* /mnt/; sync; {sums}"
        first = succeeds(sh(script, ["--disk", path], timeout=100)).out
        assert os.path.getsize(path) < 512 * MIB
        qemu_img("check", "-q", path)
        second = succeeds(sh(f"mount -o ro /dev/vda /mnt; {sums}", ["--disk", path + ":ro"])).out
        assert first == second, (first, second)
        os.unlink(path)


def test_compressed_and_on_top_of_another():
    base = write("base.img", bytes(range(256)) * 16384)
    packed, top = scratch("packed.qcow2"), scratch("top.qcow2")
    qemu_img("convert", "-c", "-O", "qcow2", base, packed)
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", packed, top)
    refuses(run(["true"], ["--disk", top]), "top.qcow2", "packed.qcow2", "backing=")
    before = open(packed, "rb").read()
    script = "printf new | dd of=/dev/vda bs=1 seek=100000 conv=notrunc,fsync 2>/dev/null; sha256sum < /dev/vda"
    out = succeeds(sh(script, ["--disk", f"{top},backing={packed}"])).out.split()[0]
    assert open(packed, "rb").read() == before
    qemu_img("check", "-q", top)
    flat = scratch("flat.img")
    qemu_img("convert", "-O", "raw", top, flat)
    content = bytearray(bytes(range(256)) * 16384)
    content[100000:100003] = b"new"
    with open(flat, "rb") as file:
        assert file.read() == content
    assert out == succeeds(call(["sha256sum", flat])).out.split()[0]


def test_what_a_raw_disk_begins_with_does_not_matter():
    """A guest that writes the header of a qcow2 image, with a backing file of the host's, into its raw disk."""
    secret = write("secret", b"secret" * 1000)
    forged, raw = scratch("forged.qcow2"), write("disk.img", b"")
    qemu_img("create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, forged, "1M")
    os.truncate(raw, MIB)
    succeeds(sh("cat /image > /dev/vda; sync", ["-v", f"{forged}:/image:ro", "--disk", raw]))
    outcome = sh("head -c 3 /dev/vda; grep -c secretsecret /dev/vda", ["--disk", raw])
    assert outcome.out == b"QFI0\n", outcome


def test_a_flat_vmdk():
    path = scratch("disk.vmdk")
    qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", path, "4M")
    succeeds(sh("printf content > /dev/vda; sync; cat /sys/block/vda/size", ["--disk", path]), out=b"8192\n")
    with open(scratch("disk-flat.vmdk"), "rb") as file:
        assert file.read(7) == b"content"
    sparse = scratch("sparse.vmdk")
    qemu_img("create", "-q", "-f", "vmdk", sparse, "4M")
    refuses(run(["true"], ["--disk", sparse]), "sparse.vmdk", "not")
