"""What a sandbox's process may have of the host is held by a control group, which goes with the sandbox."""
import os
import signal

from harness import call, cloche, deadline, only_root, refuses, same_for_everyone, settings, succeeds, wait_until
from sandboxes import execute, info, sandbox, status

LIMITS = ["--cpus-limit", "0.5", "--memory-limit", "640M", "--pids-limit", "64"]


def group_of(pid):
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        path = next(line for line in file if line.startswith("0::"))[3:].strip()
    return "/sys/fs/cgroup" + path


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read().strip()


@only_root
@deadline(300)
def test_the_kernel_holds_them():
    with sandbox("box", "sleep", "1000", flags=LIMITS) as box:
        seen = info(box)
        group = group_of(seen["pid"])
        assert os.path.basename(group) == f"cloche-{seen['id']}", group
        assert read(f"{group}/cpu.max") == "50000 100000"
        assert read(f"{group}/memory.max") == str(640 << 20)
        assert read(f"{group}/pids.max") == "64"
        assert str(seen["pid"]) in read(f"{group}/cgroup.procs").split()  # Beside the kernel's thread for its VM.
        assert (seen["cpus_limit"], seen["memory_limit_bytes"], seen["pids_limit"]) == (0.5, 640 << 20, 64)
        succeeds(execute(box, "echo", "fine"), out=b"fine\n")
        succeeds(cloche("stop", box))
        assert not os.path.exists(group)
        # It is made anew by the next start, and goes with a process that was killed as well.
        succeeds(cloche("start", box))
        pid = info(box)["pid"]
        assert group_of(pid) == group
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: status(box) == "crashed", what="the crash to show")
        succeeds(cloche("rm", box))
        assert not os.path.exists(group)


@only_root
@deadline(300)
def test_a_restart_keeps_them():
    with sandbox("box", "sh", "-c", "sleep 0.3; exit 1", flags=["--pids-limit", "50", "--restart", "always"]) as box:
        group = group_of(info(box)["pid"])
        wait_until(lambda: info(box)["restarts"] >= 2, what="two restarts")
        assert str(info(box)["pid"]) in read(f"{group}/cgroup.procs").split() and read(f"{group}/pids.max") == "50"
        succeeds(cloche("kill", box))
        assert not os.path.exists(group)


@same_for_everyone
def test_limits_that_cannot_work_are_refused():
    refuses(cloche("create", "--memory-limit", "512M"), "memory", "544")
    refuses(cloche("create", "--cpus", "4", "--pids-limit", "11"), "12 threads")
    refuses(cloche("create", "--cpus-limit", "0.001"), "CPU")
    refuses(cloche("run", "--pids-limit", "50", "--", "true"), "--pids-limit", "-d")


def test_where_they_cannot_be_it_is_said():
    # An ordinary user may divide none of the groups here; root could, so it has to do without any.
    without = [] if settings.user else ["unshare", "-m", "sh", "-c", 'umount /sys/fs/cgroup && exec "$@"', "sh"]
    word = "not yours" if settings.user else "not mounted"
    succeeds(cloche("create", "--name", "box", *LIMITS))
    refuses(call([*without, settings.cloche, "start", "box"]), "box", "limit", word)
    assert status("box") == "failed" and word in info("box")["reason"], info("box")
    doctor = call([*without, settings.cloche, "doctor"])
    assert b"sandboxes cannot be limited" in doctor.out and word.encode() in doctor.out, doctor
    succeeds(cloche("rm", "box"))
