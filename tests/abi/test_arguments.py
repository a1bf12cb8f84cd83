"""What no caller should say is answered with an errno, in C and in C++."""
from harness import call
from installed import compiled, environment


def test_bad_arguments():
    for language in ("c", "c++"):
        outcome = call([compiled("bad_arguments", language)], environment=environment())
        assert outcome.code == 0, outcome
