"""The application on a real terminal, used at random: what is sent bit by bit is what a whole repaint shows.

``IBMON_SEED`` starts other walks.
"""

import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import DATA
from ibmon.records import Result, Value
from terminals import Terminal

from .conftest import Writer

STILL = """
import math, pathlib, sys, time
from ibmon.runs.directory import RunDirectory
from ibmon.tui.app import Wishes, shell_for
wishes = Wishes(ascii="--ascii" in sys.argv, theme="contrast" if "--contrast" in sys.argv else None)
shell = shell_for(RunDirectory(pathlib.Path(sys.argv[1])), wishes)
from ibmon.tui import board, chart, feed, scanning, source
started = time.time()
time.time = lambda: started
scanning.SIZE_SECONDS = math.inf
board.RUNS_SECONDS = chart.HEATMAP_SECONDS = feed.PERIOD = 0.2
source._REST = 0
notify = shell.notify
shell.notify = lambda *words, **how: notify(*words, **{**how, "timeout": 0.2})
shell.run(mouse=False)
"""
"""The application without a clock of its own, in which what comes by itself comes soon."""
TERMINALS = {
    "256": ({}, ()),
    "true": ({"COLORTERM": "truecolor"}, ()),
    "none": ({"NO_COLOR": "1"}, ()),
    "16": ({"TERM": "xterm"}, ()),
    "ascii": ({}, ("--ascii",)),
    "contrast": ({}, ("--contrast",)),
}
SEED = int(os.environ.get("IBMON_SEED", "0"))
SIZES = ((120, 36), (160, 45), (80, 24), (100, 30), (140, 40), (104, 28), (90, 50), (60, 18), (59, 17), (40, 10), (25, 6))
ESCAPE, ENTER = b"\x1b", b"\r"
SCREENS = (*b"123456789", *b"{}")
LOOKS = (*b"cCxysTfF", *b"+-0")
MOVES = (b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[5~", b"\x1b[6~", *b"hjkl")
TIMES = (*b",.<> LnN", b"\x1b[H", b"\x1b[F")
LISTS = (*b"moOM", b"\x1b[6~", b"\x1b[B")


@pytest.fixture
def terminal():
    opened = []

    def start(*arguments, **environment):
        opened.append(Terminal(*arguments, **environment))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def program(text, *arguments):
    return sys.executable, "-c", text, *map(str, arguments)


class Walk:
    """A user who presses whatever there is, on a run that trains; ``done`` says what he did."""

    def __init__(self, seed, terminal, writer):
        self.seed, self.chance = seed, random.Random(seed)
        self.terminal, self.writer = terminal, writer
        self.done = []

    def press(self, *keys, wait=0.0):
        for key in keys:
            key = bytes([key]) if isinstance(key, int) else key
            self.done.append(key.decode())
            self.terminal.keys(key)
            self.terminal.read(0.2 if key == ESCAPE else wait, 0.5)  # what follows an escape at once is read as alt+key

    def measure(self):
        self.done.append("<measured>")
        measured(self.writer, 1)

    def resize(self):
        size = self.chance.choice(SIZES)
        self.done.append(f"<{size[0]}x{size[1]}>")
        self.terminal.resize(*size)
        self.terminal.read(0.01, 0.01)  # two within a tenth of a millisecond are one too many for Textual

    def step(self):
        pick = self.chance.choice
        wait = pick((0.0, 0.0, 0.02, 0.1))
        kind = self.chance.randrange(100)
        if kind < 12:
            self.press(pick(SCREENS), wait=wait)
        elif kind < 28:
            self.press(pick(LOOKS), wait=wait)
        elif kind < 40:
            self.press(*(pick(MOVES) for _ in range(3)), wait=wait)
        elif kind < 54:
            self.press(pick(TIMES), wait=wait)
        elif kind < 62:
            self.press(pick((b"\t", b"\x1b[Z")), wait=wait)
        elif kind < 68:
            self.press(pick(b"iD"), wait=wait)
        elif kind < 72:
            self.press(ESCAPE)
        elif kind < 75:
            self.press(b"/", wait=0.3)
            self.press(pick((b"loss", b"2", b"unit", b"demo", b"\x7f")), ENTER, wait=0.1)
        elif kind < 77:
            self.press(b"?", pick((b"j", b"\x1b[6~")), ESCAPE, wait=0.15)
        elif kind < 79:
            self.press(b"p", *pick(([], [b"P"])), wait=0.3)
            self.press(b",")  # a step ends the playing
        elif kind < 83:
            self.press(b"7", *(pick(LISTS) for _ in range(4)), wait=0.05)
        elif kind < 85:
            self.press(b"8", b"/", wait=0.3)
            self.press(b"epoch", ENTER, pick(b"nN"), wait=0.1)
        elif kind < 95:
            self.measure()
        else:
            self.resize()

    def go(self, steps=100):
        self.terminal.see("information plane", "correlations", "epoch 20/100")
        for number in range(1, steps + 1):
            self.step()
            if number % 25 == 0:
                self.compare()

    def settle(self):
        """Wait until nothing moves any more."""
        self.terminal.read(0.8, 3)
        if " diagnostics " in self.terminal.text():  # it says something new every second
            self.press(b"D")
            self.terminal.read(0.8)

    def compare(self):
        """All cells as they came bit by bit, against those of a whole repaint."""
        self.settle()
        size, before, shown = self.terminal.size, self.terminal.cells(), self.terminal.text()
        self.terminal.repaint()
        after = self.terminal.cells()
        wrong = [(x, y) for y in range(size[1]) for x in range(size[0]) if before[y][x] != after[y][x]]
        if wrong:
            cells = (f"{x},{y}: {before[y][x]} is {after[y][x]}" for x, y in wrong[:10])
            told = (
                f"{self.seed}: {len(wrong)} cells of {size} differ after {self.done[-60:]}",
                *cells,
                shown,
                self.terminal.text(),
            )
            raise AssertionError("\n".join(told))


def measured(writer, count):
    """So many measurements more, of the information plane and of the figures of a plugin, and what was printed meanwhile."""
    for _ in range(count):
        writer.measure()
        step, epoch = 10 * writer.seq, float(writer.seq)
        value = Value(quantity="gallery", unit="", value=epoch)
        writer.analyst.append(Result(segment=1, seq=writer.seq, job="gallery", step=step, epoch=epoch, values=[value]))
        with writer.run.console.open("a") as console:
            console.write(f"epoch {epoch:g}: it trains\n")


@pytest.fixture
def gallery(monkeypatch):
    """A plugin with a figure of every kind."""
    monkeypatch.setenv("PYTHONPATH", str(DATA / "gallery"))


@pytest.mark.long
def test_updates_bit_by_bit_equal_a_whole_repaint(tmp_path, terminal, gallery):
    walks = []
    for seed, (name, (environment, arguments)) in enumerate(TERMINALS.items(), start=SEED):
        other, writer = (Writer(tmp_path / name, f"demo-{act}", parameters={"act": act}).begin() for act in ("relu", "tanh"))
        measured(other, 12)
        measured(writer, 20)
        writer.drop(55, "the spool is full").notice("a long step")
        shown = terminal(120, 36, *program(STILL, writer.run.path, *arguments), **environment)
        walks.append(Walk(f"{name} {seed}", shown, writer))
    with ThreadPoolExecutor(3) as pool:  # they wait more than they work
        list(pool.map(Walk.go, walks))


@pytest.mark.long
def test_a_window_that_had_another_size_for_a_moment_is_painted_anew(write, terminal):
    writer = write().begin().measure(20).end()
    shown = terminal(120, 36, *program(STILL, writer.run.path))
    shown.see("information plane", "■ END")
    shown.read(0.5)
    before = shown.cells()
    shown.resize(80, 24)  # what a terminal does not show any more it does not keep
    shown.read(0.002, 0.002)
    shown.resize(120, 36)
    shown.read(0.8)
    assert shown.cells() == before
