"""Monte Carlo of the noisy layer against quadrature, the kernel bounds and its own standard errors."""

from __future__ import annotations

import json
from math import e, log, log2, pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon import Estimate, Variable
from ibmon_estimators import sample_propagation
from ibmon_estimators.kde import KDE
from ibmon_estimators.sample_propagation import SamplePropagation


def both(
    options: SamplePropagation | KDE,
    values: torch.Tensor,
    labels: torch.Tensor,
    mask: torch.Tensor | None = None,
    seed: int = 0,
) -> tuple[Estimate, Estimate]:
    x = Variable.continuous(values, mask)
    ys = [Variable.identity(x.samples), Variable.labels(labels)]
    identity, label = options(x, ys, rng=torch.Generator().manual_seed(seed))
    return identity, label


def raw_and_error(estimate: Estimate) -> tuple[float, float]:
    assert estimate.raw is not None and estimate.error is not None
    return float(estimate.raw), float(estimate.error)


def by_quadrature(points: np.ndarray, labels: np.ndarray, variance: float) -> tuple[float, float]:
    """I(X; T + Z) and I(T + Z; Y) in bits for points on a line, from densities on a fine grid."""
    scale = sqrt(variance)
    grid = np.linspace(points.min() - 9 * scale, points.max() + 9 * scale, 20001)

    def entropy(of: np.ndarray) -> float:
        p = np.exp(-((grid[:, None] - of) ** 2) / (2 * variance)).mean(1) / sqrt(2 * pi * variance)
        return float(np.trapezoid(-p * np.log2(np.maximum(p, 1e-300)), grid))

    whole = entropy(points)
    within = sum((labels == c).mean() * entropy(points[labels == c]) for c in set(labels.tolist()))
    return whole - 0.5 * log2(2 * pi * e * variance), whole - within


@pytest.mark.parametrize("variance", ["0.001", "0.01", "0.1"])
def test_agrees_with_quadrature_of_the_published_case(oracle: Path, variance: str) -> None:
    folder = oracle / "mutual_information"
    truth = json.loads((folder / "fixed_peers.json").read_text())["cases"]["kde_bounds"]["one_d"][variance]
    values = torch.from_numpy(np.load(folder / "kde_bounds.npz")["x1d"])
    options = SamplePropagation(variance=float(variance), draws=20)
    raw, error = raw_and_error(both(options, values, torch.zeros(400))[0])
    assert error < 0.012
    assert abs(raw - truth["I_true"] / log(2)) < 4 * error
    entropy = options.entropy(Variable.continuous(values), rng=torch.Generator().manual_seed(1))
    assert entropy.error is not None
    assert abs(float(entropy.value) - truth["H_true"] / log(2)) < 4 * float(entropy.error)


def test_decides_where_the_kernel_bounds_are_loose(oracle: Path) -> None:
    inputs = np.load(oracle / "information_plane" / "inputs.npz")
    values, labels = (torch.from_numpy(inputs[f"E_varu_layer4_4096x4/{name}"]) for name in ("T", "y"))
    identity, label = both(SamplePropagation(variance=1e-3), values, labels)
    bounds, label_bounds = both(KDE(variance=1e-3), values, labels)
    assert bounds.lower is not None and bounds.upper is not None
    assert float(bounds.lower) == pytest.approx(7.09, abs=0.01) and float(bounds.upper) == pytest.approx(10.26, abs=0.01)
    raw, error = raw_and_error(identity)
    assert error < 0.03 and abs(raw - 8.08) < 3 * sqrt(error**2 + 0.04**2)
    assert label_bounds.lower is not None and label_bounds.upper is not None
    assert float(label_bounds.lower) <= float(label.value) <= float(label_bounds.upper)


def test_agrees_with_the_definition_written_out() -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(40, 3)), np.arange(40) % 3
    options = SamplePropagation(variance=0.3, draws=3000, permutations=0, dtype="float64")
    identity, label = both(options, torch.from_numpy(values), torch.from_numpy(labels))
    noise = rng.normal(size=(4000, 40, 3)) * sqrt(0.3)
    kernels = np.exp(-(((values + noise)[:, :, None] - values) ** 2).sum(-1) / 0.6)
    terms = -np.log2(kernels.mean(-1)) - (noise**2).sum(-1) / 0.6 / log(2)
    same = labels[:, None] == labels
    of_labels = np.log2((kernels * same).sum(-1) / same.sum(-1)) - np.log2(kernels.mean(-1))
    for found, expected in ((identity, terms), (label, of_labels)):
        raw, error = raw_and_error(found)
        assert error < 0.01
        assert abs(raw - expected.mean()) < 4 * sqrt(error**2 + expected.var(0).sum() / 4000 / 40**2)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(20, 60), st.integers(1, 4), st.sampled_from([0.01, 0.1, 1.0]))
