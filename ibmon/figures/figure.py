"""What to draw, said once: the terminal's raster, the one-shot text charts and the exports all render these.

A figure holds numbers and their meaning (axes, units, series, flags), never colours, cells or pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

Scale = Literal["linear", "log"]
Colour = Literal["series", "epoch", "position", "run"]
Layout = Literal["overlay", "panels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis: label with unit ("I(X;T) [bits]"), scale, and limits where they are known beforehand."""

    label: str = ""
    scale: Scale = "linear"
    limits: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A labelled straight line at ``value`` of the ``x`` or ``y`` axis, such as H(X) or SNR = 1."""

    axis: Literal["x", "y"]
    value: float
    label: str = ""
    runs: tuple[str, ...] = ()
    """The runs that have it, where several are compared and not all do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """One subject's path through a plane: arrays ``(points,)``, in the order of training.

    ``hollow`` marks points whose estimate means little (saturated); ``flags`` says why, point by point. Bounds are NaN where
    the estimator has none. ``x_details`` and ``y_details`` are what the estimates say beside their values, as in a ``Series``:
    ``raw``, ``error``, ``null``, ``p_value``, ``limit``, each ``(points,)``. ``members_x`` and ``members_y``
    ``(points, members)`` are the single networks behind a median. ``position`` is where the subject stands on the axis
    ``positions`` of its plane, such as its timepoint.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    step: np.ndarray
    epoch: np.ndarray
    x_lower: np.ndarray | None = None
    x_upper: np.ndarray | None = None
    y_lower: np.ndarray | None = None
    y_upper: np.ndarray | None = None
    hollow: np.ndarray | None = None
    flags: tuple[tuple[str, ...], ...] = ()
    estimator: str = ""
    x_details: Mapping[str, np.ndarray] = field(default_factory=dict[str, "np.ndarray"])
    y_details: Mapping[str, np.ndarray] = field(default_factory=dict[str, "np.ndarray"])
    members_x: np.ndarray | None = None
    members_y: np.ndarray | None = None
    position: float | None = None
    group: int | None = None
    """Trajectories of one group share a colour; without it each has its own."""
    run: str = ""
    """The run it comes from, where several are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A curve ``y`` over ``x``, both ``(points,)``, with an optional band; NaN is a gap and never bridged.

    ``flags`` and ``details`` are those of the estimates behind the points, as in a ``Trajectory``.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    step: np.ndarray | None = None
    estimator: str = ""
    flags: tuple[tuple[str, ...], ...] = ()
    details: Mapping[str, np.ndarray] = field(default_factory=dict[str, "np.ndarray"])
    dashed: bool = False
    """Drawn thinner: a companion of the line before it with the same ``group``, and in its colour."""
    group: int | None = None
    """Lines of one group share a colour; without it each has its own."""
    unnamed: bool = False
    """Left out of legends: the figure's title or note says what such lines are. Tables and CSV have its label."""
    position: float | None = None
    """Where the line stands on the axis ``positions`` of its figure, such as its timepoint."""
    run: str = ""
    """The run it comes from, where several are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What every figure has.

    ``name`` is a bare word for files and the command line ("information-plane"); ``screen`` is the screen of the terminal that
    shows it ("plane", "gradients", ...); ``important`` puts it into the overview; ``note`` names estimator and parameters.
    ``single`` is what has no counterpart in other networks, such as the units of a layer: runs of several seeds are then not
    pooled, and the first is shown.
    """

    name: str
    title: str
    screen: str = ""
    important: bool = False
    note: str = ""
    single: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane(Figure):
    """Trajectories of several subjects in a plane of two quantities: the information plane.

    With ``positions`` (its label "timepoint", say) colour can mean the subjects' ``position``, and a colour bar explains it.
    """

    x: Axis
    y: Axis
    trajectories: tuple[Trajectory, ...] = ()
    references: tuple[Reference, ...] = ()
    positions: Axis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves(Figure):
    """Curves over one axis; ``positions`` as in a ``Plane``."""

    x: Axis
    y: Axis
    lines: tuple[Line, ...] = ()
    references: tuple[Reference, ...] = ()
    positions: Axis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heatmap(Figure):
    """A matrix ``(rows, columns)`` as colours; NaN cells stay empty.

    ``steps`` ``(columns,)`` are the steps of training that the columns stand for, where they do, in rising order: a view that
    ends earlier leaves later columns empty. ``centre`` is the value in the middle of a diverging colour map (0 for correlations).
    ``row_runs`` names the run of each row, where several are compared; NaN columns are those that another run has.
    """

    values: np.ndarray
    x: Axis = field(default_factory=Axis)
    y: Axis = field(default_factory=Axis)
    row_labels: tuple[str, ...] = ()
    column_labels: tuple[str, ...] = ()
    value_label: str = ""
    limits: tuple[float | None, float | None] = (None, None)
    steps: np.ndarray | None = None
    centre: float | None = None
    row_runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram(Figure):
    """Counts ``(groups, bins)`` between ``edges`` ``(bins + 1,)``, stacked by group.

    ``group_runs`` names the run of each group, where several are compared.
    """

    edges: np.ndarray
    counts: np.ndarray
    labels: tuple[str, ...] = ()
    x: Axis = field(default_factory=Axis)
    y: Axis = field(default_factory=lambda: Axis(label="count"))
    references: tuple[Reference, ...] = ()
    group_runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Figure):
    """Rows of text."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Figure):
    """Grey values ``(rows, columns)`` as a picture, or a montage of them ``(pictures, rows, columns)``; NaN is ground.

    One picture may be put together from parts with NaN between them: ``row_captions`` and ``column_captions`` name its bands,
    each by its first row or column and in rising order: ``((0, "input"), (40, "layer 1"))``.
    """

    values: np.ndarray
    labels: tuple[str, ...] = ()
    limits: tuple[float | None, float | None] = (None, None)
    row_captions: tuple[tuple[int, str], ...] = ()
    column_captions: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage(Figure):
    """Words of running text, each on the colour of its value, such as the saliency of the words of a review.

    ``values`` are ``(words,)``, or ``(rows, words)`` for the same words several times, one passage under the other; NaN has no
    colour. ``labels`` say what the rows are ("untrained", "epoch 4"), ``value_label`` what the values are. One range of colours
    serves all rows: ``limits`` and ``centre`` as in a ``Heatmap``.
    """

    words: tuple[str, ...]
    values: np.ndarray
    labels: tuple[str, ...] = ()
    value_label: str = ""
    limits: tuple[float | None, float | None] = (None, None)
    centre: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph(Figure):
    """Nodes at their levels with directed edges between them, such as the flow of information through a network.

    ``level`` ``(nodes,)`` is the place of each of ``nodes`` along ``x``, which is linear; what has none (NaN) is listed and not
    drawn. ``groups`` ``(nodes,)`` say which nodes share a colour. ``edges`` ``(edges, 2)`` are source and target by number,
    ``weights`` ``(edges,)``, all above 0, how strong each is, and ``weight_label`` what that means. ``values`` ``(nodes,)`` are
    the sizes of the nodes, not negative, with their ``value_label``. How far up a node stands has no meaning: it is laid out so
    that names keep apart and edges are short.
    """

    nodes: tuple[str, ...]
    level: np.ndarray
    edges: np.ndarray
    weights: np.ndarray
    x: Axis = field(default_factory=Axis)
    groups: tuple[str, ...] = ()
    weight_label: str = ""
    values: np.ndarray | None = None
    value_label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a user looks at a figure: what a key of the terminal or an option of the export changes.

    ``colour`` is what colour means: the series, the epoch, the position or the run; None, or what a figure has not, leaves it to
    the figure (``meaning``).
    ``until`` hides everything after this step. ``x_scale``/``y_scale`` override the axes' scales; ``x_limits``/``y_limits`` zoom.
    ``cursor`` is (series, point) of the point being inspected. ``only`` keeps series whose label contains one of these
    words. ``smooth`` is the number of neighbouring points a curve is averaged over (1: none). ``layout`` says whether compared
    runs lie over each other or in panels of their own, None leaves it to the figure (``panels.apart``); ``alone`` is the one run
    that is shown, in the limits and colours of all.
    """

    colour: Colour | None = None
    until: int | None = None
    x_scale: Scale | None = None
    y_scale: Scale | None = None
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    cursor: tuple[int, int] | None = None
    only: tuple[str, ...] = ()
    smooth: int = 1
    layout: Layout | None = None
    alone: str = ""
