"""What no caller should say is answered: by libkrun.so.1 with an errno, by libcloche.so.0 with a code."""
from harness import call, scratch
from installed import HERE, compiled, declared, environment


def test_bad_arguments():
    for language in ("c", "c++"):
        outcome = call([compiled("bad_arguments", language)], environment=environment())
        assert outcome.code == 0, outcome


def test_bad_arguments_of_the_c_api():
    tried = (HERE / "capi_bad_arguments.c").read_text(encoding="utf-8")
    left_out = {name for name in declared("cloche.h", "cloche_") if f"{name}(" not in tried}
    assert not left_out, left_out
    for language in ("c", "c++"):
        outcome = call([compiled("capi_bad_arguments", language), scratch("home")], environment=environment())
        assert outcome.code == 0, outcome