def test_lies_within_five_errors_of_quadrature(seed: int, samples: int, classes: int, variance: float) -> None:
    rng = np.random.default_rng(seed)
    points, labels = rng.normal(size=samples), rng.integers(0, classes, samples)
    truths = by_quadrature(points, labels, variance)
    options = SamplePropagation(variance=variance, draws=100)
    found = both(options, torch.from_numpy(points)[:, None], torch.from_numpy(labels), seed=seed)
    for estimate, truth in zip(found, truths, strict=True):
        raw, error = raw_and_error(estimate)
        assert abs(raw - truth) <= 5 * error + 0.005


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 120),
    st.integers(1, 6),
    st.integers(1, 5),
    st.sampled_from([0.003, 0.05, 0.5]),
    st.booleans(),
)
def test_lies_between_the_kernel_bounds(
    seed: int, samples: int, units: int, classes: int, variance: float, relative: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.tanh(torch.randn(samples, units, generator=generator))
    labels = torch.randint(0, classes, (samples,), generator=generator)
    found = both(SamplePropagation(variance=variance, relative=relative, draws=8), values, labels, seed=seed)
    bounds = both(KDE(variance=variance, relative=relative), values, labels)
    for estimate, bound in zip(found, bounds, strict=True):
        raw, error = raw_and_error(estimate)
        assert bound.lower is not None and bound.upper is not None
        assert estimate.limit is not None and bound.limit is not None
        assert float(bound.lower) - 5 * error - 1e-5 <= raw <= float(bound.upper) + 5 * error + 1e-5
        assert 0 <= float(estimate.value) <= float(estimate.limit)
        assert float(estimate.limit) == pytest.approx(float(bound.limit), abs=1e-12)


def test_errors_cover_the_truth() -> None:
    rng = np.random.default_rng(3)
    points, labels = rng.normal(size=80), np.arange(80) % 2
    points[labels == 1] += 1
    truths = by_quadrature(points, labels, 0.05)
    values, codes = torch.from_numpy(points)[:, None], torch.from_numpy(labels)
    runs = [both(SamplePropagation(variance=0.05), values, codes, seed=seed) for seed in range(60)]
    for k, truth in enumerate(truths):
        found = np.array([raw_and_error(run[k]) for run in runs])
        assert (np.abs(found[:, 0] - truth) < 2 * found[:, 1]).mean() > 0.85
        assert found[:, 0].std(ddof=1) == pytest.approx(found[:, 1].mean(), rel=0.3)
        assert abs(found[:, 0].mean() - truth) < 4 * found[:, 1].mean() / sqrt(60)  # without bias


def test_error_falls_with_the_root_of_the_draws_and_one_draw_overstates_it() -> None:
    values, labels = torch.randn(300, 2, generator=torch.Generator().manual_seed(0)), torch.arange(300) % 2
    errors = {draws: raw_and_error(both(SamplePropagation(draws=draws), values, labels)[0])[1] for draws in (1, 2, 4, 16, 64)}
    for draws in (2, 4, 16):
        assert errors[draws] / errors[64] == pytest.approx(sqrt(64 / draws), rel=0.15)
    assert errors[1] > errors[2] * sqrt(2)


def test_clusters_far_apart_are_told_exactly() -> None:
    labels = torch.arange(60) % 5
    values = torch.nn.functional.one_hot(labels).float() * 100
    x = Variable.continuous(values)
    found = SamplePropagation()(x, [Variable.identity(values), Variable.labels(labels)], rng=torch.Generator())
    for estimate in found:
        raw, error = raw_and_error(estimate)
        assert raw == pytest.approx(log2(5), abs=1e-6) and error < 1e-6
        assert estimate.limit is not None and float(estimate.limit) == pytest.approx(log2(5), abs=1e-12)
        assert estimate.flags["saturated"] == (estimate is found[0])  # inputs repeat, which labels do not know
    entropy = SamplePropagation().entropy(x, rng=torch.Generator())
    assert float(entropy.value) == pytest.approx(log2(5) + 2.5 * log2(2 * pi * e * 0.1), abs=1e-5)


def test_two_classes_of_gaussians() -> None:
    # T + Z given the class is again Gaussian, N(±m, s² + v), up to the sampling of T.
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3000) % 2
    values = torch.randn(3000, 1, generator=generator, dtype=torch.float64) + (2.0 * labels - 1)[:, None]
    label = both(SamplePropagation(variance=0.5), values, labels)[1]
    grid = np.linspace(-12, 12, 4001)
    one = np.exp(-((grid - 1) ** 2) / 3) / sqrt(3 * pi)
    both_classes = (one + one[::-1]) / 2
    truth = float(np.trapezoid(one * np.log2(one / both_classes), grid))
    assert raw_and_error(label)[0] == pytest.approx(truth, abs=0.04)
    apart = both(SamplePropagation(variance=0.5), values + 100 * labels[:, None], labels)[1]
    assert raw_and_error(apart)[0] == pytest.approx(1, abs=1e-6)
    assert label.null is not None and apart.null is not None
    assert float(label.null) < 0.05 and float(apart.null) < 0.05
    assert not apart.flags["label_saturated"]


