from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ibmon import Measurement
from ibmon.analysis.jobs import plan
from ibmon.analysis.values import logged
from ibmon.records import Result
from ibmon.registry import discover
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
    measurement = Measurement(quantity="q", value=value, upper=value + 1, axes={"i": range(80), "j": range(80)})
    entry = logged(measurement, run.arrays, "1-0-flow")
    assert entry.array == "1-0-flow.npy" and entry.value is None
    written([Result(segment=1, seq=0, job="flow", step=0, values=[entry])], role="analyst", run=run)
    (series,) = history_of(run).series
    np.testing.assert_array_equal(series.value[0], value)
    np.testing.assert_array_equal(series.upper[0], value + 1)
    assert np.isnan(series.lower).all()


def test_one_job_for_each_analysis_and_estimator() -> None:
    jobs, problems = plan(discover(), ["binning:width=.5", "kde", "nothing", "kde:variance=-1"], [])
    assert [j.name for j in jobs] == ["information-plane/binning:width=0.5", "information-plane/kde", "gradient-snr"]
    assert [p.job for p in problems] == ["nothing", "kde:variance=-1"]
    assert "variance must be positive" in problems[1].error
