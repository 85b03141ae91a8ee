"""A graph as every renderer takes it: edges that can be drawn, short names, and where nodes stand.

Along x nodes stand at their levels. The rows above each other are as few as keep marks and names apart, and which row a node
has makes edges short: nodes begin in the order of the barycentres of their neighbours (Sugiyama, Tagawa & Toda 1981, IEEE Trans.
Syst. Man Cybern. 11, 109), and then move or change places as long as that lessens the sum of the squares of what edges rise.
Nothing of it is random.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .view import chosen

if TYPE_CHECKING:
    from .figure import Graph, View

ARC = 0.12
"""How far edges bend from a straight line, as a part of their length: upwards where they go on, downwards where they go back."""
MARKS = "●■▲◆"
"""One for each group, in turn; so that groups differ without colours."""
_ACROSS = 72
"""Letters that lie beside each other, all levels together: about those of a column of paper and of a small terminal."""
_BESIDE = 3
"""Letters that the mark of a node and the blanks around its name take."""
_ROUNDS = 60
_SWEEPS = 12
_LONGEST = 20
"""Letters of a name."""
_LARGEST = 1e290


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Edges that can be drawn, the weakest first: ``source``, ``target`` and ``weight`` ``(edges,)``.

    ``part`` is the weight as a part of the largest one; ``back`` says which lead to a node that stands no further on.
    """

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    part: np.ndarray
    back: np.ndarray

    def of(self, node: int) -> np.ndarray:
        """Which of them begin or end at a node, ``(edges,)``."""
        return (self.source == node) | (self.target == node)


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where nodes stand: ``x`` is their level and ``y`` from 0 at the lower end to 1, both ``(nodes,)`` and NaN without a level.

    There are ``rows`` different heights.
    """

    x: np.ndarray
    y: np.ndarray
    rows: int


def levels_of(figure: Graph) -> np.ndarray:
    """The level of each node ``(nodes,)``, NaN where it has none."""
    return _of_nodes(figure, figure.level)


def values_of(figure: Graph) -> np.ndarray | None:
    """The value of each node ``(nodes,)``, NaN where it has none; None where no node has one."""
    found = None if figure.values is None else _of_nodes(figure, figure.values)
    return found if found is not None and np.isfinite(found).any() else None


def _of_nodes(figure: Graph, values: np.ndarray) -> np.ndarray:
    """A number for each node; NaN for those beyond all that is measured, and where there are fewer than nodes."""
    given = np.ravel(np.asarray(values, np.float64))[: len(figure.nodes)]
    found = np.full(len(figure.nodes), np.nan)
    found[: len(given)] = np.where(np.abs(given) < _LARGEST, given, np.nan)
    return found


def groups_of(figure: Graph) -> list[str]:
    """The group of each node; one name for all where there are none."""
    return [*figure.groups[: len(figure.nodes)], *[""] * (len(figure.nodes) - len(figure.groups))]


def group_numbers(figure: Graph) -> list[int]:
    """A number for the colour and mark of each node: that of its group, in the order of their appearance."""
    groups = groups_of(figure)
    numbers = {group: k for k, group in enumerate(dict.fromkeys(groups))}
    return [numbers[group] for group in groups]


def short_names(figure: Graph) -> list[str]:
    """What stands beside the mark of each node: its name without that of its group, which its colour says, cut if long."""
    return [
        _cut(name[len(group) :].strip(" _-.:/") or name if group and name.startswith(group) else name)
        for name, group in zip(figure.nodes, groups_of(figure), strict=True)
    ]


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def sizes(figure: Graph) -> np.ndarray:
    """How large the mark of each node is, ``(nodes,)`` from 0 to 1: its value as a part of the largest, ½ where there is none."""
    values = values_of(figure)
    if values is None:
        return np.full(len(figure.nodes), 0.5)
    known = np.where(np.isfinite(values), np.maximum(values, 0.0), 0.0)
    return known / (known.max() or 1.0)


def shown_nodes(figure: Graph, view: View) -> list[int]:
    """The nodes that have a level and that a view keeps, in the order of their levels."""
    level = levels_of(figure)
    kept = [i for i in chosen(figure.nodes, view) if np.isfinite(level[i])]
    return sorted(kept, key=lambda i: (level[i], i))


def edges_of(figure: Graph, view: View | None = None) -> Edges:
    """Edges between two nodes that are shown, or without a ``view`` between any two; what has no weight is none."""
    count, level = len(figure.nodes), levels_of(figure)
    pairs = np.asarray(figure.edges, np.intp).reshape(-1, 2)
    weight = np.ravel(np.asarray(figure.weights, np.float64))
    pairs, weight = pairs[: len(weight)], weight[: len(pairs)]
    there = np.zeros(count, np.bool_)
    there[slice(None) if view is None else shown_nodes(figure, view)] = True
    known = ((pairs >= 0) & (pairs < count)).all(1) & (pairs[:, 0] != pairs[:, 1]) & (weight > 0) & (weight < _LARGEST)
    pairs, weight = pairs[known], weight[known]
    kept = there[pairs].all(1)
    pairs, weight = pairs[kept], weight[kept]
    order = np.argsort(weight, kind="stable")
    pairs, weight = pairs[order], weight[order]
    with np.errstate(invalid="ignore"):
        back = level[pairs[:, 1]] <= level[pairs[:, 0]]
    return Edges(pairs[:, 0], pairs[:, 1], weight, weight / weight.max(initial=1e-300), back)


def places(figure: Graph) -> Places:
    """Lays the nodes out: the same graph always in the same way, whatever it is drawn on."""
    level, edges = levels_of(figure), edges_of(figure)
    drawn = np.flatnonzero(np.isfinite(level))
    y = np.full(len(level), np.nan)
    if not drawn.size:
        return Places(level, y, 0)
    drawn = drawn[np.argsort(level[drawn], kind="stable")]
    names = short_names(figure)
    letters = tuple(len(names[i]) + _BESIDE for i in drawn.tolist())
    span = float(np.ptp(level[drawn])) or 1.0
    start = tuple(((level[drawn] - level[drawn[0]]) / span * _ACROSS).tolist())
    number = np.full(len(level), -1)
    number[drawn] = np.arange(len(drawn))
    known = (number[edges.source] >= 0) & (number[edges.target] >= 0)
    pairs = tuple(zip(number[edges.source[known]].tolist(), number[edges.target[known]].tolist(), strict=True))
    rows, height = _rows(start, letters, pairs, tuple(edges.part[known].tolist()))
    y[drawn] = (np.array(rows) + 0.5) / height
    return Places(level, y, height)


def arc(x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray, steps: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Points along edges, ``(edges, steps)`` each, in coordinates that are as wide as high and whose y goes downwards."""
    t = np.linspace(0, 1, steps)
    weights = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2])
    bent_x, bent_y = (x0 + x1) / 2 + ARC * (y1 - y0), (y0 + y1) / 2 - ARC * (x1 - x0)
    return np.stack([x0, bent_x, x1], -1) @ weights, np.stack([y0, bent_y, y1], -1) @ weights