def test_permuted_labels_say_when_there_is_nothing_to_read() -> None:
    generator = torch.Generator().manual_seed(0)
    values, labels = torch.randn(200, 3, generator=generator), torch.randint(0, 4, (200,), generator=generator)
    options = SamplePropagation(permutations=39)
    _, nothing = both(options, values, labels)
    _, something = both(options, values + labels[:, None], labels)
    for estimate in (nothing, something):
        assert estimate.null is not None and estimate.p_value is not None
    assert float(something.p_value) == pytest.approx(1 / 40) and float(something.value) > float(something.null) + 0.3  # type: ignore[arg-type]
    assert float(nothing.p_value) > 0.05  # type: ignore[arg-type]
    assert float(nothing.value) == pytest.approx(float(nothing.null), abs=0.1)  # type: ignore[arg-type]
    _, crowded = both(options, values.repeat(1, 20), labels)
    assert crowded.flags["label_saturated"]
    assert both(SamplePropagation(permutations=0), values, labels)[1].null is None


OPTIONS = [
    SamplePropagation(),
    SamplePropagation(variance=0.01, dtype="float64"),
    SamplePropagation(relative=True, draws=1, permutations=1),
]


def batch_and_mask(samples: int = 60) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    values = torch.tanh(torch.randn(2, 3, samples, 4, generator=generator))
    labels = torch.randint(-1, 3, (2, 3, samples), generator=generator)
    mask = torch.rand(2, 3, samples, generator=generator) < 0.7
    return values, labels, mask


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_batched_equals_looped_and_masked_equals_compressed(options: SamplePropagation) -> None:
    values, labels, mask = batch_and_mask()
    padded = values.masked_fill(~mask[..., None], torch.nan)  # what is masked must not matter
    whole, masked = both(options, values, labels), both(options, padded, labels, mask)
    for a in range(2):
        for b in range(3):
            one = both(options, values[a, b], labels[a, b])
            keep = mask[a, b]
            compressed = both(options, values[a, b][keep], labels[a, b][keep])
            for batched, single in [*zip(whole, one, strict=True), *zip(masked, compressed, strict=True)]:
                for name in ("value", "raw", "error", "limit"):
                    torch.testing.assert_close(getattr(batched, name)[a, b], getattr(single, name), rtol=0, atol=1e-6)
                flags = {n: bool(f) for n, f in single.flags.items() if n != "label_saturated"}  # which is of the null
                assert flags == {n: bool(batched.flags[n][a, b]) for n in flags}
            assert whole[1].null is not None and one[1].null is not None
            torch.testing.assert_close(whole[1].null[a, b], one[1].null, rtol=0, atol=1e-6)


def test_a_mask_of_the_labels_counts_too_and_estimates_do_not_depend_on_each_other() -> None:
    values, labels, mask = batch_and_mask()
    x = Variable.continuous(values)
    ys = [Variable.labels(labels, mask), Variable.labels(labels), Variable.identity(60), Variable.labels(labels % 2)]
    together = SamplePropagation()(x, ys, rng=torch.Generator().manual_seed(0))
    torch.testing.assert_close(together[0].value, both(SamplePropagation(), values, labels, mask)[1].value)
    for found, y in zip(together, ys, strict=True):
        (alone,) = SamplePropagation()(x, [y], rng=torch.Generator().manual_seed(0))
        for name in ("value", "error", "null"):
            if getattr(alone, name) is not None:
                torch.testing.assert_close(getattr(found, name), getattr(alone, name), rtol=0, atol=1e-6)


