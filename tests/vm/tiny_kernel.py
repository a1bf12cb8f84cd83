"""Guest kernels of a few bytes: what a guest does that no Linux would."""
import struct

from harness import write

BASE = 16 << 20
SPIN = b"\xfa\xeb\xfe"  # cli; jmp .
HALT = b"\xfa\xf4\xeb\xfd"  # cli; hlt; jmp to the hlt
TRIPLE_FAULT = b"\x0f\x01\x1d\x01\0\0\0" + b"\xcc" + bytes(10)  # lidt of ten zero bytes; int3


def elf(code, machine=62, kind=2):
    """An ELF64 file with one segment at 16 MiB that holds `code`, entered at its first byte."""
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", kind, machine, 1, BASE, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0x1000, BASE, BASE, len(code), len(code), 0x1000)
    return (header + segment).ljust(0x1000, b"\0") + code


def make(name, code, **more):
    """The path of such a kernel."""
    return write(name, elf(code, **more))
