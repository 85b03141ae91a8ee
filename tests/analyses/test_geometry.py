"""What is measured of the geometry of a layer, against all pairs of samples, and how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ibmon import Activation, Curves, Measurement, Snapshot, Variable, log_times
from ibmon.analysis.values import logged
from ibmon.figures.build import build_figures
from ibmon.figures.figure import Figure
from ibmon.figures.image import save
from ibmon.figures.text import render
from ibmon.records import Result
from ibmon.runs.directory import RunDirectory
from ibmon_analyses.geometry import Geometry, saturated_fraction, spread
from support import history_of, written


def by_pairs(rows: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean squared distance within and between classes of samples (samples, units), from every pair."""
    squared = torch.cdist(rows.double(), rows.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    same = labels[:, None] == labels
    within, between = squared[same & ~torch.eye(len(rows), dtype=torch.bool)], squared[~same]
    return float(within.mean()) if len(within) else nan, float(between.mean()) if len(between) else nan


def measured(**asked: object) -> dict[tuple[str, str, str], Measurement]:
    """By quantity, layer and task."""
    snapshot = Snapshot(step=0, epoch=0.0, evaluation="all", **asked)  # type: ignore[arg-type]
    found = Geometry().measure(snapshot, {})
    return {(m.quantity, m.subject["layer"], m.subject.get("task", "")): m for m in found}


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    batch=st.sampled_from([(), (3,), (2, 2)]),
    samples=st.integers(1, 30),
    units=st.integers(1, 5),
    classes=st.integers(1, 6),
    scale=st.floats(1e-3, 1e3),
    masked=st.booleans(),
)
def test_distances_are_those_of_all_pairs(
    seed: int, batch: tuple[int, ...], samples: int, units: int, classes: int, scale: float, masked: bool
) -> None:
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(-1, classes - 1, (*batch, samples), generator=rng)
    values = scale * (torch.randn(*batch, samples, units, generator=rng, dtype=torch.float64) + labels[..., None])
    mask = torch.rand(*batch, samples, generator=rng) < 0.7 if masked else torch.ones(*batch, samples, dtype=torch.bool)
    before = values.clone()
    variance, (apart,) = spread(Variable.continuous(values, mask if masked else None), [labels])
    assert torch.equal(values, before)
    assert variance.shape == apart.within.shape == apart.between.shape == batch
    for e in np.ndindex(*batch):
        rows, own = values[e][mask[e]], labels[e][mask[e]]
        expected = rows.var(0, correction=0).sum() if len(rows) else torch.tensor(nan, dtype=torch.float64)
        torch.testing.assert_close(variance[e], expected, equal_nan=True)
        known = (float(apart.within[e]), float(apart.between[e]))
        assert known == pytest.approx(by_pairs(rows, own), rel=1e-9, abs=1e-12 * scale**2, nan_ok=True)


def test_all_pairs_together_are_twice_the_variance() -> None:
    values, n = torch.randn(40, 6), 40
    variance, (one, each) = spread(Variable.continuous(values), [torch.zeros(n), torch.arange(n)])
    pairs = 2 * float(variance) * n / (n - 1)
    assert float(one.within) == pytest.approx(pairs) == pytest.approx(float(each.between))
    assert one.between.isnan() and each.within.isnan()


def test_collapsed_classes_far_from_the_origin_are_resolved_in_single_precision() -> None:
    labels = torch.arange(3000) % 3
    noise = 2.0**-10 * torch.randint(-8, 9, (3000, 4))  # exact in float32 beside the offset
    values = 1000.0 + 100.0 * labels[:, None] + noise
    _, (apart,) = spread(Variable.continuous(values), [labels])
    assert (float(apart.within), float(apart.between)) == pytest.approx(by_pairs(values, labels), rel=1e-6)


def test_a_constant_layer_has_no_extent() -> None:
    variance, (apart,) = spread(Variable.continuous(torch.full((301, 3), 0.1)), [torch.arange(301) % 2])
    assert (float(variance), float(apart.within), float(apart.between)) == (0, 0, 0)


def test_the_separation_does_not_depend_on_the_scale() -> None:
    labels = torch.arange(50) % 3
    values = torch.randn(50, 4) + labels[:, None]
    found = [measured(layers={"a": Activation(c * values, ("sample", "unit"))}, targets={"y": labels}) for c in (1.0, 4.0)]
    separations = [float(m["class separation", "a", ""].value) for m in found]
    assert separations[0] == pytest.approx(separations[1], rel=1e-6)
    assert found[1]["total variance", "a", ""].value == pytest.approx(16 * found[0]["total variance", "a", ""].value, rel=1e-6)


