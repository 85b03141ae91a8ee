"""The application on a real terminal: what is sent bit by bit is what a whole repaint shows; nothing heavy is imported."""

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

import pyte
import pytest

PROGRAM = """
import pathlib, sys
from ibmon.runs.directory import RunDirectory
from ibmon.tui.app import run
code = run(RunDirectory(pathlib.Path(sys.argv[1])))
heavy = {"torch", "matplotlib", "plotext", "scipy"} & set(sys.modules)
print("imported:", sorted(heavy))
sys.exit(code)
"""


class Terminal:
    """A child on a pseudo-terminal of its own, and what it would look like."""

    def __init__(self, columns, rows, *command, **environment):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.sent = 0
        clean = {k: v for k, v in os.environ.items() if k not in ("COLORTERM", "NO_COLOR", "COLUMNS", "LINES")}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, {**clean, "TERM": "xterm-256color", **environment})
        self.resize(columns, rows)

    def resize(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def read(self, seconds):
        """Take in what comes until it has been silent for so long; False when the child is gone."""
        while select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            if not data:
                return False
            self.sent += len(data)
            # pyte knows neither of these private modes and prints parts of them.
            self.stream.feed(data.replace(b"\x1b[>25u", b"").replace(b"\x1b[?2026$p", b"").replace(b"\x1b[?2048$p", b""))
        return True

    def see(self, *words):
        end, alive = time.monotonic() + 30, True
        while not all(any(word in line for line in self.screen.display) for word in words):
            assert alive and time.monotonic() < end, (words, "\n".join(self.screen.display))
            alive = self.read(0.1)

    def keys(self, keys):
        os.write(self.fd, keys)

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture
def terminal():
    opened = []

    def start(*arguments, **environment):
        opened.append(Terminal(*arguments, **environment))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.mark.long
@pytest.mark.parametrize("environment", [{}, {"COLORTERM": "truecolor"}, {"NO_COLOR": "1"}, {"TERM": "xterm"}])
def test_updates_bit_by_bit_equal_a_whole_repaint(write, terminal, environment):
    writer = write().begin().measure(20)
    shown = terminal(120, 36, sys.executable, "-c", PROGRAM, str(writer.run.path), **environment)
    shown.see("information plane", "epoch 20/100")
    for keys in (b"c", b",", b"L", b"i", b"\x1b[D", b"\t", b"x", b"2", b"1"):
        shown.keys(keys)
        writer.measure(2)
        shown.read(0.3)
    writer.end()
    shown.see("finished", "epoch 38/100")
    shown.read(1.5)
    before = list(shown.screen.display)
    shown.screen.reset()
    shown.resize(119, 36)
    shown.read(0.7)
    shown.resize(120, 36)
    shown.read(0.7)
    assert shown.screen.display == before


@pytest.mark.long
def test_an_update_costs_little(write, terminal):
    writer = write().begin(("1", "2", "3", "4", "5", "6")).measure(50)
    shown = terminal(160, 45, sys.executable, "-c", PROGRAM, str(writer.run.path))
    shown.see("information plane", "epoch 50/100")
    shown.read(1.5)
    before = shown.sent
    for _ in range(5):
        writer.measure(1)
        shown.read(0.9)
    assert 0 < (shown.sent - before) / 5 < 15_000


def test_torch_and_matplotlib_stay_out(write, terminal):
    writer = write().begin().measure(5)
    shown = terminal(80, 24, sys.executable, "-c", PROGRAM, str(writer.run.path))
    shown.see("information plane")
    shown.keys(b"q")
    shown.see("attaches again", "imported: []")


def test_plain_import_is_light():
    code = "import sys, ibmon.tui.app; print(sorted({'torch', 'textual', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
