"""What all pictures share: colours, text, axes, reference lines, legends and colour bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap, LogNorm, Normalize, to_rgb
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .ticks import powers, ticks
from .view import chosen, meaning, positions_of, runs_of, series_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as Side
    from matplotlib.figure import Figure as Drawing

    from .figure import Axis, Curves, Line, Plane, Reference, Trajectory, View

COLOURS = ("#0072B2", "#D98200", "#009E73", "#CC5C9A", "#5B4FC9", "#D55E00", "#8C7A00", "#5F6B76")
GREY, FAINT, INK = "#5F6B76", "#A9B2BA", "#22282E"
RUN_SHAPES = (("o", False), ("o", True), ("^", False), ("^", True))
"""The shape of each run's points, as in ``RUN_MARKS``, and whether it is open."""
RUN_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.6)), (0, (1, 1.3)), (0, (6, 1.4, 1, 1.4)))
_TOPS = {"viridis": 0.94, "cividis": 0.96, "magma": 0.88}
"""Where the maps end: what is lighter cannot be seen on paper."""


@dataclass(frozen=True, slots=True)
class Inks:
    """The colour map of points and lines, over epochs and positions, and that of areas."""

    marks: Colormap
    areas: Colormap


def inks(colours: str) -> Inks:
    """The maps that go by a name: ``default`` is viridis for marks and cividis for areas. Raises ValueError."""
    grey = LinearSegmentedColormap.from_list("grey", ["#D4D4D4", "#101010"])
    if colours == "grey":
        return Inks(grey, grey)
    if colours != "default" and colours not in _TOPS:
        raise ValueError(f"there is no colour map {colours!r}: colours are default, {', '.join(_TOPS)} or grey")
    marks, areas = ("viridis", "cividis") if colours == "default" else (colours, colours)
    top = np.linspace(0, _TOPS[marks], 256)
    return Inks(ListedColormap(mpl.colormaps[marks](top), marks), mpl.colormaps[areas])


def clean(text: str) -> str:
    """Text without what a file or a font cannot hold."""
    return "".join(c if c.isprintable() else "?" for c in text)


def plain(text: str) -> str:
    """Text that is set as it stands, dollars and all."""
    return clean(text).replace("$", r"\$")


def drawable(values: np.ndarray, scale: str) -> np.ndarray:
    """Values with NaN where an axis cannot show them."""
    values = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):
        return np.where((np.abs(values) < 1e290) & ((values > 0) | (scale != "log")), values, np.nan)


def say_empty(axes: Axes) -> None:
    axes.text(0.5, 0.5, "no measurement yet", transform=axes.transAxes, ha="center", va="center", color=GREY)


def kept_series(figure: Plane | Curves, view: View) -> list[int]:
    """Indices of the series of a figure that a view keeps."""
    return chosen([one.label for one in series_in(figure)], view)


def compared(figure: Plane | Curves) -> bool:
    """Whether a figure shows more than one run."""
    return len(runs_of(figure)) > 1


def run_numbers(figure: Plane | Curves) -> list[int]:
    """The number of each series' run; 0 where it has none."""
    runs = runs_of(figure)
    return [runs.index(one.run) % len(RUN_SHAPES) if one.run else 0 for one in series_in(figure)]


def told_apart(figure: Plane | Curves, view: View) -> list[bool]:
    """Whether the colour bar or the legend of runs already says which series of a figure each is."""
    series = series_in(figure)
    means = meaning(figure, view)
    kept = [series[i] for i in kept_series(figure, view)]
    if means == "position":
        places = [(one.run, one.position) for one in kept]
        return [one.position is not None and places.count((one.run, one.position)) == 1 for one in series]
    single = len({one.label for one in kept}) < 2
    return [compared(figure) and bool(one.run) and (means == "series" or single) for one in series]


