"""Kelpie's host as the tests know it: one connection per operation, plus empty ones to find out whether there is a
guest; a length as u32, big-endian, and that much JSON."""
import base64
import contextlib
import json
import os
import shutil
import socket
import struct

from harness import guest_program, scratch, wait_until

PORT = 9001


def connect(path, seconds=60):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(seconds)
    client.connect(path)
    return client


def probe(path):
    """The host's empty connection: whether there is somebody."""
    try:
        connect(path).close()
        return True
    except (ConnectionRefusedError, FileNotFoundError):
        return False


def frame(message):
    """As the host writes it: serde_json, which puts no blanks in."""
    text = message if isinstance(message, bytes) else json.dumps(message, separators=(",", ":")).encode()
    return struct.pack(">I", len(text)) + text


def receive_all(client, size):
    got = b""
    while len(got) < size:
        part = client.recv(min(size - len(got), 1 << 20))
        assert part, f"the connection ended after {len(got)} of {size} bytes"
        got += part
    return got


def receive_raw(client):
    """The bytes of a reply."""
    (size,) = struct.unpack(">I", receive_all(client, 4))
    assert size <= 16_777_216, size
    return receive_all(client, size)


def ask(client, message):
    client.sendall(frame(message))
    return json.loads(receive_raw(client))


def operate(path, message):
    """One operation, as kelpie's host does it: a connection of its own."""
    with contextlib.closing(connect(path)) as client:
        return ask(client, message)


def execute(command, *arguments, **more):
    """The exec that kelpie's host sends: its fields in alphabetical order."""
    message = {"args": list(arguments), "command": command, "cwd": None, "env": [], "timeout_ms": None, "type": "exec"}
    return dict(sorted({**message, **more}.items()))


def result(code, out="", err="", **more):
    return {"type": "exec_result", "exit_code": code, "stdout": out, "stderr": err, **more}


def write_file(path, contents):
    return {"type": "write_file", "path": path, "contents": base64.b64encode(contents).decode()}


def contents_of(reply):
    assert reply["type"] == "file_contents", reply
    return base64.b64decode(reply["contents"], validate=True)


def rootfs_with(program):
    """A root file system that brings its own kelpie-guest, and little besides."""
    root = scratch("rootfs")
    for folder in ("bin", "dev", "etc", "proc", "sys", "tmp", "workspace", "usr/local/bin"):
        os.makedirs(os.path.join(root, folder))
    shutil.copy("/bin/busybox", os.path.join(root, "bin/busybox"))
    for name in ("sh", "cat", "echo", "kill", "pwd", "true"):
        os.symlink("busybox", os.path.join(root, "bin", name))
    shutil.copy(guest_program(program), os.path.join(root, "usr/local/bin/kelpie-guest"))
    return root


class Host:
    """The host's program where the guest connects: listens on `path`."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        self.listener.settimeout(60)

    def accept(self):
        client, _ = self.listener.accept()
        client.settimeout(60)
        return client

    def close(self):
        self.listener.close()


def check_basics(path_or_client):
    """What both kinds of guest do alike."""
    if isinstance(path_or_client, str):
        client = connect(path_or_client)
    else:
        client = path_or_client

    def raw(message):
        client.sendall(frame(message))
        return receive_raw(client)

    assert (len(frame({"type": "ping"})) - 4, len(frame({"type": "shutdown"})) - 4) == (15, 19)
    pong = raw({"type": "ping"})
    assert len(pong) == 15 and json.loads(pong) == {"type": "pong"}, pong
    assert ask(client, {"type": "exec", "command": "echo", "args": ["hello"], "stdin": None}) == result(0, "hello\n")
    assert ask(client, execute("sh", "-c", "echo no >&2; exit 3")) == result(3, err="no\n")
    assert ask(client, execute("cat", stdin="through it")) == result(0, "through it")
    killed = ask(client, execute("sh", "-c", "kill -9 $$"))
    assert killed["exit_code"] == -1, killed
    everything = bytes(range(256)) * 500
    success = raw(write_file("/tmp/bytes", everything))
    assert len(success) == 18 and json.loads(success) == {"type": "success"}, success
    assert contents_of(ask(client, {"type": "read_file", "path": "/tmp/bytes"})) == everything
    assert ask(client, write_file("/tmp/test", bytes([0, 1, 2, 3, 0xFF]))) == {"type": "success"}
    assert ask(client, {"type": "read_file", "path": "/tmp/test"})["contents"] == "AAECA/8="
    listing = ask(client, {"type": "list_dir", "path": "/tmp"})
    assert listing["type"] == "directory_listing" and {"bytes", "test"} <= set(listing["files"]), listing
    for wrong in ({"type": "read_file", "path": "/no/such"}, {"type": "no_such_request"}, {"path": "/"}, [], b"{"):
        reply = ask(client, wrong)
        assert reply["type"] == "error" and reply["message"], (wrong, reply)
    assert ask(client, {"type": "ping", "unknown": {"a": [1, None]}}) == {"type": "pong"}
    return client


def wait_for_guest(path):
    """As kelpie's host does it: probes for half a minute at most."""
    wait_until(lambda: probe(path), seconds=60, what="the guest")
