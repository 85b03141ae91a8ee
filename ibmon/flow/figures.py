"""Figures of a flow: its matrix in the order of the levels, the levels by group, the strongest edges as a graph and as a table.

They take numbers, as an analysis has logged them or a ``Study`` holds them, and import no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ibmon.figures.figure import Axis, Figure, Graph, Heatmap, Histogram, Reference, Table

if TYPE_CHECKING:
    from .studies import Study

BINS = 24
MOST_EDGES = 20
MOST_ARCS = 60
"""Edges of a graph: with more of them none can be followed."""
LEVEL = 0.05
"""p-value up to which a flow is shown in a graph."""
_NAMED = 40
"""Nodes up to which rows and columns of a matrix have names."""


def flow_matrix(net: np.ndarray, height: np.ndarray, names: Sequence[str], *, name: str = "flow", note: str = "") -> Heatmap:
    """The net flow ``net`` (nodes, nodes) from rows to columns in bits, nodes in the order of their levels ``height`` (nodes,).

    Where there is an order, what is positive lies above the diagonal. Nodes without a level come last.
    """
    order = np.argsort(np.asarray(height), kind="stable")  # which puts NaN at the end
    labels = tuple(names[int(i)] for i in order) if len(names) <= _NAMED else ()
    return Heatmap(
        name=name,
        title="net flow between nodes, in the order of their levels",
        screen="flow",
        note=note,
        values=np.asarray(net)[np.ix_(order, order)],
        x=Axis(label="to"),
        y=Axis(label="from"),
        row_labels=labels,
        column_labels=labels,
        value_label="net flow [bits]",
        centre=0,
    )


def levels_histogram(
    height: np.ndarray,
    groups: Mapping[str, Sequence[int]],
    *,
    cuts: Sequence[float] = (),
    highest: float | None = None,
    name: str = "flow-levels",
    note: str = "",
) -> Histogram:
    """Levels ``height`` (nodes,) stacked by group, what is in none together at the end; ``cuts`` are drawn between layers.

    Bins end at the ``highest`` level, that of these by default, so that the same nodes at other times can stand beside them.
    """
    height = np.asarray(height, dtype=float)
    parts = _parts(groups, len(height))
    known = height[np.isfinite(height)]
    top = float(known.max(initial=0)) if highest is None else highest
    edges = np.linspace(0, top if top > 0 else 1, BINS + 1)
    counts = np.stack([np.histogram(height[list(members)], edges)[0] for members in parts.values()])
    return Histogram(
        name=name,
        title="how far along the flow nodes are",
        screen="flow",
        important=True,
        note=note,
        edges=edges,
        counts=counts,
        labels=tuple(parts),
        x=Axis(label="trophic level"),
        y=Axis(label="nodes"),
        references=tuple(Reference(axis="x", value=cut) for cut in cuts),
    )


def flow_graph(
    net: np.ndarray,
    height: np.ndarray,
    names: Sequence[str],
    groups: Mapping[str, Sequence[int]],
    p: np.ndarray,
    *,
    most: int = MOST_ARCS,
    name: str = "flow-graph",
    note: str = "",
) -> Graph:
    """Net flows ``net`` (nodes, nodes) in bits whose ``p`` (nodes, nodes), over all pairs, is 0.05 or less, as a graph of nodes.

    Of more than ``most`` first the strongest of each node, so that no more nodes than must look cut off, and then the strongest
    of the others; the note counts both. Nodes stand at their levels ``height`` (nodes,) in the colours of their groups,
    and are as large as all that flows in and out of them.
    """
    net = np.asarray(net, dtype=float)
    with np.errstate(invalid="ignore"):
        sure = np.where((net > 0) & (np.asarray(p) <= LEVEL), net, 0.0)
    count = int((sure > 0).sum())
    best = np.maximum(sure.max(0), sure.max(1))
    leading = (sure > 0) & ((sure == best) | (sure == best[:, None]))
    drawn = np.lexsort((-sure.ravel(), ~leading.ravel()))[: min(most, count)]
    group_of = {i: group for group, members in _parts(groups, len(names)).items() for i in members}
    counted = f"{len(drawn)} of {count}" if count > len(drawn) else str(count or "no")
    first = ", first the strongest of each node" if count > len(drawn) else ""
    return Graph(
        name=name,
        title="where net flow goes",
        screen="flow",
        important=True,
        note="; ".join(part for part in (note, f"{counted} net flows with p ≤ {LEVEL} over all pairs{first}") if part),
        nodes=tuple(names),
        level=np.asarray(height, dtype=float),
        x=Axis(label="trophic level"),
        groups=tuple(group_of[i] for i in range(len(names))) if groups else (),
        edges=np.stack(np.unravel_index(drawn, net.shape), 1),
        weights=sure.ravel()[drawn],
        weight_label="net flow [bits]",
        values=np.abs(net).sum(1),
        value_label="net flow in and out [bits]",
    )


def _parts(groups: Mapping[str, Sequence[int]], count: int) -> dict[str, Sequence[int]]:
    """The groups of ``count`` nodes, those that are in none as one at the end."""
    grouped = {i for members in groups.values() for i in members}
    rest = [i for i in range(count) if i not in grouped]
    return {**groups, **({"others" if groups else "nodes": rest} if rest else {})}


def edges_table(rows: Sequence[Sequence[str]], *, name: str = "flow-edges", note: str = "") -> Table:
    """The strongest edges, rows of text as ``edge_rows`` makes them."""
    columns = ("from", "to", "net [bits]", "delayed [bits]", "at once [bits]", "transfer [bits]", "p", "p, dependence")
    return Table(
        name=name, title="the strongest net flows", screen="flow", note=note, columns=columns, rows=tuple(map(tuple, rows))
    )


def edge_rows(found: Study, most: int = MOST_EDGES) -> list[list[str]]:
    """The strongest edges of a study as text."""
    rows: list[list[str]] = []
    for edge in found.edges(most):
        bits = (edge.net, edge.delayed, edge.instantaneous, edge.transfer)
        rows.append([edge.source, edge.target, *(f"{b:.4f}" for b in bits), f"{edge.p:.3f}", f"{edge.p_dependence:.3f}"])
    return rows


def study_figures(found: Study, note: str = "") -> list[Figure]:
    """The figures of a study; ``note`` names the estimator and the lags."""
    height = np.asarray(found.levels.height.cpu())
    layer = np.asarray(found.layers.layer.cpu())
    starts = [height[layer == k].min() for k in range(1, found.layers.count)] if found.layered else []
    ends = [height[layer == k].max() for k in range(len(starts))]
    cuts = [float(a + b) / 2 for a, b in zip(starts, ends, strict=True)]
    said = f"{note} · incoherence {found.direction.incoherence:.2f}, direction p = {found.direction.p_value:.3g}".lstrip(" ·")
    net, p = np.asarray(found.flows.net.cpu()), np.asarray(found.direction.pair_p_all.cpu())
    names, groups = found.series.names, found.series.groups
    return [
        flow_matrix(net, height, names, note=said),
        levels_histogram(height, groups, cuts=cuts, note=said),
        flow_graph(net, height, names, groups, p, note=said),
        edges_table(edge_rows(found), note=note),
    ]
