"""The other end of a guest's network:  network_peer.py passt|nobody PROGRAM WORD...

Starts passt, or listens and answers nothing, then runs the program with net=SOCKET before its words; in a network
namespace of its own, where passt finds the way out of the host that it insists on."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

UPLINK = """link add up0 type veth peer name up1
link set up0 up
link set up1 up
address add 192.0.2.1/24 dev up0
route add default via 192.0.2.254 dev up0"""

folder = tempfile.mkdtemp(dir="/dev/shm")  # Not every file system takes sockets.
path = f"{folder}/net.sock"
peer, listener = None, socket.socket(socket.AF_UNIX)
try:
    if sys.argv[1] == "passt":
        for words in UPLINK.splitlines():
            subprocess.run(["ip", *words.split()], check=True)
        command = ["passt", "--quiet", "--foreground", "--one-off", "--runas", "0", "--socket", path]
        peer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not os.path.exists(path) and peer.poll() is None:
            time.sleep(0.01)
    else:
        listener.bind(path)
        listener.listen()
    sys.exit(subprocess.run([sys.argv[2], f"net={path}", *sys.argv[3:]], check=False).returncode)
finally:
    if peer:
        peer.kill()
        peer.wait()
    shutil.rmtree(folder)
