"""What needs a VM is refused with an error that says why, and does not end the program that asked."""
import os

import stub
from harness import settings

SET = {"CLOCHE_STUB": "1"}


def folder(name):
    return os.path.join(stub.build, "stub", name)


def test_the_program():
    stub.try_program(os.path.join(folder("bin"), "cloche"))


def test_the_libraries():
    stub.try_libraries(folder("lib"))


def test_each_call():
    stub.try_calls(os.path.join(folder("bin"), "stub_calls"))


def test_a_usual_build_that_is_told_to_be_a_stub():
    stub.try_program(settings.cloche, SET)
    stub.try_libraries(os.path.join(stub.build, "lib"), SET)
