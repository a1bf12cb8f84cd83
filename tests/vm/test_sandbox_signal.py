"""`cloche signal` reaches the commands of sandboxes."""
from harness import cloche, deadline, refuses, same_for_everyone, succeeds, wait_until
from sandboxes import sandbox


@same_for_everyone
@deadline(300)
def test_signals_reach_the_command():
    script = "trap 'echo hup' HUP; trap 'echo usr1' USR1; trap 'exit 4' TERM; echo up; while :; do sleep 0.1; done"
    with sandbox("one", "sh", "-c", script) as one, sandbox("two", "sh", "-c", script) as two:
        for box in (one, two):
            wait_until(lambda: cloche("logs", box).out == b"up\n", what="its first line")
        succeeds(cloche("signal", "HUP", one, two))
        for box in (one, two):
            wait_until(lambda: cloche("logs", box).out == b"up\nhup\n", what="its second line")
        succeeds(cloche("signal", "-s", "SIGUSR1", two))
        wait_until(lambda: cloche("logs", two).out.endswith(b"usr1\n"), what="its third line")
        refuses(cloche("signal", "NONE", one), "NONE")
        refuses(cloche("signal", "TERM"), "name a sandbox")
        refuses(cloche("signal"), "name a sandbox")
        succeeds(cloche("signal", "15", one, two))
        succeeds(cloche("wait", one, two), out=b"4\n4\n")
        refuses(cloche("signal", "TERM", one), one, "does not run")
    with sandbox("plain") as plain:
        refuses(cloche("signal", "TERM", plain), plain, "no command of its own")
