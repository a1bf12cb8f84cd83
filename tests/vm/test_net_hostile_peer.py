"""--net stream=PATH: whatever the peer does, the VM lives; when it is gone or speaks nonsense, the link is down."""
import os
import socket
import struct

from harness import deadline, scratch, start

SCRIPT = """ip link set eth0 up; cat /sys/class/net/eth0/carrier; read line
  for i in $(seq 300); do [ "$(cat /sys/class/net/eth0/carrier)" = 0 ] && break; sleep 0.1; done
  cat /sys/class/net/eth0/carrier; ip address add 10.9.0.2/24 dev eth0; echo x >/dev/udp/10.9.0.1/7; echo alive"""


def talk_and_break(last_words):
    path = scratch("peer.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        guest = start(["bash", "-c", SCRIPT], ["-i", "--net", f"stream={path},no-dhcp"], stdin=-1)
        listener.settimeout(60)
        peer, _ = listener.accept()
        assert guest.stdout.readline() == b"1\n", guest.stderr.read()
        last_words(peer)
        out, err = guest.communicate(b"go on\n", timeout=120)
        assert (guest.returncode, out) == (0, b"0\nalive\n"), (guest.returncode, out, err)
        assert b"network" in err and err.count(b"\n") == 1, err
        peer.close()
    os.unlink(path)


@deadline(300)
def test_peer_that_closes():
    talk_and_break(lambda peer: peer.close())


@deadline(300)
def test_frame_that_is_too_long():
    talk_and_break(lambda peer: peer.sendall(struct.pack(">I", 0xFFFFFFFF)))


@deadline(300)
def test_garbage_first():
    def garbage(peer):
        for size in (0, 1, 13, 14, 60, 1514, 65553):
            peer.sendall(struct.pack(">I", size) + os.urandom(size))
        peer.sendall(struct.pack(">I", 1000) + bytes(10))
        peer.close()

    talk_and_break(garbage)
