"""What the terminal can do, and what it costs to draw on it."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.drivers.linux_driver import LinuxDriver

from .rows import Row, Rows, width_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.timer import Timer

    from .feed import Frame
    from .look import Look, Role

_KEPT = 200
_BEAT = 0.1
"""Seconds between two looks at the event loop; what it is late is its lag."""


class Meter:
    """Counts what is sent and how long drawing takes; the one of the process is ``METER``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.bytes = 0
        self._sent: deque[tuple[float, int]] = deque(maxlen=2000)
        self.charts: deque[float] = deque(maxlen=_KEPT)
        self.lags: deque[float] = deque(maxlen=_KEPT)

    def sent(self, count: int) -> None:
        self.bytes += count
        self._sent.append((self._clock(), count))

    def rate(self, seconds: float = 5.0) -> float:
        """Bytes a second over the last few of them."""
        since = self._clock() - seconds
        return sum(count for at, count in self._sent if at >= since) / seconds


METER = Meter()


class MeteredDriver(LinuxDriver):
    """Textual's own driver, counting what it writes."""

    def write(self, data: str) -> None:
        METER.sent(len(data.encode("utf-8", "replace")))
        super().write(data)


class Diagnostics(Rows):
    """A box over the corner of the screen; nothing is measured for it while it is closed, but for bytes."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._frame: Frame | None = None
        self._beat: Timer | None = None
        self._expected = 0.0
        self._results: deque[tuple[float, int]] = deque(maxlen=60)

    def show(self, frame: Frame | None) -> None:
        self._frame = frame
        if frame is not None:
            self._results.append((time.monotonic(), frame.results))

    def watch(self, on: bool) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Open or close the box."""
        self.display = on
        if on and self._beat is None:
            self._expected = time.monotonic() + _BEAT
            self._beat = self.set_interval(_BEAT, self._take_beat)
            self.set_interval(1.0, self.update)
        self.update()

    def _take_beat(self) -> None:
        now = time.monotonic()
        METER.lags.append(max(0.0, now - self._expected))
        self._expected = now + _BEAT

    def facts(self) -> list[tuple[str, str]]:
        """Name and value of everything in the box."""
        environment = os.environ
        width, height = self.app.size
        through = " ".join(
            name for name, key in (("tmux", "TMUX"), ("ssh", "SSH_CONNECTION"), ("screen", "STY")) if key in environment
        )
        first, last = (self._results[0], self._results[-1]) if self._results else ((0.0, 0), (0.0, 0))
        a_second = (last[1] - first[1]) / (last[0] - first[0]) if last[0] > first[0] else 0.0
        return [
            ("TERM", environment.get("TERM", "not set") + (f" in {through}" if through else "")),
            ("colours", f"{_DEPTHS[self.look.depth]}, {self.look.shade}, map {self.look.colours}"),
            ("size", f"{width} × {height}, {getattr(sys.stdout, 'encoding', '')}"),
            ("sent", f"{METER.rate() / 1000:.1f} kB/s, {METER.bytes / 1e6:.2f} MB in all"),
            ("a chart", _spread(METER.charts)),
            ("loop lag", _spread(METER.lags)),
            ("results", f"{a_second:.1f} a second, {last[1]} read"),
            ("memory", f"{_memory():.0f} MB"),
        ]

    def build(self, width: int, height: int) -> list[Row]:
        style = self.look.style
        lines: list[list[tuple[str, Role]]] = [[(f"{name:>9}  ", "dim"), (value, "text")] for name, value in self.facts()]
        rows: list[Row] = [[self.piece("╭─ diagnostics " + "─" * max(0, width - 16) + "╮", style("accent"))]]
        for line in lines:
            row: Row = [self.piece("│", style("accent")), *(self.piece(text, style(role)) for text, role in line)]
            rows.append([*row, self.piece(" " * max(0, width - 1 - width_of(row)) + "│", style("accent"))])
        foot = " D closes "
        rows.append([self.piece("╰" + "─" * max(0, width - len(foot) - 3) + foot + "─╯", style("accent"))])
        return rows


_DEPTHS = {"true": "16 million", "256": "256", "16": "16", "none": "none"}


def _spread(seconds: Any) -> str:
    if not seconds:
        return "–"
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return f"{1e3 * statistics.median(ordered):.1f} ms, 99 % below {1e3 * late:.1f} ms"


def _memory() -> float:
    """Resident megabytes of this process; the largest so far where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
