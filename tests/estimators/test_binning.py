"""Binning against published values, brute force and its own invariants."""

from __future__ import annotations

from dataclasses import replace
from math import log, log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon import Estimate, Variable
from ibmon_estimators import binning
from ibmon_estimators.binning import Binning
from ibmon_estimators.nulls import permutations
from ibmon_estimators.samples import samples_of

CASES = (
    "A_tanh_512x10",
    "B_relu_600x20_10cls",
    "D_lowrank_256x1024",
    *(f"E_varu_layer{i}" for i in ("1_4096x10", "2_4096x7", "3_4096x5", "4_4096x4", "5_4096x3", "6_softmax_4096x2")),
)


def both(
    options: Binning, values: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[Estimate, Estimate]:
    x = Variable.continuous(values, mask)
    identity, label = options(x, [Variable.identity(x.samples), Variable.labels(labels)], rng=torch.Generator())
    return identity, label


def numbers(values: torch.Tensor | None) -> torch.Tensor:
    assert values is not None
    return values


def plain_entropy(rows: np.ndarray) -> float:
    counts = np.unique(rows, axis=0, return_counts=True)[1]
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum())


def plain_information(rows: np.ndarray, labels: np.ndarray) -> float:
    return plain_entropy(rows) - sum((labels == c).mean() * plain_entropy(rows[labels == c]) for c in set(labels.tolist()))


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_published_values(oracle: Path, case: str) -> None:
    inputs = np.load(oracle / "information_plane" / "inputs.npz")
    values, labels = torch.from_numpy(inputs[f"{case}/T"]), torch.from_numpy(inputs[f"{case}/y"])
    published = np.load(oracle / "information_plane" / "binning.npz")
    compared = 0
    for key in published.files:
        name, what, parameter = key.split("/", 2)
        if name != case:
            continue
        expected = np.atleast_1d(published[key])
        if what == "ibsgd_bin2_nats":
            options, expected = Binning(width=float(parameter)), expected / log(2)
        elif what == "idnns_IXT_ITY_bits":
            options = Binning(edges=int(parameter))
        elif what == "exactib_HT_ITY_bits" and parameter in ("uniform30_layer", "uniform100_layer"):
            options = Binning(range="observed", bins=int(parameter[7:-6]))
        else:
            continue
        found = [float(e.value) for e in both(options, values, labels)]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, err_msg=key)
        compared += 1
    assert compared >= 12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_edges_are_those_of_numpy_in_every_type(dtype: torch.dtype) -> None:
    edges = np.linspace(-1, 1, 30)
    near = torch.from_numpy(edges).to(dtype)
    outward = torch.tensor([-torch.inf, torch.inf], dtype=dtype)
    values = torch.cat([near, near.nextafter(outward[:1]), near.nextafter(outward[1:]), torch.tensor([-3.0, 3.0], dtype=dtype)])
    expected = np.clip(np.digitize(values.double().numpy(), edges) - 1, 0, None)
    found, _ = both(Binning(edges=30), values[:, None], torch.zeros(len(values)))
    assert float(found.value) == pytest.approx(plain_entropy(expected[:, None]), abs=1e-12)


def test_quantiles_are_those_of_numpy() -> None:
    values = np.random.default_rng(0).normal(size=(333, 3))
    labels = np.arange(333) % 3
    edges = np.quantile(values, np.linspace(0, 1, 9)[1:-1], axis=0)
    cells = (values[None] >= edges[:, None]).sum(0)
    identity, label = both(Binning(quantile=8), torch.from_numpy(values), torch.from_numpy(labels))
    assert float(identity.value) == pytest.approx(plain_entropy(cells), abs=1e-12)
    assert float(label.value) == pytest.approx(plain_information(cells, labels), abs=1e-12)
    one, _ = both(Binning(quantile=8), torch.from_numpy(values[:320, :1]), torch.from_numpy(labels[:320]))
    assert float(one.value) == pytest.approx(3, abs=1e-12)


OPTIONS = [
    Binning(),
    Binning(width=0.5),
    Binning(edges=5),
    Binning(quantile=3),
    Binning(range="observed", bins=4),
    Binning(width=0.5, miller_madow=True),
]


