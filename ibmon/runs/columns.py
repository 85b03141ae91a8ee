"""Columns that grow row by row: what the history of a run is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_AT_ONCE = 4096
"""Rows that wait as Python objects before they become part of the arrays: one append a row is all that reading costs."""
_NAMES = ("step", "epoch", "value", "lower", "upper")


class Row(NamedTuple):
    """What one snapshot adds to a series: numbers, or arrays of the series' shape, or None."""

    value: Any
    lower: Any = None
    upper: Any = None
    flags: Mapping[str, Any] = {}
    details: Mapping[str, Any] = {}


class Column:
    """A growing array of rows that all have one shape."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, blank: Any) -> None:
        self._data = np.full((16, *shape), blank, dtype)
        self._blank = blank
        self._size = 0

    def extend(self, rows: Sequence[Any]) -> None:
        """Append rows; None is the blank."""
        end = self._size + len(rows)
        self._reserve(end)
        if self._data.ndim == 1:
            blank = self._blank
            self._data[self._size : end] = [blank if row is None else row for row in rows]
        else:
            for at, row in enumerate(rows, start=self._size):
                self._data[at] = self._blank if row is None else row
        self._size = end

    def put(self, at: int, row: Any) -> None:
        self._data[at] = row

    def extend_to(self, size: int) -> None:
        """Append blanks."""
        self._reserve(size)
        self._size = max(self._size, size)

    def _reserve(self, size: int) -> None:
        if size > len(self._data):
            grown = np.full((max(size, 2 * len(self._data)), *self._data.shape[1:]), self._blank, self._data.dtype)
            grown[: self._size] = self._data[: self._size]
            self._data = grown

    def view(self) -> NDArray[Any]:
        rows = self._data[: self._size]
        rows.flags.writeable = False
        return rows


class Columns:
    """The columns of one series. Rows arrive in the order of the log and are sorted by (segment, seq) when read."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.size = 0
        self._order = Column((2,), np.int64, 0)
        self._columns = {
            name: Column(() if name in ("step", "epoch") else shape, *((np.int64, 0) if name == "step" else (np.float64, np.nan)))
            for name in _NAMES
        }
        self._flags: dict[str, Column] = {}
        self._details: dict[str, Column] = {}
        self._waiting: list[tuple[tuple[int, int], int, float | None, Row]] = []
        self._sorted = True
        self._last = (-1, -1)

    def push(self, order: tuple[int, int], step: int, epoch: float | None, row: Row) -> None:
        if order < self._last:
            self._sorted = False
        else:
            self._last = order
        self._waiting.append((order, step, epoch, row))
        self.size += 1
        if len(self._waiting) >= _AT_ONCE:
            self._settle()

    def _settle(self) -> None:
        """Make the rows that wait part of the arrays."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        first = self.size - len(waiting)
        orders, steps, epochs, rows = zip(*waiting, strict=True)
        values, lower, upper, flags, details = zip(*rows, strict=True)
        self._order.extend(orders)
        for name, given in zip(_NAMES, (steps, epochs, values, lower, upper), strict=True):
            self._columns[name].extend(given)
        for kind, given, blank in ((self._flags, flags, (np.bool_, False)), (self._details, details, (np.float64, np.nan))):
            for at, beside in enumerate(given, start=first):
                for name, value in beside.items():
                    if name not in kind:
                        kind[name] = Column(self.shape, *blank)
                        kind[name].extend_to(first)
                    kind[name].extend_to(at + 1)
                    kind[name].put(at, value)
            for column in kind.values():
                column.extend_to(self.size)

    def columns(self) -> dict[str, Any]:
        """Read-only arrays by name, sorted; those of flags and details by their own names."""
        self._settle()
        out: dict[str, Any] = {name: column.view() for name, column in self._columns.items()}
        rows = self._order.view()
        out["segment"], out["seq"] = rows[:, 0], rows[:, 1]
        flags, details = ({name: column.view() for name, column in kind.items()} for kind in (self._flags, self._details))
        if not self._sorted:
            by = np.lexsort((rows[:, 1], rows[:, 0]))
            out = {name: column[by] for name, column in out.items()}
            flags, details = ({name: column[by] for name, column in kind.items()} for kind in (flags, details))
        if self.size and out["segment"][0] != out["segment"][-1]:
            kept = _valid(out["segment"], out["step"])
            out = {name: column[kept] for name, column in out.items()}
            flags, details = ({name: column[kept] for name, column in kind.items()} for kind in (flags, details))
        epoch = out["epoch"]
        if len(epoch) and np.isfinite(epoch[-1]) and np.isnan(epoch[0]):
            # The untrained network was taken before the training said that it counts epochs.
            out["epoch"] = np.where(np.isnan(epoch) & (out["step"] == 0), 0.0, epoch)
        return {**out, "flags": flags, "details": details}


def _valid(segment: NDArray[np.int64], step: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows (rows,), sorted by segment, hold: a trainer that began again trained anew everything from its first step on."""
    first = np.append(np.minimum.accumulate(step[::-1])[::-1], np.iinfo(np.int64).max)
    return step < first[np.searchsorted(segment, segment, side="right")]