@lru_cache(64)
def _rows(
    start: tuple[float, ...], letters: tuple[int, ...], pairs: tuple[tuple[int, int], ...], weights: tuple[float, ...]
) -> tuple[tuple[int, ...], int]:
    """The row of each node, whose names begin at ``start`` in rising order, and how many rows there are."""
    begin, end = np.array(start), np.array(start) + np.array(letters)
    meets = (begin[:, None] < end) & (begin < end[:, None])
    np.fill_diagonal(meets, val=False)
    height = max(int((end[: i + 1] > begin[i]).sum()) for i in range(len(start)))
    pull = np.zeros(meets.shape)
    for (a, b), weight in zip(pairs, weights, strict=True):
        pull[a, b] += weight
        pull[b, a] += weight
    row = _first_rows(meets, pull, height)
    forth = list(range(len(row)))
    for sweep in range(_SWEEPS):
        moved = [_settle(i, row, meets, pull, height) for i in (forth if sweep % 2 else forth[::-1])]
        if not any(moved):
            break
    return tuple(row.tolist()), height


def _first_rows(meets: np.ndarray, pull: np.ndarray, height: int) -> np.ndarray:
    """From the first node on, each in the free row next to where its neighbours are; what has no edge at the end."""
    wanted = np.where(pull.any(1), _order(pull) * (height - 1), height - 1)
    row = np.full(len(meets), -1)
    for i in range(len(meets)):
        free = np.setdiff1d(np.arange(height), row[:i][meets[i, :i]])
        row[i] = free[np.abs(free - wanted[i]).argmin()]
    return row


def _order(pull: np.ndarray) -> np.ndarray:
    """An order of the nodes, from 0 to 1, in which neighbours are near: of their barycentres, again and again."""
    found = np.linspace(0, 1, len(pull))
    weight = np.maximum(pull.sum(1), 1e-300)
    for _ in range(_ROUNDS):
        # Rounded, because sums that are equal but for their last digits must not decide about an order.
        between = np.round((found + pull @ found / weight) / 2, 9)
        found[np.argsort(between, kind="stable")] = np.linspace(0, 1, len(pull))
    return found


def _settle(i: int, row: np.ndarray, meets: np.ndarray, pull: np.ndarray, height: int) -> bool:
    """Moves a node to the row where edges are shortest, in exchange for the one node that is in its way; whether it moved."""
    heights = np.arange(height)
    rises = np.square(heights[:, None] - row)
    own = rises @ pull[i]
    gain = own - own[row[i]]
    in_way = [np.flatnonzero(meets[i] & (row == r)) for r in heights]
    for r, others in enumerate(in_way):
        if r == row[i] or len(others) == 0:
            continue
        k = int(others[0])
        beside = meets[k] & (row == row[i])
        beside[i] = False
        if len(others) > 1 or beside.any():
            gain[r] = np.inf
            continue
        theirs = rises[[row[i], r]] @ pull[k]
        gain[r] += theirs[0] - theirs[1] + 2 * pull[i, k] * (row[i] - r) ** 2  # what lies between the two stays as long
    best = int(gain.argmin())
    if gain[best] >= -1e-9:
        return False
    row[in_way[best]] = row[i]
    row[i] = best
    return True
