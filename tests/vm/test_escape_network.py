"""A sandbox that did not ask for a network has none: no interface but its own loopback, no address that answers."""
import contextlib
import json
import socket
import subprocess

from escape import inside, on_the_host
from harness import same_for_everyone
from sandboxes import execute, sandbox

WELL_KNOWN = ["169.254.169.254", "10.0.2.2", "10.0.2.3", "192.168.127.1", "1.1.1.1"]  # Metadata, QEMU, gvproxy, DNS.


def addresses_of_the_host():
    told = subprocess.run(["ip", "-j", "address"], stdout=subprocess.PIPE, check=True).stdout
    return [each["local"] for link in json.loads(told) for each in link["addr_info"] if each.get("scope") != "link"]


@same_for_everyone
def test_there_is_no_network():
    own = [address for address in addresses_of_the_host() if ":" not in address]
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("", 0), backlog=64))
        port = server.getsockname()[1]
        seen = on_the_host("network", port, *own)
        assert seen["answers"] == own and "127.0.0.1" in own, seen
        box = stack.enter_context(sandbox())
        assert inside(box, "network", port, *own, *WELL_KNOWN) == {"interfaces": ["lo"], "answers": []}
        # Interfaces that its root makes lead nowhere.
        script = """ip link add d0 type dummy; ip link set lo up; ip link set d0 up; ip address add 10.0.2.77/24 dev d0
          ip route add default via 10.0.2.2; true"""
        execute(box, "sh", "-c", script)
        outside = [address for address in own if not address.startswith("127.")] + WELL_KNOWN
        assert inside(box, "network", port, *outside)["answers"] == []
