"""Kernel estimates against published values, brute force and their own invariants."""

from __future__ import annotations

import json
from dataclasses import replace
from math import e, log, log2, pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon import Estimate, Variable
from ibmon_estimators import kernel_sums
from ibmon_estimators.kde import KDE, KernelInformation, kde_information
from ibmon_estimators.nulls import permutations
from ibmon_estimators.samples import samples_of

CASES = (
    "A_tanh_512x10",
    "B_relu_600x20_10cls",
    "D_lowrank_256x1024",
    *(f"E_varu_layer{i}" for i in ("1_4096x10", "2_4096x7", "3_4096x5", "4_4096x4", "5_4096x3", "6_softmax_4096x2")),
)


def both(options: KDE, values: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor | None = None) -> tuple[Estimate, Estimate]:
    x = Variable.continuous(values, mask)
    identity, label = options(x, [Variable.identity(x.samples), Variable.labels(labels)], rng=torch.Generator())
    return identity, label


def numbers(values: torch.Tensor | None) -> torch.Tensor:
    assert values is not None
    return values


def four(result: KernelInformation) -> list[float]:
    label = result.labels[0]
    return [float(v) for v in (result.upper, result.lower, label.kl, label.bhattacharyya)]


def plain(values: np.ndarray, labels: np.ndarray, variance: float) -> dict[str, float]:
    """The definitions, written out."""

    def entropies(rows: np.ndarray) -> np.ndarray:
        d = ((rows[:, None] - rows[None]) ** 2).sum(-1)
        return np.array([-np.log2(np.exp(-d / (s * variance)).mean(1)).mean() for s in (2, 8)])

    kl, bd = entropies(values)
    parts = [(labels == c).mean() * entropies(values[labels == c]) for c in set(labels.tolist())]
    kl_y, bd_y = np.sum(parts, axis=0)
    p = np.unique(labels, return_counts=True)[1] / len(labels)
    top = float(-(p * np.log2(p)).sum())
    return {
        "kl": kl,
        "bd": bd,
        "kl_y": kl - kl_y,
        "bd_y": bd - bd_y,
        "low": np.clip(bd - kl_y, 0, top),
        "up": np.clip(kl - bd_y, 0, top),
    }


def published(oracle: Path, case: str) -> list[tuple[str, np.ndarray]]:
    files = [np.load(oracle / "information_plane" / name) for name in ("kde_tf64.npz", "kde_np64.npz")]
    keys = [(f, k) for f in files for k in f.files if k.startswith(f"{case}/IXT_up_IXT_lo_ITY_up_ITY_lo_bits/")]
    assert keys
    return [(k.rsplit("/", 1)[1], f[k]) for f, k in keys]


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_published_values(oracle: Path, case: str) -> None:
    inputs = np.load(oracle / "information_plane" / "inputs.npz")
    values, labels = torch.from_numpy(inputs[f"{case}/T"]), torch.from_numpy(inputs[f"{case}/y"])
    for variance, expected in published(oracle, case):
        exact = kde_information(values, [labels], variance=float(variance), dtype=torch.float64)
        np.testing.assert_allclose(four(exact), expected, rtol=0, atol=1e-9, err_msg=f"float64, variance {variance}")
        single = kde_information(values, [labels], variance=float(variance), dtype=torch.float32)
        np.testing.assert_allclose(four(single), expected, rtol=0, atol=1e-3, err_msg=f"float32, variance {variance}")
        assert float(single.upper) <= log2(len(values))


@pytest.mark.parametrize("classes", [4, 60])
@pytest.mark.parametrize("tile", [512, 32])
def test_bounds_are_those_of_the_definitions(classes: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kernel_sums.TILE, "cpu", tile)
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(90, 3)), rng.integers(-2, classes - 2, 90)
    values += 4 / classes * labels[:, None]
    expected = plain(values, labels, 0.3)
    found = kde_information(torch.from_numpy(values), [torch.from_numpy(labels)], variance=0.3)
    label = found.labels[0]
    np.testing.assert_allclose(four(found), [expected[k] for k in ("kl", "bd", "kl_y", "bd_y")], rtol=0, atol=1e-12)
    np.testing.assert_allclose([float(label.lower), float(label.upper)], [expected["low"], expected["up"]], rtol=0, atol=1e-12)
    identity, estimate = both(KDE(variance=0.3), torch.from_numpy(values), torch.from_numpy(labels))
    assert identity.value is identity.upper and identity.lower is not None
    assert float(identity.lower) == pytest.approx(expected["bd"], abs=1e-12)
    assert float(estimate.value) == pytest.approx(expected["kl_y"], abs=1e-12)


