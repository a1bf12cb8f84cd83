"""The host's servers and client for guest_tsi.c:  tsi_peer.py PROGRAM FEATURES ROOT GUEST"""
import os
import socket
import subprocess
import sys
import tempfile
import threading


def serve(server, answer):
    while True:
        client, _ = server.accept()
        with client:
            client.sendall(answer)


program, features, root, guest = sys.argv[1:]
with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
    tcp, local = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    local.bind(f"{folder}/socket")
    local.listen()
    for server in (tcp, local):
        threading.Thread(target=serve, args=(server, b"the host"), daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [program, features, f"{port}:80", root, guest, str(tcp.getsockname()[1]), f"{folder}/socket"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout:
            print(line, end="")
            if line == "listening\n":
                print(socket.create_connection(("127.0.0.1", port), timeout=60).recv(100).decode())
    print(running.returncode, os.listdir(folder))