def test_masked_equals_compressed_at_every_timepoint_of_every_network() -> None:
    replicas, samples, time, units = 2, 30, 3, 4
    values = torch.rand(replicas, samples, time, units) * 2 - 1
    mask = torch.rand(replicas, samples, time) < 0.6
    values = values.masked_fill(~mask[..., None], 1e6)
    tokens = torch.randint(0, 3, (samples, time))
    found = measured(
        layers={"h": Activation(values, ("replica", "sample", "time", "unit"), mask)},
        targets={"text": torch.arange(samples) % 2, "token": tokens},
    )
    assert all(m.axes == {"replica": [0, 1], "time": [0, 1, 2]} for m in found.values())
    for r, t in np.ndindex(replicas, time):
        data = mask[r, :, t]
        alone = measured(
            layers={"h": Activation(values[r, data, t], ("sample", "unit"))},
            targets={"text": (torch.arange(samples) % 2)[data], "token": tokens[data, t]},
        )
        assert alone.keys() == found.keys()
        for key, m in alone.items():
            assert float(np.asarray(found[key].value)[r, t]) == float(m.value), key


def test_a_convolution_is_one_vector_and_labels_that_do_not_fit_are_left_out() -> None:
    values, labels = torch.randn(20, 3, 4, 5), torch.arange(20) % 4
    found = measured(
        layers={
            "conv": Activation(values, ("sample", "channel", "height", "width")),
            "statistics": Activation(torch.randn(3, 4), ("channel", "unit")),
        },
        targets={"y": labels, "token": torch.zeros(20, 7)},
    )
    assert {layer for _, layer, _ in found} == {"conv"} and {task for _, _, task in found} == {"", "y"}
    within, between = by_pairs(values.flatten(1), labels)
    assert found["within-class distance", "conv", "y"].value == pytest.approx(within, rel=1e-6)
    assert found["between-class distance", "conv", "y"].value == pytest.approx(between, rel=1e-6)


def test_saturation_is_measured_where_a_unit_has_ends() -> None:
    z = 3 * torch.randn(200, 5)
    tanh, sigmoid = (saturated_fraction(Variable.continuous(t)) for t in ((z / 2).tanh(), z.sigmoid()))
    expected = float(((z / 2).tanh().abs() > 0.95).double().mean())
    assert tanh is not None and sigmoid is not None
    assert float(tanh) == pytest.approx(expected) == pytest.approx(float(sigmoid), abs=2e-3)
    peaked = torch.nn.functional.one_hot(torch.arange(200) % 4).float()
    for softmax, share in ((peaked, 1.0), (0.6 * peaked + 0.1, 0.0), (peaked.bfloat16(), 1.0)):
        fraction = saturated_fraction(Variable.continuous(softmax))
        assert fraction is not None and float(fraction) == share
    for unbounded in (z, z.relu(), 0.01 * z.relu(), torch.zeros(0, 5)):
        assert saturated_fraction(Variable.continuous(unbounded)) is None


def test_a_network_that_diverged_leaves_the_others_their_saturation() -> None:
    values = torch.tensor([0.99, -0.99, 0.1, -0.1]).repeat(3, 8, 1)
    values[1] = nan
    fraction = saturated_fraction(Variable.continuous(values))
    assert fraction is not None
    np.testing.assert_array_equal(fraction.numpy(), [0.5, nan, 0.5])


def drawn(folder: Path, *, replicas: int = 0) -> dict[str, Figure]:
    """The figures of a run of two layers that grow, the second of them without bounds from some time on."""
    rng, lines = torch.Generator().manual_seed(0), []
    labels = torch.arange(30) % 2
    axes = ("replica", "sample", "unit") if replicas else ("sample", "unit")
    run = written([])
    for seq in range(5):
        z = (1 + seq) * (0.1 * torch.randn(*([replicas] if replicas else []), 30, 3, generator=rng) + 0.2 * labels[:, None])
        layers = {"tanh": Activation(z.tanh(), axes), "linear": Activation(z - 0.5, axes)}
        snapshot = Snapshot(step=seq, epoch=float(seq), evaluation="all", layers=layers, targets={"y": labels})
        values = [logged(m, folder, f"{seq}-{k}") for k, m in enumerate(Geometry().measure(snapshot, {}))]
        lines.append(Result(segment=1, seq=seq, job="geometry", step=seq, epoch=float(seq), evaluation="all", values=values))
    figures, failures = build_figures(history_of(written(lines, role="analyst", run=run)))
    assert not failures
    return {figure.name: figure for figure in figures}


