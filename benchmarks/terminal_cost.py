"""What the screen costs while it is open, in CPU, bytes and lateness; a part of ``terminal.py``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from terminal_watch import Screen, Sent, Training, first_chart, install

SECONDS = 25
"""Every case is watched for so long; where it trains there is a snapshot every second and a loss every half second."""
LAG_SECONDS = 21
"""The application keeps its last 200 looks at its event loop, ten a second."""
BEFORE = 300
REPAINTS = 5
LARGE, SMALL = (160, 45), (80, 24)
HEAD = ("case", "terminal", "CPU ms/s", "KB/s", "KB/s packed", "KB of an update", "KB of a repaint", "lag p99 ms")


@dataclass(frozen=True, slots=True)
class Case:
    """How a run is, how it is looked at, in terminals of which sizes, and what is pressed first."""

    name: str
    sizes: tuple[tuple[int, int], ...] = (LARGE,)
    matrix: bool = False
    trains: bool = True
    over: bool = False
    options: tuple[str, ...] = ()
    keys: bytes = b""


CASES = (
    Case("live: plane and curves", (LARGE, SMALL)),
    Case("live, with a 64 × 64 heatmap that moves", (LARGE, SMALL), matrix=True),
    Case("live, `--low-bandwidth`", (LARGE, SMALL), options=("--low-bandwidth",)),
    Case("live, held", keys=b" "),
    Case("live, nothing new", trains=False),
    Case("finished", trains=False, over=True),
)


def rows(folder: Path) -> Iterator[list[str]]:
    """A row for each case and size of the terminal."""
    install(folder / "site")
    for number, case in enumerate(CASES):
        for size in case.sizes:
            training = Training(folder / "runs", f"case-{number}-{size[0]}", gradients=True, matrix=case.matrix)
            training.measure(BEFORE)
            if case.over:
                training.end()
            yield [case.name, f"{size[0]}×{size[1]}", *_watched(training, case, size, folder)]
            if not case.over:
                training.close()


def growing(training: Training, folder: Path) -> list[str]:
    """The same cells of a long run that goes on."""
    return ["160×45", *_watched(training, CASES[0], LARGE, folder)]


def _watched(training: Training, case: Case, size: tuple[int, int], folder: Path) -> list[str]:
    lags = folder / "lags.json"
    screen = Screen(training.run.path, size, *case.options, plugins=folder / "site", lags=lags)
    screen.see(first_chart)
    screen.settle()
    if case.keys:
        screen.keys(case.keys)
        screen.read(1)
    second = partial(_second, screen, training) if case.trains else partial(screen.read, 1.0)
    cpu, sent = screen.cpu, [second() for _ in range(SECONDS)]
    cpu = 1e3 * (screen.cpu - cpu) / SECONDS
    updates = [s.plain for s in sent if s.plain]
    cells = [f"{cpu:.1f}", *(f"{_mean(kind):.2f}" for kind in ([s.plain for s in sent], [s.packed for s in sent]))]
    cells.append(f"{statistics.median(updates) / 1e3:.2f}" if updates else "–")
    cells.append(f"{_repaint(screen, size):.1f}")
    cells.append(f"{_late(screen, second, lags):.1f}")
    return cells


def _second(screen: Screen, training: Training) -> Sent:
    """A second of training as it is seen."""
    training.measure()
    first = screen.read(0.5)
    training.progress(0.5)
    then = screen.read(0.5)
    return Sent(first.plain + then.plain, first.packed + then.packed)


def _mean(values: list[int]) -> float:
    return sum(values) / len(values) / 1e3


def _repaint(screen: Screen, size: tuple[int, int]) -> float:
    """KB of a whole new picture, which is what a screen that keeps no account of its cells would send every time."""
    sizes: list[int] = []
    for _ in range(REPAINTS):
        screen.resize(size[0] - 1, size[1])
        screen.read(0.6)
        screen.resize(*size)
        sizes.append(screen.read(0.6).plain)
    return statistics.median(sizes) / 1e3


def _late(screen: Screen, second: Callable[[], Sent], lags: Path) -> float:
    """What 99 % of the looks at the event loop are below, in milliseconds; the application measures it while D is open."""
    screen.keys(b"D")
    for _ in range(LAG_SECONDS):
        second()
    screen.leave()
    late = sorted(json.loads(lags.read_text()))
    return 1e3 * late[int(0.99 * len(late))]
