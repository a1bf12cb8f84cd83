"""A program that changes its root directory to that of the guest, as container runtimes do."""
import os

from harness import only_root
from installed import compiled, in_machine, make_root

# passt is looked for where there is a way out of the host alone.
NETWORK = """ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up &&
ip address add 192.0.2.1/24 dev up0 && ip route add default via 192.0.2.254 dev up0 && exec "$@" """


@only_root
def test_nothing_that_lies_there_runs_outside_the_vm():
    root = make_root()
    for folder in ("dev", "proc", "usr", "usr/bin"):
        os.mkdir(f"{root}/{folder}")
    with open(f"{root}/usr/bin/passt", "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho ran > /ran\n")
    os.chmod(f"{root}/usr/bin/passt", 0o755)
    program = [compiled("changed_root"), root, "/bin/echo", "there"]
    outcome = in_machine("unshare", "-n", "sh", "-c", NETWORK, "sh", *program)
    assert outcome.code == 0 and outcome.out == b"there\n", outcome
    assert not os.path.exists(f"{root}/ran")
