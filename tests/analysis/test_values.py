from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from ibmon import Estimate, Measurement, Snapshot, Variable
from ibmon.analysis.jobs import Bound, Job, plan
from ibmon.analysis.values import logged
from ibmon.records import Result, Value
from ibmon.registry import discover
from ibmon.runs.history import thin
from support import history_of, written


def test_numbers_tensors_and_arrays_are_logged_alike(tmp_path: Path) -> None:
    for value in (1.5, np.float64(1.5), torch.tensor(1.5), np.array(1.5)):
        assert logged(Measurement(quantity="q", value=value), tmp_path, "a").value == 1.5


def test_what_is_not_finite_is_null_and_flagged(tmp_path: Path) -> None:
    entry = logged(Measurement(quantity="q", value=float("nan"), lower=float("inf")), tmp_path, "a")
    assert (entry.value, entry.lower, entry.flags) == (None, None, {"nonfinite": True})
    entry = logged(Measurement(quantity="q", value=np.array([1.0, np.inf]), axes={"t": [0, 1]}), tmp_path, "a")
    assert entry.value == [1.0, None] and entry.flags == {"nonfinite": [False, True]}


def test_shapes_that_disagree_with_the_axes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="axes say"):
        logged(Measurement(quantity="q", value=np.ones(3), axes={"t": [0, 1]}), tmp_path, "a")


def test_large_arrays_go_to_a_file_and_come_back() -> None:
    run = written([])
    value = np.random.default_rng(0).normal(size=(80, 80))
    value[3, 3] = np.nan
    details = {"null": value / 2, "limit": np.full((80, 80), 9.0)}
    measurement = Measurement(quantity="q", value=value, upper=value + 1, axes={"i": range(80), "j": range(80)}, details=details)
    entry = logged(measurement, run.arrays, "1-0-flow")
    assert entry.array == "1-0-flow.npy" and entry.value is None
    written([Result(segment=1, seq=0, job="flow", step=0, values=[entry])], role="analyst", run=run)
    (series,) = history_of(run).series
    np.testing.assert_array_equal(series.value[0], value)
    np.testing.assert_array_equal(series.upper[0], value + 1)
    assert np.isnan(series.lower).all()
    assert list(series.details) == ["null", "limit"]
    np.testing.assert_array_equal(series.details["null"][0], value / 2)
    assert (series.details["limit"] == 9).all()


def test_what_an_estimate_says_reaches_the_history() -> None:
    estimate = Estimate(
        torch.tensor([0.5, 0.0]),
        raw=torch.tensor([0.5, -0.2]),
        error=torch.tensor([0.1, torch.nan]),
        null=torch.tensor([0.01, 0.02]),
        p_value=torch.tensor([0.01, 1.0]),
        limit=torch.tensor([1.0, 1.0]),
        flags={"ties": torch.tensor([False, True])},
    )
    measurement = Measurement.of(estimate, "I(T;Y)", estimator="ksg", subject={"layer": "a"}, axes={"time": [0, 1]})
    run = written([])
    written([Result(segment=1, seq=0, job="j", step=0, values=[logged(measurement, run.arrays, "x")])], role="analyst", run=run)
    (series,) = history_of(run).series
    assert (series.estimator, series.subject) == ("ksg", {"layer": "a"})
    assert series.flags["ties"].tolist() == [[False, True]]
    assert {name: detail[0].round(4).tolist() for name, detail in series.details.items() if name != "error"} == {
        "raw": [0.5, -0.2],
        "null": [0.01, 0.02],
        "p_value": [0.01, 1.0],
        "limit": [1.0, 1.0],
    }
    assert series.details["error"][0, 0] == pytest.approx(0.1) and np.isnan(series.details["error"][0, 1])


def test_a_detail_that_comes_later_is_empty_before_and_after() -> None:
    values = [
        Value(quantity="q", value=1.0),
        Value(quantity="q", value=2.0, details={"null": 0.5}),
        Value(quantity="q", value=3.0),
    ]
    lines = [Result(segment=1, seq=i, job="j", step=i, values=[value]) for i, value in enumerate(values)]
    (series,) = history_of(written(lines, role="analyst", run=written([]))).series
    np.testing.assert_array_equal(series.details["null"], [np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(thin(series, 1).details["null"], [np.nan, 0.5])


def test_details_that_do_not_fit_their_axes_are_refused() -> None:
    value = Value(quantity="q", value=[1.0, 2.0], axes={"t": [0, 1]}, details={"null": [1.0]})
    run = written([Result(segment=1, seq=0, job="j", step=0, values=[value])], role="analyst", run=written([]))
    assert [f.error for f in history_of(run).failures] == ["q: unreadable"]


def test_one_job_for_each_analysis_and_estimator() -> None:
    jobs, problems = plan(discover(), ["binning:width=.5", "kde", "nothing", "kde:variance=-1"], [])
    assert [j.name for j in jobs if j.estimators] == [
        f"{analysis}/{estimator}"
        for analysis in ("information-plane", "timepoints")
        for estimator in ("binning:width=0.5", "kde")
    ]
    assert [j.name for j in jobs if not j.estimators].count("gradient-snr") == 1
    assert [p.job for p in problems] == ["nothing", "kde:variance=-1"]
    assert "variance must be positive" in problems[1].error


def test_every_option_of_an_estimator_is_recorded() -> None:
    jobs, _ = plan(discover(), ["binning:edges=30"], [])
    assert jobs[0].options["binning:edges=30"].items() >= {"edges": 30, "bins": 30, "miller_madow": False}.items()
    assert jobs[-1].options == {}


def test_an_estimator_that_no_analysis_can_use_is_said_so() -> None:
    registry = discover()
    jobs, problems = plan(registry, ["gaussian", "kde"], [])
    assert [j.name for j in jobs if j.estimators] == ["information-plane/kde", "timepoints/kde"]
    (problem,) = problems
    assert problem.error.startswith("No analysis of this run can use gaussian: information-plane needs labels; timepoints needs ")


def test_an_analysis_reaches_the_operations_of_its_estimators() -> None:
    class Sums:
        def entropy(self, x: Variable, *, rng: torch.Generator) -> Estimate:
            return Estimate(x.values.sum() + torch.rand((), generator=rng))

        def conditional(self, x: Variable, y: Variable, z: Variable, *, rng: torch.Generator) -> Estimate:
            return Estimate(x.values.sum() - y.values.sum() - z.values.sum())

        def pairwise(self, x: Variable, y: Variable, *, lag: int = 0, rng: torch.Generator) -> Estimate:
            return Estimate(x.values.sum() * y.values.sum() + lag)

    class Analysis:
        def measure(self, snapshot: Snapshot, estimators: Mapping[str, Bound]) -> Iterator[Measurement]:
            sums, one = estimators["sums"], Variable.continuous(torch.ones(3, 2))
            yield Measurement.of(sums.entropy(one), "H")
            yield Measurement.of(sums.conditional(one, one, one), "I(x;y|z)")
            yield Measurement.of(sums.pairwise(one, one, lag=2), "pairs")

    job = Job("a", Analysis(), (), {"sums": Sums()}, "")
    entropy, conditional, pairs = job.measure(Snapshot(step=3, epoch=None, evaluation="all"), 0)
    again, *_ = job.measure(Snapshot(step=3, epoch=None, evaluation="all"), 0)
    assert 6 < entropy.value < 7 and again.value == entropy.value
    assert (conditional.value, pairs.value) == (-6, 38)
