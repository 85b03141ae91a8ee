"""Figures as pictures for papers: PNG, SVG and PDF through matplotlib, without pyplot and its state.

Sizes are those of a column (3.4 in) or a page (7 in), text is 8 pt, fonts are embedded, and texts of a figure are never
taken for mathematics.
"""

from __future__ import annotations

import textwrap
import threading
import warnings
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from matplotlib.font_manager import fontManager

from .figure import Curves, Figure, Graph, Heatmap, Histogram, Image, Passage, Plane, Table, View
from .image_curves import curve_remarks, draw_curves
from .image_graphs import draw_graph, graph_height, graph_remarks
from .image_others import draw_heatmaps, draw_histograms, draw_image, draw_table, montage
from .image_parts import GREY, Inks, clean, inks, plain
from .image_passages import draw_passage
from .image_planes import draw_planes, plane_remarks
from .panels import apart, panels
from .table import pictures
from .view import hues, meanings, runs_of, series_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from .figure import Layout

COLUMN, PAGE = 3.4, 7.0
"""Widths in inches."""
DPI, SCREEN_DPI = 300, 150

_SHAPES: dict[type[Figure], float] = {Plane: 0.84, Curves: 0.68, Histogram: 0.62}
"""Heights of figures one column wide, as a part of their width."""
_SHORT_LABEL = 20
"""Characters of a label that is not longer than any axis."""
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


def default_view(figure: Figure, layout: Layout | None = None) -> View:
    """How a figure is exported unless a user says otherwise: planes by epoch, as in the literature, or by their positions.

    Runs that lie over each other go by series, or by run where there is only one series.
    """
    view = View(layout=layout)
    if len(runs_of(figure)) > 1 and not apart(figure, view):
        return replace(view, colour="series" if len(set(hues(series_in(figure)))) > 1 else "run")
    own = meanings(figure)[0]
    path = isinstance(figure, Plane) and any(len(t.x) > 1 for t in figure.trajectories)
    return replace(view, colour="epoch" if path and own != "position" else own)


def save(
    figure: Figure,
    path: Path | str,
    view: View | None = None,
    *,
    width: float | None = None,
    dpi: int = DPI,
    colours: str = "default",
) -> None:
    """Writes a figure as ``.png``, ``.svg`` or ``.pdf``, by the name of the file, ``width`` inches wide.

    Runs in panels of their own and tables are as wide as a page unless told otherwise, everything else as a column.
    ``colours`` are viridis over epochs and positions and cividis in matrices, or with ``viridis``, ``cividis``, ``magma`` or
    ``grey`` that map for both.
    """
    view = view or default_view(figure)
    shown = panels(figure, view)
    _write(shown, Path(path), view, width or _width(shown), dpi, inks(colours))


def png(figure: Figure, view: View | None = None, *, width: float | None = None, dpi: int = SCREEN_DPI) -> bytes:
    """The figure as ``save`` writes it, as the bytes of a PNG for a screen."""
    view = view or default_view(figure)
    shown = panels(figure, view)
    picture = BytesIO()
    _write(shown, picture, view, width or _width(shown), dpi, inks("default"))
    return picture.getvalue()


def save_side_by_side(
    figures: Mapping[str, Figure],
    path: Path | str,
    view: View | None = None,
    *,
    width: float = PAGE,
    dpi: int = DPI,
    colours: str = "default",
) -> None:
    """Writes figures of one kind, by the name of their run, beside each other: axes and colours are the same in all of them.

    Raises ValueError for none, for figures of different kinds, and for those that stand alone: tables, images, text, graphs.
    """
    kinds = {type(figure) for figure in figures.values()}
    if len(kinds) != 1 or not kinds <= {Plane, Curves, Heatmap, Histogram}:
        raise ValueError("only planes, only curves, only heatmaps or only histograms can be saved side by side")
    first = next(iter(figures.values()))
    _write(figures, Path(path), view or default_view(first), width, dpi, inks(colours))


def _width(shown: Mapping[str, Figure]) -> float:
    return PAGE if len(shown) > 1 or any(isinstance(figure, Table) for figure in shown.values()) else COLUMN


