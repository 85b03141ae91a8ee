"""How soon a run is on the screen, however long it is; a part of ``terminal.py``."""

from __future__ import annotations

import statistics
from pathlib import Path

from terminal_cost import HEAD as LIVE_HEAD
from terminal_cost import growing
from terminal_watch import LAYERS, Screen, Training, complete, first_chart, first_paint

REPEATS = 5
SNAPSHOTS = (5, 8_334, 83_334)
HEAD = ("measurements", "logs MB", "first paint s", "first chart s", "complete s", "CPU s", "peak MiB")
HEAD_GROWING = ("measurements", *LIVE_HEAD[1:])


def rows(folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """How runs of several lengths open, and what it costs to watch the long ones go on."""
    opened: list[list[str]] = []
    watched: list[list[str]] = []
    for snapshots in SNAPSHOTS:
        training = Training(folder / "runs", f"long-{snapshots}")
        training.measure(snapshots)
        size = sum(path.stat().st_size for path in training.run.path.glob("*.jsonl")) / 1e6
        count = f"{2 * len(LAYERS) * snapshots:,}".replace(",", " ")
        found = [_opened(training) for _ in range(REPEATS)]
        middle = [statistics.median(numbers) for numbers in zip(*found, strict=True)]
        opened.append([count, f"{size:.1f}", *(f"{number:.2f}" for number in middle[:-1]), f"{middle[-1]:.0f}"])
        if snapshots > 1000:
            watched.append([count, *growing(training, folder)])
        training.close()
    return opened, watched


def _opened(training: Training) -> tuple[float, ...]:
    """Seconds to the first paint, to the first chart and until all is read; CPU seconds and peak memory by then."""
    screen = Screen(training.run.path, (160, 45))
    try:
        times = [screen.see(what) for what in (first_paint, first_chart, complete)]
        used = screen.cpu, screen.peak
        screen.settle()
        return (*times, *used)
    finally:
        screen.kill()
