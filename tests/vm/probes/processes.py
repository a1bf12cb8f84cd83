"""usage: processes.py WORD PID...   Which ways lead to a process with WORD in its command line, or to these numbers.

Of a number that a process of its own PID namespace has, nothing is said: that one may be met.
"""
import json
import os
import signal
import sys


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def works(act, *arguments):
    try:
        act(*arguments)
        return True
    except OSError:
        return False


word, numbers = sys.argv[1].encode(), [int(each) for each in sys.argv[2:]]
ours = {os.getpid(), os.getppid(), os.getpgrp()}
found = set()
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) not in ours and word in command_line(name):
        found.add("listed")
for pid in numbers:
    if os.path.exists(f"/proc/{pid}") and word not in command_line(pid):
        continue
    found.update(
        way
        for way, act in {
            "its command line": lambda: os.stat(f"/proc/{pid}/cmdline"),
            "its root": lambda: os.listdir(f"/proc/{pid}/root/"),
            "its memory": lambda: os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR)),
            "a descriptor": lambda: os.close(os.pidfd_open(pid)),
            "a signal": lambda: os.kill(pid, signal.SIGCONT),
        }.items()
        if works(act)
    )
print(json.dumps(sorted(found)))
