"""What no caller should say is answered: by libkrun.so.1 with an errno, by libcloche.so.0 with a code."""
from harness import call, scratch
from installed import compiled, environment


def test_bad_arguments():
    for language in ("c", "c++"):
        outcome = call([compiled("bad_arguments", language)], environment=environment())
        assert outcome.code == 0, outcome


def test_bad_arguments_of_the_c_api():
    for language in ("c", "c++"):
        outcome = call([compiled("capi_bad_arguments", language), scratch("home")], environment=environment())
        assert outcome.code == 0, outcome
