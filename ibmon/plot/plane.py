"""The information plane in cells."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.panels import references_of
from ibmon.figures.view import chosen, linked, log_part, meaning, positions_of, positive_range, shorten, shown_points

from .axes import EMPTY, Chart, Header, Limits, Panel, draw_axes, draw_cursor, draw_references, fit_axes, layout, message
from .canvas import Canvas
from .colourbar import Ramp, add_to_header, bar_width, draw_bar, epoch_ramp, position_ramp
from .marks import add_runs, hues_by, named, run_mark, run_numbers, set_heads, set_marks, subject_marks
from .palette import FADES

if TYPE_CHECKING:
    from ibmon.figures.figure import Colour, Plane, Trajectory, View

    from .palette import Palette
    from .scales import Frame


@dataclass(slots=True)
class _Path:
    """What is visible of one trajectory, and how it is told apart: by its hue, its run and its mark."""

    index: int
    trajectory: Trajectory
    shown: np.ndarray
    hollow: np.ndarray
    hue: int
    run: int
    mark: str
    position: float


@dataclass(frozen=True, slots=True)
class _Points:
    """All points that are shown, path after path, each array ``(points,)``."""

    x: np.ndarray
    y: np.ndarray
    step: np.ndarray
    epoch: np.ndarray
    hollow: np.ndarray
    hue: np.ndarray
    run: np.ndarray
    position: np.ndarray


@dataclass(frozen=True, slots=True)
class _Colouring:
    """What colour means: the series and runs (``ramp`` is None), or values on a ramp."""

    meaning: Colour
    ramp: Ramp | None
    fading: tuple[float, float]
    """The first and the last epoch between which points fade in."""

    def points(self, points: _Points, palette: Palette) -> np.ndarray:
        """A colour for each point."""
        if self.meaning == "epoch" and self.ramp is not None:
            return palette.ramp()[self.ramp.levels(points.epoch)]
        fade = np.rint(log_part(points.epoch, *self.fading) * (FADES - 1)).astype(np.intp)
        if self.ramp is None:
            return palette.fades()[points.hue % 8, fade]
        colours = palette.faded_ramp()[self.ramp.levels(points.position), fade]
        return np.where(np.isnan(points.position), palette.role("text"), colours)

    def behind(self, path: _Path, palette: Palette) -> int:
        """The colour of what lies behind the points of a path."""
        if self.meaning == "position" and self.ramp is not None:
            return int(palette.ramp(faint=True)[self.ramp.levels(np.array(path.position))])
        return palette.shadow(path.hue)

    def mark(self, path: _Path, palette: Palette) -> int:
        """The colour of the name of a path."""
        return palette.series(path.hue) if self.ramp is None else palette.role("strong")


@dataclass(frozen=True, slots=True)
class WholePlane:
    """The paths of all runs, what their colours mean, and limits for all of them."""

    paths: list[_Path]
    colouring: _Colouring
    limits: Limits

    @property
    def ramp(self) -> Ramp | None:
        """What the colours stand for where they stand for values."""
        return self.colouring.ramp


def draw_plane(
    figure: Plane,
    columns: int,
    rows: int,
    view: View,
    palette: Palette,
    hold: Frame | None = None,
    panel: Panel | None = None,
    whole: WholePlane | None = None,
) -> Chart:
    """Trajectories as braille points, the newest on top, with the name of the subject at their heads.

    Of a ``panel`` those of its run; ``whole`` is what it shares with the others.
    """
    whole = whole or whole_plane(figure, view, hold)
    paths, colouring = whole.paths, whole.colouring
    bar = bar_width(colouring.ramp, columns, rows, palette) if panel is None else panel.bar
    frame = layout(columns, rows, whole.limits, palette, margin=bar or 1)
    if panel is not None:
        paths = [replace(path, run=-1) for path in paths if path.trajectory.run == panel.run]
    if not any(len(p.shown) for p in paths):
        return message(EMPTY, columns, rows, palette, frame)
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)
    points = _gathered(paths)
    if colouring.meaning == "epoch" and colouring.ramp is not None:
        _links(canvas, frame, points, colouring.ramp, palette)
    _members(canvas, frame, paths, colouring, palette)
    _draw_points(canvas, frame, points, colouring, palette)

    header = Header()
    if panel is None:
        add_runs(header, figure, colouring.meaning, palette)
    if points.hollow.any():
        header.add((f"{'o' if palette.ascii else '∘'} saturated", palette.role("text")))
    if colouring.ramp is not None and bar:
        header.corner = colouring.ramp.label, palette.role("text")
        draw_bar(canvas, frame.box, colouring.ramp.labels(), palette.ramp(), palette)
    elif colouring.ramp is not None and (panel is None or panel.explains):
        add_to_header(header, colouring.ramp, palette)
    if figure.positions is None:
        _name_series(header, paths, colouring, palette)
    draw_references(canvas, frame, figure.references if panel is None else references_of(figure, panel.run), palette)
    draw_axes(canvas, frame, figure.x, figure.y, palette, header)
    _cursor(canvas, frame, paths, view, palette)
    _heads(canvas, frame, figure, paths, colouring, palette)
    return Chart(canvas.grid(), frame)


def whole_plane(figure: Plane, view: View, hold: Frame | None = None) -> WholePlane:
    """What all panels of a plane share."""
    paths = _paths(figure, view)
    return WholePlane(paths, _colouring(figure, paths, view), _limits(figure, paths, view, hold))


def _paths(figure: Plane, view: View) -> list[_Path]:
    hues, runs = hues_by(figure, meaning(figure, view)), run_numbers(figure)
    marks, positions = subject_marks(figure), positions_of(figure).tolist()
    paths: list[_Path] = []
    for i in chosen([t.label for t in figure.trajectories], view):
        trajectory = figure.trajectories[i]
        shown = shown_points(trajectory, view)
        hollow = np.zeros(len(shown), np.bool_) if trajectory.hollow is None else trajectory.hollow[shown].astype(np.bool_)
        paths.append(_Path(i, trajectory, shown, hollow, hues[i], runs[i], marks[i], positions[i]))
    return paths


def _colouring(figure: Plane, paths: list[_Path], view: View) -> _Colouring:
    means = meaning(figure, view)
    every = np.concatenate([np.zeros(0), *(p.trajectory.epoch for p in paths)])
    visible = np.concatenate([np.zeros(0), *(p.trajectory.epoch[p.shown] for p in paths)])
    ramp = epoch_ramp(every) if means == "epoch" else position_ramp(figure) if means == "position" else None
    return _Colouring(means, ramp, positive_range(visible))


def _limits(figure: Plane, paths: list[_Path], view: View, hold: Frame | None) -> Limits:
    """Limits of all that will ever be visible, so that a walk through the epochs moves no axis."""
    xs = [np.zeros(0), *(p.trajectory.x for p in paths)]
    ys = [np.zeros(0), *(p.trajectory.y for p in paths)]
    for path in paths:
        if path.trajectory.members_x is not None and path.trajectory.members_y is not None:
            xs.append(np.ravel(path.trajectory.members_x))
            ys.append(np.ravel(path.trajectory.members_y))
    x, y = np.concatenate(xs), np.concatenate(ys)
    known = np.isfinite(x) & np.isfinite(y)
    return fit_axes(figure, x[known], y[known], view, hold)


def _gathered(paths: list[_Path]) -> _Points:
    many = [len(p.shown) for p in paths]
    return _Points(
        x=np.concatenate([p.trajectory.x[p.shown] for p in paths]),
        y=np.concatenate([p.trajectory.y[p.shown] for p in paths]),
        step=np.concatenate([p.trajectory.step[p.shown] for p in paths]),
        epoch=np.concatenate([p.trajectory.epoch[p.shown] for p in paths]),
        hollow=np.concatenate([p.hollow for p in paths]),
        hue=np.repeat([p.hue for p in paths], many),
        run=np.repeat([p.run for p in paths], many),
        position=np.repeat([p.position for p in paths], many),
    )


def _links(canvas: Canvas, frame: Frame, points: _Points, ramp: Ramp, palette: Palette) -> None:
    """Faint lines through the layers of a run at a few epochs, as in the figure of Shwartz-Ziv and Tishby."""
    colours = palette.ramp(faint=True)[ramp.levels(points.epoch)]
    runs = np.unique(points.run).tolist()
    layer = canvas.dots(frame.box)
    for step in linked([points.step]):
        for run in runs:
            at = np.flatnonzero((points.step == step) & (points.run == run))
            if len(at) > 1:
                layer.polyline(frame.dots_x(points.x[at]), frame.dots_y(points.y[at]), int(colours[at[0]]))
    canvas.stamp(layer)


def _members(canvas: Canvas, frame: Frame, paths: list[_Path], colouring: _Colouring, palette: Palette) -> None:
    layer = canvas.dots(frame.box)
    for path in paths:
        t = path.trajectory
        if t.members_x is None or t.members_y is None:
            continue
        x, y = np.ravel(t.members_x[path.shown]), np.ravel(t.members_y[path.shown])
        layer.points(frame.dots_x(x), frame.dots_y(y), colouring.behind(path, palette))
    canvas.stamp(layer)


def _draw_points(canvas: Canvas, frame: Frame, points: _Points, colouring: _Colouring, palette: Palette) -> None:
    """All points, oldest first: rings where they are hollow, and marks of runs among them."""
    order = np.argsort(points.epoch, kind="stable")
    x, y = frame.dots_x(points.x)[order], frame.dots_y(points.y)[order]
    colour, hollow, run = colouring.points(points, palette)[order], points.hollow[order], points.run[order]
    if hollow.any():
        layer = canvas.dots(frame.box)
        layer.points(x[hollow], y[hollow], colour[hollow])
        canvas.stamp(layer, "o" if palette.ascii else "∘")
    layer = canvas.dots(frame.box)
    layer.points(x[~hollow], y[~hollow], colour[~hollow])
    canvas.stamp(layer)
    if (run >= 0).any():
        set_marks(canvas, frame.box, x, y, run, colour, palette)


def _name_series(header: Header, paths: list[_Path], colouring: _Colouring, palette: Palette) -> None:
    """What the marks mean, where they are not the ends of the names."""
    seen: set[str] = set()
    for path in paths:
        label = path.trajectory.label
        if path.mark not in seen and not label.endswith(path.mark):
            header.add((f"{path.mark} {shorten(label, 14)}", colouring.mark(path, palette)))
        seen.add(path.mark)


def _heads(canvas: Canvas, frame: Frame, figure: Plane, paths: list[_Path], colouring: _Colouring, palette: Palette) -> None:
    """Run and mark of each subject at its newest point."""
    visible = {p.index: p for p in paths if len(p.shown)}
    heads: list[tuple[int, int, str, int]] = []
    for i in named(figure, list(visible)):
        path = visible[i]
        last = path.shown[-1]
        cell = frame.cell(float(path.trajectory.x[last]), float(path.trajectory.y[last]))
        if cell is not None:
            heads.append((*cell, run_mark(path.run, palette) + path.mark, colouring.mark(path, palette)))
    set_heads(canvas, frame.box, heads)


def _cursor(canvas: Canvas, frame: Frame, paths: list[_Path], view: View, palette: Palette) -> None:
    """The point under the cursor, with the bounds of its estimate as thin bars."""
    if view.cursor is None:
        return
    series, point = view.cursor
    for path in paths:
        t = path.trajectory
        if path.index != series or not 0 <= point < len(t.x):
            continue
        x, y = float(t.x[point]), float(t.y[point])
        if not (math.isfinite(x) and math.isfinite(y)):
            continue
        layer = canvas.dots(frame.box)
        for low, high, along in ((t.x_lower, t.x_upper, "x"), (t.y_lower, t.y_upper, "y")):
            if low is None or high is None:
                continue
            ends = np.array([low[point], high[point]], np.float64)
            px = frame.dots_x(ends if along == "x" else np.array([x, x]))
            py = frame.dots_y(ends if along == "y" else np.array([y, y]))
            layer.polyline(px, py, palette.role("strong"))
        canvas.stamp(layer)
        draw_cursor(canvas, frame, x, y, palette)