def test_tiles_and_ways_to_sum_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(130, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 7, (130,), generator=generator)
    expected = both(SamplePropagation(draws=3), values, labels)
    for module_constants in ({"_COLUMNS": 0}, {"_KEPT": 0}, {"_DRAWN": 1}, {"_TILE": {"cpu": 32}}):
        with monkeypatch.context() as patched:
            for name, value in module_constants.items():
                patched.setattr(sample_propagation, name, value)
            for found, wanted in zip(both(SamplePropagation(draws=3), values, labels), expected, strict=True):
                for name in ("value", "error", "null"):
                    if getattr(wanted, name) is not None:
                        torch.testing.assert_close(getattr(found, name), getattr(wanted, name), rtol=0, atol=1e-12)


def test_many_classes_and_distant_codes() -> None:
    labels = torch.arange(400) % 100
    values = torch.randn(100, 6, generator=torch.Generator().manual_seed(0))[labels] * 30
    _, label = both(SamplePropagation(), values, labels * 10**12 - 5)
    assert float(label.value) == pytest.approx(log2(100), abs=1e-5)
    # Each sample is one of four of its class, and shares its place with four.
    assert label.null is not None and float(label.null) == pytest.approx(log2(25), abs=0.1)
    assert label.flags["label_saturated"]


def test_offset_rotation_and_scale() -> None:
    values, labels, _ = batch_and_mask(300)
    values, labels = values[0, 0].double(), labels[0, 0]
    options = SamplePropagation(draws=8)
    wanted = both(options, values, labels)
    for found, estimate in zip(both(options, values + 1e6, labels), wanted, strict=True):
        assert raw_and_error(found)[0] == pytest.approx(raw_and_error(estimate)[0], abs=1e-6)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]
    for found, estimate in zip(both(options, values @ turn, labels), wanted, strict=True):
        (raw, error), (other, _) = raw_and_error(found), raw_and_error(estimate)
        assert raw != other and abs(raw - other) < 4 * sqrt(2) * error
    relative = SamplePropagation(relative=True)
    wanted = both(relative, values, labels)
    for scale in (1e-9, 1e9):
        for found, estimate in zip(both(relative, values * scale, labels), wanted, strict=True):
            assert raw_and_error(found)[0] == pytest.approx(raw_and_error(estimate)[0], abs=1e-9)


def test_relative_variance_is_a_share_of_the_trace() -> None:
    values, labels, _ = batch_and_mask()
    values, labels = values[0, 0].double(), labels[0, 0]
    trace = float(values.var(0, correction=0).sum())
    absolute = both(SamplePropagation(variance=0.02 * trace), values, labels)
    relative = both(SamplePropagation(variance=0.02, relative=True), values, labels)
    for a, b in zip(absolute, relative, strict=True):
        assert float(a.value) == pytest.approx(float(b.value), abs=1e-9)


def test_float32_is_left_where_it_cannot_resolve_the_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(100) % 2
    values = torch.randn(100, 3, generator=generator) * 1e-3 + 1000 * labels[:, None]
    options = SamplePropagation(variance=1e-6, draws=30)
    for found, wanted in zip(both(options, values, labels), both(options, values.double(), labels), strict=True):
        assert raw_and_error(found)[0] == pytest.approx(raw_and_error(wanted)[0], abs=1e-9)
        assert not wanted.flags["imprecise"]
    assert both(SamplePropagation(variance=1e-6, dtype="float32"), values, labels)[1].flags["imprecise"]


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    values, labels, _ = batch_and_mask()
    first, again, other = (both(SamplePropagation(), values, labels, seed=s) for s in (0, 0, 1))
    for a, b, c in zip(first, again, other, strict=True):
        assert torch.equal(a.value, b.value) and not torch.equal(a.value, c.value)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_constant_layer_one_sample_one_class_and_no_data(options: SamplePropagation) -> None:
    labels = torch.arange(40) % 2
    for estimate in both(options, torch.full((40, 3), 0.3), labels):
        assert raw_and_error(estimate) == (0, 0) and estimate.flags["constant"]
    for estimate in both(options, torch.full((1, 3), 0.3), labels[:1]):
        assert float(estimate.value) == 0 and estimate.flags["few_samples"]
    values = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    assert float(both(options, values, torch.zeros(40))[1].value) == 0
    partly = torch.cat([values, torch.ones(40, 1)], 1)  # one more constant unit changes the noise only
    assert not any(e.value.isnan() or e.flags["constant"] for e in both(options, partly, labels))
    for estimate in both(options, torch.zeros(40, 3), labels, torch.zeros(40, dtype=torch.bool)):
        assert estimate.value.isnan() and estimate.flags["empty"] and not estimate.flags["saturated"]
    for estimate in both(options, torch.zeros(0, 3), labels[:0]):
        assert estimate.value.isnan() and estimate.flags["empty"]


