"""Networks, measured: iperf3 both ways and ping, in a guest of ours and in one of QEMU's microvm, through a passt and a
tap of the same kind. The guest's side is told the same by hand in both, so no DHCP comes into it."""
import contextlib
import re
import shutil
import socket
import subprocess

import fs_tree
import guests
import networks

MEMORY_MIB, PINGS = 256, 200
# Much: when a connection begins and its windows grow, passt lets it stand still for 0.2 s at times, or for 2.
MIB = 512
PASST_MTU = 65520  # What passt tells guests that ask it.
TAP_HOST, TAP_GUEST = "10.9.0.1", "10.9.0.2"

# {name of a figure: its unit}, in the order of the guest's script.
FIGURES = {
    "TCP from the guest": "MiB/s",
    "TCP to the guest": "MiB/s",
    "ping, round trip": "us",
}


def guest_script(mtu, address, gateway, server, rounds):
    """What both guests do; each figure in a line of iperf3's or ping's own."""
    return f"""ip link set lo up
ip link set eth0 mtu {mtu} up
ip address add {address}/24 dev eth0
ip route add default via {gateway}
for round in $(seq {rounds}); do
  iperf3 --client {server} --bytes {MIB}M --format K
  echo turn
  iperf3 --client {server} --bytes {MIB}M --format K --reverse
  echo turn
  ping -q -A -c {PINGS} {server}
  echo turn
done
"""


def rates(words):
    """{figure: [value, ...]}."""
    found = {name: [] for name in FIGURES}
    turns = words.split("turn")[:-1]
    for number, turn in enumerate(turns):
        name = list(FIGURES)[number % len(FIGURES)]
        if FIGURES[name] == "us":
            match = re.search(r"min/avg/max = [\d.]+/([\d.]+)/", turn)
            assert match and " 0% packet loss" in turn, turn
            found[name].append(float(match[1]) * 1e3)
        else:
            match = re.search(r"([\d.]+) KBytes/sec\s+receiver", turn)
            assert match, turn
            found[name].append(float(match[1]) / 1024)
    assert all(found.values()), words
    return found


@contextlib.contextmanager
def iperf_server(address):
    server = subprocess.Popen(["iperf3", "--server", "--bind", address, "--forceflush"], stdout=subprocess.PIPE)
    try:
        while b"listening" not in server.stdout.readline():
            pass
        # Nobody reads on: its reports are lines, and the pipe would fill.
        drain = subprocess.Popen(["cat"], stdin=server.stdout, stdout=subprocess.DEVNULL)
        yield
    finally:
        server.kill()
        server.wait()
        drain.wait()


def qemu_with_passt(pair):
    """As cloche does it: passt has one end of a pair of sockets with the largest buffers, and QEMU the other."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for end in (ours, theirs):
            for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                end.setsockopt(socket.SOL_SOCKET, buffer, (1 << 31) // 4)
        words = ["passt", "--foreground", "--quiet", "--no-map-gw", "--fd", str(theirs.fileno())]
        passt = subprocess.Popen(words, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL)
        theirs.close()
        netdev = f"stream,id=net,server=off,addr.type=fd,addr.str={ours.fileno()}"
        try:
            return pair.qemu(["-netdev", netdev, "-device", "virtio-net-device,netdev=net"], pass_fds=[ours.fileno()])
        finally:
            passt.kill()
            passt.wait()


def make_tap():
    networks.ip("tuntap", "add", "dev", "t0", "mode", "tap", "vnet_hdr")
    networks.ip("address", "add", f"{TAP_HOST}/24", "dev", "t0")
    networks.ip("link", "set", "t0", "up")


def make_pair(bench, name, script):
    pair = guests.Pair(bench, name, MEMORY_MIB, script)
    iperf = shutil.which("iperf3")
    for path in (iperf, *fs_tree.libraries(iperf)):
        pair.add_program(path, path)
    return pair


def report(bench, name, ours, theirs):
    for figure, unit in FIGURES.items():
        medians = [
            bench.add(label, took[figure], unit)
            for label, took in ((f"net: {figure}, {name}", ours), ("    QEMU microvm", theirs))
        ]
        bench.add_ratio(medians, smaller_is_better=unit == "us")


def compare_passt(bench, rounds):
    networks.enter_namespace()
    # passt asks for the host's own pings as an ordinary user.
    with open("/proc/sys/net/ipv4/ping_group_range", "w", encoding="ascii") as file:
        file.write("0 2147483647")
    script = guest_script(PASST_MTU, networks.OWN, networks.GATEWAY, networks.HOST, rounds)
    pair = make_pair(bench, "passt", script)
    with iperf_server(networks.HOST):
        report(bench, "passt", rates(pair.ours(["--net=passt,no-dhcp"])), rates(qemu_with_passt(pair)))


def compare_tap(bench, rounds):
    networks.enter_namespace()
    make_tap()
    pair = make_pair(bench, "tap", guest_script(1500, TAP_GUEST, TAP_HOST, TAP_HOST, rounds))
    device = ["-netdev", "tap,id=net,ifname=t0,script=no,downscript=no,vhost=off"]
    device += ["-device", "virtio-net-device,netdev=net"]
    with iperf_server(TAP_HOST):
        report(bench, "tap", rates(pair.ours(["--net=tap=t0,no-dhcp"])), rates(pair.qemu(device)))
