"""--net tap=NAME: an interface of the host, with offloads; and DHCP from whoever serves it there."""
import socket
import struct
import threading

from harness import call, deadline, refuses, run, same_for_everyone, settings, sh, start, succeeds
from networks import Server, enter_namespace, ip, read_line_from

TAP_HOST, TAP_GUEST = "10.9.0.1", "10.9.0.2"


def make_tap():
    enter_namespace()
    ip("tuntap", "add", "dev", "t0", "mode", "tap", "vnet_hdr")
    ip("address", "add", f"{TAP_HOST}/24", "dev", "t0")
    ip("link", "set", "t0", "up")


STATIC = f"ip address add {TAP_GUEST}/24 dev eth0; ip route add default via {TAP_HOST}; "


@same_for_everyone
@deadline(300)
def test_both_ways_and_large():
    make_tap()
    server = Server(TAP_HOST, b"x" * (4 << 20))
    script = STATIC + f"exec 3<>/dev/tcp/{TAP_HOST}/{server.port}; wc -c <&3"
    succeeds(sh(f'exec bash -c "{script}"', ["--net", "tap=t0,no-dhcp"]), out=f"{4 << 20}\n".encode())
    sink = socket.create_server((TAP_HOST, 0))
    script = STATIC + f"head -c {4 << 20} /dev/zero >/dev/tcp/{TAP_HOST}/{sink.getsockname()[1]}"
    guest = start(["bash", "-c", script], ["--net", "tap=t0,no-dhcp"])
    client, caller = sink.accept()
    assert caller[0] == TAP_GUEST
    total = 0
    while data := client.recv(1 << 16):
        total += len(data)
    _, err = guest.communicate(timeout=60)
    assert (total, guest.returncode, err) == (4 << 20, 0, b"")


def option(number, value):
    return bytes([number, len(value)]) + value


class DhcpServer:
    """Offers one address, and gives it to whoever asks for it: without Rapid Commit, which it does not know."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"t0")
        self._socket.bind(("", 67))
        self.asked = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            message = self._socket.recv(2000)
            kind = message[message.index(b"\x35\x01") + 2]
            self.asked.append(kind)
            if kind == 1 and self.asked == [1]:
                continue  # One is lost.
            answer = bytearray(message[:240])
            answer[0] = 2
            answer[16:20] = socket.inet_aton(TAP_GUEST)
            answer += option(53, b"\x02" if kind == 1 else b"\x05") + option(54, socket.inet_aton(TAP_HOST))
            answer += option(1, socket.inet_aton("255.255.255.0")) + option(3, socket.inet_aton(TAP_HOST))
            answer += option(26, struct.pack(">H", 1400)) + option(6, socket.inet_aton("10.9.0.3")) + b"\xff"
            self._socket.sendto(answer, ("255.255.255.255", 68))


@same_for_everyone
@deadline(300)
def test_dhcp_by_offer_and_request():
    make_tap()
    dhcp, server = DhcpServer(), Server(TAP_HOST)
    script = "cat /etc/resolv.conf /sys/class/net/eth0/mtu; " + read_line_from(TAP_HOST, server.port)
    outcome = run(["bash", "-c", script], ["--net", "tap=t0,mac=02:00:00:00:00:2a"])
    succeeds(outcome, out=b"nameserver 10.9.0.3\n1400\nhello from the host\n")
    assert server.callers == [TAP_GUEST] and dhcp.asked[-1] == 3 and len(dhcp.asked) >= 3


@same_for_everyone
@deadline(300)
def test_nobody_answers():
    make_tap()
    refuses(run(["true"], ["--net", "tap=t0"]), "eth0", "DHCP")


def test_a_tap_that_cannot_be_opened():
    if settings.user:
        refuses(run(["true"], ["--net", "tap=t7"]), "tun")
    else:
        enter_namespace()
        ip("tuntap", "add", "dev", "t0", "mode", "tun")
        refuses(run(["true"], ["--net", "tap=t0"]), "t0")
        assert call(["ip", "link", "show", "t7"]).code != 0
