"""--net: through passt, a guest has the host's network, and of the host's own loopback nothing."""
from harness import call, command, deadline, no_leftovers, refuses, run, same_for_everyone, sh, start, succeeds
from networks import GATEWAY, HOST, OWN, DatagramPeer, Server, enter_namespace, read_line_from


@same_for_everyone
@deadline(300)
def test_the_guest_reaches_the_hosts_network():
    enter_namespace()
    server = Server()
    with no_leftovers():
        outcome = run(["bash", "-c", read_line_from(HOST, server.port)], ["--net"])
        succeeds(outcome, out=b"hello from the host\n")
    assert server.callers == [HOST]


@same_for_everyone
@deadline(300)
def test_it_is_configured_as_the_command_begins():
    enter_namespace()
    script = """ip -4 -o address show dev eth0 | grep -o 'inet [^ ]*'; ip route show default
      cat /sys/class/net/eth0/mtu; ls /sys/class/net; grep -c nameserver /etc/resolv.conf"""
    outcome = sh(script, ["--net"])
    assert outcome.code == 0 and outcome.err == b"", outcome
    address, route, mtu, eth0, loopback, servers = outcome.out.decode().splitlines()
    assert address == f"inet {OWN}/24" and route.split()[:5] == ["default", "via", GATEWAY, "dev", "eth0"], outcome
    assert (mtu, eth0, loopback) == ("65520", "eth0", "lo") and int(servers) >= 1, outcome


@same_for_everyone
@deadline(300)
def test_a_read_only_root_has_its_dns_servers_too():
    enter_namespace()
    script = "grep -c nameserver /etc/resolv.conf; touch /etc/new 2>/dev/null || echo sealed"
    outcome = sh(script, ["--net", "--read-only"])
    assert outcome.code == 0 and outcome.out.decode().splitlines()[1] == "sealed", outcome


@same_for_everyone
@deadline(300)
def test_the_hosts_loopback_is_out_of_reach():
    enter_namespace()
    server = Server("127.0.0.1")
    script = "".join(
        f"timeout 5 bash -c '{read_line_from(address, server.port)}' 2>/dev/null && echo {address}; "
        for address in ("127.0.0.1", GATEWAY, OWN)
    )
    succeeds(sh(script + "true", ["--net"]), out=b"")
    assert server.callers == []


@same_for_everyone
@deadline(300)
def test_without_a_way_out_it_is_said():
    enter_namespace(default_route=False)
    with no_leftovers():
        refuses(run(["true"], ["--net"]), "passt", "interface")


@same_for_everyone
def test_where_passt_is_missing_the_remedy_is_named():
    script = 'mount --bind /dev/null /usr/bin/passt && exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", script, "sh", *command(["true"], ["--net"])]
    refuses(call(words), "apt-get install passt")


@same_for_everyone
@deadline(300)
def test_datagrams_come_back():
    enter_namespace()
    peer = DatagramPeer()
    script = f"exec 3<>/dev/udp/{HOST}/{peer.port}; echo ping >&3; timeout 30 head -n 1 <&3"
    guest = start(["bash", "-c", script], ["--net"])
    peer.answer(b"ping\n", b"pong\n")
    out, err = guest.communicate(timeout=60)
    assert (guest.returncode, out, err) == (0, b"pong\n", b"")
