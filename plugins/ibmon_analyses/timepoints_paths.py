"""Series over the axis time taken apart: a path for each timepoint, in one pass for all of them. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ibmon import Series, Trajectory

from .information_plane_curves import raised


def times_of(series: Series) -> np.ndarray:
    """The timepoints (times,)."""
    return np.asarray(series.axes["time"], np.float64)


def by_time(series: Series, values: np.ndarray) -> np.ndarray:
    """A column of a series (points, *axes) as (times, points), or (times, points, replicas)."""
    return np.ascontiguousarray(np.moveaxis(values, 1 + list(series.axes).index("time"), 0))


def middle(values: np.ndarray) -> np.ndarray:
    """The median over replicas: (times, points, replicas) to (times, points); (times, points) stays as it is."""
    return np.median(values, axis=2) if values.ndim == 3 else values


def flags_by_time(parts: Sequence[tuple[Series, np.ndarray]]) -> list[tuple[tuple[str, ...], ...]]:
    """For each timepoint and each point the names of the flags that any of the series raises in its row, for any replica."""
    names = sorted({name for series, _ in parts for name in series.flags})
    first, rows = parts[0]
    codes = np.zeros((len(first.axes["time"]), len(rows)), np.int64)
    for bit, name in enumerate(names):
        for series, at in parts:
            if name in series.flags:
                flag = by_time(series, series.flags[name][at])
                codes |= (flag if flag.ndim == 2 else flag.any(axis=2)).astype(np.int64) << bit
    words = {code: tuple(name for bit, name in enumerate(names) if code >> bit & 1) for code in np.unique(codes).tolist()}
    return [tuple(map(words.__getitem__, row)) for row in codes.tolist()]


def paths(x: Series, y: Series) -> tuple[Trajectory, ...]:
    """A trajectory for each timepoint that has a value at some step; replicas as their median and the single networks.

    Both series have the same axes. Open are points that are ``saturated`` in x, or in y ``label_saturated`` (``saturated``,
    where it is not about labels), for most of the replicas. Bounds are left out: those of hundreds of timepoints hide the paths.
    """
    steps, in_x, in_y = np.intersect1d(x.step, y.step, return_indices=True)
    if not len(steps):
        return ()
    all_x, all_y = by_time(x, x.value[in_x]), by_time(y, y.value[in_y])
    members = all_x.ndim == 3
    value_x, value_y = middle(all_x), middle(all_y)
    flag = "label_saturated" if y.quantity == "I(H_t;Y)" else "saturated"
    hollow = by_time(x, raised(x, "saturated")[in_x]) | by_time(y, raised(y, flag)[in_y])
    hollow = 2 * hollow.sum(axis=2) > hollow.shape[2] if members else hollow
    details_x, details_y = _details(x, in_x), _details(y, in_y)
    flags = flags_by_time([(x, in_x), (y, in_y)])
    epoch = x.epoch[in_x]
    known = np.flatnonzero(np.any(np.isfinite(value_x) & np.isfinite(value_y), axis=1)).tolist()
    times = times_of(x).tolist()
    return tuple(
        Trajectory(
            label=f"t{times[t]:g}",
            x=value_x[t],
            y=value_y[t],
            step=steps,
            epoch=epoch,
            hollow=hollow[t],
            flags=flags[t],
            estimator=x.estimator,
            x_details={name: detail[t] for name, detail in details_x.items()},
            y_details={name: detail[t] for name, detail in details_y.items()},
            members_x=all_x[t] if members else None,
            members_y=all_y[t] if members else None,
            position=times[t],
        )
        for t in known
    )


def _details(series: Series, rows: np.ndarray) -> Mapping[str, np.ndarray]:
    return {name: middle(by_time(series, values[rows])) for name, values in series.details.items()}
