"""Pictures of planes: points by epoch, series, position or run, with the mark of each subject at its newest point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patheffects import withStroke

from .image_parts import (
    COLOURS,
    FAINT,
    RUN_SHAPES,
    colour_of,
    compared,
    draw_bar,
    draw_legend,
    draw_references,
    kept_series,
    plain,
    position_scale,
    run_numbers,
    run_samples,
    say_empty,
    set_axis,
    set_scales,
    told_apart,
    whole_positions,
)
from .view import common_hues, linked, log_part, marks_of, meaning, positive_range, shown_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure as Drawing

    from .figure import Plane, Trajectory, View

MOST_MARKS = 24
"""With more subjects their marks would hide the points."""
_HALO = [withStroke(linewidth=2, foreground="white")]
_WEAKEST = 0.4
"""Strength of the earliest points against the paper where colour does not mean the epoch."""


@dataclass(frozen=True, slots=True)
class _Path:
    """A trajectory as it is drawn: the points ``k`` in ``colours``, and the shape of its run."""

    t: Trajectory
    k: np.ndarray
    own: np.ndarray
    colours: np.ndarray
    run: int
    mark: str


def draw_planes(drawing: Drawing, panels: Sequence[tuple[Axes, Plane]], view: View, ramp: Colormap) -> None:
    """Planes beside each other, with the same limits and the same meaning of colour."""
    every, figures = [axes for axes, _ in panels], [figure for _, figure in panels]
    first, means = figures[0], meaning(figures[0], view)
    scales = set_scales(every, first, view)
    span = _epochs(figures, view)
    places = position_scale(figures) if means == "position" else None
    hues = common_hues([figure.trajectories for figure in figures])
    paths = [_paths(figure, each, view, span, places, ramp) for figure, each in zip(figures, hues, strict=True)]
    for axes, each in zip(every, paths, strict=True):
        if not any(len(path.k) for path in each):
            say_empty(axes)
        elif means == "epoch":
            _links(axes, each, span, ramp)
        for path in each:
            _draw_path(axes, path, by_epoch=means == "epoch", shaped=compared(first))
    if places is not None and first.positions is not None:
        draw_bar(drawing, every, places, ramp, first.positions.label, whole=whole_positions(figures))
    elif means == "epoch" and span[1] > span[0]:
        draw_bar(drawing, every, LogNorm(*span), ramp, "epoch", whole=False)
    _legend(drawing, first, hues[0], view)
    references = [reference for figure in figures for reference in figure.references]
    set_axis(every, "x", first.x, scales[0], view.x_limits, references)
    set_axis(every, "y", first.y, scales[1], view.y_limits, references)
    drawing.draw_without_rendering()
    for (axes, figure), each in zip(panels, paths, strict=True):
        draw_references(axes, figure.references, [p.t.x[p.k] for p in each], [p.t.y[p.k] for p in each])
        _heads(drawing, axes, each, by_epoch=means == "epoch")


def plane_remarks(figure: Plane, view: View) -> list[str]:
    """What a note must say of what is drawn."""
    kept = [(i, figure.trajectories[i]) for i in kept_series(figure, view)]
    marks, told = marks_of(figure), told_apart(figure, view)
    named = {f"{marks[i]} {t.label}" for i, t in kept if not told[i] and not t.label.endswith(marks[i])}
    shown = [(t, _points_of(t, view)) for _, t in kept]
    hollow = any(t.hollow is not None and bool(t.hollow[k].any()) for t, k in shown)
    bounded = any(bound is not None and bool(np.isfinite(bound[k]).any()) for t, k in shown for bound in (t.x_lower, t.y_lower))
    members = any(t.members_x is not None and len(k) for t, k in shown)
    saturated = "small markers" if compared(figure) else "open markers"
    return [
        ", ".join(f"{marks[i]} {figure.trajectories[i].label}" for i, _ in kept) if named and len(kept) <= MOST_MARKS else "",
        "grey points: single networks, of which the others are the median" if members else "",
        f"{saturated}: saturated estimates" if hollow else "",
        "grey bars: bounds at the newest points" if bounded else "",
    ]


def _points_of(t: Trajectory, view: View) -> np.ndarray:
    """Indices of the points that are shown and can be drawn."""
    k = shown_points(t, view)
    return k[(np.abs(t.x[k]) < 1e290) & (np.abs(t.y[k]) < 1e290)]


def _epochs(figures: Sequence[Plane], view: View) -> tuple[float, float]:
    """The first and the last epoch of what is shown."""
    kept = [figure.trajectories[i] for figure in figures for i in kept_series(figure, view)]
    return positive_range(np.concatenate([np.zeros(0), *(t.epoch[_points_of(t, view)] for t in kept)]))


def _paths(
    figure: Plane, hues: Sequence[int], view: View, span: tuple[float, float], places: Normalize | None, ramp: Colormap
) -> list[_Path]:
    means, kept = meaning(figure, view), kept_series(figure, view)
    marks, runs, told = marks_of(figure), run_numbers(figure), told_apart(figure, view)
    paths: list[_Path] = []
    for i in kept:
        t, k = figure.trajectories[i], _points_of(figure.trajectories[i], view)
        part = log_part(t.epoch[k], *span)
        own = colour_of(t, hues[i], runs[i], means, places, ramp)
        strength = (_WEAKEST + (1 - _WEAKEST) * part)[:, None]
        colours = ramp(part)[:, :3] if means == "epoch" else own * strength + (1 - strength)
        paths.append(_Path(t, k, own, colours, runs[i], "" if told[i] or len(kept) > MOST_MARKS else marks[i]))
    return paths


def _links(axes: Axes, paths: Sequence[_Path], span: tuple[float, float], ramp: Colormap) -> None:
    """Thin lines through the layers of each run at a few epochs."""
    for run in dict.fromkeys(path.run for path in paths):
        own = [path for path in paths if path.run == run]
        for step in linked([path.t.step[path.k] for path in own]):
            ends: list[tuple[float, float, float]] = []
            for path in own:
                at = path.k[path.t.step[path.k] == step]
                if len(at):
                    ends.append((float(path.t.x[at[0]]), float(path.t.y[at[0]]), float(path.t.epoch[at[0]])))
            if len(ends) > 1:
                x, y, epoch = np.array(ends).T
                axes.plot(x, y, color=ramp(float(log_part(epoch[:1], *span)[0])), lw=0.7, alpha=0.55, zorder=1.5)


def _draw_path(axes: Axes, path: _Path, *, by_epoch: bool, shaped: bool) -> None:
    """The points of one trajectory; bounds of all where they are few, else of the newest."""
    t, k, colours = path.t, path.k, path.colours
    if not len(k):
        return
    if not by_epoch:
        axes.plot(t.x[k], t.y[k], color=path.own, lw=0.5, alpha=0.3, zorder=1)
    if t.members_x is not None and t.members_y is not None:
        dots: dict[str, Any] = {"color": FAINT if by_epoch else path.own, "alpha": 0.35, "lw": 0, "zorder": 1}
        many = t.members_x[k].size > 4000
        axes.scatter(np.ravel(t.members_x[k]), np.ravel(t.members_y[k]), s=1.5, rasterized=many, **dots)
    saturated = np.zeros(len(k), np.bool_) if t.hollow is None else t.hollow[k].astype(np.bool_)
    shape, hollow = RUN_SHAPES[path.run]
    for chosen, size, white in (
        (~saturated, 9 if shaped else 7, hollow),
        (saturated, 3 if shaped else 8, hollow or not shaped),
    ):
        at, edges = k[chosen], list(colours[chosen])
        axes.scatter(
            t.x[at],
            t.y[at],
            size,
            marker=shape,
            facecolors="white" if white else edges,
            edgecolors=edges,
            lw=0.6 * white,
            zorder=2,
        )
    for at in (k if len(k) <= 12 else k[-1:]).tolist():
        for low, high, along in ((t.x_lower, t.x_upper, "x"), (t.y_lower, t.y_upper, "y")):
            if low is None or high is None or not np.isfinite(low[at] + high[at]):
                continue
            x = [low[at], high[at]] if along == "x" else [t.x[at]] * 2
            y = [low[at], high[at]] if along == "y" else [t.y[at]] * 2
            axes.plot(x, y, color=FAINT, lw=0.6, alpha=0.8, zorder=0.8)


def _legend(drawing: Drawing, figure: Plane, hues: Sequence[int], view: View) -> None:
    """Of a comparison: series by their colours, runs by their shapes."""
    if not compared(figure):
        return
    means, series = meaning(figure, view), dict[str, dict[str, Any]]()
    for i in kept_series(figure, view) if means == "series" else ():
        series[figure.trajectories[i].label] = {"color": COLOURS[hues[i] % len(COLOURS)], "marker": "s", "ms": 3.5, "ls": "none"}
    draw_legend(drawing, series if len(series) > 1 else {}, run_samples(figure, by_run=means == "run", points=True))


def _heads(drawing: Drawing, axes: Axes, paths: Sequence[_Path], *, by_epoch: bool) -> None:
    """The mark of each subject beside its newest point, where no other mark is."""
    taken: list[tuple[float, float]] = []
    unit = drawing.dpi / 72
    offsets = [(0.0, 6.0), (0.0, -6.0), (-7.0, 0.0), (7.0, 0.0), (-6.0, 6.0), (6.0, 6.0), (-6.0, -6.0), (6.0, -6.0), (0.0, 13.0)]
    for path in paths:
        if not len(path.k) or not path.mark:
            continue
        newest = float(path.t.x[path.k[-1]]), float(path.t.y[path.k[-1]])
        x, y = axes.transData.transform(newest)
        if not np.isfinite(x + y):
            continue
        places = [(x + dx * unit, y + dy * unit) for dx, dy in offsets]
        free = [n for n, (px, py) in enumerate(places) if all(abs(px - a) > 6 * unit or abs(py - b) > 7 * unit for a, b in taken)]
        chosen_place = free[0] if free else 0
        taken.append(places[chosen_place])
        axes.annotate(
            plain(path.mark),
            newest,
            xytext=offsets[chosen_place],
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
            fontweight="bold",
            color="black" if by_epoch else path.own,
            path_effects=_HALO,
            zorder=6,
            annotation_clip=True,
        ).set_in_layout(False)
