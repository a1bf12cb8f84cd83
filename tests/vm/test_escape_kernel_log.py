"""The kernel logs of host and sandbox have nothing to do with each other."""
from escape import inside, on_the_host
from harness import same_for_everyone
from sandboxes import execute, sandbox

HOSTS, GUESTS = "cloche-escape-host", "cloche-escape-guest"


@same_for_everyone
def test_each_has_its_own():
    with open("/dev/kmsg", "w", encoding="ascii") as log:
        log.write(HOSTS + "\n")
    seen = on_the_host("kernel_log", HOSTS)
    assert seen == ["kmsg", "syslog"], seen
    with sandbox() as box:
        assert inside(box, "kernel_log", HOSTS) == []
        execute(box, "sh", "-c", f"echo {GUESTS} > /dev/kmsg")
        assert inside(box, "kernel_log", GUESTS) == ["kmsg", "syslog"]
        assert on_the_host("kernel_log", GUESTS) == []
        # Its panic would be its own as well: the host goes on.
        execute(box, "sh", "-c", "echo c > /proc/sysrq-trigger")
    assert on_the_host("kernel_log", HOSTS) == ["kmsg", "syslog"]
