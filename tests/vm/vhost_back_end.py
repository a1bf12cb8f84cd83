"""A vhost-user back end in Python, that of a source of random numbers that are all 'Z'. It can be told to misbehave."""
import mmap
import os
import select
import socket
import struct
import threading

VERSION_1, PROTOCOL_FEATURES = 1 << 32, 1 << 30
REPLY_ACK = 1 << 3
GET_FEATURES, GET_PROTOCOL_FEATURES, GET_VRING_BASE, GET_QUEUE_NUM = 1, 15, 11, 17
SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_KICK, SET_VRING_CALL = 5, 8, 9, 12, 13
HANG, HANG_UP, GARBAGE = "hang", "hang up", "garbage"


class BackEnd:
    """Listens on `path` for one front end. At the message `at` it does `deed` instead of what is asked."""

    def __init__(self, path, at=None, deed=None):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._at, self._deed = at, deed
        self._memory, self._ring = [], {}
        self.served = 0  # Requests of the guest's.
        self.truncated = None  # What became of its attempt to make the guest's memory smaller.
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        self._peer, _ = self._listener.accept()
        while True:
            header, fds, _, _ = socket.recv_fds(self._peer, 12, 8)
            if len(header) < 12:
                return
            request, flags, size = struct.unpack("<III", header)
            payload = self._peer.recv(size, socket.MSG_WAITALL) if size else b""
            if request == self._at:
                if self._deed == HANG:
                    continue
                if self._deed == HANG_UP:
                    self._peer.close()
                    return
                self._peer.sendall(b"\xa5" * 64)
                continue
            self._answer(request, flags, payload, fds)

    def _answer(self, request, flags, payload, fds):
        values = {GET_FEATURES: VERSION_1 | PROTOCOL_FEATURES, GET_PROTOCOL_FEATURES: REPLY_ACK, GET_QUEUE_NUM: 1}
        if request == SET_MEM_TABLE:
            self._map(payload, fds)
        elif request in (SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_CALL):
            self._ring[request] = (payload, fds)
        elif request == SET_VRING_KICK:
            threading.Thread(target=self._serve_queue, args=(fds[0],), daemon=True).start()
        if request in values:
            self._reply(request, struct.pack("<Q", values[request]))
        elif request == GET_VRING_BASE:
            self._reply(request, payload)
        elif flags & 8:
            self._reply(request, bytes(8))

    def _reply(self, request, payload):
        self._peer.sendall(struct.pack("<III", request, 5, len(payload)) + payload)

    def _map(self, payload, fds):
        count = struct.unpack_from("<I", payload)[0]
        for index in range(count):
            start, size, _, offset = struct.unpack_from("<QQQQ", payload, 8 + 32 * index)
            self._memory.append((start, size, mmap.mmap(fds[index], size, offset=offset)))
        try:
            os.ftruncate(fds[0], 0)
            self.truncated = True
        except PermissionError:
            self.truncated = False

    def _at_address(self, address):
        for start, size, memory in self._memory:
            if start <= address < start + size:
                return memory, address - start
        raise ValueError(hex(address))

    def _unpack(self, form, address):
        memory, offset = self._at_address(address)
        return struct.unpack_from(form, memory, offset)

    def _pack(self, form, address, *values):
        memory, offset = self._at_address(address)
        struct.pack_into(form, memory, offset, *values)

    def _serve_queue(self, kick):
        size = struct.unpack("<II", self._ring[SET_VRING_NUM][0])[1]
        _, _, descriptors, used, available, _ = struct.unpack("<IIQQQQ", self._ring[SET_VRING_ADDR][0])
        call = self._ring[SET_VRING_CALL][1][0]
        done = 0
        while True:
            select.select([kick], [], [])
            os.eventfd_read(kick)
            while done != self._unpack("<H", available + 2)[0]:
                head = self._unpack("<H", available + 4 + done % size * 2)[0]
                address, length, _, _ = self._unpack("<QIHH", descriptors + 16 * head)
                memory, offset = self._at_address(address)
                memory[offset : offset + length] = b"Z" * length
                self._pack("<II", used + 4 + done % size * 8, head, length)
                done = (done + 1) & 0xFFFF
                self._pack("<H", used + 2, done)
                self.served += 1
            os.eventfd_write(call, 1)