def _write(figures: Mapping[str, Figure], target: Path | BytesIO, view: View, width: float, dpi: int, colours: Inks) -> None:
    kind = target.suffix.lower().lstrip(".") if isinstance(target, Path) else "png"
    if kind not in ("png", "svg", "pdf"):
        raise ValueError(f"cannot write {target}: figures are saved as .png, .svg or .pdf")
    first = next(iter(figures.values()))
    title, note = clean(first.title), clean(first.note)
    metadata: dict[str, Any] = {
        "png": {"Title": title, "Description": note},
        "svg": {"Title": title, "Description": note, "Date": None},
        "pdf": {"Title": title, "Subject": note, "CreationDate": None},
    }[kind]
    with _LOCK, mpl.rc_context(_style()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fonts without a glyph, and of layouts that have too little room
        drawing = _draw(figures, view, width, colours)
        drawing.savefig(target, format=kind, dpi=dpi, metadata=metadata)


def _style() -> Any:
    """matplotlib's own defaults, not the user's, with ours over them."""
    known = {font.name for font in fontManager.ttflist}
    families = [name for name in ("Arial", "Helvetica", "Liberation Sans") if name in known] + ["DejaVu Sans"]
    return {**mpl.rcParamsDefault, **_STYLE, "font.family": families}


def _draw(figures: Mapping[str, Figure], view: View, width: float, colours: Inks) -> Drawing:
    first, count = next(iter(figures.values())), len(figures)
    across = count if count <= 3 else 2 if count == 4 else 3
    down = -(-count // across)
    height = down * (_height(first, width / across) + 0.2 * (count > 1))
    lines = [plain(line) for line in textwrap.wrap(_note(figures, view), max(20, int(width * 22)))[:4]]
    if isinstance(first, Image):
        height += 0.12 * len(lines)  # what its pixels, which are squares, cannot spare
    drawing = Drawing(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawing)
    if lines:
        drawing.supxlabel("\n".join(lines), fontsize=6, color=GREY, x=0.02, ha="left", linespacing=1.2)
    if isinstance(first, Image):
        draw_image(drawing, first)
        return drawing
    if isinstance(first, Passage):
        draw_passage(drawing, first, colours.areas, below=7.2 * len(lines) + 2)
        return drawing
    shared = count > 1 and not isinstance(first, Heatmap)
    grid = drawing.subplots(down, across, sharex=shared, sharey=shared, squeeze=False).ravel().tolist()
    for spare in grid[count:]:
        spare.remove()
    for k, (axes, run) in enumerate(zip(grid, figures, strict=False)):
        axes.set_title(plain(run), fontweight="bold", fontsize=8)
        if shared:
            axes.tick_params(labelbottom=k + across >= count, labelleft=k % across == 0)
    panels: list[tuple[Axes, Figure]] = list(zip(grid, figures.values(), strict=False))
    if isinstance(first, Table):
        draw_table(grid[0], first, width)
    elif isinstance(first, Graph):
        draw_graph(drawing, grid[0], first, view)
    elif isinstance(first, Plane):
        draw_planes(drawing, [(axes, figure) for axes, figure in panels if isinstance(figure, Plane)], view, colours.marks)
    elif isinstance(first, Curves):
        draw_curves(drawing, [(axes, figure) for axes, figure in panels if isinstance(figure, Curves)], view, colours.marks)
    elif isinstance(first, Heatmap):
        maps = [(axes, figure) for axes, figure in panels if isinstance(figure, Heatmap)]
        draw_heatmaps(drawing, maps, view, colours.areas, across)
    elif isinstance(first, Histogram):
        draw_histograms(drawing, [(axes, figure) for axes, figure in panels if isinstance(figure, Histogram)], view)
    _fold_labels(drawing)
    return drawing


def _fold_labels(drawing: Drawing) -> None:
    """Labels beside an axis or a bar that is shorter than they are stand in two lines."""
    long = [axes for axes in drawing.axes if len(axes.get_ylabel()) > _SHORT_LABEL]
    if not long:
        return
    drawing.draw_without_rendering()
    for axes in long:
        label, text = axes.yaxis.label, axes.get_ylabel()
        spaces = [i for i, character in enumerate(text) if character == " "]
        if spaces and label.get_window_extent().height > 1.02 * axes.get_window_extent().height:
            middle = min(spaces, key=lambda i: abs(i - len(text) / 2))
            label.set_text(f"{text[:middle]}\n{text[middle + 1 :]}")


def _height(figure: Figure, width: float) -> float:
    """Of one panel: what its kind looks best in, and for matrices and images what their cells need."""
    if isinstance(figure, Table):
        return 0.3 + 0.18 * (len(figure.rows) + 1)
    if isinstance(figure, Graph):
        return graph_height(figure, width)
    if isinstance(figure, Heatmap):
        return min(max(0.16 * len(np.atleast_2d(figure.values)), 0.8), 1.5 * width) + 0.55
    if isinstance(figure, Image) and figure.values.size:
        count, rows, columns = pictures(figure).shape
        across = montage(count)
        width -= min(0.05 * max((len(text) for _, text in figure.row_captions), default=0), width / 2)
        above = 0.16 * bool(figure.labels or figure.column_captions)
        return min((width / across * rows / columns + above) * -(-count // across), 1.3 * width) + 0.05
    return _SHAPES.get(type(figure), 0.7) * min(width, 0.55 * width + 1.6)


def _note(figures: Mapping[str, Figure], view: View) -> str:
    """What the figures say of themselves, and what the picture has to say beside that."""
    parts: list[str] = []
    for figure in figures.values():
        parts += figure.note.split("; ")
        if isinstance(figure, Plane):
            parts += plane_remarks(figure, view)
        elif isinstance(figure, Graph):
            parts += graph_remarks(figure, view)
    parts += curve_remarks([figure for figure in figures.values() if isinstance(figure, Curves)], view)
    return "; ".join(part for part in dict.fromkeys(parts) if part)
