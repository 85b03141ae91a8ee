"""Figures as pictures for papers: PNG, SVG and PDF through matplotlib, without pyplot and its state.

Sizes are those of a column (3.4 in) or a page (7 in), text is 8 pt, fonts are embedded, and texts of a figure are never
taken for mathematics.
"""

from __future__ import annotations

import textwrap
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.figure import Figure as Drawing
from matplotlib.font_manager import fontManager
from matplotlib.patheffects import withStroke

from .figure import Curves, Figure, Heatmap, Histogram, Image, Plane, Table, View
from .table import pictures
from .view import chosen, hues, linked, log_part, number, positive_range, short_labels, shown_length, shown_points, smoothed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from .figure import Axis, Reference, Trajectory

COLUMN, PAGE = 3.4, 7.0
"""Widths in inches."""
DPI = 300

_COLOURS = ("#0072B2", "#D98200", "#009E73", "#CC5C9A", "#5B4FC9", "#D55E00", "#8C7A00", "#5F6B76")
_GREY, _FAINT = "#5F6B76", "#A9B2BA"
_HALO = [withStroke(linewidth=2, foreground="white")]
_SHAPES: dict[type[Figure], float] = {Plane: 0.84, Curves: 0.68, Heatmap: 0.8, Histogram: 0.62}
"""Heights of figures one column wide, as a part of their width."""
_LOCK = threading.Lock()
_STYLE: dict[str, Any] = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#333B43",
    "axes.axisbelow": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.size": 1.6,
    "ytick.minor.size": 1.6,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "lines.solid_capstyle": "round",
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "ibmon",
    "savefig.facecolor": "white",
    "text.parse_math": True,
    "text.usetex": False,
}


def default_view(figure: Figure) -> View:
    """How a figure is exported unless a user says otherwise: planes by epoch, as in the literature."""
    return View(colour="epoch" if isinstance(figure, Plane) else "series")


