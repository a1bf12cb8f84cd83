"""Consoles that a program adds: terminals, streams by name, serial lines."""
from harness import call, deadline
from installed import HERE, compiled, in_machine, make_root

EXPECTED = """terminal: size 40x132
terminal: size 50x100
terminal: terminal: typed
data: data: some bytes
default: out: more bytes
default: then its end: 
default: error
serial: serial: a line that is longer than the sixteen bytes of the FIFO
second: second: the other line
"""


def check(language, libraries=()):
    root = make_root()
    source = str(HERE / "guest_consoles.c")
    built = call(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", f"{root}/bin/guest", source])
    assert built.code == 0, built
    outcome = in_machine(compiled("consoles", language), root, "/bin/guest", libraries=libraries)
    assert outcome.code == 7 and outcome.out.decode() == EXPECTED, outcome


@deadline(200)
def test_each_leads_to_its_other_end():
    check("c")


@deadline(200)
def test_the_same_from_cplusplus():
    check("c++")