def test_tiles_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 130, 4, generator=generator, dtype=torch.float64)
    tasks = [torch.randint(0, n, (2, 130), generator=generator) for n in (2, 7, 1, 130)]
    mask = torch.rand(2, 130, generator=generator) < 0.8
    expected = kde_information(values, tasks, variance=0.5, mask=mask)
    monkeypatch.setitem(kernel_sums.TILE, "cpu", 32)
    found = kde_information(values, tasks, variance=0.5, mask=mask)
    torch.testing.assert_close(found.upper, expected.upper, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.lower, expected.lower, rtol=0, atol=1e-12)
    for a, b in zip(found.labels, expected.labels, strict=True):
        for name in ("kl", "bhattacharyya", "lower", "upper", "entropy"):
            torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=0, atol=1e-12)


OPTIONS = [KDE(), KDE(variance=0.01, dtype="float64"), KDE(relative=True), KDE(variance=0.02, relative=True, dtype="float64")]


def batch_and_mask(samples: int = 60) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    values = torch.tanh(torch.randn(2, 3, samples, 4, generator=generator))
    labels = torch.randint(-1, 3, (2, 3, samples), generator=generator)
    mask = torch.rand(2, 3, samples, generator=generator) < 0.7
    return values, labels, mask


@pytest.mark.parametrize("tile", [512, 16])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_batched_equals_looped_and_masked_equals_compressed(options: KDE, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kernel_sums.TILE, "cpu", tile)
    values, labels, mask = batch_and_mask()
    padded = values.masked_fill(~mask[..., None], torch.nan)  # what is masked must not matter
    whole, masked = both(options, values, labels), both(options, padded, labels, mask)
    within = 1e-12 if options.dtype == "float64" else 2e-6
    for a in range(2):
        for b in range(3):
            one = both(options, values[a, b], labels[a, b])
            keep = mask[a, b]
            compressed = both(options, values[a, b][keep], labels[a, b][keep])
            for batched, single in [*zip(whole, one, strict=True), *zip(masked, compressed, strict=True)]:
                for name in ("value", "raw", "lower", "upper", "limit"):
                    torch.testing.assert_close(getattr(batched, name)[a, b], getattr(single, name), rtol=0, atol=within)
                of_null = {"label_saturated"}  # a masked sample takes part in the drawing, so that the null is another
                flags = {n: bool(f[a, b]) for n, f in batched.flags.items() if n not in of_null}
                assert flags == {n: bool(f) for n, f in single.flags.items() if n not in of_null}
            torch.testing.assert_close(numbers(whole[1].null)[a, b], numbers(one[1].null), rtol=0, atol=within)


def test_masks_of_the_labels_count_too() -> None:
    values, labels, mask = batch_and_mask()
    x = Variable.continuous(values)
    found, free = KDE()(x, [Variable.labels(labels, mask), Variable.labels(labels)], rng=torch.Generator())
    torch.testing.assert_close(found.value, both(KDE(), values, labels, mask)[1].value)
    torch.testing.assert_close(free.value, both(KDE(), values, labels)[1].value)