def save(figure: Figure, path: Path | str, view: View | None = None, *, width: float = COLUMN, dpi: int = DPI) -> None:
    """Writes a figure as ``.png``, ``.svg`` or ``.pdf``, by the name of the file, ``width`` inches wide."""
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("png", "svg", "pdf"):
        raise ValueError(f"cannot write {path.name}: figures are saved as .png, .svg or .pdf")
    title, note = _clean(figure.title), _clean(figure.note)
    metadata: dict[str, Any] = {
        "png": {"Title": title, "Description": note},
        "svg": {"Title": title, "Description": note, "Date": None},
        "pdf": {"Title": title, "Subject": note, "CreationDate": None},
    }[kind]
    with _LOCK, mpl.rc_context(_style()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fonts without a glyph, and of layouts that have too little room
        drawing = _draw(figure, view or default_view(figure), width)
        drawing.savefig(path, format=kind, dpi=dpi, metadata=metadata)


def _style() -> Any:
    """matplotlib's own defaults, not the user's, with ours over them."""
    known = {font.name for font in fontManager.ttflist}
    families = [name for name in ("Arial", "Helvetica", "Liberation Sans") if name in known] + ["DejaVu Sans"]
    return {**mpl.rcParamsDefault, **_STYLE, "font.family": families}


def _clean(text: str) -> str:
    """Text without what a file or a font cannot hold."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _plain(text: str) -> str:
    """Text that is set as it stands, dollars and all."""
    return _clean(text).replace("$", r"\$")


def _draw(figure: Figure, view: View, width: float) -> Drawing:
    height = _SHAPES.get(type(figure), 0.7) * min(width, 0.55 * width + 1.6)
    if isinstance(figure, Table):
        height = 0.3 + 0.18 * (len(figure.rows) + 1)
    drawing = Drawing(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawing)
    axes = drawing.add_subplot() if not isinstance(figure, Image) else None
    note = "; ".join(part for part in (figure.note, *_remarks(figure, view)) if part)
    if note:
        lines = [_plain(line) for line in textwrap.wrap(note, max(20, int(width * 22)))[:4]]
        drawing.supxlabel("\n".join(lines), fontsize=6, color=_GREY, x=0.02, ha="left", linespacing=1.2)
    if axes is None:
        assert isinstance(figure, Image)
        _image(drawing, figure)
    elif isinstance(figure, Plane):
        _plane(drawing, axes, figure, view)
    elif isinstance(figure, Curves):
        _curves(drawing, axes, figure, view)
    elif isinstance(figure, Heatmap):
        _heatmap(drawing, axes, figure)
    elif isinstance(figure, Histogram):
        _histogram(axes, figure, view)
    elif isinstance(figure, Table):
        _table(axes, figure)
    return drawing


def _remarks(figure: Figure, view: View) -> list[str]:
    """What the note has to say beside the figure's own."""
    if isinstance(figure, Plane):
        kept = [(i, figure.trajectories[i]) for i in chosen([t.label for t in figure.trajectories], view)]
        marks = short_labels([t.label for t in figure.trajectories])
        told = all(t.label.endswith(marks[i]) for i, t in kept)
        names = "" if told else ", ".join(f"{marks[i]} {t.label}" for i, t in kept)
        hollow = any(t.hollow is not None and bool(t.hollow[shown_points(t, view)].any()) for _, t in kept)
        bounded = any(bound is not None and bool(np.isfinite(bound).any()) for _, t in kept for bound in (t.x_lower, t.y_lower))
        return [
            names,
            "open markers: saturated estimates" if hollow else "",
            "grey bars: bounds at the newest points" if bounded else "",
        ]
    if isinstance(figure, Curves):
        scales = view.x_scale or figure.x.scale, view.y_scale or figure.y.scale
        lost = 0
        for i in chosen([line.label for line in figure.lines], view):
            line = figure.lines[i]
            end = shown_length(line, view)
            usable = _drawable(line.x[:end], scales[0]), _drawable(line.y[:end], scales[1])
            lost += int((~(np.isfinite(usable[0]) & np.isfinite(usable[1])) & np.isfinite(line.x[:end])).sum())
        return [f"{lost} values not drawn" if lost else ""]
    return []


def _drawable(values: np.ndarray, scale: str) -> np.ndarray:
    """Values with NaN where an axis cannot show them."""
    values = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):
        return np.where((np.abs(values) < 1e290) & ((values > 0) | (scale != "log")), values, np.nan)


def _empty(axes: Axes) -> None:
    axes.text(0.5, 0.5, "no measurement yet", transform=axes.transAxes, ha="center", va="center", color=_GREY)


def _set_axis(axes: Axes, name: str, axis: Axis, scale: str, zoom: tuple[float, float] | None) -> None:
    setter = {"x": axes.set_xlabel, "y": axes.set_ylabel}[name]
    setter(_plain(axis.label))
    side = axes.xaxis if name == "x" else axes.yaxis
    low, high = side.get_view_interval()
    known = [v if v is not None and (scale != "log" or v > 0) else None for v in axis.limits]
    if zoom is not None and zoom[0] < zoom[1] and (scale != "log" or zoom[0] > 0):
        low, high = zoom
    else:
        low = min(low, known[0]) if known[0] is not None and known[0] < low else low
        high = max(high, known[1]) if known[1] is not None and known[1] > high else high
    (axes.set_xlim if name == "x" else axes.set_ylim)(low, high)


