"""What people run, as scripts that say what they must print: used on the host's root and on a root of its own."""
from harness import sh, succeeds

C_PROGRAM = '#include <stdio.h>\nint main(void) { printf("%d\\n", 6 * 7); return 3; }\n'


def check_python(flags):
    script = "import json, sys, os; print(json.dumps([sys.version_info[0], os.uname().sysname, sum(range(1000))]))"
    succeeds(sh(f"python3 -c '{script}'", flags), out=b'[3, "Linux", 499500]\n')


def check_gcc(flags):
    outcome = sh("cd /tmp && cat > a.c && gcc -o a a.c && ./a", flags, stdin=C_PROGRAM.encode(), timeout=120)
    assert (outcome.code, outcome.out) == (3, b"42\n"), outcome


def check_apt(flags):
    assert succeeds(sh("apt-get --version", flags)).out.startswith(b"apt "), "apt-get"


def check_git(flags):
    script = """set -e; cd /tmp; export HOME=/tmp; git init -q one; cd one
      git config user.name a; git config user.email a@b; echo content > file; git add file; git commit -q -m first
      cd ..; git clone -q one two; cat two/file; git -C two log --format=%s"""
    succeeds(sh(script, flags, timeout=120), out=b"content\nfirst\n")


def check_four_processors(flags):
    script = "python3 - <<'END'\n" + _PROCESSORS + "END"
    outcome = succeeds(sh(script, ["-q", *flags, "--cpus", "4"], timeout=120))
    assert outcome.out == b"4 [0, 1, 2, 3]\n", outcome


# A process stays on its processor, where it waits for the other three to be running on theirs.
_PROCESSORS = r"""
import mmap, os
arrived = mmap.mmap(-1, 4)
children = []
for cpu in range(4):
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, {cpu})
        arrived[cpu] = 1
        while sum(arrived[:]) < 4: pass
        here = open("/proc/self/stat").read().rsplit(")", 1)[1].split()[36]
        os._exit(int(here))
    children.append(pid)
places = {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children}
print(os.cpu_count(), sorted(places))
"""
