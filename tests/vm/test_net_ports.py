"""-p: a port of the host leads to one of the guest, for as long as the VM lives."""
import socket

from harness import cloche, deadline, refuses, run, same_for_everyone, start, wait_until
from networks import HOST, enter_namespace

SERVE = """
import socket
tcp = socket.create_server(("", 80))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", 81))
print("ready", flush=True)
client, _ = tcp.accept()
client.sendall(b"hello from the guest\\n" + client.recv(100))
client.close()
data, sender = udp.recvfrom(100)
udp.sendto(data.upper(), sender)
"""


def answers(address, port):
    try:
        return socket.create_connection((address, port), timeout=5)
    except OSError:
        return None


@same_for_everyone
@deadline(300)
def test_the_host_reaches_the_guest():
    enter_namespace()
    guest = start(["python3", "-c", SERVE], ["--net", "-p", "8080:80", "-p", f"{HOST}:8081:81/udp"])
    assert guest.stdout.readline() == b"ready\n", guest.stderr.read()
    assert answers(HOST, 8080) is None  # At 127.0.0.1 alone.
    with answers("127.0.0.1", 8080) as client:
        client.sendall(b"hello from the host\n")
        client.settimeout(60)
        assert client.makefile("rb").read() == b"hello from the guest\nhello from the host\n"
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.settimeout(60)
    peer.sendto(b"datagram", (HOST, 8081))
    assert peer.recv(100) == b"DATAGRAM"
    _, err = guest.communicate(timeout=60)
    assert (guest.returncode, err) == (0, b"")
    # Free as soon as the VM has ended.
    socket.create_server(("127.0.0.1", 8080)).close()


@same_for_everyone
@deadline(300)
def test_at_an_address_that_is_asked_for():
    enter_namespace()
    guest = start(["python3", "-c", SERVE], ["--net", "-p", f"{HOST}:8080:80"])
    assert guest.stdout.readline() == b"ready\n", guest.stderr.read()
    assert answers("127.0.0.1", 8080) is None
    with wait_until(lambda: answers(HOST, 8080), what="an answer") as client:
        client.sendall(b"x")
        assert client.recv(100).startswith(b"hello")
    guest.kill()
    guest.wait()


@same_for_everyone
@deadline(300)
def test_a_port_that_is_taken_is_refused():
    enter_namespace()
    with socket.create_server(("127.0.0.1", 8080)):
        refuses(run(["true"], ["--net", "-p", "8080:80"]), "passt", "8080")


@same_for_everyone
def test_what_cannot_be_published():
    refuses(cloche("run", "-p", "8080:80", "--", "true"), "-p", "--net")
    refuses(cloche("run", "--net", "tap=t0", "-p", "8080:80", "--", "true"), "-p")
    refuses(cloche("run", "--net", "-p", "0:80", "--", "true"), "port")
    refuses(cloche("run", "--net", "-p", "53:53/udp", "--", "true"), "0.0.0.0:53:53/udp")
    refuses(cloche("run", "--net", "-p", "80", "--", "true"), "8080:80")