def test_relative_noise_ignores_scale_and_place() -> None:
    values, labels, _ = batch_and_mask()
    scales = torch.tensor([1.0, 1e-3, 1e4])[:, None, None]
    found = both(KDE(relative=True), values[0, :1].double() * scales + 5 * scales, labels[0, :1].expand(3, -1))
    for estimate in found:
        assert torch.allclose(estimate.value, estimate.value[0].expand(3), rtol=0, atol=1e-9)
    trace = values[0, 0].double().var(0, correction=0).sum()
    absolute = both(KDE(variance=0.1 * float(trace)), values[0, 0].double(), labels[0, 0])
    torch.testing.assert_close(found[0].value[0], absolute[0].value, rtol=0, atol=1e-9)


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 80),
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from(OPTIONS),
    st.floats(-3, 3),
)
def test_invariants(seed: int, samples: int, units: int, classes: int, options: KDE, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(samples, units, generator=generator) * 10**scale
    labels = torch.randint(0, classes, (samples,), generator=generator)
    identity, label = both(options, values, labels)
    assert identity.lower is not None and label.lower is not None
    assert label.upper is not None and label.limit is not None
    assert 0 <= identity.lower <= identity.value + 1e-6
    assert identity.value <= log2(samples)
    assert 0 <= label.value <= label.limit
    for estimate in (identity, label):
        assert estimate.value == numbers(estimate.raw).clamp(min=0).minimum(numbers(estimate.limit))
    assert label.lower - 1e-5 <= label.value <= label.upper + 1e-5
    assert label.value <= identity.value + 1e-5
    # Where squares are large, float32 gives equal rows a distance; float64 takes over above this error.
    error = 1e-3 if options.dtype == "float64" else 6 * kernel_sums.RESOLUTION
    order = torch.randperm(samples, generator=generator)
    for moved, kept in zip(both(options, values[order], labels[order]), (identity, label), strict=True):
        assert float(moved.value) == pytest.approx(float(kept.value), abs=error)
    for twice, once in zip(both(options, values.repeat(2, 1), labels.repeat(2)), (identity, label), strict=True):
        assert float(twice.value) == pytest.approx(float(once.value), abs=error)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
def test_constant_layer_one_sample_and_no_data(options: KDE, level: float) -> None:
    labels = torch.arange(60) % 2
    for estimate in both(options, torch.full((60, 3), level), labels):
        assert float(estimate.value) == 0 and estimate.flags["constant"] and not estimate.flags["few_samples"]
    for estimate in both(options, torch.full((1, 3), level), labels[:1]):
        assert float(estimate.value) == 0 and estimate.flags["few_samples"]
    for estimate in both(options, torch.zeros(60, 3), labels, torch.zeros(60, dtype=torch.bool)):
        assert estimate.value.isnan() and estimate.flags["empty"]
        assert estimate.limit is not None and estimate.limit.isnan()
    for estimate in both(options, torch.zeros(0, 3), labels[:0]):
        assert estimate.value.isnan() and estimate.flags["empty"]


def test_labels_that_do_not_occur_change_nothing() -> None:
    values, labels, _ = batch_and_mask()
    dense, gaps = both(KDE(), values, labels)[1], both(KDE(), values, labels * 10**6)[1]
    torch.testing.assert_close(dense.value, gaps.value)


def test_float32_resolves_clusters_far_from_their_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 256, generator=generator) * 50
    values = centres[torch.arange(200) % 4] + 0.02 * torch.randn(200, 256, generator=generator)
    labels = torch.arange(200) % 2
    exact = kde_information(values, [labels], variance=0.05, dtype=torch.float64)
    auto = kde_information(values, [labels], variance=0.05)
    np.testing.assert_allclose(four(auto), four(exact), rtol=0, atol=1e-3)
    assert float(kde_information(values, variance=0.05, dtype=torch.float32).upper) <= log2(200)


def test_nonfinite_values_are_flagged_and_spare_the_rest_of_the_batch() -> None:
    values, labels, _ = batch_and_mask()
    before = both(KDE(relative=True), values, labels)
    values[0, 1, 0, 0], values[1, 2, 3, 1] = torch.nan, torch.inf
    bad = torch.zeros(2, 3, dtype=torch.bool)
    bad[0, 1] = bad[1, 2] = True
    for found, clean in zip(both(KDE(relative=True), values, labels), before, strict=True):
        assert torch.equal(found.flags["nonfinite"], bad)
        assert found.lower is not None and torch.equal(found.value.isnan(), bad) and torch.equal(found.lower.isnan(), bad)
        torch.testing.assert_close(found.value[~bad], clean.value[~bad], rtol=0, atol=2e-6)


