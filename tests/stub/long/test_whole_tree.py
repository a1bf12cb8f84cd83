"""A stub from nothing: the whole tree builds, and what comes of it is installed, found by pkg-config, and refuses."""
import installed
import stub
from harness import call, deadline, scratch
from trees import configure, copy_tree, without_qemu


@deadline(540)
def test_a_stub_from_nothing():
    build = configure(copy_tree(), "-DCLOCHE_STUB=ON")
    made = call(["cmake", "--build", str(build)], environment=without_qemu(), timeout=5000)
    assert made.code == 0, made
    stub.try_calls(str(build / "stub" / "bin" / "stub_calls"))
    place = scratch("installed-stub")
    installed.install(str(build), place)  # What is compiled from here on is so against the stub.
    stub.try_program(f"{place}/bin/cloche")
    stub.try_libraries(installed.library())
