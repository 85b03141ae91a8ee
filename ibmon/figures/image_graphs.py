"""Pictures of graphs: nodes at their levels, edges as wide as they are strong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D, ScaledTranslation

from .graphs import ARC, edges_of, group_numbers, groups_of, places, short_names, shown_nodes, sizes
from .image_parts import COLOURS, GREY, INK, draw_legend, plain, say_empty
from .view import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.text import Annotation

    from .figure import Graph, View

_SHAPES = ("o", "s", "^", "D")
"""As in ``graphs.MARKS``."""
_NAMES = 5.5
"""Points of the names of nodes: about ``graphs._ACROSS`` letters go beside each other in a column."""
_BESIDE, _PAD = 1.2, 0.4
"""Points between a mark and its name, and around a name."""
_ROW = 0.115
"""Inches of a row of names."""
_LEAST, _MOST = 2.4, 6.0
"""Points across of the smallest and of the largest mark."""
_WIDEST = 2.2
"""Points of the strongest edge."""


def graph_height(figure: Graph, width: float) -> float:
    """Inches of the paper, so that rows of names keep apart, and arcs have room where rows are few."""
    rows = places(figure).rows
    return min(max(_ROW * rows, (0.3 + 0.04 * min(rows, 10)) * min(width, 0.5 * width + 1.7)), 1.4 * width) + 0.45


def graph_remarks(figure: Graph, view: View) -> list[str]:
    """What the widths of edges and the sizes of marks mean, and what is not drawn."""
    edges, said = edges_of(figure, view), list[str]()
    if len(edges.weight):
        what = figure.weight_label or "weight"
        said.append(f"width of edges: {what} {number(float(edges.weight[0]), 2)} to {number(float(edges.weight[-1]), 2)}")
    if figure.values is not None and figure.value_label:
        said.append(f"size of marks: {figure.value_label}")
    if left := len(figure.nodes) - int(np.isfinite(places(figure).y).sum()):
        said.append(f"{left} without a level")
    return said


def draw_graph(drawing: Drawing, axes: Axes, figure: Graph, view: View) -> None:
    """Marks in the colours of their groups with names beside them; edges in the colour of the node that they come from, solid and
    bent upwards where they lead on, dashed and bent downwards where they lead back."""
    nodes, edges, at = shown_nodes(figure, view), edges_of(figure, view), places(figure)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.set_yticks([])
    if not nodes:
        axes.spines["bottom"].set_visible(False)
        axes.set_xticks([])
        say_empty(axes)
        return
    axes.set_ylim(-0.02, 1.02)
    low, high = float(at.x[nodes].min()), float(at.x[nodes].max())
    room = 0.05 * (high - low) or 0.5
    known = [limit for limit in figure.x.limits if limit is not None]
    axes.set_xlim(min([low - room, *known]), max([high + 2 * room, *known]))
    if view.x_limits is not None and view.x_limits[0] < view.x_limits[1]:
        axes.set_xlim(*view.x_limits)
    axes.set_xlabel(plain(figure.x.label))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    colours = [COLOURS[g % len(COLOURS)] for g in group_numbers(figure)]
    across = (_LEAST + (_MOST - _LEAST) * np.sqrt(sizes(figure))).tolist()
    for source, target, part, back in zip(
        edges.source.tolist(), edges.target.tolist(), edges.part.tolist(), edges.back.tolist(), strict=True
    ):
        axes.add_patch(
            FancyArrowPatch(
                (float(at.x[source]), float(at.y[source])),
                (float(at.x[target]), float(at.y[target])),
                connectionstyle=f"arc3,rad={-ARC}",
                arrowstyle="-|>",
                mutation_scale=3.0 + 3 * part,
                shrinkA=across[source] / 2,
                shrinkB=across[target] / 2 + 0.3,
                lw=0.3 + (_WIDEST - 0.3) * part,
                ls=(0, (3, 1.5)) if back else "-",
                color=colours[source],
                alpha=0.25 + 0.5 * part,
                zorder=1 + part,
            )
        )
    names, shapes = short_names(figure), [_SHAPES[g % len(_SHAPES)] for g in group_numbers(figure)]
    for i in nodes:
        point: dict[str, Any] = {"marker": shapes[i], "ms": across[i], "mfc": colours[i], "mec": "white", "mew": 0.4}
        axes.plot(at.x[i], at.y[i], ls="none", zorder=3, **point)
        name = axes.annotate(
            plain(names[i]),
            (at.x[i], at.y[i]),
            (across[i] / 2 + _BESIDE, 0),
            textcoords="offset points",
            va="center",
            fontsize=_NAMES,
            color=INK,
            zorder=4,
            annotation_clip=True,
        )
        _lighten(drawing, axes, name, across[i] / 2 + _BESIDE)
    _explain(drawing, figure, nodes, colours, shapes, back=bool(edges.back.any()))


def _lighten(drawing: Drawing, axes: Axes, name: Annotation, beside: float) -> None:
    """Lightens the edges behind a name, but not the marks of its neighbours: the box of a text itself would lie on these."""
    x, y = axes.transData.transform(name.xy).tolist()
    if not axes.patch.contains_point((x, y), radius=1.0):
        return  # such a name is not drawn either
    extent = name.get_window_extent()
    width, height = (size * 72 / drawing.dpi + 2 * _PAD for size in (extent.width, extent.height))
    at_node = ScaledTranslation(*name.xy, axes.transData)  # pyright: ignore[reportArgumentType]  # takes any transform
    in_points = Affine2D().scale(1 / 72) + drawing.dpi_scale_trans + at_node
    corner = beside - _PAD, -height / 2
    axes.add_artist(Rectangle(corner, width, height, transform=in_points, fc="white", ec="none", alpha=0.7, zorder=2.5))


def _explain(drawing: Drawing, figure: Graph, nodes: list[int], colours: list[str], shapes: list[str], *, back: bool) -> None:
    """A mark of each group, where there are several, and what dashes mean, where there are any."""
    groups, samples = groups_of(figure), dict[str, dict[str, Any]]()
    for i in sorted(nodes):
        samples.setdefault(groups[i], {"color": colours[i], "marker": shapes[i], "ms": 4, "ls": "none"})
    rows = dict(samples) if len(samples) > 1 else {}
    if back:
        rows["back"] = {"color": GREY, "ls": (0, (3, 1.5)), "lw": 1.0}
    draw_legend(drawing, rows)
