"""The host's side of test_vhost_device.py, where the VM is: `vhost_peer.py PROGRAM ROOT IMAGE SCRIPT QUEUES`, the last
of which is how many queues PROGRAM asks for. The back end has two."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

program, root, image, script, queues = sys.argv[1:]
folder = tempfile.mkdtemp(dir="/dev/shm")  # Not every file system takes sockets.
socket = f"{folder}/disk.sock"
exported = f"type=vhost-user-blk,id=e,node-name=d,writable=on,num-queues=2,addr.type=unix,addr.path={socket}"
words = ["qemu-storage-daemon", "--blockdev", f"driver=file,node-name=d,filename={image}", "--export", exported]
with subprocess.Popen(words, stdin=subprocess.DEVNULL) as daemon:
    while not os.path.exists(socket):
        time.sleep(0.05)
    code = subprocess.run([program, root, socket, script, queues], stdin=subprocess.DEVNULL, check=False).returncode
    daemon.kill()
shutil.rmtree(folder)
sys.exit(code)
