"""--tsi: with libkrunfw's kernel, the guest's programs use the host's sockets."""
import os
import socket
import threading

from harness import (
    LIBKRUNFW,
    deadline,
    no_leftovers,
    only_root,
    refuses,
    run,
    same_for_everyone,
    scratch,
    start,
    succeeds,
    vmm_of,
    wait_until,
)
from networks import HOST, DatagramPeer, Server, enter_namespace, read_line_from

KERNEL = ["--kernel", LIBKRUNFW]
LOOPBACK = "127.0.0.1"


def python(script, *words, tsi="", flags=()):
    """A guest's program with its flags."""
    how = ["--tsi" + ("=" + tsi if tsi else "")]
    return ["python3", "-c", script, *map(str, words)], [*KERNEL, *how, *flags]


def free_port():
    with socket.create_server((LOOPBACK, 0)) as server:
        return server.getsockname()[1]


def call_until_answered(port, family=socket.AF_INET, address=LOOPBACK):
    """A client of the guest's server, as soon as that listens."""

    def connect():
        client = socket.socket(family)
        try:
            client.connect((address, port) if family == socket.AF_INET else address)
        except OSError:
            client.close()
            return None
        return client

    return wait_until(connect, 100, "the guest's server")


@only_root
@deadline(300)
def test_a_program_reaches_the_hosts_network():
    enter_namespace()
    server = Server()
    with no_leftovers():
        outcome = run(["bash", "-c", read_line_from(HOST, server.port)], [*KERNEL, "--tsi"])
        succeeds(outcome, out=b"hello from the host\n")
    # Its address there is the host's own, as it is for any program.
    assert server.callers == [HOST]


@deadline(300)
def test_the_hosts_loopback_is_out_of_reach_unless_allowed():
    server = Server(LOOPBACK)
    script = "bash -c 'exec 3<>/dev/tcp/%s/%d && head -n 1 <&3' 2>/dev/null || echo refused" % (LOOPBACK, server.port)
    succeeds(run(["bash", "-c", script], [*KERNEL, "--tsi"]), out=b"refused\n")
    assert server.callers == []
    succeeds(run(["bash", "-c", script], [*KERNEL, "--tsi=loopback"]), out=b"hello from the host\n")
    assert server.callers == [LOOPBACK]


DATAGRAMS = """
import socket, sys
port = int(sys.argv[2])
apart = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
apart.sendto(b"apart", (sys.argv[1], port))
print(*apart.recvfrom(100))
joined = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
joined.connect((sys.argv[1], port))
joined.send(b"joined")
print(joined.recv(100), joined.getpeername())
"""


@only_root
@deadline(300)
def test_datagrams_come_back():
    enter_namespace()
    peer = DatagramPeer()
    guest = start(*python(DATAGRAMS, HOST, peer.port))
    for word in (b"apart", b"joined"):
        peer.answer(word, word.upper())
    out, err = guest.communicate(timeout=60)
    assert (guest.returncode, err) == (0, b""), err
    assert out.decode() == f"b'APART' ('{HOST}', {peer.port})\nb'JOINED' ('{HOST}', {peer.port})\n", out


HALF_CLOSE = """
import socket, sys
client = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print(client.getpeername() == (sys.argv[1], int(sys.argv[2])))
client.sendall(b"x" * 3_000_000)
client.shutdown(socket.SHUT_WR)
total = 0
while piece := client.recv(1 << 16):
    total += len(piece)
print(total)
"""


@only_root
@deadline(300)
def test_half_closed_connections_carry_the_other_half():
    enter_namespace()
    server = socket.create_server((HOST, 0))
    received = []

    def serve():
        client, _ = server.accept()
        with client:
            received.append(sum(len(piece) for piece in iter(lambda: client.recv(1 << 16), b"")))
            client.sendall(b"y" * 5_000_000)

    threading.Thread(target=serve, daemon=True).start()
    succeeds(run(*python(HALF_CLOSE, HOST, server.getsockname()[1]), timeout=200), out=b"True\n5000000\n")
    assert received == [3_000_000]


SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)
print("listening", flush=True)
client, peer = server.accept()
print(client.recv(100).decode(), peer[0], server.getsockname()[1], flush=True)
client.sendall(b"from the guest")
client.close()
"""


def check_server(address, port, peer, *, flags=(), tsi="", listens=80):
    arguments, flags = python(SERVER, address, listens, tsi=tsi, flags=flags)
    with no_leftovers():
        guest = start(arguments, flags)
        assert guest.stdout.readline() == b"listening\n", guest.communicate()
        with call_until_answered(port) as client:
            client.sendall(b"hello")
            assert client.recv(100) == b"from the guest" and client.recv(100) == b""
        out, err = guest.communicate(timeout=60)
    assert (guest.returncode, out.decode(), err) == (0, f"hello {peer} {listens}\n", b""), (out, err)


@deadline(300)
def test_a_published_port_leads_to_the_guests_server():
    port = free_port()
    check_server("0.0.0.0", port, LOOPBACK, flags=["-p", f"{port}:80"])


@same_for_everyone
@deadline(300)
def test_a_server_at_ipv6_serves_ipv4_too():
    port = free_port()
    check_server("::", port, "::ffff:127.0.0.1", flags=["-p", f"{port}:80"])


@same_for_everyone
@deadline(300)
def test_all_ports_are_the_hosts_where_that_is_asked_for():
    port = free_port()
    check_server(LOOPBACK, port, LOOPBACK, tsi="all-ports", listens=port)


WITHIN = """
import socket, threading
def serve(address):
    server = socket.create_server(address)
    name = server.getsockname()  # Later the kernel would make us wait for accept().
    def answer():
        client, peer = server.accept()
        client.sendall(b"hello")
        client.close()
    threading.Thread(target=answer, daemon=True).start()
    return name
