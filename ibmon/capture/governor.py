"""What the monitor costs the training, and whether the default schedule has to be thinned to stay under the budget."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ibmon.schedules import Schedule

GRACE_SECONDS = 0.5
"""Seconds that the monitor may take even where they are more than the budget: in runs so short that it hardly matters."""
MOST_LEVELS = 6


@dataclass(slots=True)
class Governor:
    """Meters the time spent in the monitor on the training thread and thins the default schedule to nested subsets."""

    budget: float = 0.03
    level: int = 0
    spent: float = 0.0
    started: float = field(default_factory=time.perf_counter)
    captures: int = 0
    capture_seconds: float = 0.0
    _depth: int = 0

    @contextmanager
    def metered(self, *, capture: bool = False, further: bool = False) -> Generator[None]:
        """Count the block's wall time as the monitor's; nested blocks count once.

        ``capture`` makes it a snapshot's, ``further`` what the last snapshot costs beside that.
        """
        begin = time.perf_counter()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            took = time.perf_counter() - begin
            if self._depth == 0:
                self.spent += took
            self.captures += capture
            if capture or further:
                self.capture_seconds += took

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.started

    @property
    def overhead(self) -> float:
        """Share of the training's own wall time."""
        return self.spent / max(self.elapsed - self.spent, 1e-9)

    def thin(self, schedule: Schedule, at: int, total: int | None) -> bool:
        """Raise the level when the snapshots still to come would break the budget. True when it did.

        With a known length the costs to come are projected against the training time to come; without one, what was spent is
        held against what has passed.
        """
        if not schedule.thinnable or self.level >= MOST_LEVELS or not self.captures or at <= 0:
            return False
        training = max(self.elapsed - self.spent, 1e-9)
        cost = self.capture_seconds / self.captures
        if total and total > at:
            expected = self.spent + cost * schedule.count(at, total, self.level)
            allowed = max(self.budget * training / at * total, GRACE_SECONDS)
        else:
            expected, allowed = self.spent, max(self.budget * training, GRACE_SECONDS)
        if expected <= allowed:
            return False
        self.level += 1
        return True
