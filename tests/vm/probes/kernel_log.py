"""usage: kernel_log.py WORD   Which ways of reading the kernel's log show a line with WORD."""
import ctypes
import json
import os
import sys

READ_ALL, BYTES = 3, 1 << 22
word, found = sys.argv[1].encode(), []
buffer = ctypes.create_string_buffer(BYTES)
if ctypes.CDLL(None).klogctl(READ_ALL, buffer, BYTES) >= 0 and word in buffer.raw:
    found.append("syslog")
log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
try:
    while True:
        if word in os.read(log, 1 << 16):
            found.append("kmsg")
except BlockingIOError:
    pass
print(json.dumps(sorted(set(found))))
