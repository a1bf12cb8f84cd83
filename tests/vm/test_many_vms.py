"""Many VMs, beside each other and one after the other, and nothing of them remains."""
from harness import deadline, no_leftovers, run, scratch, sh, size, start, write


def finish(vms):
    """(code, stdout) of each."""
    ends = []
    for vm in vms:
        out, err = vm.communicate(timeout=300)
        assert err == b"", err
        ends.append((vm.returncode, out))
    return ends


def test_two_at_once_see_nothing_of_each_other():
    with no_leftovers():
        first = start(["sh", "-c", "echo one > /tmp/mine; sleep 2; ls /tmp; hostname"], ["--hostname", "one"])
        second = start(["sh", "-c", "echo two > /tmp/yours; sleep 2; ls /tmp; hostname"], ["--hostname", "two"])
        assert finish([first, second]) == [(0, b"mine\none\n"), (0, b"yours\ntwo\n")]


@deadline(400)
def test_many_at_once():
    count = size(8, 20)
    with no_leftovers():
        vms = [start(["sh", "-c", f"echo {index}; exit {index}"], ["--memory", "128"]) for index in range(count)]
        assert finish(vms) == [(index, f"{index}\n".encode()) for index in range(count)]


@deadline(300)
def test_many_in_a_row():
    with no_leftovers():
        for index in range(size(10, 200)):
            outcome = run(["echo", str(index)], ["-v", f"{scratch('')}:/s"])
            assert (outcome.code, outcome.out) == (0, f"{index}\n".encode()), outcome


def test_nothing_is_left_by_those_that_fail():
    write("text", "no kernel")
    with no_leftovers():
        assert run(["true"], ["--kernel", scratch("text")]).code == 125
        assert run(["no-such-program"]).code == 127
        assert sh("kill -9 $$").code == 137