for address in (("127.0.0.1", 0), ("127.0.0.1", 8123), ("0.0.0.0", 80)):
    name = serve(address)
    client = socket.create_connection(("127.0.0.1", name[1]))
    print(client.recv(100), name[1] if address[1] else name[1] > 0)
"""


@same_for_everyone
@deadline(300)
def test_programs_of_the_guest_reach_each_other():
    """By the ports that they see: one that the kernel chose, one that is not published, and one that is."""
    flags = ["-p", f"{free_port()}:80"]
    expected = b"b'hello' True\nb'hello' 8123\nb'hello' 80\n"
    succeeds(run(*python(WITHIN, flags=flags), timeout=100), out=expected)


MANY = """
import socket, sys
for i in range(int(sys.argv[3])):
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as client:
        assert client.recv(100) == b"hello from the host\\n", i
print("done", flush=True)
sys.stdin.read()
"""


@only_root
@deadline(600)
def test_a_thousand_connections_leave_nothing_behind():
    enter_namespace()
    server = Server()
    arguments, flags = python(MANY, HOST, server.port, 1000, flags=["-i"])
    read_end, write_end = os.pipe()
    guest = start(arguments, flags, stdin=read_end)
    os.close(read_end)
    process = vmm_of(guest, 100)
    wait_until(lambda: len(server.callers) >= 1, 200, "the first connection")
    assert guest.stdout.readline() == b"done\n", guest.communicate()
    assert len(server.callers) == 1000
    assert len(sockets_of(process)) < 10, sockets_of(process)
    os.close(write_end)
    guest.communicate(timeout=60)
    assert guest.returncode == 0


def sockets_of(process):
    """The VM's process has a few of its own."""
    links = (os.readlink(each.path) for each in os.scandir(f"/proc/{process}/fd"))
    return [link for link in links if link.startswith("socket:")]


UNIX = """
import os, socket, sys
folder = sys.argv[1]
def attempt(path):
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(path)
    except OSError as error:
        return error.strerror
    return client.recv(100)
print(attempt(folder + "/in/socket"), attempt(folder + "/out/socket"), attempt(folder + "/in/../out/socket"))
server = socket.socket(socket.AF_UNIX)
os.makedirs(folder + "/in", exist_ok=True)
server.bind(folder + "/in/guest")
server.listen()
print("listening", flush=True)
client, _ = server.accept()
client.sendall(b"from the guest")
client.close()
server.close()
"""


@deadline(300)
def test_unix_sockets_of_a_directory_go_both_ways():
    os.makedirs(scratch("in"))
    os.makedirs(scratch("out"))
    for name in ("in", "out"):
        server = socket.socket(socket.AF_UNIX)
        server.bind(scratch(f"{name}/socket"))
        server.listen()
        threading.Thread(target=greet, args=(server,), daemon=True).start()
    folder = os.path.dirname(scratch("in"))
    tsi = f"no-inet,unix={scratch('in')}"
    with no_leftovers():
        guest = start(*python(UNIX, folder, tsi=tsi))
        first = guest.stdout.readline()
        assert first == b"b'hello' Permission denied Permission denied\n", (first, guest.communicate())
        assert guest.stdout.readline() == b"listening\n"
        with call_until_answered(0, socket.AF_UNIX, scratch("in/guest")) as client:
            assert client.recv(100) == b"from the guest"
        out, err = guest.communicate(timeout=60)
    assert (guest.returncode, out, err) == (0, b"", b""), (out, err)
    assert sorted(os.listdir(scratch("in"))) == ["socket"], "the guest's name is gone with its socket"


def greet(server):
    while True:
        client, _ = server.accept()
        with client:
            client.sendall(b"hello")


@deadline(300)
def test_the_guest_looks_connected():
    script = "ip -4 -o address show dev dummy0 | grep -o 'inet [^ ]*'; ls /sys/class/net"
    outcome = run(["sh", "-c", script], [*KERNEL, "--tsi"])
    assert succeeds(outcome).out.decode().split() == ["inet", "203.0.113.1/24", "dummy0", "lo"], outcome


def test_other_kernels_do_not_know_it():
    refuses(run(["true"], ["--tsi"]), "TSI", "kernel", "libkrunfw")


def test_what_is_wrong_is_named():
    for tsi, words in (
        ("no-inet", ["TSI", "inet"]),
        ("unix=relative", ["TSI", "relative", "absolute"]),
        ("unix=/no/such/place", ["TSI", "/no/such/place"]),
    ):
        refuses(run(["true"], [*KERNEL, f"--tsi={tsi}"]), *words)
    refuses(run(["true"], [*KERNEL, "--tsi", "-p", "0.0.0.0:53:53/udp"]), "TSI", "TCP")
