"""When snapshots are taken. The untrained network (0) and the last one always are, whatever the schedule says."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ibmon.records import UsageError

Unit = Literal["auto", "epochs", "steps"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Points in epochs or optimizer steps; ``auto`` means epochs where ``Monitor.epochs`` is used, else steps.

    Exactly one of ``per_decade``, ``interval``, ``points`` is set. Only the log-spaced schedule may be thinned by the governor,
    and only where the user did not ask for it: runs with explicit schedules must stay comparable over seeds.
    """

    unit: Unit = "auto"
    per_decade: int = 0
    interval: int = 0
    points: tuple[int, ...] = ()
    thinnable: bool = False

    def due(self, at: int, level: int = 0) -> bool:
        """Whether a snapshot is due after ``at`` epochs or steps; at thinning level n every 2**n-th point is kept."""
        if at <= 0:
            return False
        if self.interval:
            return at % self.interval == 0
        points = self._known(at)
        i = bisect_left(points, at)
        return i < len(points) and points[i] == at and i % 2**level == 0

    def after(self, at: int, level: int = 0) -> int | None:
        """The next point after ``at``; None when there is none."""
        if self.interval:
            return (at // self.interval + 1) * self.interval
        points = self._known(100 * max(at, 1))
        for i in range(bisect_right(points, at), len(points)):
            if i % 2**level == 0 and points[i] > 0:
                return points[i]
        return None

    def count(self, since: int, until: int, level: int = 0) -> int:
        """How many points lie in (since, until]."""
        if self.interval:
            return until // self.interval - since // self.interval
        points = self._known(until)
        first, last = bisect_right(points, since), bisect_right(points, until)
        return sum(1 for i in range(first, last) if i % 2**level == 0)

    def _known(self, until: int) -> tuple[int, ...]:
        return _log_points(self.per_decade, len(str(until)) + 1) if self.per_decade else self.points

    def __str__(self) -> str:
        unit = "" if self.unit == "auto" else self.unit
        if self.per_decade:
            return f"log:{self.per_decade}{unit}"
        if self.interval:
            return f"every:{self.interval}{unit}"
        return f"at:{','.join(map(str, self.points))}{unit}"


@lru_cache(maxsize=32)
def _log_points(per_decade: int, decades: int) -> tuple[int, ...]:
    return tuple(sorted({round(10 ** (k / per_decade)) for k in range(per_decade * decades + 1)}))


def log_spaced(per_decade: int = 40, unit: Unit = "auto") -> Schedule:
    """Dense at the start, where networks change most: ``per_decade`` points between 10 and 100, and so on."""
    return Schedule(unit, per_decade=per_decade)


def every(n: int, unit: Unit = "auto") -> Schedule:
    """Every ``n`` epochs or steps."""
    return Schedule(unit, interval=n)


def explicit(points: tuple[int, ...] | list[int], unit: Unit = "auto") -> Schedule:
    """Exactly these epochs or steps."""
    return Schedule(unit, points=tuple(sorted(set(points))))


DEFAULT = Schedule(per_decade=40, thinnable=True)


def parse(text: str) -> Schedule:
    """``log``, ``log:40``, ``every:10``, ``at:1,10,100``, each with ``epochs`` or ``steps`` behind it. Raises UsageError."""
    if not text:
        return DEFAULT
    kind, _, rest = text.strip().partition(":")
    unit: Unit = "auto"
    for word in ("epochs", "steps"):
        for ending in (word, word[:-1]):
            if rest.endswith(ending):
                unit, rest = word, rest[: -len(ending)].strip()
                break
    try:
        if kind == "log":
            schedule = log_spaced(int(rest or 40), unit)
        elif kind == "every":
            schedule = every(int(rest), unit)
        elif kind == "at":
            schedule = explicit([int(p) for p in rest.split(",")], unit)
        else:
            raise ValueError
        if kind != "at" and (schedule.per_decade or schedule.interval) < 1:
            raise ValueError
    except ValueError:
        raise UsageError(f"{text!r} is no schedule; say log:40, every:10epochs, every:100steps or at:1,10,100.") from None
    return schedule