def set_scales(panels: Sequence[Axes], figure: Plane | Curves, view: View) -> tuple[str, str]:
    """Linear or logarithmic, as the figure or a user wants it."""
    scales = view.x_scale or figure.x.scale, view.y_scale or figure.y.scale
    for axes in panels:
        axes.set_xscale(scales[0], **({"nonpositive": "mask"} if scales[0] == "log" else {}))
        axes.set_yscale(scales[1], **({"nonpositive": "mask"} if scales[1] == "log" else {}))
    return scales


def set_axis(
    panels: Sequence[Axes], name: str, axis: Axis, scale: str, zoom: tuple[float, float] | None, marks: Sequence[Reference] = ()
) -> None:
    """The label and the limits of an axis, with the reference lines that are not far away; panels that share it get it once."""
    for axes in panels:
        if axes.xaxis.get_tick_params()["labelbottom"] if name == "x" else axes.yaxis.get_tick_params()["labelleft"]:
            (axes.set_xlabel if name == "x" else axes.set_ylabel)(plain(axis.label))
    side = panels[0].xaxis if name == "x" else panels[0].yaxis
    low, high = side.get_view_interval()
    known = [v if v is not None and (scale != "log" or v > 0) else None for v in axis.limits]
    if zoom is not None and zoom[0] < zoom[1] and (scale != "log" or zoom[0] > 0):
        low, high = zoom
    else:
        reach = 0.0 if scale == "log" else high - low
        near = [mark.value for mark in marks if mark.axis == name and low - reach <= mark.value <= high + reach]
        low = min([low, *(v - 0.04 * reach for v in near if v < low), *(v for v in known[:1] if v is not None)])
        high = max([high, *(v + 0.04 * reach for v in near if v > high), *(v for v in known[1:] if v is not None)])
    (panels[0].set_xlim if name == "x" else panels[0].set_ylim)(low, high)
    if scale == "log":
        for axes in panels:
            _label_few(axes.xaxis if name == "x" else axes.yaxis, low, high)


def _label_few(side: Side, low: float, high: float) -> None:
    """Numbers as the terminal has them where a logarithmic axis has no two powers of ten: not 2 × 10⁰ for 2."""
    if 0 < low < high and not powers(low, high):
        side.set_ticks(*zip(*ticks(low, high, "log", 6), strict=True))
        side.set_ticks([], minor=True)


