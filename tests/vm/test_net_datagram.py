"""--net datagram=PATH,vfkit: frames as datagrams, to a peer that waits for vfkit's greeting and answers to the VM's own
socket. The peer's half is played here, as gvproxy plays it."""
import os
import socket

from harness import deadline, no_leftovers, refuses, run, scratch, start
from networks import udp_frame, udp_of

MAC = "02:00:00:00:01:07"
PEER_MAC = bytes.fromhex("020000000001")
SCRIPT = """cat /sys/class/net/eth0/address; ip address add 10.9.0.2/24 dev eth0
  ip neigh add 10.9.0.1 lladdr 02:00:00:00:00:01 dev eth0
  exec 3<>/dev/udp/10.9.0.1/7; echo question >&3; timeout 60 head -n 1 <&3"""


def wait_for_udp(peer):
    """(frame, sender, payload) of the guest's first datagram; its checksums have been found right."""
    while True:
        frame, sender = peer.recvfrom(1 << 17)
        found = udp_of(frame)
        if found and found[1] == socket.inet_aton("10.9.0.1"):
            return frame, sender, found[2]


@deadline(300)
def test_greeting_question_and_answer():
    path = scratch("peer.sock")
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    peer.bind(path)
    peer.settimeout(120)
    with no_leftovers():
        guest = start(["bash", "-c", SCRIPT], ["--net", f"datagram={path},vfkit,mac={MAC},no-dhcp"])
        assert peer.recv(100) == b"VFKT"
        frame, sender, payload = wait_for_udp(peer)
        assert payload == b"question\n" and frame[6:12] == bytes.fromhex(MAC.replace(":", ""))
        ports = (7, int.from_bytes(frame[34:36], "big"))
        peer.sendto(udp_frame(frame[6:12], PEER_MAC, ("10.9.0.1", "10.9.0.2"), b"answer\n", ports), sender)
        out, err = guest.communicate(timeout=60)
        assert (guest.returncode, out, err) == (0, f"{MAC}\nanswer\n".encode(), b"")
    assert not os.path.exists(sender)
    peer.close()


@deadline(300)
def test_nobody_is_there():
    refuses(run(["true"], ["--net", f"datagram={scratch('none')},vfkit"]), scratch("none"))
    refuses(run(["true"], ["--net", f"stream={scratch('none')}"]), scratch("none"))
