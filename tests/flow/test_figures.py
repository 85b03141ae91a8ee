"""The figures of a flow: in the order of the levels, complete, and without torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import torch

from ibmon.figures.table import to_csv
from ibmon.figures.text import render
from ibmon.flow import Series, study
from ibmon.flow.figures import edges_table, flow_graph, flow_matrix, levels_histogram, study_figures

from .conftest import bound, chain, seeded, series


def test_the_matrix_is_in_the_order_of_the_levels_with_the_unplaced_last() -> None:
    net = np.array([[0, -1, 2, 0], [1, 0, 3, 0], [-2, -3, 0, 0], [0, 0, 0, 0.0]])
    drawn = flow_matrix(net, np.array([1, 0, 2, np.nan]), ["b", "a", "c", "alone"])
    assert drawn.row_labels == drawn.column_labels == ("a", "b", "c", "alone")
    assert drawn.values.tolist() == [[0, 1, 3, 0], [-1, 0, 2, 0], [-3, -2, 0, 0], [0, 0, 0, 0]]
    assert drawn.centre == 0
    many = flow_matrix(np.zeros((50, 50)), np.arange(50), [str(i) for i in range(50)])
    assert many.row_labels == ()


def test_every_placed_node_is_counted_once() -> None:
    height = np.array([0.0, 0.0, 1.0, 2.5, np.nan])
    drawn = levels_histogram(height, {"inputs": [0, 1], "outputs": [3]}, cuts=[0.5])
    assert drawn.labels == ("inputs", "outputs", "others")
    assert drawn.counts.sum(1).tolist() == [2, 1, 1]
    assert drawn.edges[0] == 0 and drawn.edges[-1] == 2.5 and drawn.references[0].value == 0.5
    assert levels_histogram(height, {}).labels == ("nodes",)
    assert levels_histogram(np.full(3, np.nan), {}).counts.sum() == 0


def test_the_graph_has_the_flows_that_are_beyond_chance_and_of_many_first_the_strongest_of_each_node() -> None:
    net = np.array([[0, 4, 1, 0.0], [-4, 0, 3, 2], [-1, -3, 0, 0.5], [0, -2, -0.5, 0]])
    p = np.where(np.abs(net) == 3, 0.2, 0.01)
    groups = {"inputs": [0], "hidden": [1, 2]}
    found = flow_graph(net, np.array([0.0, 1, 2, np.nan]), list("abcd"), groups, p, note="copula")
    weights = {(int(i), int(j)): float(w) for (i, j), w in zip(found.edges, found.weights, strict=True)}
    assert weights == {(0, 1): 4, (1, 3): 2, (0, 2): 1, (2, 3): 0.5}, "that of 3 bits may be chance"
    assert found.groups == ("inputs", "hidden", "hidden", "others") and found.values is not None
    assert found.values.tolist() == [5, 9, 4.5, 2.5], "in and out, beyond chance or not"
    assert found.note == "copula; 4 net flows with p ≤ 0.05 over all pairs"
    few = flow_graph(net, np.arange(4.0), list("abcd"), {}, p, most=3)
    assert few.edges.tolist() == [[0, 1], [1, 3], [0, 2]] and few.groups == (), "each is the strongest of a node"
    assert few.note == "3 of 4 net flows with p ≤ 0.05 over all pairs, first the strongest of each node"
    strong = np.triu(np.add.outer(np.arange(6.0), np.arange(6.0)) + 1, 1)
    one = flow_graph(strong - strong.T, np.arange(6.0), list("abcdef"), {}, np.full((6, 6), 0.02), most=7)
    assert {0, 1, 2, 3, 4, 5} == set(one.edges.ravel().tolist()), "the weakest node is not cut off"
    none = flow_graph(net, np.arange(4.0), list("abcd"), {}, np.full((4, 4), np.nan))
    assert none.edges.shape == (0, 2) and none.note == "no net flows with p ≤ 0.05 over all pairs"


def test_a_study_draws_what_it_found() -> None:
    some = series(chain(5), 300)
    still = Series.of(torch.cat([some.values, torch.ones(1, 300, 1)], -1), ["a", "b", "c", "d", "e", "still"])
    found = study(still, bound(), surrogates=39, draws=10, rng=seeded())
    matrix, levels, arcs, edges = study_figures(found, "copula, lag 1")
    assert matrix.row_labels == ("a", "b", "c", "d", "e", "still")  # type: ignore[attr-defined]
    assert edges.rows[0][:2] in {("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")}  # type: ignore[attr-defined]
    assert arcs.nodes == found.series.names and not arcs.groups and np.isnan(arcs.level[-1])  # type: ignore[attr-defined]
    assert {(arcs.nodes[i], arcs.nodes[j]) for i, j in arcs.edges} >= set(zip("abcd", "bcde", strict=True))  # type: ignore[attr-defined]
    for figure in (matrix, levels, arcs, edges):
        assert render(figure, 80, 24, colour=False) and len(to_csv(figure).splitlines()) > 5
    clustered = replace(found, layers=replace(found.layers, p_value=0.01, count=2, layer=torch.tensor([0, 0, 1, 1, 1, -1])))
    cuts = study_figures(clustered)[1].references  # type: ignore[attr-defined]
    assert len(cuts) == 1 and found.levels.height[1] < cuts[0].value < found.levels.height[2]
    assert edges_table(()).rows == ()


def test_drawing_loads_no_torch() -> None:
    code = "import sys, ibmon.flow.figures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
