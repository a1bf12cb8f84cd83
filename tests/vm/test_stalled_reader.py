"""A reader that stops blocks the writer: nothing is lost, and the VMM holds little meanwhile."""
import hashlib
import time

from harness import deadline, own_memory_kib, size, start, vmm_of

MIB = 48
MAX_GROWTH_KIB = 4096


@deadline(300)
def test_a_stalled_reader_loses_nothing():
    script = f"import sys\nfor i in range({MIB}): sys.stdout.buffer.write(bytes([i]) * (1 << 20))"
    process = start(["python3", "-c", script])
    vmm = vmm_of(process)
    assert process.stdout.read(1) == b"\0"
    early = own_memory_kib(vmm)
    time.sleep(size(5, 60))
    late = own_memory_kib(vmm)
    digest = hashlib.sha256(b"\0")
    while chunk := process.stdout.read1(1 << 20):
        digest.update(chunk)
    assert process.wait(timeout=60) == 0, process.stderr.read()
    wanted = hashlib.sha256(b"".join(bytes([i]) * (1 << 20) for i in range(MIB)))
    assert digest.hexdigest() == wanted.hexdigest()
    assert late - early < MAX_GROWTH_KIB, f"the VMM grew from {early} to {late} KiB"