def batch_and_mask(samples: int = 60) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    values = torch.tanh(torch.randn(2, 3, samples, 2, generator=generator))
    labels = torch.randint(-1, 3, (2, 3, samples), generator=generator)
    mask = torch.rand(2, 3, samples, generator=generator) < 0.7
    return values, labels, mask


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_batched_equals_looped_and_masked_equals_compressed(options: Binning) -> None:
    values, labels, mask = batch_and_mask()
    padded = values.masked_fill(~mask[..., None], torch.nan)  # what is masked must not matter
    whole, masked = both(options, values, labels), both(options, padded, labels, mask)
    for a in range(2):
        for b in range(3):
            one = both(options, values[a, b], labels[a, b])
            keep = mask[a, b]
            compressed = both(options, values[a, b][keep], labels[a, b][keep])
            for batched, single in [*zip(whole, one, strict=True), *zip(masked, compressed, strict=True)]:
                for name in ("value", "raw", "limit"):
                    torch.testing.assert_close(getattr(batched, name)[a, b], getattr(single, name), rtol=0, atol=1e-12)
                of_null = {"label_saturated"}  # a masked sample takes part in the drawing, so that the null is another
                flags = {n: bool(f[a, b]) for n, f in batched.flags.items() if n not in of_null}
                assert flags == {n: bool(f) for n, f in single.flags.items() if n not in of_null}
            torch.testing.assert_close(numbers(whole[1].null)[a, b], numbers(one[1].null), rtol=0, atol=1e-12)
            assert bool(whole[1].flags["label_saturated"][a, b]) == bool(one[1].flags["label_saturated"])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_mask_of_the_labels_counts_too(options: Binning) -> None:
    values, labels, mask = batch_and_mask()
    x = Variable.continuous(values)
    found, free = options(x, [Variable.labels(labels, mask), Variable.labels(labels)], rng=torch.Generator())
    torch.testing.assert_close(found.value, both(options, values, labels, mask)[1].value)
    torch.testing.assert_close(free.value, both(options, values, labels)[1].value)


def test_labels_without_a_batch_serve_all_elements() -> None:
    values, labels, _ = batch_and_mask()
    shared = both(Binning(width=0.5), values, labels[0, 0])[1]
    spread = both(Binning(width=0.5), values, labels[0, 0].expand(2, 3, -1))[1]
    assert torch.equal(shared.value, spread.value)


def test_repeated_inputs_give_the_entropy_of_the_rows() -> None:
    values = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)).repeat(2, 1)
    (found,) = Binning()(Variable.continuous(values), [Variable.identity(values)], rng=torch.Generator())
    assert float(found.value) == pytest.approx(log2(50), abs=1e-12)
    assert found.limit is not None and float(found.limit) == pytest.approx(log2(50), abs=1e-12)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 4), st.integers(1, 5), st.sampled_from(OPTIONS))
def test_invariants(seed: int, samples: int, units: int, classes: int, options: Binning) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.tanh(torch.randn(samples, units, generator=generator))
    labels = torch.randint(0, classes, (samples,), generator=generator)
    identity, label = both(options, values, labels)
    assert identity.limit is not None and label.limit is not None
    assert 0 <= identity.value <= log2(samples) + 1e-12
    assert 0 <= label.value <= label.limit + 1e-12
    for estimate in (identity, label):
        assert estimate.value == numbers(estimate.raw).clamp(min=0).minimum(numbers(estimate.limit))
    if not options.miller_madow:
        assert label.value <= identity.value + 1e-12
    order = torch.randperm(samples, generator=generator)
    for moved, kept in zip(both(options, values[order], labels[order]), (identity, label), strict=True):
        assert float(moved.value) == pytest.approx(float(kept.value), abs=1e-12)
    if not options.miller_madow and options.quantile is None:
        for twice, once in zip(both(options, values.repeat(2, 1), labels.repeat(2)), (identity, label), strict=True):
            assert float(twice.value) == pytest.approx(float(once.value), abs=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 100))
