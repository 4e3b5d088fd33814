"""A terminal on which churnd runs, and what stands on it."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time

from services import CHURND, clean_environment

COLUMNS = 80
CLEAR = "\r\x1b[K"


class Terminal:
    """churnd with standard error on a terminal of its own; standard output goes there too if it `shares` it, else nowhere.
    `background`: it is a shell's job in the background there."""

    def __init__(self, stack, *args, env=None, shares=False, background=False):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        shell = ["bash", "-c", 'set -m; "$@" & wait $!', "bash"] if background else []
        self.process = subprocess.Popen(
            [*shell, str(CHURND), *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=slave if shares else subprocess.DEVNULL,
            stderr=slave,
            env=clean_environment({**stack.env, "TERM": "xterm", **(env or {})}),
            cwd=stack.folder,
            start_new_session=background,
            preexec_fn=(lambda: fcntl.ioctl(2, termios.TIOCSCTTY, 0)) if background else None,  # noqa: PLW1509  (takes no lock)
        )
        os.close(slave)
        self.bytes = b""

    @property
    def text(self):
        return self.bytes.decode()

    def read_until(self, what):
        """Until it was shown."""
        end = time.monotonic() + 120
        while what not in self.text:
            assert time.monotonic() < end, self.text
            try:
                self.bytes += os.read(self.master, 65536)
            except OSError as gone:  # EIO: nobody has the other side any more
                raise AssertionError(self.text) from gone

    def read(self):
        """All that was shown, once it has ended, and its exit status."""
        end = time.monotonic() + 120
        with contextlib.suppress(OSError):
            while chunk := os.read(self.master, 65536):
                self.bytes += chunk
                assert time.monotonic() < end
        os.close(self.master)
        return self.text, self.process.wait(60)


def left_on_screen(text):
    """What stands on the screen at the end, as a terminal of endless length has it."""
    lines = [""]
    for part in re.split(r"(\r\x1b\[K|\r\n)", text):
        if part == CLEAR:
            lines[-1] = ""
        elif part == "\r\n":
            lines.append("")
        else:
            assert "\r" not in part and "\x1b" not in part, f"another control sequence: {part!r}"
            lines[-1] += part
    return lines
