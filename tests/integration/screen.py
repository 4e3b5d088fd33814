"""A program on a terminal of the test's own, and what the terminal shows."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pyte
from services import TimedOut, clean_environment


class Screen:
    def __init__(self, command, columns=100, lines=40, term="xterm", locale="C.UTF-8"):
        self.shown = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.shown)
        self.master, slave = pty.openpty()
        self._set_size(columns, lines)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *(str(word) for word in command)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=clean_environment({"TERM": term, "LC_ALL": locale}),
        )
        os.close(slave)

    def _set_size(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns, lines):
        """As a window manager does: the terminal first, then SIGWINCH by the kernel."""
        self.shown.resize(lines, columns)
        self._set_size(columns, lines)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def take(self, seconds=0.05):
        """Lets the terminal take what was written meanwhile; False once nobody writes any more."""
        end = time.monotonic() + seconds
        while select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return False
            if not data:
                return False
            self.stream.feed(data)
        return True

    @property
    def lines(self):
        return [line.rstrip() for line in self.shown.display]

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait_for(self, condition, timeout=60):
        """Until the condition holds of what is shown."""
        end = time.monotonic() + timeout
        while not condition(self):
            if time.monotonic() > end:
                raise TimedOut(f"the terminal shows:\n{self.text}")
            if not self.take() and not condition(self):
                raise AssertionError(f"the program has ended; the terminal shows:\n{self.text}")

    def ended(self, timeout=60):
        """The exit status."""
        end = time.monotonic() + timeout
        while self.take() and time.monotonic() < end:
            pass
        return self.process.wait(timeout)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self.master)
