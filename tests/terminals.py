"""Terminals that tests look at: a pseudo-terminal with an emulator behind it, and tmux."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import zlib
from pathlib import Path

import pyte

from support import PATIENCE, wait_for

_SCRUBBED = ("COLORTERM", "COLORFGBG", "NO_COLOR", "COLUMNS", "LINES", "TMUX", "STY", "SSH_CONNECTION")
Cell = tuple[str, str, str, bool, bool]
"""A character, its colours, and whether it is bold and reversed."""


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what says something of the terminal the tests were started from."""
    return {**{k: v for k, v in os.environ.items() if k not in _SCRUBBED}, "TERM": "xterm-256color", **more}


class Terminal:
    """A child on a pseudo-terminal of its own, and what it would look like.

    ``sent`` counts the bytes that came, ``packed`` what would be left of them where every piece goes through one zlib stream,
    as ``ssh -C`` does it.
    """

    def __init__(self, columns: int, rows: int, *command: str, **environment: str) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._zlib = zlib.compressobj(6)
        self.sent = self.packed = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, clean_environment(**environment))
        self.tell_size(columns, rows)

    @property
    def size(self) -> tuple[int, int]:
        return self.screen.columns, self.screen.lines

    @property
    def display(self) -> list[str]:
        return self.screen.display

    def text(self) -> str:
        return "\n".join(self.display)

    def cells(self) -> list[list[Cell]]:
        """Everything that can be seen. A blank has no colour but its background."""
        return [[_seen(self.screen.buffer[y][x]) for x in range(self.screen.columns)] for y in range(self.screen.lines)]

    def tell_size(self, columns: int, rows: int) -> None:
        """Let the child believe that the window has another size; the kernel sends it the signal."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self.tell_size(columns, rows)

    def repaint(self) -> None:
        """Forget what is on the screen and have all of it painted: the window is wider for a moment.

        Wider, because a column less may be one too few for charts beside each other, which then choose their limits anew.
        """
        columns, rows = self.size
        self.tell_size(columns + 1, rows)
        self.read(0.3)
        self.screen.cursor.attrs = self.screen.default_char
        self.screen.erase_in_display(2)
        self.tell_size(columns, rows)
        self.read(0.4)

    def read(self, silence: float, most: float = 30.0) -> bool:
        """Take in what comes until it has been silent for so long, or for ``most`` seconds; False when the child is gone."""
        end = time.monotonic() + most
        while time.monotonic() < end and select.select([self.fd], [], [], silence)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            if not data:
                return False
            self.sent += len(data)
            self.packed += len(self._zlib.compress(data)) + len(self._zlib.flush(zlib.Z_SYNC_FLUSH))
            # pyte knows none of these private modes and prints parts of them.
            for mode in (b"\x1b[>25u", b"\x1b[?2026$p", b"\x1b[?2048$p"):
                data = data.replace(mode, b"")
            self._stream.feed(data)
        return True

    def listen(self, seconds: float) -> tuple[int, int]:
        """Take in what comes for so long; the bytes that came, plain and packed."""
        sent, packed, end = self.sent, self.packed, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left, left)
        return self.sent - sent, self.packed - packed

    def see(self, *words: str) -> None:
        """Wait until each of the words stands in a line."""
        end, alive = time.monotonic() + PATIENCE, True
        while not all(any(word in line for line in self.display) for word in words):
            assert alive and time.monotonic() < end, f"never saw {words}:\n{self.text()}"
            alive = self.read(0.1, 0.5)

    def keys(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def code(self) -> int:
        """The exit code of the child, once it has come to its end."""
        wait_for(lambda: not self.read(0.1, 0.5), "for the end of the child")
        pid, status = os.waitpid(self.pid, 0)
        self.pid = 0
        assert pid
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def _seen(cell: pyte.screens.Char) -> Cell:
    if cell.data == " " and not cell.reverse:
        return " ", "", cell.bg, False, False
    return cell.data, cell.fg, cell.bg, cell.bold, cell.reverse


class Tmux:
    """A terminal of its own on a private socket, without the user's configuration or colours."""

    def __init__(self, socket: Path, columns: int, rows: int) -> None:
        self._base = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        self._environment = clean_environment()
        self._do("new-session", "-d", "-x", str(columns), "-y", str(rows), "env", "PS1=$ ", "sh")

    def _do(self, *arguments: str) -> str:
        done = subprocess.run([*self._base, *arguments], capture_output=True, text=True, env=self._environment, timeout=20)
        return done.stdout

    def ibmon(self, *arguments: str, **environment: str) -> None:
        given = [f"{name}={value}" for name, value in environment.items()]
        self._do("send-keys", " ".join([*given, sys.executable, "-m", "ibmon", *arguments]), "Enter")

    def keys(self, *keys: str) -> None:
        self._do("send-keys", *keys)
        if "Escape" in keys:
            time.sleep(0.5)  # or the next key would be read as alt+key

    def resize(self, columns: int, rows: int) -> None:
        self._do("resize-window", "-x", str(columns), "-y", str(rows))

    def reconnect(self) -> None:
        """A new shell, as after a line that broke: the old one was left in the middle of a picture."""
        self._do("respawn-pane", "-k", "env", "PS1=$ ", "sh")
        wait_for(lambda: self.screen().strip() == "$")

    def screen(self) -> str:
        return self._do("capture-pane", "-p")

    def cells(self) -> str:
        """What is on the screen with its colours."""
        return self._do("capture-pane", "-p", "-e")

    def buffer(self) -> str:
        """What was copied last."""
        return self._do("show-buffer")

    def pane(self) -> int:
        return int(self._do("display-message", "-p", "#{pane_pid}"))

    def see(self, *words: str, seconds: float = PATIENCE) -> None:
        try:
            wait_for(lambda: all(word in self.screen() for word in words), seconds=seconds)
        except AssertionError:
            raise AssertionError(f"never saw {words}:\n{self.screen()}") from None

    def gone(self, word: str) -> None:
        try:
            wait_for(lambda: word not in self.screen())
        except AssertionError:
            raise AssertionError(f"still there: {word}\n{self.screen()}") from None

    def kill(self) -> None:
        self._do("kill-server")


def points(screen: str) -> int:
    """How many braille dots are drawn."""
    return sum((ord(c) - 0x2800).bit_count() for c in screen if 0x2800 <= ord(c) <= 0x28FF)
