"""Histories as one tidy table."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from ibmon.records import Result, RunInfo, Scalars, Value
from ibmon.runs.history import History, Series, up_to
from ibmon.runs.tidy import all_series, blocks, frame, header
from support import history_of, written

Axes = dict[str, tuple[int | float | str, ...]]


def series(axes: Axes, points: int = 3, seed: int = 0, **about: Any) -> Series:
    shape = (points, *(len(axis) for axis in axes.values()))
    value, lower, upper, error = np.random.default_rng(seed).normal(size=(4, *shape))
    said: dict[str, Any] = {
        "quantity": "I(X;T)",
        "unit": "bits",
        "subject": {"layer": "1"},
        "evaluation": "all",
        "estimator": "kde:variance=0.1",
        "job": "plane:channels=mean/kde:variance=0.1",
        "flags": {},
        "details": {"error": error},
    }
    counted = {"segment": np.full(points, 1), "seq": np.arange(points)}
    return Series(
        axes=axes,
        step=10 * np.arange(points),
        epoch=np.arange(points) / 2,
        value=value,
        lower=lower,
        upper=upper,
        **{**said, **counted, **about},
    )


def history(*every: Series, run: str = "demo-1", scalars: dict[str, Series] | None = None) -> History:
    return History(run=RunInfo(format=1, id=run, created=0.0), series=every, scalars=scalars or {})


AXES = st.dictionaries(
    st.sampled_from(["time", "replica", "class"]),
    st.lists(st.integers(-5, 5) | st.floats(-2, 2), min_size=1, max_size=4, unique=True).map(tuple)
    | st.lists(st.text("abc", max_size=2), min_size=1, max_size=4, unique=True).map(tuple),
    max_size=3,
)


@given(st.lists(st.tuples(AXES, st.integers(0, 5)), min_size=1, max_size=5), st.integers(1, 40))
@settings(max_examples=60)
def test_every_number_is_in_a_row_of_its_own_with_its_place_on_every_axis(given: list[tuple[Axes, int]], rows: int) -> None:
    every = [series(axes, points, seed=k, subject={"layer": str(k)}) for k, (axes, points) in enumerate(given)]
    whole = history(*every)
    columns = header([whole])
    parts = list(blocks([whole], columns, rows=rows))
    got = {name: [cell for part in parts for cell in part[name].tolist()] for name in columns.kinds}
    keys = zip(got["layer"], got["step"], *(got[column] for column in columns.axes.values()), strict=True)
    found = dict(zip(keys, zip(*(got[name] for name in ("value", "lower", "upper", "error")), strict=True), strict=True))

    def place(one: Series, at: tuple[int, ...], name: str) -> str | float:
        text = columns.kinds[name] == "text"
        if name not in one.axes:
            return "" if text else np.nan
        coordinate = one.axes[name][at[list(one.axes).index(name)]]
        return str(coordinate) if text else float(coordinate)

    expected = {
        (one.subject["layer"], float(one.step[p]), *(place(one, at, name) for name in columns.axes)): tuple(
            float(array[p, *at]) for array in (one.value, one.lower, one.upper, one.details["error"])
        )
        for one in every
        for p in range(len(one.step))
        for at in itertools.product(*map(range, one.value.shape[1:]))
    }
    assert len(got["value"]) == sum(one.value.size for one in every)
    assert {str(key): value for key, value in found.items()} == {str(key): value for key, value in expected.items()}
    largest = max(one.value[:1].size for one in every)
    assert all(len(part["value"]) < rows + max(rows, largest) for part in parts)


def test_who_measured_it_and_which_snapshot() -> None:
    table = frame([history(series({}))])
    assert table["analysis"].tolist() == ["plane"] * 3
    assert table["job"].tolist() == ["plane:channels=mean/kde:variance=0.1"] * 3
    assert table["estimator"].tolist() == ["kde:variance=0.1"] * 3
    assert table["seq"].tolist() == [0, 1, 2] and table["seq"].dtype == np.int64


def test_what_rows_do_not_have_is_empty() -> None:
    logged = series({}, quantity="training/loss", job="", estimator="", evaluation="", unit="", subject={}, details={}, seq=None)
    table = frame([history(series({"replica": (0, 1)}), scalars={"training/loss": logged})])
    assert table["quantity"].tolist() == ["I(X;T)"] * 6 + ["training/loss"] * 3
    assert table["replica"][:4].tolist() == [0, 1, 0, 1] and np.isnan(table["replica"][6:]).all()
    assert np.isnan(table["seq"][6:]).all() and np.isnan(table["error"][6:]).all()
    assert table["layer"].tolist() == ["1"] * 6 + [""] * 3
    assert table["analysis"][6:].tolist() == [""] * 3


def test_flags_are_said_row_by_row() -> None:
    raised = {"saturated": np.array([[True, False]] * 3), "nonfinite": np.array([[True, True], [False, False], [False, False]])}
    table = frame([history(series({"time": (0, 1)}, flags=raised))])
    assert table["flags"].tolist() == ["saturated nonfinite", "nonfinite", "saturated", "", "saturated", ""]


def test_a_name_that_is_taken_says_what_it_is() -> None:
    one = series({"unit": (3, 4), "value": ("a", "b"), "layer": (7, 8)}, subject={"layer": "lstm", "step": "last"}, details={})
    columns = header([history(one)])
    assert columns.subjects == {"layer": "layer", "step": "subject.step"}
    assert columns.axes == {"unit": "axis.unit", "value": "axis.value", "layer": "axis.layer"}
    table = frame([history(one)])
    assert table["axis.unit"][[0, -1]].tolist() == [3, 4]
    assert table["axis.value"][:3].tolist() == ["a", "a", "b"]
    assert table["layer"].tolist() == ["lstm"] * 24
    assert table["unit"].tolist() == ["bits"] * 24
    assert_array_equal(table["value"], one.value.ravel())


@pytest.mark.parametrize(
    ("points", "expected"),
    [((0, 1), [0, 1]), ((0, 0.5), [0.0, 0.5]), ((0, "end"), ["0", "end"]), ((0, 10**400), ["0", str(10**400)])],
    ids=["integers", "numbers", "words", "too large"],
)
def test_coordinates_keep_their_kind(points: tuple[int | float | str, ...], expected: list[Any]) -> None:
    column = frame([history(series({"time": points}, points=1))])["time"]
    assert column.tolist() == expected
    assert [type(c) for c in column.tolist()] == [type(c) for c in expected]


def test_several_runs_are_one_table() -> None:
    table = frame([history(series({}), run="a"), history(series({"time": (0, 1)}, points=2), run="b")])
    assert table["run"].tolist() == ["a"] * 3 + ["b"] * 4
    assert len({len(column) for column in table.values()}) == 1


def test_no_history_and_an_empty_one_are_empty_tables() -> None:
    for table in (frame([]), frame([history()])):
        assert list(table)[:3] == ["run", "segment", "seq"]
        assert all(len(column) == 0 for column in table.values())


def test_a_log_says_which_snapshot_and_a_cut_keeps_it() -> None:
    value = Value(quantity="q", value=[1.0, 2.0], axes={"time": [0, 1]})
    lines = [Result(segment=1, seq=seq, job="j", step=seq * 5, values=[value]) for seq in (2, 0, 1)]
    run = written(lines, role="analyst")
    written([Scalars(segment=1, name="validation", step=step, values={"loss": 0.5}) for step in (0, 5, 10)], run=run)
    whole = history_of(run)
    table = frame([whole])
    assert table["seq"][:6].tolist() == [0, 0, 1, 1, 2, 2] and np.isnan(table["seq"][6:]).all()
    assert table["segment"].tolist() == [1] * 9
    cut = frame([up_to(whole, 5)])
    assert cut["step"].tolist() == [0, 0, 5, 5, 0, 5]
    assert all(len(s.step) for s in all_series(up_to(whole, 5)))
