"""What the tests of networks share: a network namespace of the test's own, and peers on the host's side."""
import ctypes
import os
import socket
import struct
import threading

from harness import call, succeeds

CLONE_NEWNET = 0x40000000
HOST = "198.51.100.1"  # A server's address on the host's side.
OWN = "192.0.2.1"  # The namespace's own, which passt gives to the guest as well.
GATEWAY = "192.0.2.254"
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    succeeds(call(["ip", *words]))


def enter_namespace(*, default_route=True):
    """From here on, the test and what it starts have a network of their own: two ends of a wire, and a way out."""
    assert _libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    ip("link", "set", "lo", "up")
    ip("link", "add", "up0", "type", "veth", "peer", "name", "up1")
    ip("address", "add", f"{OWN}/24", "dev", "up0")
    ip("address", "add", f"{HOST}/24", "dev", "up1")
    for name in ("up0", "up1"):
        ip("link", "set", name, "up")
    if default_route:
        ip("route", "add", "default", "via", GATEWAY, "dev", "up0")


class Server:
    """Says a line to whoever connects, in a thread."""

    def __init__(self, address=HOST, line=b"hello from the host\n"):
        self._socket = socket.create_server((address, 0), backlog=16)
        self.port = self._socket.getsockname()[1]
        self.callers = []
        self._line = line
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, caller = self._socket.accept()
            self.callers.append(caller[0])
            with client:
                client.sendall(self._line)


class DatagramPeer:
    """Takes datagrams of a guest's, one after the other, and answers them."""

    def __init__(self, patience=150):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self._socket.settimeout(patience)
        self.port = self._socket.getsockname()[1]

    def answer(self, expected, with_):
        data, sender = self._socket.recvfrom(100)
        assert data == expected, data
        self._socket.sendto(with_, sender)


def read_line_from(address, port):
    """What a guest does to read it: bash connects by itself."""
    return f"exec 3<>/dev/tcp/{address}/{port} && head -n 1 <&3"


def ethernet(to, sender, kind, payload):
    return to + sender + struct.pack(">H", kind) + payload


def ones_sum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2]))
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def udp_of(frame):
    """(source, destination, payload) of a frame with a UDP datagram whose checksums hold; else nothing."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return None
    packet = frame[14:]
    length = struct.unpack(">H", packet[2:4])[0]
    header, udp = packet[:20], packet[20:length]
    pseudo = packet[12:20] + struct.pack(">HH", 17, len(udp))
    assert ones_sum(header) == 0xFFFF, "the checksum of IP"
    assert udp[6:8] != b"\0\0" and ones_sum(pseudo + udp) == 0xFFFF, "the checksum of UDP"
    return packet[12:16], packet[16:20], udp[8:]


def udp_frame(to, sender, addresses, payload, ports=(7, 7)):
    """A frame with a UDP datagram, without a checksum of its own."""
    udp = struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload
    header = bytearray(struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0))
    header += socket.inet_aton(addresses[0]) + socket.inet_aton(addresses[1])
    header[10:12] = struct.pack(">H", 0xFFFF - ones_sum(bytes(header)))
    return ethernet(to, sender, 0x0800, bytes(header) + udp)
