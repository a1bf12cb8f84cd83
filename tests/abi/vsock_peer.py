"""The host's side of test_vsock.py, where the VM is: `vsock_peer.py PROGRAM ROOT GUESTS_PROGRAM`."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile

program, *arguments = sys.argv[1:]
folder = tempfile.mkdtemp(dir="/dev/shm")  # Not every file system takes sockets.
hosts, guests = f"{folder}/hosts.sock", f"{folder}/guests.sock"
listener = socket.socket(socket.AF_UNIX)
listener.bind(hosts)
listener.listen()
listener.settimeout(100)
words = [program, arguments[0], hosts, guests, *arguments[1:]]
with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
    client, _ = listener.accept()
    assert client.recv(64) == b"listening"
    client.sendall(b"hello")
    other = socket.socket(socket.AF_UNIX)
    other.connect(guests)
    print(other.recv(64).decode(), flush=True)
    print(process.stdout.read().decode(), end="")
print(process.returncode, os.path.exists(guests))
shutil.rmtree(folder)
