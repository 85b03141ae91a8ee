"""Graphs as numbers: a row a node to read, a row an edge as CSV."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .graphs import edges_of, groups_of, levels_of, values_of
from .view import chosen, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .figure import Graph, View

_MOST = 3
"""Edges out of a node that are named."""


def node_rows(figure: Graph, view: View) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The columns and the nodes in the order of their levels, each with its strongest edges out; those without a level last."""
    level, values, groups = levels_of(figure), values_of(figure), groups_of(figure)
    told = [name.startswith(group) for name, group in zip(figure.nodes, groups, strict=True)]
    edges = edges_of(figure, view)
    columns = ["node", *([] if all(told) else ["group"]), figure.x.label or "level", f"to, {figure.weight_label or 'weight'}"]
    rows: list[tuple[str, ...]] = []
    for i in sorted(chosen(figure.nodes, view), key=lambda i: (math.isnan(level[i]), level[i], i)):
        out = np.flatnonzero(edges.source == i)[::-1]
        said = [f"{figure.nodes[int(edges.target[k])]} {number(float(edges.weight[k]), 2)}" for k in out[:_MOST]]
        said += [f"and {len(out) - _MOST} more"] if len(out) > _MOST else []
        size = () if values is None else (number(float(values[i])),)
        group = () if all(told) else (groups[i],)
        rows.append((figure.nodes[i], *group, number(float(level[i])), ", ".join(said), *size))
    return (*columns, *(() if values is None else (figure.value_label or "value",))), rows


def edge_records(figure: Graph) -> Iterator[tuple[str | float, ...]]:
    """A header, every edge from the strongest on, and with no target what has none in either direction."""
    level, values, groups, edges = levels_of(figure), values_of(figure), groups_of(figure), edges_of(figure)
    sized = values is not None
    ends = [f"{end}_{what}" for what in ("group", "level", *(["value"] if sized else [])) for end in ("source", "target")]
    yield ("source", "target", "weight", *ends, "quantity", "quantity_level", *(["quantity_value"] if sized else []))
    of = (figure.weight_label, figure.x.label, *([figure.value_label] if sized else []))
    every = [*zip(edges.source.tolist(), edges.target.tolist(), edges.weight.tolist(), strict=True)][::-1]
    lone = set(range(len(figure.nodes))) - {*edges.source.tolist(), *edges.target.tolist()}
    for i, j, weight in [*every, *((i, None, math.nan) for i in sorted(lone))]:
        columns: list[tuple[str | float, str | float]] = [
            (groups[i], "" if j is None else groups[j]),
            (float(level[i]), math.nan if j is None else float(level[j])),
        ]
        if values is not None:
            columns.append((float(values[i]), math.nan if j is None else float(values[j])))
        yield (figure.nodes[i], "" if j is None else figure.nodes[j], weight, *(cell for two in columns for cell in two), *of)
