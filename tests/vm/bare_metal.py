"""Guest kernels of our own in C, each a file beside this one that includes bare_metal.h."""
import os

from harness import call, scratch, write

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = [
    "-O1",
    "-std=gnu11",
    "-nostdlib",
    "-static",
    "-ffreestanding",
    "-fno-pic",
    "-no-pie",
    "-mno-red-zone",
    "-mgeneral-regs-only",
    "-fno-stack-protector",
    "-fcf-protection=none",
    "-fno-asynchronous-unwind-tables",
    "-Wall",
    "-Werror",
    "-Wno-unused-function",
    "-Wl,--build-id=none",
    "-Wl,-z,noexecstack",
    "-Wl,-Ttext-segment=0x1000000",
    "-Wl,--section-start=.start=0x1010000",
    "-Wl,-e,start",
    "-Wl,-z,max-page-size=4096",
]


def build(name, *more):
    """The path of the kernel made of NAME.c."""
    # An ordinary user may not be able to read them where they lie.
    for part in os.listdir(HERE):
        if part.endswith((".c", ".h")):
            with open(os.path.join(HERE, part), "rb") as file:
                write(f"source/{part}", file.read())
    outcome = call(["gcc", *FLAGS, *more, "-o", scratch(name), scratch(f"source/{name}.c")], timeout=100)
    assert outcome.code == 0, outcome
    return scratch(name)