def test_saturation_is_flagged() -> None:
    values = torch.randn(200, 10, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(200) % 2
    assert all(e.flags["saturated"] for e in both(KDE(variance=1e-3), values, labels))
    assert not any(e.flags["saturated"] for e in both(KDE(variance=10), values, labels))


def test_half_types_are_computed_in_float32() -> None:
    values, labels, _ = batch_and_mask()
    for dtype in (torch.float16, torch.bfloat16):
        found, wanted = both(KDE(), values.to(dtype), labels), both(KDE(), values.to(dtype).float(), labels)
        assert torch.equal(found[0].value, wanted[0].value) and torch.equal(found[1].value, wanted[1].value)


def test_inputs_and_global_state_are_left_alone() -> None:
    values, labels, mask = batch_and_mask()
    values.requires_grad_()
    copies, state, threads = (
        (values.detach().clone(), labels.clone(), mask.clone()),
        torch.get_rng_state(),
        torch.get_num_threads(),
    )
    generator = torch.Generator().manual_seed(3)
    drawn = generator.get_state()
    for options in OPTIONS:
        x = Variable.continuous(values, mask)
        identity, _ = options(x, [Variable.identity(60), Variable.labels(labels)], rng=torch.Generator())
        assert not identity.value.requires_grad
        options(x, [Variable.identity(60)], rng=generator)
        replace(options, permutations=0)(x, [Variable.labels(labels)], rng=generator)
        assert not options.entropy(x, rng=generator).value.requires_grad
    for now, before in zip((values, labels, mask), copies, strict=True):
        assert torch.equal(now, before)
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(generator.get_state(), drawn)
    assert torch.get_num_threads() == threads
    assert torch.tensor([1e-38]).mul(0.1).item() > 0  # denormal numbers are still what they were


@pytest.mark.parametrize("options", [{"variance": 0.0}, {"variance": float("nan")}, {"dtype": "half"}, {"permutations": -1}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        KDE(**options)


def test_wrong_variables_are_refused() -> None:
    x = Variable.continuous(torch.randn(10, 2))
    with pytest.raises(ValueError, match="not continuous"):
        KDE()(x, [x], rng=torch.Generator())
    with pytest.raises(ValueError, match="not for labels"):
        KDE()(Variable.labels(torch.arange(10)), [Variable.identity(10)], rng=torch.Generator())
    with pytest.raises(ValueError, match="do not fit"):
        KDE()(x, [Variable.labels(torch.arange(9))], rng=torch.Generator())


def nulls_by_brute_force(options: KDE, x: Variable, ys: list[Variable], seed: int) -> list[torch.Tensor]:
    """Each permuted labelling given to an estimator that permutes nothing: ``raw`` (permutations, ...) for each of ``ys``."""
    rng, plain = torch.Generator().manual_seed(seed), replace(options, permutations=0)
    found: list[torch.Tensor] = []
    for y in ys:
        samples = samples_of(x, "test").masked_by(y.mask)
        labels = y.values.expand(*samples.batch, -1)
        orders = [o.view(labels.shape) for o in permutations(samples, options.permutations, rng)]
        permuted = [Variable.labels(labels.gather(-1, order), y.mask) for order in orders]
        found.append(torch.stack([numbers(e.raw) for e in plain(x, permuted, rng=rng)]))
    return found


@pytest.mark.parametrize("number", [2, 19])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("tile", [512, 24])
def test_the_null_is_that_of_brute_force(number: int, masked: bool, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kernel_sums.TILE, "cpu", tile)
    values, labels, mask = batch_and_mask()
    options = KDE(variance=0.3, dtype="float64", permutations=number)
    x = Variable.continuous(values, mask if masked else None)
    generator = torch.Generator().manual_seed(2)
    few = torch.rand(60, generator=generator) < 0.5
    several = [torch.randint(0, n, (2, 3, 60), generator=generator) for n in (2, 30, 10**6)]
    ys = [Variable.labels(labels, few), Variable.labels(labels[0, 0]), *(Variable.labels(v, few) for v in several)]
    expected = nulls_by_brute_force(options, x, ys, seed=7)
    first, identity, *rest = options(x, [ys[0], Variable.identity(60), *ys[1:]], rng=torch.Generator().manual_seed(7))
    assert identity.null is None and identity.p_value is None and "label_saturated" not in identity.flags
    for found, permuted in zip((first, *rest), expected, strict=True):
        torch.testing.assert_close(numbers(found.null), permuted.mean(0), rtol=0, atol=1e-9)
        assert torch.equal(found.flags["label_saturated"], permuted.mean(0) > numbers(found.limit) / 2)
        if number < 19:
            assert found.p_value is None
        elif found is not rest[-1]:  # where almost every label is its own, rounding decides what reaches the estimate
            reached = (permuted >= numbers(found.raw) - 1e-12).sum(0)
            torch.testing.assert_close(numbers(found.p_value), (1 + reached).double() / 20, rtol=0, atol=1e-12)


@pytest.mark.parametrize("classes", [3, 10, 40, 700])
def test_the_null_in_float32_is_that_in_float64(classes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    values, labels = torch.randn(700, 5, generator=generator), torch.randint(0, classes, (700,), generator=generator)
    single, double = (both(KDE(dtype=d), values, labels)[1] for d in ("float32", "float64"))
    for name in ("value", "raw", "lower", "upper", "null"):
        torch.testing.assert_close(getattr(single, name), getattr(double, name), rtol=0, atol=1e-5)


def test_p_values_tell_information_from_none() -> None:
    generator = torch.Generator().manual_seed(0)
    labels, chance = (torch.randint(0, 3, (200,), generator=generator) for _ in range(2))
    x = Variable.continuous(torch.randn(200, 2, generator=generator) + 2 * labels[:, None])
    told, nothing = KDE(variance=1.0, permutations=39)(x, [Variable.labels(labels), Variable.labels(chance)], rng=generator)
    assert float(numbers(told.p_value)) == pytest.approx(1 / 40) and float(numbers(nothing.p_value)) > 0.1
    assert not told.flags["label_saturated"] and not nothing.flags["label_saturated"]


@pytest.mark.parametrize("options", [KDE(variance=1e-6), KDE(variance=1e-6, dtype="float64")], ids=str)
def test_rows_that_are_all_different_say_nothing_of_labels(options: KDE) -> None:
    generator = torch.Generator().manual_seed(0)
    values, labels = torch.randn(300, 20, generator=generator), torch.randint(0, 5, (300,), generator=generator)
    _, label = both(options, values, labels)
    torch.testing.assert_close(numbers(label.null), numbers(label.limit), rtol=0, atol=1e-6)
    torch.testing.assert_close(label.value, numbers(label.limit), rtol=0, atol=1e-6)
    assert label.flags["label_saturated"]
    assert not both(KDE(variance=100.0), values, labels)[1].flags["label_saturated"]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_one_class_has_no_null_to_exceed(options: KDE) -> None:
    values, _, mask = batch_and_mask()
    for found in (both(options, values, torch.zeros(60)), both(options, values, torch.zeros(60), mask)):
        assert numbers(found[1].null).abs().max() == 0 and numbers(found[1].raw).abs().max() == 0
        assert not found[1].flags["label_saturated"].any()


def test_without_permutations_there_is_no_null() -> None:
    values, labels, _ = batch_and_mask()
    for found in both(KDE(permutations=0), values, labels):
        assert found.null is None and found.p_value is None and "label_saturated" not in found.flags


def test_the_seed_decides_the_null_and_nothing_else() -> None:
    values, labels, _ = batch_and_mask()
    x, ys = Variable.continuous(values), [Variable.labels(labels)]
    once, again, other = (KDE()(x, ys, rng=torch.Generator().manual_seed(n))[0] for n in (1, 1, 2))
    assert torch.equal(numbers(once.null), numbers(again.null))
    assert not torch.equal(numbers(once.null), numbers(other.null))
    for name in ("value", "lower", "upper"):
        assert torch.equal(getattr(once, name), getattr(other, name))


@pytest.mark.parametrize("case", CASES)
def test_entropy_agrees_with_published_values(oracle: Path, case: str) -> None:
    values = torch.from_numpy(np.load(oracle / "information_plane" / "inputs.npz")[f"{case}/T"])
    file = np.load(oracle / "information_plane" / "kde_tf64.npz")
    for variance in ("0.001", "0.1", "1.0"):
        expected = file[f"{case}/H_upper_H_lower_HTgivenX_nats/{variance}"][:2] / log(2)
        found = KDE(variance=float(variance), dtype="float64").entropy(Variable.continuous(values), rng=torch.Generator())
        assert found.value is found.upper
        np.testing.assert_allclose([float(found.value), float(numbers(found.lower))], expected, rtol=1e-12, atol=1e-9)


def test_entropy_agrees_with_published_values_of_a_mixture(oracle: Path) -> None:
    folder = oracle / "mutual_information"
    cases = json.loads((folder / "fixed_peers.json").read_text())["cases"]["kde_bounds"]["one_d"]
    x = Variable.continuous(torch.from_numpy(np.load(folder / "kde_bounds.npz")["x1d"]))
    for variance, expected in cases.items():
        found = KDE(variance=float(variance)).entropy(x, rng=torch.Generator())
        nats = [float(v) * log(2) for v in (numbers(found.lower), found.value)]
        np.testing.assert_allclose(nats, [expected["H_lower_bd"], expected["H_upper_kl"]], rtol=0, atol=1e-9)
        assert nats[0] < expected["H_true"] < nats[1] <= float(numbers(found.limit)) * log(2)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_entropy_of_a_batch_is_that_of_its_elements(options: KDE) -> None:
    values, _, mask = batch_and_mask()
    rng, within = torch.Generator(), 1e-11 if options.dtype == "float64" else 5e-6
    whole = options.entropy(Variable.continuous(values), rng=rng)
    masked = options.entropy(Variable.continuous(values, mask), rng=rng)
    for a in range(2):
        for b in range(3):
            one = options.entropy(Variable.continuous(values[a, b]), rng=rng)
            compressed = options.entropy(Variable.continuous(values[a, b][mask[a, b]]), rng=rng)
            for batched, single in ((whole, one), (masked, compressed)):
                for name in ("value", "lower", "upper", "limit"):
                    torch.testing.assert_close(getattr(batched, name)[a, b], getattr(single, name), rtol=0, atol=within)
                assert {n: bool(f[a, b]) for n, f in batched.flags.items()} == {n: bool(f) for n, f in single.flags.items()}


def test_entropy_at_the_edges() -> None:
    rng = torch.Generator()

    def entropy(options: KDE, values: torch.Tensor) -> Estimate:
        return options.entropy(Variable.continuous(values), rng=rng)

    noise = 1.5 * log2(2 * pi * e * 0.01)
    constant = entropy(KDE(variance=0.01), torch.full((60, 3), 0.3))
    assert float(constant.value) == pytest.approx(noise, abs=1e-12) and constant.flags["constant"]
    apart = entropy(KDE(variance=0.01), torch.randn(60, 3, generator=rng) * 1e3)
    assert float(apart.value) == pytest.approx(noise + log2(60), abs=1e-6) and apart.flags["saturated"]
    assert float(numbers(apart.limit)) == pytest.approx(noise + log2(60), abs=1e-12)
    point = entropy(KDE(relative=True), torch.full((60, 3), 0.3))
    assert float(point.value) == -torch.inf and point.flags["constant"]
    bad = entropy(KDE(), torch.full((60, 3), torch.nan))
    assert bad.value.isnan() and numbers(bad.lower).isnan() and bad.flags["nonfinite"]
    empty = entropy(KDE(), torch.zeros(0, 3))
    assert empty.value.isnan() and empty.flags["empty"]
    with pytest.raises(ValueError, match="not for labels"):
        KDE().entropy(Variable.labels(torch.arange(9)), rng=rng)