def _references(axes: Axes, references: Sequence[Reference], x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> None:
    """Dashed lines behind the points ``x``, ``y``, with labels at the end that is freer; one far away is left out."""
    points = axes.transLimits.transform(axes.transScale.transform(np.column_stack([np.concatenate(x), np.concatenate(y)])))
    for reference in references:
        vertical = reference.axis == "x"
        low, high = sorted(axes.get_xlim() if vertical else axes.get_ylim())
        log = (axes.get_xscale() if vertical else axes.get_yscale()) == "log"
        reach = 0.0 if log else high - low
        if not np.isfinite(reference.value) or not low - reach <= reference.value <= high + reach:
            continue
        style: dict[str, Any] = {"color": _GREY, "lw": 0.7, "ls": (0, (4, 2.5)), "zorder": 0.5}
        text: dict[str, Any] = {"color": _GREY, "fontsize": 7, "zorder": 5}
        label = _plain(reference.label)
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


def _plane(drawing: Drawing, axes: Axes, figure: Plane, view: View) -> None:
    kept = chosen([t.label for t in figure.trajectories], view)
    paths = [(i, figure.trajectories[i], shown_points(figure.trajectories[i], view)) for i in kept]
    paths = [(i, t, k[(np.abs(t.x[k]) < 1e290) & (np.abs(t.y[k]) < 1e290)]) for i, t, k in paths]
    scales = view.x_scale or figure.x.scale, view.y_scale or figure.y.scale
    axes.set_xscale(scales[0])
    axes.set_yscale(scales[1])
    if not any(len(k) for _, _, k in paths):
        _empty(axes)
    else:
        by_epoch = view.colour == "epoch"
        span = positive_range(np.concatenate([t.epoch[k] for _, t, k in paths]))
        ramp = mpl.colormaps["viridis"]
        if by_epoch:
            _links(axes, paths, span)
        for i, t, k in paths:
            part = log_part(t.epoch[k], *span)
            if by_epoch:
                colours = ramp(part)
            else:
                own, strength = np.array(to_rgb(_COLOURS[i % len(_COLOURS)])), (0.35 + 0.65 * part)[:, None]
                colours = own * strength + (1 - strength)
                axes.plot(t.x[k], t.y[k], color=own, lw=0.5, alpha=0.3, zorder=1)
            _points(axes, t, k, colours, faint=_FAINT if by_epoch else _COLOURS[i % len(_COLOURS)])
        if by_epoch and span[1] > span[0]:
            scale = ScalarMappable(LogNorm(*span), ramp)
            bar = drawing.colorbar(scale, ax=axes, pad=0.02, aspect=28, shrink=0.96)
            bar.set_label("epoch")
            bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    _set_axis(axes, "x", figure.x, scales[0], view.x_limits)
    _set_axis(axes, "y", figure.y, scales[1], view.y_limits)
    none = np.zeros(0)
    _references(axes, figure.references, [none, *(t.x[k] for _, t, k in paths)], [none, *(t.y[k] for _, t, k in paths)])
    _heads(drawing, axes, figure, paths, view)


def _links(axes: Axes, paths: Sequence[tuple[int, Trajectory, np.ndarray]], span: tuple[float, float]) -> None:
    """Thin lines through the layers at a few epochs."""
    for step in linked([t.step[k] for _, t, k in paths]):
        ends: list[tuple[float, float, float]] = []
        for _, t, k in paths:
            at = k[t.step[k] == step]
            if len(at):
                ends.append((float(t.x[at[0]]), float(t.y[at[0]]), float(t.epoch[at[0]])))
        if len(ends) > 1:
            x, y, epoch = np.array(ends).T
            colour = mpl.colormaps["viridis"](float(log_part(epoch[:1], *span)[0]))
            axes.plot(x, y, color=colour, lw=0.7, alpha=0.55, zorder=1.5)


def _points(axes: Axes, t: Trajectory, k: np.ndarray, colours: np.ndarray, *, faint: str) -> None:
    """The points of one trajectory, hollow ones open; bounds of all where they are few, else of the newest."""
    if t.members_x is not None and t.members_y is not None:
        axes.scatter(np.ravel(t.members_x[k]), np.ravel(t.members_y[k]), s=1.5, color=faint, alpha=0.35, lw=0, zorder=1)
    if not len(k):
        return
    hollow = np.zeros(len(k), np.bool_) if t.hollow is None else t.hollow[k].astype(np.bool_)
    axes.scatter(t.x[k][~hollow], t.y[k][~hollow], s=7, c=colours[~hollow], lw=0, zorder=2)
    axes.scatter(t.x[k][hollow], t.y[k][hollow], s=8, facecolors="white", edgecolors=list(colours[hollow]), lw=0.6, zorder=2)
    for j in range(len(k)) if len(k) <= 12 else (len(k) - 1,):
        at = int(k[j])
        for low, high, along in ((t.x_lower, t.x_upper, "x"), (t.y_lower, t.y_upper, "y")):
            if low is None or high is None or not np.isfinite(low[at] + high[at]):
                continue
            x = [low[at], high[at]] if along == "x" else [t.x[at]] * 2
            y = [low[at], high[at]] if along == "y" else [t.y[at]] * 2
            axes.plot(x, y, color=_FAINT, lw=0.6, alpha=0.8, zorder=0.8)


def _heads(drawing: Drawing, axes: Axes, figure: Plane, paths: Sequence[tuple[int, Trajectory, np.ndarray]], view: View) -> None:
    """The mark of each subject beside its newest point, where no other mark is."""
    marks = short_labels([t.label for t in figure.trajectories])
    drawing.draw_without_rendering()
    taken: list[tuple[float, float]] = []
    unit = drawing.dpi / 72
    offsets = [(0.0, 6.0), (0.0, -6.0), (-7.0, 0.0), (7.0, 0.0), (-6.0, 6.0), (6.0, 6.0), (-6.0, -6.0), (6.0, -6.0), (0.0, 13.0)]
    for i, t, k in paths:
        if not len(k):
            continue
        x, y = axes.transData.transform((float(t.x[k[-1]]), float(t.y[k[-1]])))
        if not np.isfinite(x + y):
            continue
        places = [(x + dx * unit, y + dy * unit) for dx, dy in offsets]
        free = [n for n, (px, py) in enumerate(places) if all(abs(px - a) > 6 * unit or abs(py - b) > 7 * unit for a, b in taken)]
        chosen_place = free[0] if free else 0
        taken.append(places[chosen_place])
        axes.annotate(
            _plain(marks[i]),
            (float(t.x[k[-1]]), float(t.y[k[-1]])),
            xytext=offsets[chosen_place],
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
            fontweight="bold",
            color="black" if view.colour == "epoch" else _COLOURS[i % len(_COLOURS)],
            path_effects=_HALO,
            zorder=6,
            annotation_clip=True,
        ).set_in_layout(False)


def _curves(drawing: Drawing, axes: Axes, figure: Curves, view: View) -> None:
    scales = view.x_scale or figure.x.scale, view.y_scale or figure.y.scale
    axes.set_xscale(scales[0], **({"nonpositive": "mask"} if scales[0] == "log" else {}))
    axes.set_yscale(scales[1], **({"nonpositive": "mask"} if scales[1] == "log" else {}))
    colours = hues(figure.lines)
    ends: list[tuple[str, float, str]] = []
    xs: list[np.ndarray] = []
    ys: list[np.ndarray] = []
    for i in chosen([line.label for line in figure.lines], view):
        line, colour = figure.lines[i], _COLOURS[colours[i] % len(_COLOURS)]
        end = shown_length(line, view)
        x = _drawable(line.x[:end], scales[0])
        y = _drawable(smoothed(line.y, view.smooth)[:end], scales[1])
        alone = np.isfinite(y) & ~np.isfinite(np.r_[np.nan, y[:-1]]) & ~np.isfinite(np.r_[y[1:], np.nan])
        axes.plot(x, y, color=colour, lw=0.8 if line.dashed else 1.1, ls=(0, (3, 1.4)) if line.dashed else "-")
        axes.plot(x[alone], y[alone], ".", ms=2, color=colour)
        if line.lower is not None and line.upper is not None:
            low = _drawable(smoothed(line.lower, view.smooth)[:end], scales[1])
            high = _drawable(smoothed(line.upper, view.smooth)[:end], scales[1])
            axes.fill_between(x, low, high, color=colour, alpha=0.16, lw=0)
        known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if len(known):
            xs.append(x[known])
            ys.append(y[known])
            ends.append(("" if line.unnamed else line.label, float(y[known[-1]]), colour))
    if not ends:
        _empty(axes)
    axes.margins(x=0.01)
    _set_axis(axes, "x", figure.x, scales[0], view.x_limits)
    _set_axis(axes, "y", figure.y, scales[1], view.y_limits)
    _references(axes, figure.references, [np.zeros(0), *xs], [np.zeros(0), *ys])
    _end_labels(drawing, axes, [end for end in ends if end[0]])


def _end_labels(drawing: Drawing, axes: Axes, ends: Sequence[tuple[str, float, str]]) -> None:
    """Names right of the lines' ends and apart from each other; in as many columns as there is no room for."""
    texts = [
        axes.text(1.02, 0.5, _plain(label), transform=axes.transAxes, color=colour, fontsize=7, va="center")
        for label, _, colour in ends
    ]
    drawing.draw_without_rendering()
    height = axes.get_window_extent().height
    apart = 8.2 * drawing.dpi / 72 / max(height, 1.0)
    if apart * len(ends) > 1.05:
        apart = 1.0 / len(ends)
        for text in texts:
            text.set_fontsize(max(3.0, 7.0 * apart * height / (8.2 * drawing.dpi / 72)))
    at = axes.transData.transform([(1.0, y) for _, y, _ in ends]) if ends else np.zeros((0, 2))
    wanted = np.clip(np.nan_to_num(axes.transAxes.inverted().transform(at)[:, 1] if len(at) else at[:, 1]), 0.0, 1.0)
    for k, y in zip(range(len(ends)), _apart(wanted, apart), strict=True):
        texts[k].set_y(y)


def _apart(wanted: np.ndarray, least: float) -> list[float]:
    """Heights at least ``least`` apart and as near to the wanted ones as their order allows."""
    order = np.argsort(wanted, kind="stable")
    slack = wanted[order] - least * np.arange(len(wanted))
    # The nearest rising sequence (isotonic regression by pooling neighbours).
    blocks: list[list[float]] = []
    for value in slack.tolist():
        blocks.append([value, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, n), (b, m) = blocks[-2], blocks[-1]
            blocks[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    fitted = np.concatenate([np.zeros(0), *(np.full(int(n), v) for v, n in blocks)])
    fitted = np.clip(fitted, 0.0, max(0.0, 1.0 - least * (len(wanted) - 1))) + least * np.arange(len(wanted))
    heights = np.empty(len(wanted))
    heights[order] = fitted
    return heights.tolist()


def _heatmap(drawing: Drawing, axes: Axes, figure: Heatmap) -> None:
    values = np.atleast_2d(_drawable(figure.values, "linear"))
    known = values[np.isfinite(values)]
    axes.set_xlabel(_plain(figure.x.label))
    axes.set_ylabel(_plain(figure.y.label))
    if not known.size:
        _empty(axes)
        return
    low, high = (float(known.min()) if figure.limits[0] is None else figure.limits[0]), figure.limits[1]
    high = float(known.max()) if high is None else high
    shape = values.shape
    picture = axes.imshow(values, cmap="cividis", vmin=low, vmax=high, aspect="equal" if max(shape) < 3 * min(shape) else "auto")
    for side, labels, count in ((axes.xaxis, figure.column_labels, shape[1]), (axes.yaxis, figure.row_labels, shape[0])):
        if labels:
            every = max(1, -(-count // 24))
            side.set_ticks(range(0, min(count, len(labels)), every), [_plain(label) for label in labels[:count:every]])
        side.set_tick_params(length=0 if labels else 3)
    if sum(len(label) for label in figure.column_labels) > 40:
        axes.tick_params(axis="x", rotation=90)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if max(shape) <= 8:
        for r, row in enumerate(values.tolist()):
            for c, value in enumerate(row):
                if np.isfinite(value):
                    light = (value - low) / max(high - low, 1e-300) > 0.55
                    axes.text(c, r, number(value, 2), ha="center", va="center", fontsize=6, color="black" if light else "white")
    bar = drawing.colorbar(picture, ax=axes, pad=0.02, aspect=28, shrink=0.9)
    bar.set_label(_plain(figure.value_label))
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]


def _histogram(axes: Axes, figure: Histogram, view: View) -> None:
    counts = np.nan_to_num(np.atleast_2d(_drawable(figure.counts, "linear")))
    edges = _drawable(figure.edges, "linear")
    if len(edges) != counts.shape[1] + 1 or len(edges) < 2 or not np.isfinite(edges).all() or not counts.any():
        _empty(axes)
    else:
        floor = np.zeros(counts.shape[1])
        for g, group in enumerate(counts):
            label = _plain(figure.labels[g]) if g < len(figure.labels) else None
            colour = _COLOURS[g % len(_COLOURS)]
            axes.stairs(floor + group, edges, baseline=floor, fill=True, color=colour, alpha=0.85, lw=0, label=label)
            floor = floor + group
        axes.set_xlim(edges[0], edges[-1])
        if len(counts) > 1 and figure.labels:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderaxespad=0.1, handlelength=1, columnspacing=1)
    _set_axis(axes, "x", figure.x, "linear", view.x_limits)
    _set_axis(axes, "y", figure.y, "linear", None)
    _references(axes, figure.references, [np.zeros(0)], [np.zeros(0)])


def _table(axes: Axes, figure: Table) -> None:
    """Rules above, below the header and at the end, as in a book."""
    axes.set_axis_off()
    if not figure.columns or not figure.rows:
        _empty(axes)
        return
    rows = (figure.columns, *figure.rows)
    widths = [max(3, *(len(row[k]) if k < len(row) else 0 for row in rows)) for k in range(len(figure.columns))]
    starts = np.concatenate([[0.0], np.cumsum(np.array(widths) + 2.0)])
    axes.set_xlim(0, starts[-1] - 2.0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    size = min(8.0, 72 * axes.figure.get_figwidth() / (0.58 * max(float(starts[-1]), 1.0)))  # pyright: ignore[reportAttributeAccessIssue]
    for r, row in enumerate(rows):
        for k, cell in enumerate(row[: len(widths)]):
            axes.text(starts[k], r, _plain(cell), fontsize=size, va="center", fontweight="bold" if r == 0 else "normal")
    for y, weight in ((-0.6, 0.8), (0.5, 0.5), (len(rows) - 0.4, 0.8)):
        axes.axhline(y, color="black", lw=weight, clip_on=False)


def _image(drawing: Drawing, figure: Image) -> None:
    values = _drawable(pictures(figure), "linear")
    known = values[np.isfinite(values)]
    if values.ndim != 3 or not known.size:
        axes = drawing.add_subplot()
        axes.set_axis_off()
        _empty(axes)
        return
    low = float(known.min()) if figure.limits[0] is None else figure.limits[0]
    high = float(known.max()) if figure.limits[1] is None else figure.limits[1]
    across = min(len(values), int(np.ceil(np.sqrt(1.5 * len(values)))))
    grid = drawing.subplots(-(-len(values) // across), across, squeeze=False)
    for k, axes in enumerate(grid.flat):
        axes.set_axis_off()
        if k < len(values):
            axes.imshow(values[k], cmap="gray", vmin=low, vmax=high)
            if k < len(figure.labels):
                axes.set_title(_plain(figure.labels[k]), fontsize=6, pad=2)
