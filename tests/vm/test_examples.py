"""The programs in examples/ do what their comments say."""
import os

from harness import call, deadline, scratch, settings, succeeds
from sandboxes import nothing_left


def example(name):
    """Runs it in the test's own folder."""
    path = os.path.join(os.path.dirname(os.path.dirname(settings.cloche)), "examples", name)
    return succeeds(call([path], timeout=250)).out.decode()


@deadline(300)
def test_code_run():
    with nothing_left():
        assert example("code_run") == (
            "it wrote: the answer is 42\nand to its standard error: users here: 0\nit exited with 3\n"
        )


@deadline(300)
def test_agent_workspace():
    with nothing_left():
        assert example("agent_workspace") == (
            "lines in it: 3\nfirst of them, sorted: apples\nin /tmp: 0\nin /kept: sorted.txt\n"
        )
        with open(scratch("kept/sorted.txt"), encoding="ascii") as kept, open("sorted.txt", encoding="ascii") as copied:
            assert kept.read() == copied.read() == "apples\npears\nplums\n"


@deadline(300)
def test_pool_requests():
    with nothing_left():
        assert example("pool_requests") == (
            "6 * 7 -> 42\n"
            "sum(range(100)) -> 4950\n"
            "1 / 0 -> no answer\n"
            "open('/tmp/mine', 'w').write('hello') -> 5\n"
            "__import__('os').path.exists('/tmp/mine') -> False\n"
        )