def test_nonfinite_values_are_flagged_and_spare_the_rest_of_the_batch() -> None:
    values, labels, _ = batch_and_mask()
    values = values.double()
    before = both(SamplePropagation(), values, labels)
    values[0, 1, 5, 0], values[1, 2, 3, 1], values[1, 1, 0, 0] = torch.nan, torch.inf, 1e200
    bad = torch.zeros(2, 3, dtype=torch.bool)
    bad[0, 1] = bad[1, 2] = bad[1, 1] = True
    for found, clean in zip(both(SamplePropagation(), values, labels), before, strict=True):
        assert torch.equal(found.flags["nonfinite"], bad)
        assert torch.equal(found.value.isnan(), bad)
        torch.testing.assert_close(found.value[~bad], clean.value[~bad], rtol=0, atol=1e-12)


def test_entropy_of_noise_alone_and_of_a_gaussian_layer() -> None:
    rng = torch.Generator()
    constant = Variable.continuous(torch.full((100, 3), 2.0))
    noise = SamplePropagation(variance=0.2).entropy(constant, rng=rng)
    assert float(noise.value) == pytest.approx(1.5 * log2(2 * pi * e * 0.2), abs=1e-12) and noise.flags["constant"]
    assert SamplePropagation(relative=True).entropy(constant, rng=rng).value == -torch.inf
    layer = torch.randn(2, 2000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = SamplePropagation(variance=0.5).entropy(Variable.continuous(layer), rng=rng)
    assert found.value.shape == (2,) and found.raw is None
    torch.testing.assert_close(found.value, torch.full((2,), 0.5 * log2(2 * pi * e * 1.5)).double(), rtol=0, atol=0.06)
    assert both(SamplePropagation(), torch.zeros(0, 40, 3), torch.zeros(40))[1].value.shape == (0,)
    assert SamplePropagation().entropy(Variable.continuous(layer[:, :0]), rng=rng).flags["empty"].all()


def test_flags_say_imprecise_saturated_and_few_samples() -> None:
    values = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(60) % 2
    assert both(SamplePropagation(variance=0.5), values, labels)[0].flags["imprecise"]
    assert not both(SamplePropagation(variance=0.5, draws=100), values, labels)[0].flags["imprecise"]
    assert all(e.flags["saturated"] for e in both(SamplePropagation(variance=1e-6), values, labels))
    assert not any(e.flags["saturated"] for e in both(SamplePropagation(variance=0.5), values, labels))
    assert all(e.flags["few_samples"] for e in both(SamplePropagation(), values[:49], labels[:49]))
    assert not any(e.flags["few_samples"] for e in both(SamplePropagation(), values, labels))


def test_half_types_and_integers_are_taken() -> None:
    values = torch.randint(-3, 3, (100, 2), generator=torch.Generator().manual_seed(0))
    labels = torch.arange(100) % 2
    expected = both(SamplePropagation(), values.double(), labels)
    for dtype in (torch.bfloat16, torch.float16, torch.int32):
        for found, wanted in zip(both(SamplePropagation(), values.to(dtype), labels), expected, strict=True):
            assert float(found.value) == pytest.approx(float(wanted.value), abs=1e-5)


def test_inputs_and_random_state_are_left_alone() -> None:
    values, labels, mask = batch_and_mask()
    copies, state = (values.clone(), labels.clone(), mask.clone()), torch.get_rng_state()
    for options in OPTIONS:
        both(options, values, labels, mask)
        options.entropy(Variable.continuous(values, mask), rng=torch.Generator())
    for now, before in zip((values, labels, mask), copies, strict=True):
        assert torch.equal(now, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"variance": 0.0}, "variance must be positive"),
        ({"variance": float("inf")}, "variance must be positive"),
        ({"draws": 0}, "draws must be at least 1"),
        ({"permutations": -1}, "permutations must be 0 or more"),
        ({"dtype": "half"}, "dtype must be auto"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^sample-propagation: {said}"):
        SamplePropagation(**options)


def test_wrong_variables_are_refused() -> None:
    x = Variable.continuous(torch.randn(10, 2))
    with pytest.raises(ValueError, match="not continuous"):
        SamplePropagation()(x, [x], rng=torch.Generator())
    with pytest.raises(ValueError, match="not for labels"):
        SamplePropagation()(Variable.labels(torch.arange(10)), [Variable.identity(10)], rng=torch.Generator())
    with pytest.raises(ValueError, match="do not fit"):
        SamplePropagation()(x, [Variable.labels(torch.arange(9))], rng=torch.Generator())
