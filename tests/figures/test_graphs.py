"""Graphs: where nodes are laid out, which edges are drawn, and what text, pictures, CSV and comparisons make of them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Rectangle

from ibmon import Graph
from ibmon.figures.compare import overlay, pooled
from ibmon.figures.figure import Axis, View
from ibmon.figures.graphs import arc, edges_of, places, short_names, shown_nodes
from ibmon.figures.image import save, save_side_by_side
from ibmon.figures.image_graphs import draw_graph
from ibmon.figures.table import table, to_csv
from ibmon.figures.text import render
from plot import samples

LEVELS = st.floats(0, 3) | st.sampled_from([0.0, 1.0, np.nan, np.inf, 1e300])


def graph(level: np.ndarray, edges: np.ndarray, weights: np.ndarray, names: tuple[str, ...] | None = None) -> Graph:
    names = names or tuple(f"n{i}" for i in range(len(level)))
    return Graph(name="g", title="g", nodes=names, level=level, edges=edges, weights=weights, x=Axis(label="level"))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(0, 30))
    level = draw(hnp.arrays(np.float64, count, elements=LEVELS))
    edges = draw(hnp.arrays(np.int64, (draw(st.integers(0, 40)), 2), elements=st.integers(-1, 31)))
    weights = draw(hnp.arrays(np.float64, len(edges), elements=st.floats(-1, 3) | st.just(np.nan)))
    names = tuple(draw(st.lists(st.text("abc 1", max_size=8), min_size=count, max_size=count)))
    return graph(level, edges, weights, names)


@settings(max_examples=60)
@given(graphs())
def test_names_keep_apart_and_levels_are_kept(figure: Graph) -> None:
    at, names = places(figure), short_names(figure)
    placed = np.flatnonzero(np.isfinite(at.y))
    known = np.isfinite(figure.level) & (np.abs(figure.level) < 1e290)
    assert placed.tolist() == np.flatnonzero(known).tolist()
    assert np.array_equal(at.x[placed], figure.level[placed])
    assert ((at.y[placed] > 0) & (at.y[placed] < 1)).all() and len(set(at.y[placed].tolist())) <= at.rows <= len(placed)
    span = np.ptp(at.x[placed]) or 1.0 if placed.size else 1.0
    for i in placed:
        for j in placed:
            if i != j and at.y[i] == at.y[j] and at.x[i] <= at.x[j]:
                letters = (at.x[j] - at.x[i]) / span * 72
                assert letters >= len(names[i]) + 3 - 1e-9, "a name would run into the next mark of its row"


@settings(max_examples=40)
@given(graphs())
def test_the_same_graph_is_always_laid_out_alike(figure: Graph) -> None:
    shuffled = replace(figure, edges=figure.edges[::-1], weights=figure.weights[::-1])
    assert np.array_equal(places(figure).y, places(replace(figure)).y, equal_nan=True)
    one, other = edges_of(figure), edges_of(shuffled)
    assert sorted(zip(one.source, one.target, one.weight, strict=True)) == sorted(
        zip(other.source, other.target, other.weight, strict=True)
    )


@settings(max_examples=40)
@given(graphs())
def test_only_edges_that_can_be_drawn_are(figure: Graph) -> None:
    for view in (None, View()):
        found = edges_of(figure, view)
        assert (np.diff(found.weight) >= 0).all() and (found.weight > 0).all()
        assert ((found.source >= 0) & (found.target < len(figure.nodes)) & (found.source != found.target)).all()
        assert ((found.part > 0) & (found.part <= 1)).all()
    assert np.isfinite(figure.level[edges_of(figure, View()).source]).all()


def test_a_chain_is_a_straight_row_and_layers_stand_above_each_other() -> None:
    chain = graph(np.arange(5.0), np.array([[0, 1], [1, 2], [2, 3], [3, 4]]), np.ones(4))
    assert places(chain).rows == 1 and set(places(chain).y.tolist()) == {0.5}
    level = np.repeat([0.0, 1.0, 2.0], 4)
    layers = graph(level, np.array([[i, i + 4] for i in range(8)]), np.ones(8))
    assert places(layers).rows == 4
    assert np.array_equal(places(layers).y[:4], places(layers).y[8:])  # no edge has to rise
    assert edges_of(replace(layers, level=-level)).back.all() and not edges_of(layers).back.any()


def crossings(y: np.ndarray, edges: np.ndarray) -> int:
    """Pairs of edges between the same two layers whose ends stand in opposite order."""
    a, b = y[edges[:, 0]], y[edges[:, 1]]
    across = np.subtract.outer(a, a) * np.subtract.outer(b, b) < 0
    return int(np.triu(across, 1).sum())


@pytest.mark.parametrize("seed", range(5))
def test_edges_cross_far_less_than_in_any_random_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hidden = rng.permutation(12)
    edges = np.array([[i, 12 + int(hidden[j])] for i in range(12) for j in (i - 1, i, i + 1) if 0 <= j < 12])
    figure = graph(np.repeat([0.0, 1.0], 12), edges, np.ones(len(edges)))
    least = min(crossings(np.concatenate([rng.permutation(12), rng.permutation(12)]), edges) for _ in range(200))
    assert crossings(places(figure).y, edges) < least / 2


def test_edges_bend_upwards_where_they_lead_on_and_downwards_where_they_lead_back() -> None:
    x, y = arc(np.array([0.0, 10.0]), np.array([5.0, 5.0]), np.array([10.0, 0.0]), np.array([5.0, 5.0]))
    assert x[:, [0, -1]].tolist() == [[0, 10], [10, 0]] and np.allclose(y[:, [0, -1]], 5)
    assert y[0, 1:-1].max() < 5 < y[1, 1:-1].min()  # downwards is where y grows


def test_a_name_does_not_repeat_its_group_and_a_filter_keeps_what_it_names() -> None:
    figure = samples.graph()
    assert short_names(figure)[:3] == ["input", "0", "1"]
    assert {figure.nodes[i].split()[0] for i in shown_nodes(figure, View(only=("hidden",)))} == {"hidden"}
    kept = edges_of(figure, View(only=("hidden",)))
    assert 0 < len(kept.weight) < len(edges_of(figure).weight) and 0 not in {*kept.source, *kept.target}
    level = figure.level[shown_nodes(figure, View())]
    assert (np.diff(level) >= 0).all() and len(level) == len(figure.nodes) - 1


def test_a_table_has_the_strongest_edges_of_every_node_in_the_order_of_levels() -> None:
    figure = samples.graph()
    rows = table(figure).rows
    assert table(figure).columns == ("node", "trophic level", "to, net flow [bits]", "flow in and out [bits]")
    assert rows[-1][:3] == ("hidden 7", "–", "") and len(rows) == len(figure.nodes)
    found = {row[0]: row[2] for row in rows}
    mine = [k for k, (i, _) in enumerate(figure.edges.tolist()) if i == 0]
    best = max(mine, key=lambda k: figure.weights[k])
    assert found["input"].startswith(f"{figure.nodes[figure.edges[best, 1]]} {figure.weights[best]:.2g}")
    assert found["input"].endswith(f"and {len(mine) - 3} more")
    assert table(replace(figure, groups=("layer",) * len(figure.nodes))).columns[1] == "group"
    text = render(figure, 100, 24, colour=False)
    assert "to, net flow [bits]" in text and all(name in text for name in figure.nodes)


def test_csv_has_every_edge_and_every_node() -> None:
    figure = samples.graph()
    rows = list(csv.DictReader(io.StringIO(to_csv(figure))))
    edges = [row for row in rows if row["target"]]
    assert len(edges) == len(figure.weights)
    assert [float(row["weight"]) for row in edges] == sorted(figure.weights.tolist(), reverse=True)
    for row in edges:
        i, j = figure.nodes.index(row["source"]), figure.nodes.index(row["target"])
        assert figure.weights[figure.edges.tolist().index([i, j])] == float(row["weight"])
        assert (float(row["source_level"]), float(row["target_level"])) == (figure.level[i], figure.level[j])
        assert (row["source_group"], row["target_group"]) == (figure.groups[i], figure.groups[j])
    (lone,) = [row for row in rows if not row["target"]]
    assert (lone["source"], lone["source_level"], lone["weight"]) == ("hidden 7", "", "")
    assert {row["quantity"] for row in rows} == {"net flow [bits]"} and {row["quantity_level"] for row in rows} == {
        "trophic level"
    }
    assert {row["source"] for row in rows} | {row["target"] for row in rows} >= set(figure.nodes)


def test_runs_are_not_mixed() -> None:
    """The third hidden unit of one network has nothing to do with that of another."""
    one, other = samples.graph(), replace(samples.graph(), weights=samples.graph().weights * 2)
    (seeds,) = pooled([[one], [other]], "seeds")
    assert isinstance(seeds, Graph) and np.array_equal(seeds.weights, one.weights) and "the first of 2 runs" in seeds.note
    both = overlay({"a": [one], "b": [other]})
    assert [(f.name, f.title) for f in both] == [("flow-graph-a", f"{one.title} · a"), ("flow-graph-b", f"{one.title} · b")]
    with pytest.raises(ValueError, match="can be saved side by side"):
        save_side_by_side({"a": one, "b": other}, "never.png")


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
@pytest.mark.parametrize("width", [3.4, 7.0])
def test_a_picture_is_written_as_wide_as_asked(tmp_path: Path, kind: str, width: float) -> None:
    path = tmp_path / f"a.{kind}"
    save(samples.graph(), path, width=width)
    if kind == "svg":
        text = path.read_text(encoding="utf-8")
        assert f'width="{72 * width:g}pt"' in text
        for said in ("output", "trophic level", "width of edges: net flow [bits]", "1 without a level", ">back<"):
            assert said in text, said
    assert path.stat().st_size > 2000


def test_pictures_of_nothing_and_of_odd_things(tmp_path: Path) -> None:
    none = np.zeros((0, 2))
    path = tmp_path / "a.svg"
    for figure in (graph(np.zeros(0), none, np.zeros(0)), graph(np.full(2, np.nan), none, np.zeros(0))):
        save(figure, path)
        assert "no measurement yet" in path.read_text(encoding="utf-8")
    save(graph(np.zeros(3), none, np.zeros(0), ("$x^2$", "\x1b[31m", "a" * 200)), path)
    text = path.read_text(encoding="utf-8")
    assert "$x^2$" in text and "\x1b" not in text
    save(samples.graph(), path, View(only=("nothing",)))
    assert "no measurement yet" in path.read_text(encoding="utf-8")


def test_boxes_of_names_lie_beneath_the_marks_of_all_nodes() -> None:
    level = np.random.default_rng(0).uniform(0, 3, 60)
    many = graph(level, np.zeros((0, 2)), np.zeros(0), tuple(f"column_{i:02d}" for i in range(60)))
    drawing = Drawing(figsize=(3.4, 2.4), dpi=300)
    axes = drawing.subplots()
    draw_graph(drawing, axes, many, View())
    canvas = FigureCanvasAgg(drawing)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    at = places(many)
    x, y = axes.transData.transform(np.c_[at.x, at.y]).astype(int).T
    red = pixels[len(pixels) - 1 - y, x, 0].astype(int)
    ink = int("22", 16)
    assert (red <= ink).all(), "the marks have no red and letters little; what white lies on has much"
    boxes = [artist for artist in axes.get_children() if isinstance(artist, Rectangle) and artist is not axes.patch]
    assert len(boxes) == 60
    names = [text for text in axes.texts if text.get_text().startswith("column_")]
    for box, name in zip(boxes, names, strict=True):
        around, inside = box.get_window_extent(), name.get_window_extent()
        assert around.x0 < inside.x0 and inside.x1 < around.x1 and around.y0 < inside.y0 and inside.y1 < around.y1
    near = View(x_limits=(1.0, 2.0))
    drawing = Drawing()
    axes = drawing.subplots()
    draw_graph(drawing, axes, many, near)
    assert sum(isinstance(artist, Rectangle) for artist in axes.get_children()) - 1 == ((level >= 1) & (level <= 2)).sum()
