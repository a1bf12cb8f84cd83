#!/usr/bin/env python3
"""Lays an ELF vmlinux out as it lies in memory, for a library that hands the bytes to whoever boots them.

usage: flatten.py VMLINUX IMAGE HEADER

HEADER gets the physical addresses of the image's first byte and of its entry, as C++ constants.
"""
import struct
import sys

PAGE = 4096
PT_LOAD = 1
# ELF-64 (System V ABI): the file's header and a program header.
FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")


def segments(elf):
    """(physical address, contents, size in memory) of each loaded segment, and the entry."""
    fields = FILE_HEADER.unpack_from(elf)
    magic, machine, entry, table, size, count = fields[0], fields[2], fields[4], fields[5], fields[9], fields[10]
    if magic[:6] != b"\x7fELF\x02\x01" or machine != 62 or size != PROGRAM_HEADER.size:
        sys.exit("flatten.py: no ELF for x86_64")
    loaded = []
    for number in range(count):
        kind, _, offset, _, physical, in_file, in_memory, _ = PROGRAM_HEADER.unpack_from(elf, table + number * size)
        if kind == PT_LOAD:
            loaded.append((physical, elf[offset : offset + in_file], in_memory))
    return loaded, entry


def main():
    vmlinux, image_path, header_path = sys.argv[1:]
    with open(vmlinux, "rb") as file:
        loaded, entry = segments(file.read())
    begin = min(physical for physical, _, _ in loaded)
    end = max(physical + in_memory for physical, _, in_memory in loaded)
    image = bytearray(-(-(end - begin) // PAGE) * PAGE)
    for physical, contents, _ in loaded:
        image[physical - begin : physical - begin + len(contents)] = contents
    with open(image_path, "wb") as file:
        file.write(image)
    with open(header_path, "w", encoding="ascii") as file:
        file.write(f"constexpr size_t kLoad = {begin:#x}, kEntry = {entry:#x};\n")


if __name__ == "__main__":
    main()
