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
from ibmon.flow.figures import edges_table, flow_matrix, levels_histogram, study_figures

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


def test_a_study_draws_what_it_found() -> None:
    some = series(chain(5), 300)
    still = Series.of(torch.cat([some.values, torch.ones(1, 300, 1)], -1), ["a", "b", "c", "d", "e", "still"])
    found = study(still, bound(), surrogates=39, draws=10, rng=seeded())
    matrix, levels, edges = study_figures(found, "copula, lag 1")
    assert matrix.row_labels == ("a", "b", "c", "d", "e", "still")  # type: ignore[attr-defined]
    assert edges.rows[0][:2] in {("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")}  # type: ignore[attr-defined]
    for figure in (matrix, levels, edges):
        assert render(figure, 80, 24, colour=False) and len(to_csv(figure).splitlines()) > 5
    clustered = replace(found, layers=replace(found.layers, p_value=0.01, count=2, layer=torch.tensor([0, 0, 1, 1, 1, -1])))
    cuts = study_figures(clustered)[1].references  # type: ignore[attr-defined]
    assert len(cuts) == 1 and found.levels.height[1] < cuts[0].value < found.levels.height[2]
    assert edges_table(()).rows == ()


def test_drawing_loads_no_torch() -> None:
    code = "import sys, ibmon.flow.figures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
