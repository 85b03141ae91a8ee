"""What compared runs differ in: the newest values as a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .figure import Curves, Figure, Plane, Table, View
from .view import number, positions_of, shown_length, shown_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FIGURE = "figure "


@dataclass(frozen=True, slots=True)
class _Key:
    """What a row is of. ``source`` is the estimator, or else the figure; ``unit`` that of the place of a value.

    ``by`` is what the series of a figure have a position on: all of them are one mean, and the last of them.
    """

    quantity: str
    series: str
    source: str
    unit: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class _End:
    """A newest value and the epoch, step or other place it belongs to; with its networks, or else with its band.

    ``in_training`` is False where the place says what the value is of, as at the end of a curve over time.
    """

    value: float
    place: float
    members: np.ndarray | None = None
    band: tuple[float, float] | None = None
    in_training: bool = True

    @property
    def text(self) -> str:
        band = self.band
        if self.members is not None and self.members.size:
            with np.errstate(invalid="ignore", over="ignore"):
                low, high = np.percentile(self.members, (10, 90)).tolist()
            band = low, high
        if band is None or not np.isfinite(band).all():
            return number(self.value)
        return f"{number(self.value)} ({number(band[0], 3)}–{number(band[1], 3)})"


_Newest = dict[_Key, dict[float, _End]]
"""The newest values of a run by their positions; a series without one has a single value."""
_Row = tuple[_Key, list[_End | None]]


def differences(runs: Mapping[str, Sequence[Figure]], until: int | None = None) -> Table | None:
    """The newest value of every series that at least two runs have, and how far each run is from the first.

    Series with positions, such as timepoints, are two rows a figure: the mean over the positions that all these runs have, and
    the last of them. What several figures show of one estimator is one row; companions without a name of their own (a null) are
    left out. With ``until`` the newest value is that of the last point up to this step.
    """
    newest = [_newest(figures, until) for figures in runs.values()]
    found = list(_rows(newest))
    kept = [(key, ends) for key, ends in found if sum(end is not None for end in ends) > 1]
    if not kept:
        return None
    rows = [_said(key, ends) for key, ends in kept]
    first, *others = runs
    columns = ("quantity", "series", first, *others, *(f"{run} − {first}" for run in others), "at", "estimator")
    filled = [k for k in range(len(columns)) if k < len(columns) - 2 or any(row[k] for row in rows)]
    columns, rows = tuple(columns[k] for k in filled), [tuple(row[k] for k in filled) for row in rows]
    banded = any("(" in cell for row in rows for cell in row[2 : 2 + len(runs)])
    notes = ["newest values"]
    notes += [f"of each {by} that all have the mean, and the last" for by in dict.fromkeys(key.by for key, _ in kept if key.by)]
    notes += ["in brackets 10–90 % of the networks, or the band of the curve"] if banded else []
    notes += [f"left out: {len(found) - len(kept)} that only one run has"] if len(found) > len(kept) else []
    return Table(
        name="differences",
        title="differences",
        screen="compare",
        note="; ".join(notes),
        columns=columns,
        rows=tuple(rows),
    )


def _said(key: _Key, ends: Sequence[_End | None]) -> tuple[str, ...]:
    """The cells of a row: values, how far apart they are, where that is to be said, and by what they were estimated."""
    places = [number(end.place, 6) if end else "–" for end in ends]
    different = sorted(set(places) - {"–"})
    of_place = not all(end.in_training for end in ends if end)
    at = f"{key.unit} {' / '.join(places) if len(different) > 1 else different[0]}" if len(different) > 1 or of_place else ""
    first = ends[0]
    apart = (f"{end.value - first.value:+.3g}" if end and first else "–" for end in ends[1:])
    by = "" if key.source.startswith(_FIGURE) else key.source
    return (key.quantity, key.series, *(end.text if end else "–" for end in ends), *apart, at, by)


def _rows(newest: Sequence[_Newest]) -> Iterator[_Row]:
    """A row for each series; two for what has positions, both of those that all runs have which have any."""
    for key in dict.fromkeys(key for each in newest for key in each):
        found = [each.get(key) for each in newest]
        common = sorted(set[float].intersection(*(set(ends) for ends in found if ends)))
        if not key.by or not common:
            yield key, [next(iter(ends.values())) if ends and common else None for ends in found]
            continue
        words = f"mean of {len(common)}", f"last, {number(common[-1], 6)}"
        for text, places in zip(words, (common, common[-1:]), strict=True):
            means = [_mean([ends[place] for place in places]) if ends else None for ends in found]
            yield replace(key, series=f"{text} · {key.series}"), means


def _mean(ends: Sequence[_End]) -> _End:
    """The mean of the values, and of every network where all have the same number of them."""
    members = [end.members for end in ends if end.members is not None]
    alike = len(members) == len(ends) and len({len(each) for each in members}) == 1
    with np.errstate(invalid="ignore", over="ignore"):
        return _End(
            float(np.mean([end.value for end in ends])),
            max(end.place for end in ends),
            np.mean(members, axis=0) if alike else None,
            ends[0].band if len(ends) == 1 else None,
        )


def _newest(figures: Sequence[Figure], until: int | None) -> _Newest:
    view = View(until=until)
    out: _Newest = {}
    for figure in figures:
        if not isinstance(figure, Plane | Curves):
            continue
        places = positions_of(figure)
        known = places[np.isfinite(places)]
        # Several series at one position are not told apart by it.
        placed = figure.positions is not None and len(known) > 1 and len(np.unique(known)) == len(known)
        by = (figure.positions.label if figure.positions is not None else "") or "position"
        ends = _ends_in_plane(figure, view) if isinstance(figure, Plane) else _ends_in_curves(figure, view)
        for i, key, end in ends:
            place = float(places[i])
            if placed and np.isfinite(place):
                # Such series are named by their position alone: their figure says what they are of.
                out.setdefault(replace(key, series=figure.title, by=by), {})[place] = end
            else:
                out[key] = {0.0: end}
    return out


_Found = tuple[int, _Key, _End]
"""The number of a series, its key and its newest value."""


def _ends_in_plane(figure: Plane, view: View) -> Iterator[_Found]:
    for i, t in enumerate(figure.trajectories):
        source = t.estimator or _FIGURE + figure.name
        for k in shown_points(t, view)[-1:].tolist():
            for axis, values, members in ((figure.x, t.x, t.members_x), (figure.y, t.y, t.members_y)):
                end = _End(float(values[k]), float(t.epoch[k]), None if members is None else members[k])
                yield i, _Key(axis.label, t.label, source, "epoch"), end


def _ends_in_curves(figure: Curves, view: View) -> Iterator[_Found]:
    for i, line in enumerate(figure.lines):
        if line.unnamed:
            continue
        y = line.y[: shown_length(line, view)]
        for k in np.flatnonzero(np.isfinite(y) & np.isfinite(line.x[: len(y)]))[-1:].tolist():
            band = None if line.lower is None or line.upper is None else (float(line.lower[k]), float(line.upper[k]))
            in_training = line.step is not None or figure.x.label.startswith(("epoch", "step"))
            label = line.label if in_training else f"{line.label} · {figure.title}"  # its place is no name of a layer
            key = _Key(figure.y.label, label, line.estimator or _FIGURE + figure.name, figure.x.label)
            yield i, key, _End(float(y[k]), float(line.x[k]), band=band, in_training=in_training)
