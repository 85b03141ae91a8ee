"""What charts look like, and that nothing makes them fail."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ibmon.figures.figure import (
    Axis,
    Curves,
    Figure,
    Graph,
    Heatmap,
    Histogram,
    Image,
    Line,
    Passage,
    Plane,
    Table,
    Trajectory,
    View,
)
from ibmon.plot import Chart, Palette, draw, table
from ibmon.plot.palette import XTERM
from plot import samples

GOLDENS = Path(__file__).parent / "goldens"
PALETTES = [
    Palette(depth=depth, theme=theme, ascii=ascii_only)
    for depth in ("true", "256", "16", "none")
    for theme in ("dark", "light", "contrast")
    for ascii_only in (False, True)
]


def check(chart: Chart, columns: int, rows: int, palette: Palette) -> None:
    """What holds of every grid."""
    grid = chart.grid
    for array in (grid.ch, grid.fg, grid.bg, grid.bold):
        assert array.shape == (rows, columns)
    text = "".join(grid.lines())
    assert all(c.isprintable() for c in text)
    assert not palette.ascii or text.isascii()
    used = set(grid.fg.ravel().tolist()) | set(grid.bg.ravel().tolist())
    if palette.depth == "none":
        assert used <= {-1}
    if palette.depth == "256":
        assert used <= {-1} | {int(r) << 16 | int(g) << 8 | int(b) for r, g, b in XTERM}
    if palette.depth == "16":
        standard = {r << 16 | g << 8 | b for r in (0, 170) for g in (0, 170) for b in (0, 170)} - {0xAAAA00} | {0xAA5500}
        bright = {r << 16 | g << 8 | b for r in (85, 255) for g in (85, 255) for b in (85, 255)}
        assert used <= {-1} | standard | bright


@pytest.mark.parametrize(
    ("name", "figure", "size", "view", "palette"),
    [
        ("plane", samples.plane(), (78, 19), View(), Palette()),
        ("plane-epoch", samples.plane(), (78, 19), View(colour="epoch"), Palette(depth="256")),
        ("plane-ascii", samples.plane(), (60, 16), View(), Palette(depth="none", ascii=True)),
        ("plane-cursor", samples.plane(), (60, 16), View(cursor=(2, 30), until=1000), Palette()),
        ("plane-small", samples.plane(), (20, 6), View(), Palette()),
        ("curves", samples.curves(), (64, 16), View(), Palette()),
        ("curves-small", samples.curves(), (24, 8), View(), Palette()),
        ("losses", samples.losses(), (50, 12), View(), Palette()),
        ("heatmap-16", samples.heatmap(), (50, 12), View(), Palette(depth="16")),
        ("heatmap-none", samples.heatmap(), (50, 12), View(), Palette(depth="none")),
        ("histogram", samples.histogram(), (50, 12), View(), Palette()),
        ("timepoints", samples.timepoints(), (78, 19), View(), Palette()),
        ("timepoints-300-16", samples.timepoints(300, 20), (78, 19), View(), Palette(depth="16")),
        ("timepoints-narrow", samples.timepoints(), (40, 12), View(), Palette(depth="256")),
        ("timepoint-curves", samples.timepoint_curves(), (70, 14), View(), Palette()),
        ("timepoint-curves-16", samples.timepoint_curves(), (70, 14), View(), Palette(depth="16")),
        ("two-planes", samples.two_planes(), (78, 19), View(), Palette()),
        ("two-planes-ascii", samples.two_planes(), (78, 19), View(), Palette(depth="none", ascii=True)),
        ("two-curves", samples.two_curves(), (70, 16), View(colour="run"), Palette()),
        ("net-flow", samples.net_flow(), (60, 14), View(cursor=(2, 4)), Palette()),
        ("net-flow-30-none", samples.net_flow(30), (60, 14), View(cursor=(6, 8)), Palette(depth="none")),
        ("confusion-16", samples.confusion(), (60, 17), View(cursor=(1, 2)), Palette(depth="16")),
        ("over-epochs-none", samples.over_epochs(), (60, 14), View(cursor=(16, 32), until=400), Palette(depth="none")),
        ("correlations", samples.correlations(), (50, 12), View(cursor=(1, 16)), Palette()),
        ("sizes", samples.sizes(), (50, 12), View(cursor=(0, 4)), Palette()),
        ("table", samples.table(), (50, 6), View(), Palette()),
        ("table-scrolled", samples.long_table(), (50, 9), View(cursor=(30, 0)), Palette()),
        ("image-16", samples.image(), (50, 10), View(), Palette(depth="16")),
        ("passage", samples.passage(), (60, 14), View(cursor=(1, 40)), Palette()),
        ("passage-cut-16", samples.passage(), (60, 12), View(cursor=(1, 36)), Palette(depth="16")),
        ("passage-none", samples.passage(), (40, 20), View(cursor=(0, 2)), Palette(depth="none")),
        ("graph", samples.graph(), (78, 19), View(), Palette()),
        ("graph-cursor-16", samples.graph(), (60, 14), View(cursor=(4, 0)), Palette(depth="16")),
        ("graph-ascii", samples.graph(), (40, 10), View(only=("hidden",)), Palette(depth="none", ascii=True)),
        ("effect-ascii", samples.signed_passage(), (40, 10), View(), Palette(depth="none", ascii=True)),
    ],
)
def test_golden(
    name: str, figure: Figure, size: tuple[int, int], view: View, palette: Palette, request: pytest.FixtureRequest
) -> None:
    chart = draw(figure, *size, view, palette)
    check(chart, *size, palette)
    drawn = "\n".join(line.rstrip() for line in chart.grid.lines()) + "\n"
    golden = GOLDENS / f"{name}.txt"
    if not golden.exists():  # to renew a golden, delete it and run this test twice
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(drawn, encoding="utf-8")
        pytest.fail(f"wrote {golden.name}")
    assert drawn == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("palette", PALETTES, ids=str)
@pytest.mark.parametrize("figure", samples.all_figures(), ids=lambda figure: figure.name)
def test_every_palette_and_size(figure: Figure, palette: Palette) -> None:
    for columns, rows in ((0, 0), (1, 1), (19, 6), (20, 5), (20, 6), (33, 9), (80, 24), (160, 45)):
        for view in (
            View(),
            View(colour="run", until=300, cursor=(1, 3)),
            View(colour="epoch", cursor=(1, 3), smooth=5, x_scale="log", y_scale="linear"),
        ):
            check(draw(figure, columns, rows, view, palette), columns, rows, palette)


def empty_figures() -> list[Figure]:
    none = np.zeros(0)
    nan = np.full(3, np.nan)
    axis = Axis(label="x")
    return [
        Plane(name="p", title="p", x=axis, y=axis),
        Plane(name="p", title="p", x=axis, y=axis, trajectories=(Trajectory(label="a", x=none, y=none, step=none, epoch=none),)),
        Plane(name="p", title="p", x=axis, y=axis, trajectories=(Trajectory(label="a", x=nan, y=nan, step=nan, epoch=nan),)),
        Curves(name="c", title="c", x=axis, y=axis),
        Curves(name="c", title="c", x=axis, y=axis, lines=(Line(label="a", x=none, y=none),)),
        Curves(name="c", title="c", x=axis, y=Axis(scale="log"), lines=(Line(label="a", x=nan, y=-nan),)),
        Heatmap(name="h", title="h", values=np.zeros((0, 0))),
        Heatmap(name="h", title="h", values=np.full((2, 2), np.nan)),
        Histogram(name="i", title="i", edges=none, counts=np.zeros((0, 0))),
        Histogram(name="i", title="i", edges=np.zeros(3), counts=np.zeros((1, 2))),
        Table(name="t", title="t"),
        Image(name="m", title="m", values=np.zeros((0, 4, 4))),
        Passage(name="w", title="w", words=(), values=np.zeros(0)),
        Passage(name="w", title="w", words=("a", "b"), values=np.full((2, 2), np.nan)),
        Graph(name="g", title="g", nodes=(), level=none, edges=np.zeros((0, 2)), weights=none),
        Graph(name="g", title="g", nodes=("a", "b", "c"), level=nan, edges=np.array([[0, 1]]), weights=np.ones(1)),
    ]


@pytest.mark.parametrize("figure", empty_figures(), ids=lambda figure: type(figure).__name__)
def test_empty(figure: Figure) -> None:
    chart = draw(figure, 60, 12)
    check(chart, 60, 12, Palette())
    assert "no measurement yet" in "".join(chart.grid.lines())
    assert isinstance(table(figure), Table)


def test_four_hundred_timepoints() -> None:
    figure = samples.timepoints(400, 4)
    for colour in ("position", "epoch", "series"):
        for palette in PALETTES:
            check(draw(figure, 100, 30, View(colour=colour), palette), 100, 30, palette)


VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1.0, 1e-300, -1e308, 1e308, 1.0000000001]),
    st.floats(-10, 10),
)
ZOOM = st.none() | st.tuples(st.floats(allow_nan=True), st.floats(allow_nan=True))
VIEWS = st.builds(
    View,
    colour=st.sampled_from([None, "series", "epoch", "position", "run"]),
    until=st.none() | st.integers(-1, 30),
    x_scale=st.sampled_from([None, "linear", "log"]),
    y_scale=st.sampled_from([None, "linear", "log"]),
    x_limits=ZOOM,
    y_limits=ZOOM,
    cursor=st.none() | st.tuples(st.integers(-1, 3), st.integers(-1, 30)),
    only=st.sampled_from([(), ("a",), ("nothing",)]),
    smooth=st.integers(0, 40),
)
SIZES = st.tuples(st.integers(0, 70), st.integers(0, 20))
LABELS = st.text(max_size=30)
POSITIONS = st.none() | st.sampled_from([0.0, 1.0, 7.0]) | st.floats(allow_nan=True)
LIMITS = st.sampled_from([(None, None), (0.0, None), (None, 1.0), (0.0, 1.0), (5.0, -5.0)])


@settings(max_examples=150)
@given(data=st.data(), view=VIEWS, size=SIZES, palette=st.sampled_from(PALETTES), label=LABELS)
def test_any_plane_and_curves(data: st.DataObject, view: View, size: tuple[int, int], palette: Palette, label: str) -> None:
    count = data.draw(st.integers(0, 20))
    x, y, low, high = (data.draw(hnp.arrays(np.float64, count, elements=VALUES)) for _ in range(4))
    step = np.arange(count)
    members = np.stack([x, y], axis=1)
    trajectory = Trajectory(
        label=label,
        x=x,
        y=y,
        step=step,
        epoch=step,
        hollow=y > 0,
        x_lower=low,
        x_upper=high,
        members_x=members,
        members_y=members,
    )
    axis = Axis(label=label, limits=data.draw(LIMITS), scale=data.draw(st.sampled_from(["linear", "log"])))
    kinds = [
        {"position": data.draw(POSITIONS), "run": data.draw(st.sampled_from(["", label, "r"])), "group": group}
        for group in (data.draw(st.none() | st.integers(0, 1)), 0, None)
    ]
    plane = Plane(
        name="p",
        title=label,
        x=axis,
        y=axis,
        trajectories=tuple(
            replace(trajectory, label=name, y=values, **kind)
            for name, values, kind in zip((label, "b", "b"), (y, x, low), kinds, strict=True)
        ),
        positions=data.draw(st.sampled_from([None, axis])),
    )
    line = Line(label=label, x=x, y=y, lower=low, upper=high, step=step)
    curves = Curves(
        name="c",
        title=label,
        x=axis,
        y=axis,
        lines=(replace(line, **kinds[0]), replace(line, label="a", y=low, dashed=True, **kinds[1]), replace(line, **kinds[2])),
        positions=data.draw(st.sampled_from([None, axis])),
    )
    for figure in (plane, curves):
        first = draw(figure, *size, view, palette)
        check(first, *size, palette)
        check(draw(figure, *size, view, palette, first.frame), *size, palette)
        assert isinstance(table(figure, view), Table)


@settings(max_examples=100)
@given(data=st.data(), view=VIEWS, size=SIZES, palette=st.sampled_from(PALETTES), label=LABELS)
def test_any_matrix(data: st.DataObject, view: View, size: tuple[int, int], palette: Palette, label: str) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=40))
    values = data.draw(hnp.arrays(np.float64, shape, elements=VALUES, fill=st.just(0.5)))
    edges = np.arange(shape[1] + 1.0) + data.draw(st.sampled_from([-3.0, 0.0, 1.0]))
    scale = Axis(scale=data.draw(st.sampled_from(["linear", "log"])))
    steps, centre, limits = np.arange(shape[1]), data.draw(st.none() | VALUES), data.draw(LIMITS)
    heatmap = Heatmap(name="h", title=label, values=values, row_labels=(label,), column_labels=(label, label), value_label=label)
    for figure in (
        heatmap,
        replace(heatmap, steps=steps, centre=centre, limits=limits, row_labels=(), column_labels=()),
        Histogram(name="i", title=label, edges=edges, counts=np.abs(values), labels=(label,), x=scale, y=scale),
        Image(name="m", title=label, values=values, labels=(label,)),
        Table(name="t", title=label, columns=(label, "b"), rows=((label,), ("1", "2", "3"))),
    ):
        check(draw(figure, *size, view, palette), *size, palette)
        assert isinstance(table(figure, view), Table)


WORDS = st.one_of(st.text(max_size=12), st.sampled_from(["good", "bad", ".", "", "層の", "e\u0301", "\x1b[31m", "a" * 200]))


@settings(max_examples=100)
@given(data=st.data(), view=VIEWS, size=SIZES, palette=st.sampled_from(PALETTES))
def test_any_passage(data: st.DataObject, view: View, size: tuple[int, int], palette: Palette) -> None:
    words = tuple(data.draw(st.lists(WORDS, max_size=40)))
    shape = (data.draw(st.integers(0, 4)), data.draw(st.sampled_from([len(words), 3])))
    values = data.draw(hnp.arrays(np.float64, shape, elements=VALUES, fill=st.just(0.5)))
    figure = Passage(
        name="w",
        title="w",
        words=words,
        values=values,
        labels=data.draw(st.sampled_from([(), ("untrained",), words])),
        value_label=data.draw(LABELS),
        limits=data.draw(LIMITS),
        centre=data.draw(st.none() | VALUES),
    )
    check(draw(figure, *size, view, palette), *size, palette)
    assert isinstance(table(figure, view), Table)


@settings(max_examples=100)
@given(data=st.data(), view=VIEWS, size=SIZES, palette=st.sampled_from(PALETTES))
def test_any_graph(data: st.DataObject, view: View, size: tuple[int, int], palette: Palette) -> None:
    nodes = tuple(data.draw(st.lists(WORDS, max_size=20)))
    edges = data.draw(hnp.arrays(np.int64, (data.draw(st.integers(0, 30)), 2), elements=st.integers(-2, 22)))
    figure = Graph(
        name="g",
        title="g",
        nodes=nodes,
        level=data.draw(hnp.arrays(np.float64, data.draw(st.sampled_from([len(nodes), 3])), elements=VALUES)),
        edges=edges,
        weights=data.draw(hnp.arrays(np.float64, data.draw(st.sampled_from([len(edges), 2])), elements=VALUES)),
        x=Axis(label=data.draw(LABELS), limits=data.draw(LIMITS)),
        groups=data.draw(st.sampled_from([(), ("a",), nodes])),
        weight_label=data.draw(LABELS),
        values=data.draw(st.none() | hnp.arrays(np.float64, len(nodes), elements=VALUES)),
    )
    first = draw(figure, *size, view, palette)
    check(first, *size, palette)
    check(draw(figure, *size, view, palette, first.frame), *size, palette)
    assert isinstance(table(figure, view), Table)


def test_a_graph_shows_every_name_that_has_room_and_the_edges_of_the_node_under_the_cursor() -> None:
    figure, palette = samples.graph(), Palette()
    for size in ((78, 19), (158, 40)):
        grid = draw(figure, *size).grid
        text = "\n".join(grid.lines())
        marks = sum(text.count(mark) for mark in "●■▲")
        assert marks == 9 + 3, "nine nodes with a level, and the three groups in the header"
        assert all(f"■{i}" in text for i in range(7)) and "●input" in text and "output" in text.split("▲ output")[1]
        assert "1 without a level" in text
    plain, focused = (draw(figure, 78, 19, View(cursor=cursor)).grid for cursor in (None, (0, 0)))
    edges = [palette.series(1, strength) for strength in np.linspace(0.25, 1, 30)]
    assert np.isin(plain.fg, edges).sum() > 50
    braille = (focused.ch >= 0x2800) & (focused.ch < 0x2900)
    assert set(focused.fg[braille].tolist()) <= {palette.role("grid"), *(palette.series(0, s) for s in np.linspace(0.25, 1, 30))}
