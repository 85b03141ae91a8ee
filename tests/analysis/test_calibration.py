"""Calibration of the noise against its closed form, and what kept snapshots say under other widths and sizes."""

from __future__ import annotations

from collections.abc import Callable
from math import log, log2

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon.analysis.again import Asked
from ibmon.analysis.calibration import calibrate, estimator_bounds, label_counts, one_hot_bounds, reduced
from ibmon.analysis.kept import kept
from ibmon.analysis.sample_size import curves, sample_size, stable_from, subset
from ibmon.analysis.sensitivity import at_newest, log_spaced, sensitivity, settings_of
from ibmon.records import IbmonError, NotFoundError, UsageError
from ibmon.registry import Registry, discover
from ibmon.runs.directory import RunDirectory
from ibmon.tensors import Activation, Snapshot
from keeping import kept_run, trained_run
from support import again, history_of, written

COUNTS = st.lists(st.integers(1, 12), min_size=2, max_size=12)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover()


@settings(max_examples=40)
@given(COUNTS, st.floats(-3.0, 1.0))
def test_the_closed_form_is_what_the_estimator_says_of_one_hot_labels(counts: list[int], exponent: float) -> None:
    assert estimator_bounds(discover(), counts)(10**exponent) == pytest.approx(one_hot_bounds(counts, 10**exponent), abs=1e-9)


def test_ten_balanced_classes(registry: Registry) -> None:
    found = calibrate(registry, [1000] * 10)
    assert found.counts == (1000,) * 10
    assert found.entropy == pytest.approx(log2(10))
    assert found.variance == pytest.approx(0.0451, abs=5e-5)
    assert found.relative == pytest.approx(found.variance / 0.9)
    assert found.entropy - found.lower == pytest.approx(0.05, abs=1e-6)
    assert found.matching == pytest.approx(0.1056, abs=5e-5)


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_balanced_classes_have_a_formula(registry: Registry, classes: int) -> None:
    found = calibrate(registry, [1] * classes, tolerance=0.02, precision=0.01)
    assert found.variance == pytest.approx(1 / (4 * log((classes - 1) / (2**0.02 - 1))), rel=1e-6)
    assert found.matching == pytest.approx(1 / log((classes - 1) / (2**0.01 - 1)), rel=1e-6)


@settings(max_examples=15)
@given(COUNTS)
def test_it_is_the_largest_variance_within_the_tolerance(counts: list[int]) -> None:
    found = calibrate(discover(), counts, tolerance=0.01)
    assert found.closed_form == pytest.approx(found.variance, rel=1e-6)
    assert found.entropy - one_hot_bounds(counts, 0.999 * found.variance)[0] < 0.01
    assert found.entropy - one_hot_bounds(counts, 1.001 * found.variance)[0] > 0.01


def test_that_the_entropy_lies_within_the_bounds_determines_no_variance(registry: Registry) -> None:
    found = calibrate(registry, [1] * 10)
    below = [row for row in found.table if row.variance <= found.matching]
    assert {0.001, 0.0735, found.variance} < {row.variance for row in below}
    assert all(found.entropy - row.upper <= 0.001 + 1e-6 and row.lower <= found.entropy for row in below)


@given(st.lists(st.integers(1, 40000), min_size=2, max_size=20))
def test_fewer_samples_keep_the_proportions(counts: list[int]) -> None:
    fewer = reduced(counts)
    assert len(fewer) == len(counts) and min(fewer) >= 1
    assert sum(fewer) <= 4096 + len(counts)
    shares = np.array(counts) / sum(counts)
    assert np.abs(np.array(fewer) / sum(fewer) - shares).max() < 0.01
    assert reduced([300, 100]) == [3, 1]


