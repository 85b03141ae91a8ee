"""Tables of what was logged: mean, spread and paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon import Series
from ibmon.figures.scalars import Run, table, tabulated, tidy

NAMES = ("pos test/accuracy", "pos test/loss", "ner test/f1")


def logged(*values: float) -> Series:
    column = np.array(values, np.float64)
    nothing = np.full(len(values), np.nan)
    steps = np.arange(len(values))
    return Series("", "", {}, "", "", "", {}, steps, steps.astype(float), column, nothing, nothing, {})


def run(model: str, seed: int, value: float, **others: float) -> Run:
    scalars = {NAMES[0]: logged(0.1, value), **{name: logged(v) for name, v in others.items()}}
    return Run({"model": model, "lr": 0.1, "seed": seed}, scalars)


def test_means_and_spreads_are_those_of_the_newest_values() -> None:
    found = tabulated({"a": [run("a", seed, v) for seed, v in enumerate((0.5, 0.7, 0.9))]}, ["*accuracy"])
    ((cell,),) = found.rows.values()
    assert found.names == (NAMES[0],) and cell.values == (0.5, 0.7, 0.9)
    assert cell.mean == pytest.approx(0.7) and cell.deviation == pytest.approx(0.2)
    assert cell.pairs == 0 and np.isnan(cell.difference)
    assert table(found).rows == (("a", "0.7 ± 0.2 (3)"),)


def test_differences_are_of_runs_of_one_seed() -> None:
    """A difference that is small beside the scatter of the seeds is seen, because the seeds are the same."""
    rng = np.random.default_rng(0)
    seeds = rng.normal(0, 0.1, 6)
    a = [run("a", k, 0.5 + v) for k, v in enumerate(seeds)]
    b = [run("b", k, 0.51 + v + rng.normal(0, 0.001)) for k, v in enumerate(seeds)]
    found = tabulated({"a": a, "b": [b[k] for k in (3, 1, 0, 2, 5, 4)], "c": [run("c", 9, 0.6)]}, [NAMES[0]])
    cell = found.rows["b"][0]
    assert cell.pairs == 6 and cell.difference == pytest.approx(0.01, abs=0.002)
    assert 0.005 < cell.interval[0] <= cell.difference <= cell.interval[1] < 0.015
    assert found.rows["c"][0].pairs == 0, "no run of the first row has its seed"
    rows = table(found).rows
    assert [row[0] for row in rows] == ["a", "b", "  − a", "c"]
    assert rows[2][1].startswith("+0.0") and " to " in rows[2][1]


def test_pairs_share_all_that_does_not_part_the_rows() -> None:
    def several(model: str, shift: float) -> list[Run]:
        return [
            Run({"model": model, "lr": lr, "seed": seed}, {"x/y": logged(10 * lr + seed + shift)})
            for lr in (0.1, 0.2)
            for seed in (0, 1)
        ]

    cell = tabulated({"a": several("a", 0), "b": several("b", 0.25)}, ["*"]).rows["b"][0]
    assert cell.pairs == 4 and cell.difference == pytest.approx(0.25) and cell.interval == pytest.approx((0.25, 0.25))


def test_one_pair_has_a_difference_and_no_interval() -> None:
    cell = tabulated({"a": [run("a", 0, 0.5)], "b": [run("b", 0, 0.4)]}, ["*"]).rows["b"][0]
    assert cell.difference == pytest.approx(-0.1) and cell.pairs == 1 and np.isnan(cell.interval).all()
    assert np.isnan(cell.deviation)


def test_what_was_not_logged_or_is_not_finite_is_left_out() -> None:
    rows = tabulated({"a": [run("a", 0, np.nan), run("a", 1, 0.5)], "b": [run("b", 1, 0.6, **{NAMES[2]: 0.3})]}, ["*"]).rows
    assert rows["a"][0].values == (0.5,) and rows["a"][1].values == ()
    assert rows["b"][0].pairs == 1 and rows["b"][1].pairs == 0
    said = table(tabulated({"a": [run("a", 0, np.inf)]}, ["*"])).rows
    assert said == (("a", "–"),)
    assert tabulated({"a": [run("a", 0, 0.5)]}, ["nothing*"]).names == ()


def test_csv_has_a_row_for_each_cell_and_all_digits() -> None:
    rows = tidy(tabulated({"a": [run("a", 0, 1 / 3)], "b": [run("b", 0, 0.5)]}, ["*"])).rows
    assert rows[0] == ("a", NAMES[0], "1", repr(1 / 3), "", "", "", "", "0")
    assert float(rows[1][5]) == pytest.approx(1 / 6) and rows[1][8] == "1"


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8), st.floats(-10, 10))
@settings(max_examples=30)
def test_the_interval_holds_the_difference_and_is_the_same_every_time(values: list[float], shift: float) -> None:
    parts = {"a": [run("a", k, v) for k, v in enumerate(values)], "b": [run("b", k, shift * k) for k in range(len(values))]}
    cell, again = (tabulated(parts, ["*"]).rows["b"][0] for _ in range(2))
    assert cell == again
    assert cell.interval[0] - 1e-9 <= cell.difference <= cell.interval[1] + 1e-9
