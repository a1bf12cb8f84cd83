"""A terminal with a program on it, as a user sits before: type, read the screen, resize."""
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time


class Terminal:
    """Starts `words` on a new terminal; it outlives the program, so that one sees what that leaves behind."""

    def __init__(self, words, rows=24, columns=80, environment=None):
        self._master, self._slave = pty.openpty()
        self.screen = b""
        self.resize(rows, columns)
        self.modes_before = self.modes()
        self.process = subprocess.Popen(
            words,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=environment,
        )

    def modes(self):
        """What tcgetattr says, without the control characters."""
        return termios.tcgetattr(self._slave)[:6]

    def resize(self, rows, columns):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self._master, text if isinstance(text, bytes) else text.encode())

    def _read(self, seconds):
        if not select.select([self._master], [], [], max(seconds, 0))[0]:
            return False
        self.screen += os.read(self._master, 65536)
        return True

    def read_until(self, text, seconds=30):
        """Waits for `text`, drops the screen up to its end, and returns what stood before it."""
        text, end = text.encode(), time.monotonic() + seconds
        while text not in self.screen:
            assert (
                self._read(end - time.monotonic()) or time.monotonic() < end
            ), f"waited for {text!r}, the screen is {self.screen!r}"
        before, _, self.screen = self.screen.partition(text)
        return before.decode(errors="replace")

    def wait(self, seconds=30):
        """The exit code; goes on reading, as a terminal does."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still running after {seconds} s, the screen is {self.screen!r}"
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    def close(self):
        os.close(self._master)
        os.close(self._slave)