@pytest.mark.parametrize(
    ("counts", "tolerance", "words"),
    [([5], 0.05, "fewer than two classes"), ([1, 1], 1.0, "between 0 and H"), ([1, 1], 0.0, "tolerance is between")],
)
def test_what_has_no_answer_is_refused(registry: Registry, counts: list[int], tolerance: float, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        calibrate(registry, counts, tolerance=tolerance)


def test_the_labels_of_a_run_are_counted(registry: Registry) -> None:
    y, z = torch.tensor([0, 0, 0, 7]), torch.tensor([1, 2, 3, 4])
    run = kept_run({0: {"a": torch.eye(4)}}, {"y": y, "z": z})
    assert label_counts(run) == {"y": [3, 1], "z": [1, 1, 1, 1]}
    with pytest.raises(NotFoundError, match="'test'; there is all"):
        label_counts(run, "test")
    with pytest.raises(IbmonError, match="no labels"):
        label_counts(kept_run({0: {"a": torch.eye(4)}}, {}))
    with pytest.raises(IbmonError, match="wait until"):
        label_counts(written([]))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IBMON_RUNS", str(root))
        return trained_run()


def test_planes_are_those_that_the_analyst_measures(registry: Registry, trained: RunDirectory) -> None:
    wanted = ["binning:width=0.2", "kde:relative=true,variance=0.1"]
    before = {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")}
    shares: list[float] = []
    found = sensitivity(registry, trained, wanted, tell=shares.append)
    assert {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")} == before
    assert shares[0] == 0 and shares[-1] == 1 and shares == sorted(shares)
    again(trained, Asked(tuple(wanted)))
    history = history_of(trained)
    (planes,) = found.planes.values()
    assert list(planes) == wanted == list(found.settings)
    for setting, plane in planes.items():
        for t in plane.trajectories:
            (x,), (y,) = (history.select(q, estimator=setting, layer=t.label) for q in ("I(X;T)", "I(T;Y)"))
            assert t.step.tolist() == list(found.steps) == x.step.tolist()
            assert t.x.tolist() == pytest.approx(x.value.tolist()) and t.y.tolist() == pytest.approx(y.value.tolist())
            (course,) = [c for c in found.courses if (c.layer, c.setting) == (t.label, setting)]
            assert (course.first, course.last) == (pytest.approx(x.value[0]), pytest.approx(x.value[-1]))
            assert course.fall == pytest.approx(x.value.max() - x.value[-1])


def test_a_layer_that_shrinks_falls_under_fixed_noise_and_not_under_relative(registry: Registry) -> None:
    torch.manual_seed(0)
    values = torch.randn(150, 3)
    run = kept_run({step: {"a": values / (1 + step)} for step in (0, 1, 9)}, {"y": (values[:, 0] > 0).long()})
    found = sensitivity(registry, run)
    assert {c.setting: c.falls for c in found.courses} == {
        **{f"binning:width={w}": True for w in ("0.05", "0.2", "0.8")},
        **{f"kde:variance={v}": True for v in ("0.001", "0.01", "0.1")},
        **{f"kde:relative=true,variance={v}": False for v in ("0.01", "0.1", "1")},
    }
    (planes,) = found.planes.values()
    bounds = at_newest(planes["kde:variance=0.01"]).trajectories[0].x_lower
    assert bounds is not None and np.isfinite(bounds).tolist() == [False, False, True]


def test_the_settings_follow_the_estimators_of_the_run(registry: Registry) -> None:
    assert settings_of(registry, ["binning:width=1,miller_madow=true", "ksg"]) == [
        f"binning:width={w},miller_madow=true" for w in ("0.25", "1", "4")
    ]
    assert settings_of(registry, ["kde:relative=true,variance=0.2"]) == [
        *(f"kde:variance={v}" for v in ("0.01", "0.1", "1")),
        *(f"kde:variance={v},relative=true" for v in ("0.02", "0.2", "2")),
    ]
    assert settings_of(registry, ["ksg"]) == settings_of(registry, ["binning", "kde:relative=true,variance=0.1"])


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60, unique=True).map(sorted), st.integers(1, 80))
def test_thinned_snapshots_keep_the_last_and_the_first(steps: list[int], count: int) -> None:
    chosen = log_spaced(steps, count)
    assert chosen == sorted(set(chosen)) and len(chosen) <= count
    assert chosen[-1] == len(steps) - 1
    assert count == 1 or chosen[0] == 0


@pytest.mark.parametrize(
    ("estimator", "error", "words"),
    [
        ("gaussian", UsageError, "cannot draw an information plane"),
        ("nothing", NotFoundError, "no estimator called"),
        ("binning:width=-1", UsageError, "width must be positive"),
    ],
)
@pytest.mark.parametrize("study", [sensitivity, sample_size])
def test_estimators_that_do_not_fit_are_refused(
    registry: Registry,
    trained: RunDirectory,
    study: Callable[..., object],
    estimator: str,
    error: type[IbmonError],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        study(registry, trained, [estimator])


def test_without_labels_there_is_no_plane_and_still_a_number_of_samples(registry: Registry) -> None:
    run = kept_run({0: {"a": torch.rand(120, 2)}}, {})
    with pytest.raises(IbmonError, match="no labels"):
        sensitivity(registry, run)
    assert [g.quantity for g in sample_size(registry, run, ["binning"], smallest=50, points=2).growths] == ["I(X;T)"]


def test_information_of_few_codes_is_stable_and_that_of_distinct_rows_grows_with_the_samples(registry: Registry) -> None:
    torch.manual_seed(0)
    y = torch.arange(800) % 4
    codes, distinct = torch.eye(4)[y], torch.arange(800.0)[:, None]
    run = kept_run({0: {"codes": codes}, 5: {"codes": codes, "distinct": distinct}}, {"y": y})
    found = sample_size(registry, run, ["binning:width=0.5"], points=4, draws=3)
    growth = {(g.layer, g.quantity): g for g in found.growths}
    assert found.step == 5
    assert growth["codes", "I(X;T)"].median[-1] == pytest.approx(2.0)
    assert found.stable("codes", "binning:width=0.5") == 100
    grows = growth["distinct", "I(X;T)"]
    assert grows.sizes.tolist() == [100, 200, 400, 800]
    assert grows.median == pytest.approx(np.log2(grows.sizes)) and grows.highest == pytest.approx(grows.lowest)
    assert grows.stable is None and "saturated" in grows.flags
    assert found.stable("distinct", "binning:width=0.5") is None


def test_subsets_are_decided_by_the_seed_and_lie_between_the_lowest_and_the_highest(
    registry: Registry, trained: RunDirectory
) -> None:
    one, same, other = (
        sample_size(registry, trained, ["binning:width=0.2"], smallest=50, points=3, draws=4, seed=seed) for seed in (1, 1, 2)
    )
    pairs = list(zip(one.growths, same.growths, other.growths, strict=True))
    assert all(a.median.tolist() == b.median.tolist() for a, b, _ in pairs)
    assert any(a.median.tolist() != c.median.tolist() for a, _, c in pairs)
    assert all(a.median[-1] == c.median[-1] for a, _, c in pairs)
    assert all(((a.lowest <= a.median) & (a.median <= a.highest)).all() for a, _, _ in pairs)
    figures = curves(one)
    assert set(figures) == {"ixt", "ity"}
    lines = figures["ixt"]["binning:width=0.2"].lines
    assert [line.label for line in lines] == ["hidden", "out", "log2 N"]
    assert (lines[0].y <= lines[-1].y + 1e-9).all()
    assert figures["ity"]["binning:width=0.2"].references[0].value == pytest.approx(one.entropies[""])


def test_the_plane_may_be_that_of_the_mean_over_channels(registry: Registry) -> None:
    torch.manual_seed(0)
    y = torch.arange(120) % 2
    code = y.float()[:, None].expand(-1, 3)
    run = kept_run({0: {"a": code}, 4: {"a": code}}, {"y": y}, axes=("sample", "channel"))
    asked = {"analysis": "information-plane:channels=mean", "estimators": ["binning:width=0.5"]}
    found = sensitivity(registry, run, **asked)
    ((_, plane),) = next(iter(found.planes.values())).items()
    assert plane.trajectories[0].x.tolist() == pytest.approx([1.0, 1.0])
    grown = sample_size(registry, run, **asked, smallest=60, points=2)
    assert [g.median[-1] for g in grown.growths] == pytest.approx([1.0, 1.0])
    with pytest.raises(UsageError, match="is no information plane"):
        sensitivity(registry, run, analysis="gradient-snr")
    with pytest.raises(UsageError, match="channels"):
        sample_size(registry, run, analysis="information-plane:channels=median")


def test_too_few_samples_are_said(registry: Registry, trained: RunDirectory) -> None:
    with pytest.raises(UsageError, match="has 200 samples, no more than the smallest size of 200"):
        sample_size(registry, trained, smallest=200)


@given(st.lists(st.floats(0, 12), min_size=2, max_size=8))
def test_stable_is_near_the_last_value_from_there_on(values: list[float]) -> None:
    sizes, found = np.arange(1, len(values) + 1), stable_from(np.arange(1, len(values) + 1), np.array(values))
    last = values[-1]
    near = [abs(v - last) <= 0.05 * last and abs(v - last) <= 0.1 for v in values]
    expected = [int(n) for n in sizes[:-1] if all(near[n - 1 :])]
    assert found == (expected[0] if expected else None)


def test_a_subset_takes_samples_wherever_their_axis_is() -> None:
    values, mask = torch.rand(2, 6, 3, 4), torch.rand(2, 6, 3) > 0.5
    layer = Activation(values, ("replica", "sample", "time", "unit"), mask)
    full = Snapshot(1, None, "all", {"a": layer}, torch.arange(6), targets={"y": torch.arange(6), "z": torch.rand(6, 3)})
    rows = torch.tensor([0, 3, 5])
    part = subset(full, rows)
    assert torch.equal(part.layers["a"].values, values[:, rows])
    taken = part.layers["a"].mask
    assert taken is not None and torch.equal(taken, mask[:, rows])
    assert part.identity is not None and part.identity.tolist() == rows.tolist() == part.targets["y"].tolist()
    assert part.targets["z"].shape == (3, 3)


def test_the_run_must_have_kept_something(registry: Registry, trained: RunDirectory) -> None:
    for study in (sensitivity, sample_size):
        with pytest.raises(IbmonError, match="--keep-snapshots"):
            study(registry, written([]))
    with pytest.raises(NotFoundError, match="there is all"):
        kept(trained, "test")
