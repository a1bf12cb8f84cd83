"""Both ways through passt at length: iperf3 in the guest, its server on the host's side."""
import json
import subprocess

from harness import deadline, run, same_for_everyone, size, succeeds, wait_until
from networks import HOST, enter_namespace


@same_for_everyone
@deadline(300)
def test_iperf_both_ways():
    enter_namespace()
    server = subprocess.Popen(
        ["iperf3", "--server", "--bind", HOST, "--forceflush"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: b"listening" in server.stdout.readline(), what="iperf3")
    # From the guest no longer: Debian 12's passt resets a connection on which nothing comes back (docs/network.md).
    for direction, way, seconds in (((), "from", size(2, 12)), (("--reverse",), "to", size(2, 30))):
        client = ["iperf3", "--client", HOST, "--time", str(seconds), "--json", *direction]
        result = json.loads(succeeds(run(client, ["--net"], timeout=120)).out)
        assert "error" not in result, result["error"]
        received = result["end"]["sum_received"]
        assert received["bytes"] > 100_000, result
        print(f"{way} the guest: {received['bits_per_second'] / 1e6:.0f} Mbit/s")
    server.kill()
    server.wait()
