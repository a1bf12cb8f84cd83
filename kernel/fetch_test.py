#!/usr/bin/env python3
"""Tests of kernel/fetch.sh: what it takes, what it refuses, and that a refused kernel changes nothing."""
import functools
import hashlib
import http.server
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tools"))
sys.dont_write_bytecode = True
import unit_main  # noqa: E402

GUEST = "guest-x86_64.bzImage"


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


class Fetch(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.prebuilt = pathlib.Path(self.folder.name, "prebuilt")
        shutil.copytree(HERE / "prebuilt", self.prebuilt)
        # Another kernel than the one that is there: the machine's, for the guest.
        self.other = pathlib.Path(self.folder.name, "other kernel")
        shutil.copy(HERE / "prebuilt/machine-x86_64.bzImage", self.other)
        self.before = self.contents()

    def contents(self):
        return {path.name: digest(path) for path in self.prebuilt.iterdir()}

    def fetch(self, *words):
        environment = dict(os.environ, CLOCHE_PREBUILT=str(self.prebuilt))
        return subprocess.run([HERE / "fetch.sh", *map(str, words)], env=environment, capture_output=True, text=True)

    def assert_taken(self, done):
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(digest(self.prebuilt / GUEST), digest(self.other))
        vmlinux = pathlib.Path(self.folder.name, "guest-x86_64.vmlinux")
        extracted = subprocess.run([HERE / "extract.sh", self.prebuilt / GUEST, vmlinux], capture_output=True)
        self.assertEqual(extracted.returncode, 0, extracted)
        self.assertIn("guest fetched\n", (self.prebuilt / "VERSION").read_text())

    def assert_refused(self, done, why):
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(why, done.stderr)
        self.assertIn("the kernel stays as it was", done.stderr)
        self.assertEqual(self.contents(), self.before)

    def test_a_file_with_that_digest(self):
        self.assert_taken(self.fetch("guest", self.other, digest(self.other).upper()))

    def test_an_address(self):
        handler = functools.partial(Quiet, directory=self.folder.name)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{server.server_port}"
            self.assert_refused(self.fetch("guest", f"{address}/none", "0" * 64), "cannot fetch")
            self.assert_taken(self.fetch("guest", f"{address}/other%20kernel", digest(self.other)))
            server.shutdown()

    def test_another_digest(self):
        wrong = digest(self.prebuilt / GUEST)
        why = f"has the SHA-256 {digest(self.other)}, not {wrong}"
        self.assert_refused(self.fetch("guest", self.other, wrong), why)

    def test_what_is_no_digest(self):
        self.assert_refused(self.fetch("guest", self.other, "abc"), "is no SHA-256")

    def test_what_is_no_kernel(self):
        self.other.write_bytes(b"\0" * 4096)
        self.assert_refused(self.fetch("guest", self.other, digest(self.other)), "not a bzImage")

    def test_half_a_kernel(self):
        self.other.write_bytes(self.other.read_bytes()[: 1 << 20])
        self.assert_refused(self.fetch("guest", self.other, digest(self.other)), "cannot be booted here")

    def test_what_is_not_there(self):
        self.assert_refused(self.fetch("guest", "/no/such/file", "0" * 64), "there is no file /no/such/file")
        self.assert_refused(self.fetch("guest", "file:///etc/passwd", "0" * 64), "neither a file nor an address")
        self.assert_refused(self.fetch("host", self.other, "0" * 64), "no 'host'")


if __name__ == "__main__":
    sys.exit(unit_main.main())
