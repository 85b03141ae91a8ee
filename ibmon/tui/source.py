"""One run as it is read: its history, and the figures of it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from ibmon.figures.figure import Figure
    from ibmon.runs.directory import RunDirectory
    from ibmon.runs.history import Coordinate, History

_QUICK = 0.01
"""Seconds of the processor that building the figures may take at every tick."""
_REST = 100.0
"""Beyond that they are built anew after so many times as long: for a hundredth of a processor, however long the run is."""
_MOST = 15.0
"""Seconds after which they are in any case."""


class Source:
    """Reads one run and builds its figures, both in the feed's thread. Raises IbmonError when the run is none."""

    def __init__(self, run: RunDirectory) -> None:
        from ibmon.runs.reading import HistoryReader

        self.run = run
        self.reader = HistoryReader(run)
        self.figures: tuple[Figure, ...] = ()
        self.failures: tuple[str, ...] = ()
        self.steps: np.ndarray | None = None
        """Every step that can be looked at."""
        self._measured = self._logged = self._curves = -1
        self._rested = 0.0
        self._whole = False
        self._replica: Coordinate | None = None
        self._then: tuple[int, int, Coordinate | None, tuple[Figure, ...]] | None = None

    @property
    def history(self) -> History:
        return self.reader.history()

    @property
    def bytes(self) -> tuple[int, int]:
        """How much of the logs has been read, and how much there is."""
        files = (*self.run.logs("trainer"), *self.run.logs("analyst"))
        return self.reader.offset, sum(_size(path) for path in files)

    def build(self, replica: Coordinate | None = None, *, now: bool = False) -> None:
        """Bring the figures in line with the history where it has new values: with that of all networks, or of a single one.

        Where that takes long it waits for a while, unless ``now``, for another network than before, or when all of the run has
        been read for the first time. Raises NotFoundError for a network that the run does not have.
        """
        if replica != self._replica:
            self._measured, self._replica, now = -1, replica, True
        history = self.history
        measured, logged = (sum(len(s.step) for s in some) for some in (history.series, history.scalars.values()))
        now = now or (self.reader.complete and not self._whole)
        self._whole = self._whole or self.reader.complete
        if (measured, logged) == (self._measured, self._logged) or not (now or time.monotonic() >= self._rested):
            return
        from ibmon.figures.build import build_figures, training_curves

        began = time.thread_time()
        curves = training_curves(history)
        if measured == self._measured and len(curves) == self._curves:
            # Losses come more often than measurements: what the analyses draw stays the same and is not drawn again.
            kept = len(self.figures) - len(curves)
            named = zip(curves, self.figures[kept:], strict=True)
            self.figures = (*self.figures[:kept], *(replace(new, name=old.name) for new, old in named))
        else:
            figures, failures = build_figures(_of(history, replica))
            self.figures, self.failures = tuple(figures), tuple(failures)
        self._measured, self._logged, self._curves = measured, logged, len(curves)
        self.steps = _steps(history)
        # What is built at once may be built for the first time, which imports the plugins: that says nothing of the next time.
        took = 0.0 if now else time.thread_time() - began
        self._rested = time.monotonic() + min(_REST * max(0.0, took - _QUICK), _MOST)

    def then(self, step: int) -> tuple[Figure, ...]:
        """The figures as they were at a step, of the networks that were built last."""
        asked = (step, self._measured, self._replica)
        if self._then is None or self._then[:3] != asked:
            from ibmon.figures.build import build_figures
            from ibmon.runs.history import thin

            history = _of(self.history, self._replica)
            series = tuple(s for s in (thin(s, step) for s in history.series) if len(s.step))
            self._then = (*asked, tuple(build_figures(replace(history, series=series))[0]))
        return self._then[3]


def _of(history: History, replica: Coordinate | None) -> History:
    from ibmon.runs.history import of_replica

    return history if replica is None else of_replica(history, replica)


def _steps(history: History) -> np.ndarray | None:
    """The steps of measurements, else those of what was logged."""
    steps = history.steps
    if len(steps) or not history.scalars:
        return steps
    import numpy as np

    return np.unique(np.concatenate([s.step for s in history.scalars.values()]))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
