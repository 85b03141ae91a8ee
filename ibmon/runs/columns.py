"""Columns that grow row by row: what the history of a run is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class Row(NamedTuple):
    """What one snapshot adds to a series: arrays of the series' shape, or None."""

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

    def push(self, row: Any) -> None:
        if self._size == len(self._data):
            grown = np.full((2 * self._size, *self._data.shape[1:]), self._blank, self._data.dtype)
            grown[: self._size] = self._data
            self._data = grown
        self._data[self._size] = row
        self._size += 1

    def extend_to(self, size: int) -> None:
        while self._size < size:
            self.push(self._blank)

    def view(self) -> NDArray[Any]:
        rows = self._data[: self._size]
        rows.flags.writeable = False
        return rows


class Columns:
    """The columns of one series. Rows arrive in the order of the log and are sorted by (segment, seq) when read."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.order = Column((2,), np.int64, 0)
        self.step = Column((), np.int64, 0)
        self.epoch = Column((), np.float64, np.nan)
        self.value = Column(shape, np.float64, np.nan)
        self.lower = Column(shape, np.float64, np.nan)
        self.upper = Column(shape, np.float64, np.nan)
        self.flags: dict[str, Column] = {}
        self.details: dict[str, Column] = {}
        self.size = 0
        self.sorted = True
        self._last = (-1, -1)

    def push(self, order: tuple[int, int], step: int, epoch: float | None, row: Row) -> None:
        self.sorted = self.sorted and order >= self._last
        self._last = max(order, self._last)
        self.order.push(order)
        self.step.push(step)
        self.epoch.push(np.nan if epoch is None else epoch)
        self.value.push(row.value)
        self.lower.push(np.nan if row.lower is None else row.lower)
        self.upper.push(np.nan if row.upper is None else row.upper)
        for kind, given in ((self.flags, row.flags), (self.details, row.details)):
            for name, values in given.items():
                if name not in kind:
                    kind[name] = Column(self.shape, *((np.bool_, False) if kind is self.flags else (np.float64, np.nan)))
                    kind[name].extend_to(self.size)
                kind[name].push(values)
        self.size += 1
        for column in (*self.flags.values(), *self.details.values()):
            column.extend_to(self.size)

    def columns(self) -> dict[str, Any]:
        out: dict[str, Any] = {n: getattr(self, n).view() for n in ("step", "epoch", "value", "lower", "upper")}
        flags, details = ({name: column.view() for name, column in kind.items()} for kind in (self.flags, self.details))
        if not self.sorted:
            rows = self.order.view()
            by = np.lexsort((rows[:, 1], rows[:, 0]))
            out = {name: column[by] for name, column in out.items()}
            flags, details = ({name: column[by] for name, column in kind.items()} for kind in (flags, details))
        epoch = out["epoch"]
        if np.isfinite(epoch).any():
            # The untrained network was taken before the training said that it counts epochs.
            out["epoch"] = np.where(np.isnan(epoch) & (out["step"] == 0), 0.0, epoch)
        return {**out, "flags": flags, "details": details}
