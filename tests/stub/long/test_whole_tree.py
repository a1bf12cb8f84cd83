"""A stub from nothing: the whole tree builds, and what comes of it is installed, found by pkg-config, and refuses."""
import installed
import stub
from harness import call, deadline, scratch
from trees import copy_tree, without_qemu


@deadline(540)
def test_a_stub_from_nothing():
    tree, build = copy_tree(), scratch("build")
    # Of no kind in particular: not optimized, as whoever only wants to compile against it may have it.
    for words in (["-G", "Ninja", "-S", str(tree), "-B", build, "-DCLOCHE_STUB=ON"], ["--build", build]):
        made = call(["cmake", *words], environment=without_qemu(), timeout=5000)
        assert made.code == 0, made
    stub.try_calls(f"{build}/stub/bin/stub_calls")
    place = scratch("installed-stub")
    installed.install(build, place)  # What is compiled from here on is so against the stub.
    stub.try_program(f"{place}/bin/cloche")
    stub.try_libraries(installed.library())
