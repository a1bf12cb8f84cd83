"""From inside a sandbox the host's processes are not there: not listed, not by their number."""
import subprocess

from escape import inside, on_the_host
from harness import wait_until
from sandboxes import execute, info, sandbox

WORD = "cloche-escape-victim"


def test_the_hosts_processes_are_out_of_reach():
    victim = subprocess.Popen(["/bin/sh", "-c", f"echo; read nothing; : {WORD}"], stdin=subprocess.PIPE, stdout=-1)
    try:
        victim.stdout.read(1)
        ways = ["a descriptor", "a signal", "its command line", "its memory", "its root", "listed"]
        wait_until(lambda: on_the_host("processes", WORD, victim.pid) == ways, what="the victim to be found")
        with sandbox() as box:
            vmm = info(box)["pid"]
            assert inside(box, "processes", WORD, victim.pid, vmm) == []
            assert inside(box, "processes", "cloche-vmm", victim.pid, vmm) == []
            # Everything that its root can kill is the guest's own.
            execute(box, "sh", "-c", f"kill -9 {victim.pid} {vmm}")
            execute(box, "sh", "-c", "kill -9 -1")
            assert victim.poll() is None
            wait_until(lambda: info(box)["status"] == "failed", what="the guest's end")
    finally:
        victim.kill()
        victim.communicate()
