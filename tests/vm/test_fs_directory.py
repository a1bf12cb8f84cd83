"""A large directory that guest and host change while it is read: what was there all the time is listed once."""
import os
import subprocess
import threading

from harness import deadline, scratch, size, start

# Lists by names alone, then with a look at each (READDIRPLUS), while a thread makes and removes others.
GUEST = r"""
import os, sys, threading, time
stop = False
def change():
    number = 0
    while not stop:
        open(f"/s/guest-{number % 500}", "w").close()
        number += 1
        if number > 100: os.unlink(f"/s/guest-{(number - 100) % 500}")
        time.sleep(0.002)  # Or every look of the other thread would wait for a change.
thread = threading.Thread(target=change, daemon=True); thread.start()  # Which a failed check need not stop.
count = int(sys.argv[1])
stay = {f"stay-{number}" for number in range(count)}
def check(names):
    kept = [name for name in names if name.startswith("stay-")]
    assert len(kept) == len(set(kept)) == count and set(kept) == stay, (len(kept), len(set(kept)))
# Whoever vanishes between its listing and the look at it is no mistake of the listing's.
def looked_at(entry):
    try:
        entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        assert not entry.name.startswith("stay-")
    return True
print("started", flush=True)
for _ in range(2):
    check(os.listdir("/s"))
    with os.scandir("/s") as entries:
        check([entry.name for entry in entries if looked_at(entry)])
stop = True; thread.join()
print("ok")
"""


@deadline(310)
def test_changing_while_it_is_read():
    count, folder = size(1000, 100_000), scratch("share")
    os.mkdir(folder)
    for number in range(count):
        os.mknod(f"{folder}/stay-{number}")
    process = start(["python3", "-c", GUEST, str(count)], ["-v", f"{folder}:/s"])
    assert process.stdout.readline() == b"started\n", process.communicate()
    done = threading.Event()

    def change():
        number = 0
        while not done.is_set():
            os.mknod(f"{folder}/host-{number}")
            number += 1
            if number > 100:
                os.unlink(f"{folder}/host-{number - 101}")
            done.wait(0.001)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        out, err = process.communicate(timeout=size(100, 3000))
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    finally:
        done.set()
        thread.join()
    assert process.returncode == 0 and out == b"ok\n", (process.returncode, out, err)
