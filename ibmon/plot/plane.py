"""The information plane in cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.view import chosen, linked, log_part, positive_range, short_labels, shown_points

from .axes import EMPTY, Chart, Header, Limits, draw_axes, draw_cursor, draw_references, layout, message
from .canvas import Canvas, Dots, shorten
from .palette import FADES, LEVELS
from .scales import fit_limits

if TYPE_CHECKING:
    from ibmon.figures.figure import Plane, Trajectory, View

    from .palette import Palette
    from .scales import Frame


@dataclass(slots=True)
class _Path:
    """What is visible of one trajectory."""

    index: int
    trajectory: Trajectory
    shown: np.ndarray
    hollow: np.ndarray


def draw_plane(figure: Plane, columns: int, rows: int, view: View, palette: Palette, hold: Frame | None = None) -> Chart:
    """Trajectories as braille points, the newest on top, with the name of the subject at their heads."""
    kept = chosen([t.label for t in figure.trajectories], view)
    paths = [_path(i, figure.trajectories[i], view) for i in kept]
    limits = _limits(figure, paths, view, hold)
    frame = layout(columns, rows, limits, palette)
    if not any(len(p.shown) for p in paths):
        return message(EMPTY, columns, rows, palette, frame)
    canvas = Canvas(columns, rows, ascii_only=palette.ascii)

    epochs = np.concatenate([p.trajectory.epoch for p in paths])
    visible = np.concatenate([p.trajectory.epoch[p.shown] for p in paths])
    span = positive_range(epochs if view.colour == "epoch" else visible)
    if view.colour == "epoch":
        _links(canvas, frame, paths, span, palette)
    _members(canvas, frame, paths, palette)
    hollow = _points(canvas, frame, paths, span, view, palette)

    header = Header()
    _legend(header, paths, figure, span, hollow, view, palette)
    draw_references(canvas, frame, figure.references, palette)
    draw_axes(canvas, frame, figure.x, figure.y, palette, header)
    _cursor(canvas, frame, paths, view, palette)
    _heads(canvas, frame, paths, figure, view, palette)
    return Chart(canvas.grid(), frame)


def _path(index: int, trajectory: Trajectory, view: View) -> _Path:
    shown = shown_points(trajectory, view)
    hollow = np.zeros(len(shown), np.bool_) if trajectory.hollow is None else trajectory.hollow[shown].astype(np.bool_)
    return _Path(index, trajectory, shown, hollow)


def _limits(figure: Plane, paths: list[_Path], view: View, hold: Frame | None) -> Limits:
    """Limits of all that will ever be visible, so that a walk through the epochs moves no axis."""
    x_scale, y_scale = view.x_scale or figure.x.scale, view.y_scale or figure.y.scale
    same = hold is not None and (hold.x_scale, hold.y_scale) == (x_scale, y_scale)
    both = [(p.trajectory.x, p.trajectory.y) for p in paths]
    both += [
        (np.ravel(p.trajectory.members_x), np.ravel(p.trajectory.members_y))
        for p in paths
        if p.trajectory.members_x is not None and p.trajectory.members_y is not None
    ]
    x = np.concatenate([pair[0] for pair in both]) if both else np.zeros(0)
    y = np.concatenate([pair[1] for pair in both]) if both else np.zeros(0)
    known = np.isfinite(x) & np.isfinite(y)
    return Limits(
        fit_limits(
            x[known],
            figure.x,
            x_scale,
            references=[r.value for r in figure.references if r.axis == "x"],
            hold=hold.x_limits if same and hold else None,
            zoom=view.x_limits,
        ),
        fit_limits(
            y[known],
            figure.y,
            y_scale,
            references=[r.value for r in figure.references if r.axis == "y"],
            hold=hold.y_limits if same and hold else None,
            zoom=view.y_limits,
        ),
        x_scale,
        y_scale,
    )


def _links(canvas: Canvas, frame: Frame, paths: list[_Path], span: tuple[float, float], palette: Palette) -> None:
    """Faint lines through the layers at a few epochs, as in the figure of Shwartz-Ziv and Tishby."""
    steps = [p.trajectory.step[p.shown] for p in paths]
    colours = palette.epochs(faint=True)
    layer = canvas.dots(frame.box)
    for step in linked(steps):
        ends: list[tuple[float, float, float]] = []
        for path, own in zip(paths, steps, strict=True):
            at = int(np.searchsorted(own, step))
            if at < len(own) and own[at] == step:
                k = path.shown[at]
                ends.append((float(path.trajectory.x[k]), float(path.trajectory.y[k]), float(path.trajectory.epoch[k])))
        if len(ends) > 1:
            x, y, epoch = np.array(ends, np.float64).T
            level = int(np.rint(log_part(epoch[:1], *span)[0] * (LEVELS - 1)))
            layer.polyline(frame.dots_x(x), frame.dots_y(y), int(colours[level]))
    canvas.stamp(layer)


def _members(canvas: Canvas, frame: Frame, paths: list[_Path], palette: Palette) -> None:
    layer = canvas.dots(frame.box)
    for path in paths:
        t = path.trajectory
        if t.members_x is None or t.members_y is None:
            continue
        x, y = np.ravel(t.members_x[path.shown]), np.ravel(t.members_y[path.shown])
        layer.points(frame.dots_x(x), frame.dots_y(y), palette.shadow(path.index))
    canvas.stamp(layer)


def _points(canvas: Canvas, frame: Frame, paths: list[_Path], span: tuple[float, float], view: View, palette: Palette) -> bool:
    """All points, oldest first; True where some are hollow."""
    x = np.concatenate([p.trajectory.x[p.shown] for p in paths])
    y = np.concatenate([p.trajectory.y[p.shown] for p in paths])
    epoch = np.concatenate([p.trajectory.epoch[p.shown] for p in paths])
    series = np.repeat([p.index for p in paths], [len(p.shown) for p in paths])
    hollow = np.concatenate([p.hollow for p in paths])
    part = log_part(epoch, *span)
    if view.colour == "epoch":
        colour = palette.epochs()[np.rint(part * (LEVELS - 1)).astype(np.intp)]
    else:
        colour = palette.fades()[series % 8, np.rint(part * (FADES - 1)).astype(np.intp)]
    order = np.argsort(epoch, kind="stable")
    px, py = frame.dots_x(x)[order], frame.dots_y(y)[order]
    colour, hollow = colour[order], hollow[order]
    if hollow.any():
        _rings(canvas, canvas.dots(frame.box), px[hollow], py[hollow], colour[hollow], palette)
    layer = canvas.dots(frame.box)
    layer.points(px[~hollow], py[~hollow], colour[~hollow])
    canvas.stamp(layer)
    return bool(hollow.any())


def _rings(canvas: Canvas, layer: Dots, x: np.ndarray, y: np.ndarray, colour: np.ndarray, palette: Palette) -> None:
    """A ring in every cell that has a point."""
    layer.points(x, y, colour)
    drawn = layer.bits.reshape(canvas.rows, canvas.columns) > 0
    canvas.ch[drawn] = ord("o" if palette.ascii else "∘")
    canvas.fg[drawn] = layer.fg.reshape(canvas.rows, canvas.columns)[drawn]


def _legend(
    header: Header,
    paths: list[_Path],
    figure: Plane,
    span: tuple[float, float],
    hollow: bool,
    view: View,
    palette: Palette,
) -> None:
    text = palette.role("text")
    if hollow:
        header.add((f"{'o' if palette.ascii else '∘'} saturated", text))
    if view.colour == "epoch" and span[1] > span[0]:
        ramp = [] if palette.depth == "none" or palette.ascii else [("━", int(c)) for c in palette.epochs()[1::2]]
        low, high = f"epoch {span[0]:.3g} ", f" {span[1]:.6g}"
        header.add((low if ramp else f"{low}to", text), *ramp, (high, text))
    labels = [t.label for t in figure.trajectories]
    marks = short_labels(labels)
    if [marks[p.index] for p in paths] == [str(p.index + 1) for p in paths]:
        for path in paths:
            label = path.trajectory.label
            if label != marks[path.index] and not label.endswith(marks[path.index]):
                header.add((f"{marks[path.index]} {shorten(label, 14)}", palette.series(path.index)))


def _heads(canvas: Canvas, frame: Frame, paths: list[_Path], figure: Plane, view: View, palette: Palette) -> None:
    """The mark of each subject at its newest point, moved aside where another one is."""
    marks = short_labels([t.label for t in figure.trajectories])
    taken = np.zeros((canvas.rows, canvas.columns), np.bool_)
    box = frame.box
    offsets = sorted(
        ((dx, dy) for dx in range(-6, 7) for dy in range(-3, 4)), key=lambda o: (abs(o[0]) + 2.5 * abs(o[1]), -o[0], o[1])
    )
    for path in paths:
        if not len(path.shown):
            continue
        last = path.shown[-1]
        cell = frame.cell(float(path.trajectory.x[last]), float(path.trajectory.y[last]))
        if cell is None:
            continue
        mark = marks[path.index]
        for dx, dy in offsets:
            column, row = min(cell[0] + dx, box.right - len(mark)), cell[1] + dy
            if column < box.left or not box.top <= row < box.bottom:
                continue
            if not taken[row, max(0, column - 1) : column + len(mark) + 1].any():
                colour = palette.role("strong") if view.colour == "epoch" else palette.series(path.index)
                canvas.text(column, row, mark, colour, bold=True)
                taken[row, column : column + len(mark)] = True
                break


def _cursor(canvas: Canvas, frame: Frame, paths: list[_Path], view: View, palette: Palette) -> None:
    """The point under the cursor, with the bounds of its estimate as thin bars."""
    if view.cursor is None:
        return
    series, point = view.cursor
    for path in paths:
        t = path.trajectory
        if path.index != series or not 0 <= point < len(t.x) or not np.isfinite(t.x[point] + t.y[point]):
            continue
        layer = canvas.dots(frame.box)
        x, y = float(t.x[point]), float(t.y[point])
        for low, high, along in ((t.x_lower, t.x_upper, "x"), (t.y_lower, t.y_upper, "y")):
            if low is None or high is None:
                continue
            ends = np.array([low[point], high[point]], np.float64)
            px = frame.dots_x(ends if along == "x" else np.array([x, x]))
            py = frame.dots_y(ends if along == "y" else np.array([y, y]))
            layer.polyline(px, py, palette.role("strong"))
        canvas.stamp(layer)
        draw_cursor(canvas, frame, x, y, palette)
