"""Pictures of running text, each word on the colour of its value, laid out by the widths of its letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize, TwoSlopeNorm
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from .image_others import DIVERGING
from .image_parts import GREY, INK, clean, plain, say_empty
from .passages import left_out, lines_of, row_names, scale_of, window, words_of
from .view import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure as Drawing

    from .figure import Passage
    from .passages import Scale

# All sizes are in points.
_SIZE, _LEADING, _GAP = 8.0, 12.0, 3.0
_RISE, _FALL, _SIDE = 7.4, 2.6, 1.0
"""How far the colour reaches above the line that letters stand on, below it, and beside them."""
_BAR_WIDTH, _BAR_HEIGHT, _BAR_ROOM = 90.0, 5.0, 29.0
_MARGIN = 0.02
"""Of the width: where notes begin."""
_DARKEST = 0.12
"""From its dark end, where a map still has a hue."""
MOST_LINES = 150
"""Lines of a picture, all passages together: what is longer than two pages is cut, and says so."""


def draw_passage(drawing: Drawing, figure: Passage, ramp: Colormap, below: float) -> None:
    """The words from line to line, passage under passage, and what the colours mean; the paper is as high as that needs.

    ``below`` points at the foot of the paper are left free.
    """
    drawing.set_layout_engine("none")
    width = 72 * drawing.get_figwidth()
    scale = scale_of(figure)
    axes = drawing.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    if scale is None:
        say_empty(axes)
        return
    margin = _MARGIN * width
    room = width - 2 * margin
    font, strong = FontProperties(size=_SIZE), FontProperties(size=_SIZE, weight="bold")
    lengths: dict[str, float] = {}
    words = [_fitted(word, room, font, lengths) for word in words_of(figure)]
    widths = [lengths[word] for word in words]
    lines = lines_of(widths, room, _GAP)
    names = [_fitted(name, room, strong, {}) for name in row_names(figure)]
    many = len(scale.part)
    shown = window(many, len(lines), MOST_LINES, named=bool(names))
    tints = _tints(scale, ramp)
    colours = np.where(np.isnan(scale.part)[..., None], 1.0, tints(np.nan_to_num(scale.part))[..., :3])
    inks = np.where(colours @ np.array([0.299, 0.587, 0.114]) > 0.5, INK, "white")

    y = margin + _RISE
    for row in shown.rows:
        if names:
            axes.text(margin, y, plain(names[row]), fontproperties=strong, color=INK)
            y += _LEADING
        for line in (lines[at] for at in shown.lines):
            starts = margin + np.concatenate([[0.0], np.cumsum([widths[k] + _GAP for k in line[:-1]])])
            _write(axes, y, starts, [words[k] for k in line], colours[row, line], inks[row, line], [widths[k] for k in line])
            y += _LEADING
        y += _LEADING / 2 if row != shown.rows[-1] else 0
    if rest := left_out(shown, lines, many):
        axes.text(margin, y, rest, fontproperties=font, color=GREY)
        y += _LEADING
    height = y - _RISE + _BAR_ROOM + below
    drawing.set_figheight(height / 72)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    place = (_MARGIN, 1 - (y - _RISE + 4 + _BAR_HEIGHT) / height, _BAR_WIDTH / width, _BAR_HEIGHT / height)
    _explain(drawing, place, scale, tints, _fitted(figure.value_label, room - 1.1 * _BAR_WIDTH, font, {}))


def _write(
    axes: Axes, y: float, starts: np.ndarray, words: Sequence[str], colours: np.ndarray, inks: np.ndarray, widths: Sequence[float]
) -> None:
    """The words of a line, standing at ``y``, over their colours."""
    boxes = [
        Rectangle((x - _SIDE, y - _RISE), width + 2 * _SIDE, _RISE + _FALL)
        for x, width in zip(starts.tolist(), widths, strict=True)
    ]
    axes.add_collection(PatchCollection(boxes, facecolors=colours, linewidths=0))
    for x, word, ink in zip(starts.tolist(), words, inks.tolist(), strict=True):
        axes.text(x, y, plain(word), fontsize=_SIZE, color=ink)


def _fitted(text: str, room: float, font: FontProperties, lengths: dict[str, float]) -> str:
    """The text, cut where it is wider than the room; its length is kept in ``lengths``."""
    text = clean(text)
    while text not in lengths:
        length = float(text_to_path.get_text_width_height_descent(text, font, False)[0])
        if length <= room or len(text) < 2:
            lengths[text] = length
        else:
            text = text[: max(1, min(int(len(text) * room / length), len(text) - 1) - 1)] + "…"
    return text


def _tints(scale: Scale, ramp: Colormap) -> Colormap:
    """From white to the dark of a map: what stands out on paper, while text that says little stays black on white."""
    if scale.centre is not None:
        return LinearSegmentedColormap.from_list("diverging", DIVERGING)
    dark = min((_DARKEST, 1 - _DARKEST), key=lambda end: sum(ramp(end)[:3]))
    return LinearSegmentedColormap.from_list("tints", [(1.0, 1.0, 1.0, 1.0), ramp(dark)])


def _explain(drawing: Drawing, place: tuple[float, float, float, float], scale: Scale, tints: Colormap, label: str) -> None:
    """A bar of the colours with its numbers, and beside it what they are numbers of."""
    axes = drawing.add_axes(place)
    ends = Normalize(scale.low, scale.high) if scale.centre is None else TwoSlopeNorm(scale.centre, scale.low, scale.high)
    marks: dict[Literal["left", "center", "right"], float] = {"left": scale.low, "right": scale.high}
    if scale.centre is not None:
        marks["center"] = scale.centre
    bar = drawing.colorbar(ScalarMappable(ends, tints), cax=axes, orientation="horizontal")
    bar.outline.set(linewidth=0.4, edgecolor=GREY)  # pyright: ignore[reportCallIssue]
    bar.set_ticks(list(marks.values()), labels=[plain(number(value, 3)) for value in marks.values()])
    for text, side in zip(axes.get_xticklabels(), marks, strict=True):
        text.set_horizontalalignment(side)
    axes.text(1.08, 0.5, plain(label), transform=axes.transAxes, va="center", fontsize=_SIZE)