def test_plain_reference(seed: int, samples: int) -> None:
    rng = np.random.default_rng(seed)
    values, labels = rng.normal(size=(samples, 2)), rng.integers(-5, 10**9, samples) // 10**8
    cells = np.floor(values / 0.8)
    identity, label = both(Binning(width=0.8), torch.from_numpy(values), torch.from_numpy(labels))
    assert float(identity.value) == pytest.approx(plain_entropy(cells), abs=1e-12)
    assert float(label.value) == pytest.approx(plain_information(cells, labels), abs=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_constant_layer_one_sample_and_no_data(options: Binning) -> None:
    labels = torch.arange(40) % 2
    for estimate in both(options, torch.full((40, 3), 0.3), labels):
        assert float(estimate.value) == 0
    for estimate in both(options, torch.full((1, 3), 0.3), labels[:1]):
        assert float(estimate.value) == 0
    for estimate in both(options, torch.zeros(40, 3), labels, torch.zeros(40, dtype=torch.bool)):
        assert estimate.value.isnan() and estimate.flags["empty"]
    for estimate in both(options, torch.zeros(0, 3), labels[:0]):
        assert estimate.value.isnan() and estimate.flags["empty"]


def test_miller_madow_adds_what_it_says() -> None:
    values, labels, _ = batch_and_mask()
    values, labels = values[0, 0], labels[0, 0]
    cells = np.floor(values.numpy() / np.float32(0.8))
    corrected, plain = both(Binning(width=0.8, miller_madow=True), values, labels), both(Binning(width=0.8), values, labels)
    occupied = len(np.unique(cells, axis=0))
    within = [len(np.unique(cells[labels == c], axis=0)) - 1 for c in labels.unique()]
    unit = 1 / (2 * 60 * log(2))
    assert float(corrected[0].value - plain[0].value) == pytest.approx((occupied - 1) * unit)
    assert float(corrected[1].value - plain[1].value) == pytest.approx((occupied - 1 - sum(within)) * unit)


def test_nonfinite_values_are_flagged_and_spare_the_rest_of_the_batch() -> None:
    values, labels, _ = batch_and_mask()
    before = both(Binning(), values, labels)
    values[0, 1, 5, 0], values[1, 2, 3, 1] = torch.nan, torch.inf
    bad = torch.zeros(2, 3, dtype=torch.bool)
    bad[0, 1] = bad[1, 2] = True
    for found, clean in zip(both(Binning(), values, labels), before, strict=True):
        assert torch.equal(found.flags["nonfinite"], bad)
        assert torch.equal(found.value.isnan(), bad)
        torch.testing.assert_close(found.value[~bad], clean.value[~bad], rtol=0, atol=1e-12)


def test_huge_values_stay_apart_from_small_ones() -> None:
    values = torch.tensor([[1e30], [-1e30], [0.0], [200.0], [3e38]])
    identity, _ = both(Binning(), values, torch.zeros(5))
    expected = plain_entropy(np.array([[0], [1], [2], [3], [0]]))
    assert float(identity.value) == pytest.approx(expected, abs=1e-12)


def test_flags_say_saturated_and_edges() -> None:
    generator = torch.Generator().manual_seed(0)
    fine, coarse = torch.randn(200, 5, generator=generator), torch.randn(200, 5, generator=generator).sign()
    labels = torch.arange(200) % 2
    assert all(e.flags["saturated"] for e in both(Binning(), fine, labels))
    assert not any(e.flags["saturated"] for e in both(Binning(), coarse, labels))
    assert all(e.flags["edges"] for e in both(Binning(edges=30), coarse, labels))
    assert not any(e.flags["edges"] for e in both(Binning(edges=30), fine.mul(0.1), labels))
    assert "edges" not in both(Binning(), fine, labels)[0].flags


def test_half_types_and_integers_are_taken() -> None:
    values = torch.randint(-3, 3, (100, 2), generator=torch.Generator().manual_seed(0))
    labels = torch.arange(100) % 2
    expected = both(Binning(width=1.0), values.double(), labels)
    for dtype in (torch.bfloat16, torch.float16, torch.int32):
        for found, wanted in zip(both(Binning(width=1.0), values.to(dtype), labels), expected, strict=True):
            assert float(found.value) == pytest.approx(float(wanted.value), abs=1e-12)


def test_rows_that_share_one_hash_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = binning.multipliers(3)
    monkeypatch.setattr(binning, "multipliers", lambda _units: torch.stack([torch.ones_like(drawn[0]), drawn[1]]))
    values = torch.randint(0, 4, (500, 3), generator=torch.Generator().manual_seed(0)).float()
    found, _ = both(Binning(width=1.0), values, torch.zeros(500))
    assert float(found.value) == pytest.approx(plain_entropy(values.numpy()), abs=1e-12)


def test_inputs_and_random_state_are_left_alone() -> None:
    values, labels, mask = batch_and_mask()
    copies, state, numpy_state = (
        (values.clone(), labels.clone(), mask.clone()),
        torch.get_rng_state(),
        np.random.get_state(legacy=False)["state"]["key"].copy(),
    )
    generator = torch.Generator().manual_seed(3)
    drawn = generator.get_state()
    for options in OPTIONS:
        x = Variable.continuous(values, mask)
        options(x, [Variable.identity(60), Variable.labels(labels)], rng=torch.Generator())
        options(x, [Variable.identity(60)], rng=generator)
        replace(options, permutations=0)(x, [Variable.labels(labels)], rng=generator)
        options.entropy(x, rng=generator)
    for now, before in zip((values, labels, mask), copies, strict=True):
        assert torch.equal(now, before)
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(generator.get_state(), drawn)
    assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], numpy_state)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 0.1, "edges": 30}, "one of width, edges"),
        ({"width": 0.0}, "width must be positive"),
        ({"edges": 1}, "edges must be at least 2"),
        ({"quantile": 1}, "quantile must be at least 2"),
        ({"range": "layer"}, "range must be observed"),
        ({"bins": 20}, "needs range=observed"),
        ({"permutations": -1}, "permutations must be 0 or more"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Binning(**options)


def test_wrong_variables_are_refused() -> None:
    x = Variable.continuous(torch.randn(10, 2))
    with pytest.raises(ValueError, match="not continuous"):
        Binning()(x, [x], rng=torch.Generator())
    with pytest.raises(ValueError, match="not for labels"):
        Binning()(Variable.labels(torch.arange(10)), [Variable.identity(10)], rng=torch.Generator())
    with pytest.raises(ValueError, match="do not fit"):
        Binning()(x, [Variable.labels(torch.arange(9))], rng=torch.Generator())


def test_default_width_can_be_read() -> None:
    assert Binning().width == 0.07 and Binning(edges=30).width is None


def nulls_by_brute_force(options: Binning, x: Variable, ys: list[Variable], seed: int) -> list[torch.Tensor]:
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


@pytest.mark.parametrize("options", [*OPTIONS, Binning(width=0.02), Binning(width=0.5, permutations=19)], ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_the_null_is_that_of_brute_force(options: Binning, masked: bool) -> None:
    values, labels, mask = batch_and_mask()
    x = Variable.continuous(values, mask if masked else None)
    few = torch.rand(60, generator=torch.Generator().manual_seed(2)) < 0.5
    ys = [Variable.labels(labels, few), Variable.labels(labels[0, 0]), Variable.labels(labels % 2, few)]
    expected = nulls_by_brute_force(options, x, ys, seed=7)
    first, identity, *rest = options(x, [ys[0], Variable.identity(60), *ys[1:]], rng=torch.Generator().manual_seed(7))
    assert identity.null is None and identity.p_value is None and "label_saturated" not in identity.flags
    for found, permuted in zip((first, *rest), expected, strict=True):
        torch.testing.assert_close(numbers(found.null), permuted.mean(0), rtol=0, atol=1e-12)
        assert torch.equal(found.flags["label_saturated"], permuted.mean(0) > numbers(found.limit) / 2)
        if options.permutations < 19:
            assert found.p_value is None
        else:
            reached = (permuted >= numbers(found.raw) - 1e-12).sum(0)
            torch.testing.assert_close(numbers(found.p_value), (1 + reached).double() / 20, rtol=0, atol=1e-12)


def test_p_values_tell_information_from_none() -> None:
    generator = torch.Generator().manual_seed(0)
    cells = torch.randint(0, 4, (400, 1), generator=generator).float()
    options = Binning(width=1.0, permutations=39)
    told, nothing = options(
        Variable.continuous(cells),
        [Variable.labels(cells[:, 0] > 1), Variable.labels(torch.randint(0, 2, (400,), generator=generator))],
        rng=generator,
    )
    assert float(numbers(told.p_value)) == pytest.approx(1 / 40) and float(numbers(nothing.p_value)) > 0.1
    assert not told.flags["label_saturated"] and not nothing.flags["label_saturated"]


def test_rows_that_are_all_different_say_nothing_of_labels() -> None:
    generator = torch.Generator().manual_seed(0)
    values, labels = torch.randn(300, 20, generator=generator), torch.randint(0, 5, (300,), generator=generator)
    _, label = both(Binning(permutations=19), values, labels)
    entropy = plain_entropy(labels.numpy())
    assert float(numbers(label.null)) == pytest.approx(entropy, abs=1e-12)
    assert float(label.value) == pytest.approx(entropy, abs=1e-12)
    assert label.flags["label_saturated"] and float(numbers(label.p_value)) == 1
    _, coarse = both(Binning(width=50.0), values.abs(), labels)
    assert not coarse.flags["label_saturated"]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_one_class_has_no_null_to_exceed(options: Binning) -> None:
    values, _, mask = batch_and_mask()
    for found in (both(options, values, torch.zeros(60)), both(options, values, torch.zeros(60), mask)):
        assert numbers(found[1].null).abs().max() == 0 and not found[1].flags["label_saturated"].any()


def test_without_permutations_there_is_no_null() -> None:
    values, labels, _ = batch_and_mask()
    for found in both(Binning(permutations=0), values, labels):
        assert found.null is None and found.p_value is None and "label_saturated" not in found.flags


def test_the_seed_decides_the_null() -> None:
    values, labels, _ = batch_and_mask()
    x, ys = Variable.continuous(values), [Variable.labels(labels)]
    once, again, other = (Binning(width=0.5)(x, ys, rng=torch.Generator().manual_seed(n))[0] for n in (1, 1, 2))
    assert torch.equal(numbers(once.null), numbers(again.null))
    assert not torch.equal(numbers(once.null), numbers(other.null))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_entropy_is_the_information_about_distinct_inputs(options: Binning) -> None:
    values, _, mask = batch_and_mask()
    for x in (Variable.continuous(values), Variable.continuous(values, mask)):
        found, (identity,) = options.entropy(x, rng=torch.Generator()), options(x, [Variable.identity(60)], rng=torch.Generator())
        for name in ("value", "raw", "limit"):
            assert torch.equal(numbers(getattr(found, name)), numbers(getattr(identity, name)))
        assert all(torch.equal(found.flags[n], f) for n, f in identity.flags.items()) and found.null is None


def test_entropy_of_repeated_inputs_may_reach_the_samples() -> None:
    values = torch.arange(8.0).repeat(2)[:, None]
    x = Variable.continuous(values)
    found = Binning(width=1.0).entropy(x, rng=torch.Generator())
    assert float(found.value) == 3 and float(numbers(found.limit)) == 4 and not found.flags["saturated"]
    corrected = Binning(width=1.0, miller_madow=True).entropy(x, rng=torch.Generator())
    assert float(corrected.value) == pytest.approx(3 + 7 / (32 * log(2)), abs=1e-12)
    unlike = Binning(width=0.1, miller_madow=True).entropy(Variable.continuous(torch.rand(90, 9)), rng=torch.Generator())
    assert float(unlike.value) == pytest.approx(log2(90), abs=1e-12)
    assert float(numbers(unlike.raw)) == pytest.approx(log2(90) + 89 / (180 * log(2)), abs=1e-12)
    with pytest.raises(ValueError, match="not for labels"):
        Binning().entropy(Variable.labels(torch.arange(9)), rng=torch.Generator())
