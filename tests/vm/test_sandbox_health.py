"""Health checks: what they find is in `ps` and `inspect`, and a guest that stands still is not checked."""
from harness import cloche, deadline, refuses, same_for_everyone, succeeds, wait_until
from sandboxes import execute, info, sandbox


def health(name):
    return info(name)["health"]


def checked(command, *more):
    return ["--health-cmd", command, "--health-interval", "200ms", *more]


def statuses(name):
    words = ["--filter", f"name={name}", "--filter", "event=health"]
    out = succeeds(cloche("events", "--no-follow", *words, "--json")).out.decode()
    return [line.split('"status":"')[1].split('"')[0] for line in out.splitlines()]


@deadline(300)
def test_from_starting_to_healthy_to_unhealthy_and_back():
    command = 'echo "looking at $NAME" >&2; test -e /tmp/well'
    with sandbox("box", flags=[*checked(command, "--health-retries", "2"), "-e", "NAME=x"]) as box:
        assert health(box) in ("starting", "unhealthy")  # Whose machine is slow sees the second already.
        succeeds(execute(box, "touch", "/tmp/well"))
        wait_until(lambda: health(box) == "healthy", what="the first success")
        assert b"healthy" in cloche("ps").out
        succeeds(execute(box, "rm", "/tmp/well"))
        wait_until(lambda: health(box) == "unhealthy", what="two failures")
        seen = info(box)
        assert seen["health_failures"] >= 2 and seen["health_output"] == "looking at x\n(it ended with code 1)", seen
        succeeds(execute(box, "touch", "/tmp/well"))
        wait_until(lambda: health(box) == "healthy", what="its recovery")
        told = statuses(box)
        assert told[-3:] == ["healthy", "unhealthy", "healthy"], told
        succeeds(cloche("stop", box))
        assert health(box) == "none"


@deadline(300)
def test_a_start_period_and_a_timeout():
    flags = checked("sleep 1000", "--health-timeout", "100ms", "--health-start-period", "1h", "--health-retries", "1")
    with sandbox("box", flags=flags) as box:
        wait_until(lambda: "longer than 100 ms" in info(box)["health_output"], what="the first to time out")
        assert health(box) == "starting" and info(box)["health_failures"] == 0
        wait_until(lambda: execute(box, "pgrep", "-x", "sleep").code == 1, what="its command's end")


@deadline(300)
def test_a_paused_one_is_not_checked():
    with sandbox("box", flags=checked("date +%s%N >> /tmp/checks")) as box:
        wait_until(lambda: health(box) == "healthy", what="the first success")
        succeeds(cloche("pause", box))
        assert info(box)["health"] == "healthy"
        refuses(execute(box, "true"), box, "paused")
        succeeds(cloche("resume", box))
        count = int(execute(box, "sh", "-c", "wc -l < /tmp/checks").out)
        wait_until(lambda: int(execute(box, "sh", "-c", "wc -l < /tmp/checks").out) > count + 1, what="more checks")
        assert info(box)["health_failures"] == 0


@same_for_everyone
@deadline(300)
def test_a_hostile_guest_fails_its_checks_and_no_more():
    # Without end, and with what steers a terminal.
    flood = "yes \"$(printf '\\033[31m')\""
    flags = checked(flood, "--health-timeout", "2s", "--health-retries", "1")
    with sandbox("box", flags=flags) as box:
        # A slow computer may need more than one check to get to it.
        outputs = []

        def said():
            outputs.append(info(box)["health_output"])
            return "31m" in outputs[-1]

        wait_until(said, 60, "the flood's end")
        assert health(box) == "unhealthy"
        output = outputs[-1]
        assert "\x1b" not in output and "\\x1b[31m" in output and len(output) < 20_000, output[:100]
        succeeds(execute(box, "echo", "fine"), out=b"fine\n")


@same_for_everyone
def test_checks_keep_nobody_awake():
    with sandbox("box", flags=[*checked("true"), "--idle-timeout", "2s"]) as box:
        succeeds(cloche("wait", "-t", "60s", box), out=b"125\n")
        assert "nobody used it" in info(box)["reason"]


@same_for_everyone
def test_what_cannot_be_checked_is_refused():
    refuses(cloche("run", "--health-cmd", "true", "--", "true"), "--health-cmd", "-d")
    refuses(cloche("create", "--health-cmd", "true", "--health-retries", "0"), "health check")