def draw_references(axes: Axes, references: Sequence[Reference], x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> None:
    """Dashed lines behind the points ``x``, ``y``, with labels at the end that is freer; only those within the limits."""
    every = np.column_stack([np.concatenate([np.zeros(0), *x]), np.concatenate([np.zeros(0), *y])])
    points = axes.transLimits.transform(axes.transScale.transform(every))
    for reference in references:
        vertical = reference.axis == "x"
        low, high = sorted(axes.get_xlim() if vertical else axes.get_ylim())
        if not low <= reference.value <= high:
            continue
        style: dict[str, Any] = {"color": GREY, "lw": 0.7, "ls": (0, (4, 2.5)), "zorder": 0.5}
        text: dict[str, Any] = {"color": GREY, "fontsize": 7, "zorder": 5}
        label = plain(reference.label)
        if vertical:
            axes.axvline(reference.value, **style)
        else:
            axes.axhline(reference.value, **style)
        across, along = (points[:, 0], points[:, 1]) if vertical else (points[:, 1], points[:, 0])
        level = axes.transLimits.transform(axes.transScale.transform((reference.value, reference.value)))[int(not vertical)]
        near = (across > level - 0.15) & (across < level) if vertical else (across > level) & (across < level + 0.08)
        at_start = int((near & (along < 0.2)).sum()) <= int((near & (along > 0.8)).sum())
        if vertical:
            place = axes.get_xaxis_transform()
            side = "bottom" if at_start else "top"
            axes.text(reference.value, 0.03 if at_start else 0.97, label + " ", transform=place, ha="right", va=side, **text)
        else:
            place = axes.get_yaxis_transform()
            side = "left" if at_start else "right"
            axes.text(0.02 if at_start else 0.98, reference.value, label, transform=place, ha=side, va="bottom", **text)


def draw_legend(drawing: Drawing, *rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Names above the axes, each with a sample of its line or point; each of ``rows`` begins a line, and the paper grows."""
    names = [name for row in rows for name in row]
    if not names:
        return
    room = int(72 * drawing.get_figwidth() / (3.6 * max(len(name) for name in names) + 26))
    columns = max(1, min(room, max(len(row) for row in rows)))
    cells: list[Line2D] = []
    for row in rows:
        cells += [Line2D([], [], label=plain(name), **style) for name, style in row.items()]
        cells += [Line2D([], [], ls="none", label=" ") for _ in range(-len(row) % columns)]
    down = len(cells) // columns
    by_column = [cells[r * columns + c] for c in range(columns) for r in range(down)]
    drawing.legend(
        handles=by_column, loc="outside upper left", ncols=columns, handlelength=1.8, columnspacing=1.2, borderaxespad=0.2
    )
    drawing.set_figheight(drawing.get_figheight() + 0.15 * down)


def run_samples(figure: Plane | Curves, *, by_run: bool, points: bool, lines: bool = False) -> dict[str, dict[str, Any]]:
    """A sample of each run that a figure compares: its point, a line with its point, or its dashes."""
    samples: dict[str, dict[str, Any]] = {}
    for r, run in enumerate(runs_of(figure)):
        shape, hollow = RUN_SHAPES[r % len(RUN_SHAPES)]
        colour = COLOURS[r % len(COLOURS)] if by_run else INK
        samples[run] = {"color": colour, "ls": RUN_DASHES[r % len(RUN_DASHES)] if not points else "-" if lines else "none"}
        samples[run] |= {"marker": shape, "ms": 3.5, "mew": 0.7, "mfc": "white" if hollow else colour} if points else {}
    return samples


def position_scale(figures: Sequence[Plane | Curves]) -> Normalize:
    """From 0 to 1 between the least and the largest position of figures."""
    every = np.concatenate([positions_of(figure) for figure in figures])
    every = every[np.isfinite(every)]
    axis = next((figure.positions for figure in figures if figure.positions is not None), None)
    known = [] if axis is None else [v for v in axis.limits if v is not None]
    low, high = float(min([every.min(), *known])), float(max([every.max(), *known]))
    if axis is not None and axis.scale == "log" and 0 < low < high:
        return LogNorm(low, high)
    return Normalize(low, high if high > low else low + 1.0)


def whole_positions(figures: Sequence[Plane | Curves]) -> bool:
    """Whether positions are whole numbers, such as those of timepoints."""
    every = np.concatenate([positions_of(figure) for figure in figures])
    return bool((np.rint(every) == every)[np.isfinite(every)].all())


def draw_bar(drawing: Drawing, panels: Sequence[Axes], scale: Normalize, ramp: Colormap, label: str, *, whole: bool) -> None:
    """What a colour of points and lines means, at the right; ``whole`` where there are only whole numbers."""
    places = MaxNLocator(nbins=6, integer=True) if whole and not isinstance(scale, LogNorm) else None
    bar = drawing.colorbar(ScalarMappable(scale, ramp), ax=list(panels), pad=0.02, aspect=28, shrink=0.96, ticks=places)
    if isinstance(scale, LogNorm) and scale.vmin is not None and scale.vmax is not None:
        _label_few(bar.ax.yaxis, scale.vmin, scale.vmax)
    bar.set_label(plain(label))
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]


def colour_of(one: Line | Trajectory, hue: int, run: int, means: str, places: Normalize | None, ramp: Colormap) -> np.ndarray:
    """Red, green and blue of a series."""
    if means == "position" and places is not None:
        return np.array(to_rgb(GREY if one.position is None else ramp(float(places(one.position)))[:3]))
    return np.array(to_rgb(COLOURS[(run if means == "run" else hue) % len(COLOURS)]))