@pytest.mark.parametrize("replicas", [0, 4])
def test_the_figures_show_every_layer_and_both_distances(tmp_path: Path, replicas: int) -> None:
    found = drawn(tmp_path, replicas=replicas)
    assert list(found) == ["geometry", "class-distances", "saturated-fraction"]
    variance, distances, saturated = found.values()
    assert isinstance(variance, Curves) and isinstance(distances, Curves) and isinstance(saturated, Curves)
    assert [(line.label, line.dashed, line.group) for line in distances.lines] == [
        ("tanh between", False, 0),
        ("tanh within", True, 0),
        ("linear between", False, 1),
        ("linear within", True, 1),
    ]
    assert [line.label for line in variance.lines] == ["tanh", "linear"]
    assert (variance.x.scale, variance.y.scale, variance.screen) == ("log", "log", "plane")
    assert all((line.lower is not None) == bool(replicas) for figure in (variance, distances) for line in figure.lines)
    assert [line.label for line in saturated.lines] == ["tanh"]
    for figure in found.values():
        assert figure.title in render(figure, 80, 24, False)
        save(figure, tmp_path / f"{figure.name}.png")


def test_a_timepoint_without_a_distance_leaves_the_others_theirs(tmp_path: Path) -> None:
    run, labels = written([]), torch.arange(30) % 2
    mask = torch.ones(30, 4, dtype=torch.bool)
    mask[1:, 3] = False  # one sample alone has no distance to any other
    values = torch.randn(30, 4, 3, generator=torch.Generator().manual_seed(0))
    layers = {"a": Activation(values, ("sample", "time", "unit"), mask)}
    snapshot = Snapshot(step=1, epoch=0.2, evaluation="all", layers=layers, targets={"y": labels})
    found = [logged(m, tmp_path, f"{k}") for k, m in enumerate(Geometry().measure(snapshot, {}))]
    line = Result(segment=1, seq=0, job="geometry", step=1, epoch=0.2, evaluation="all", values=found)
    figures = {f.name: f for f in build_figures(history_of(written([line], role="analyst", run=run)))[0]}
    distances = figures["class-distances"]
    assert isinstance(distances, Curves) and all(np.isfinite(one.y).all() for one in distances.lines)


def test_each_evaluation_set_has_its_own_figures(tmp_path: Path) -> None:
    history = history_of(_measured(tmp_path))
    assert {f.name for f in build_figures(history)[0]} == {
        f"{name}-{evaluation}"
        for name in ("geometry", "class-distances", "saturated-fraction")
        for evaluation in ("test", "train")
    }


def test_a_set_is_named_whether_or_not_there_are_others(tmp_path: Path) -> None:
    names = {figure.name for figure in build_figures(history_of(_measured(tmp_path, "test")))[0]}
    assert names == {"geometry-test", "class-distances-test", "saturated-fraction-test"}


def _measured(folder: Path, *names: str) -> RunDirectory:
    one = Snapshot(step=1, epoch=1.0, evaluation="train", layers={"a": Activation(torch.rand(9, 2) - 0.5, ("sample", "unit"))})
    one = replace(one, targets={"y": torch.arange(9) % 2})
    values = [logged(m, folder, str(k)) for k, m in enumerate(Geometry().measure(one, {}))]
    lines = [
        Result(segment=1, seq=k, job="geometry", step=1, epoch=1.0, evaluation=name, values=values)
        for k, name in enumerate(names or ("train", "test"))
    ]
    return written(lines, role="analyst", run=written([]))


@pytest.mark.parametrize(
    ("epochs", "first"), [((0.0, 1.0, 2.0), 0.5), ((0.0, 0.2, 0.4), 0.1), ((0.0, 2.0, 4.0), 0.5), ((0.0,), 0.5)]
)
def test_the_untrained_network_stands_before_all_others(epochs: Sequence[float], first: float) -> None:
    at = log_times(np.array(epochs))
    assert at[0] == first and at[1:].tolist() == list(epochs[1:]) and (np.diff(at) > 0).all()
