"""Two sandboxes of one user do not see each other: neither files nor processes, sockets or shared memory."""
import os

from escape import inside
from harness import same_for_everyone, scratch, succeeds, wait_until
from sandboxes import execute, sandbox, start_exec

WORD, PORT = "cloche-escape-other", 5005
# In the one that is looked for: files, shared memory, and listeners on every kind of socket there is.
LIVE = f"""
import os, socket, time
for path in ("/tmp/{WORD}", "/dev/shm/{WORD}", "/usr/{WORD}", "/run/{WORD}"):
    with open(path, "w") as file:
        file.write("{WORD}")
servers = []
addresses = ((socket.AF_UNIX, "\\0{WORD}"), (socket.AF_VSOCK, (0xFFFFFFFF, {PORT})), (socket.AF_INET, ("", {PORT})))
for family, address in addresses:
    servers.append(socket.socket(family, socket.SOCK_STREAM))
    servers[-1].bind(address)
    servers[-1].listen(64)
print("lives", flush=True)
time.sleep(1000)
"""


@same_for_everyone
def test_another_sandbox_is_out_of_reach():
    os.makedirs(scratch("private"))
    with sandbox("one", flags=["-v", f"{scratch('private')}:/private"]) as one, sandbox("two") as two:
        life = start_exec(one, "python3", "-c", LIVE)
        assert life.stdout.readline() == b"lives\n"
        succeeds(execute(one, "sh", "-c", f"echo {WORD} > /private/{WORD}"))
        look = f"ls -d /tmp/{WORD} /dev/shm/{WORD} /usr/{WORD} /run/{WORD} /private/{WORD} 2>/dev/null; hostname"
        assert execute(one, "sh", "-c", look).out.count(WORD.encode()) == 5
        succeeds(execute(two, "sh", "-c", look), out=b"two\n")
        # The same probes as against the host: found by the one itself, not by the other.
        assert inside(one, "sockets", "/none", WORD, PORT, PORT)[:2] == ["abstract", "tcp"]
        assert inside(two, "sockets", "/none", WORD, PORT, PORT) == []
        assert "listed" in inside(one, "processes", WORD, 1) and inside(two, "processes", WORD, 1) == []
        life.kill()
        life.communicate()
        wait_until(lambda: execute(one, "pgrep", "-f", WORD).out == b"", what="its end")
    assert os.listdir(scratch("private")) == [WORD]


@same_for_everyone
def test_what_one_does_to_itself_the_other_does_not_feel():
    with sandbox("one") as one, sandbox("two") as two:
        script = "head -c 2G /dev/zero | tail -c 1G > /dev/null; echo c > /proc/sysrq-trigger"
        bomb = start_exec(one, "sh", "-c", script)
        for round_ in range(10):
            succeeds(execute(two, "echo", str(round_)), out=f"{round_}\n".encode())
        bomb.kill()
        bomb.communicate()
        succeeds(execute(two, "echo", "fine"), out=b"fine\n")
