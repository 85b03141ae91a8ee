"""Ross' estimator against published values, the definition by brute force, known truths and its own invariants."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from math import inf, log, log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import digamma

from ibmon import Estimate, Variable
from ibmon_estimators import compiled
from ibmon_estimators.ross import Ross, standard_error

BACKENDS = ["numba", "torch"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def single(options: Ross, values: Any, labels: Any, mask: torch.Tensor | None = None, seed: int = 0) -> Estimate:
    x = Variable.continuous(torch.as_tensor(values), mask)
    return options(x, [Variable.labels(torch.as_tensor(labels))], rng=seeded(seed))[0]


def units(options: Ross, values: Any, labels: Any, mask: torch.Tensor | None = None, **more: Any) -> Estimate:
    x = Variable.continuous(torch.as_tensor(values), mask)
    return options.pairwise(x, Variable.labels(torch.as_tensor(labels)), rng=seeded(), **more)


def definition(x: np.ndarray, labels: np.ndarray, k: int) -> float:
    """The equation of the module's docstring, in bits, with all distances; ``x`` (samples, units)."""
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    x, labels = x[sizes[codes] > 1], labels[sizes[codes] > 1]
    if len(set(labels.tolist())) < 2 or (x == x[0]).all():
        return 0.0
    distances = np.abs(x[:, None] - x[None]).max(-1)
    terms = []
    for i, row in enumerate(distances):
        own = np.sort(np.delete(row[labels == labels[i]], (labels[:i] == labels[i]).sum()))
        nearest = min(k, len(own))
        inside = max(1, int((row < own[nearest - 1]).sum()))
        terms.append(digamma(len(x)) + digamma(nearest) - digamma(len(own) + 1) - digamma(inside))
    return float(np.mean(terms)) / log(2)


def batch_and_mask(samples: int = 60, columns: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = seeded(1)
    labels = torch.randint(-1, 3, (2, 3, samples), generator=generator)
    values = torch.randn(2, 3, samples, columns, generator=generator, dtype=torch.float64) + 0.7 * labels[..., None]
    values[..., -1].relu_()  # one column has ties
    mask = torch.rand(2, 3, samples, generator=generator) < 0.7
    return values, labels, mask


def same(found: Estimate, wanted: Estimate, at: Any = (), tolerance: float = 1e-12) -> None:
    for name in ("value", "raw", "limit", "error", "null", "p_value"):
        one, other = getattr(found, name), getattr(wanted, name)
        assert (one is None) == (other is None), name
        if one is not None:
            torch.testing.assert_close(one[at], other, rtol=0, atol=tolerance, equal_nan=True, msg=lambda m, n=name: f"{n}: {m}")
    assert {n: f[at].tolist() for n, f in found.flags.items()} == {n: f.tolist() for n, f in wanted.flags.items()}


# Published values, the definition, known truths


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", ["class_gauss_4", "disjoint_uniforms"])
def test_agrees_with_published_values(oracle: Path, case: str, backend: Any) -> None:
    folder = oracle / "mutual_information"
    data = np.load(folder / f"{case}.npz")
    peers = json.loads((folder / "fixed_peers.json").read_text())["cases"][case]["peers"]
    for options in (Ross(standardise=False, jitter=0, backend=backend), Ross(backend=backend)):
        found = single(options, data["x"], data["labels"])
        assert found.raw is not None
        assert float(found.raw) * log(2) == pytest.approx(peers["ref_ross_k3"], abs=1e-9)
        assert float(found.raw) * log(2) == pytest.approx(peers["sklearn_raw_cd_k3"], abs=1e-9)
        assert float(found.raw) * log(2) == pytest.approx(float(data["mi_true_nats"]), abs=0.01)
        assert not found.flags["ties"]


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "smooth": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "rounded": lambda x: np.round(x, 1),
    "integers": lambda x: np.round(3 * x),
    "scales": lambda x: np.sign(x) * 10.0 ** (4 * x),
    "offset": lambda x: np.round(x, 2) + 1e6,
}


@settings(max_examples=120)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 90),
    st.integers(1, 3),
    st.integers(1, 12),
    st.integers(1, 7),
    st.sampled_from(list(KINDS)),
    st.sampled_from(BACKENDS),
)
@example(0, 3, 2, 12, 3, "smooth", "torch")
@example(0, 90, 1, 60, 3, "rounded", "numba")
def test_is_the_definition(seed: int, samples: int, columns: int, classes: int, k: int, kind: str, backend: Any) -> None:
    """Also with ties, labels that occur once, and fewer samples than neighbours."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(samples) ** 2 * classes).astype(int) * 10**8 - 5
    x = KINDS[kind](rng.normal(size=(samples, columns)))
    options = Ross(k=k, standardise=False, jitter=0, permutations=0, backend=backend)
    found, each = single(options, x, labels), units(options, x, labels)
    assert found.raw is not None and each.raw is not None
    assert float(found.raw) == pytest.approx(definition(x, labels, k), abs=1e-9)
    assert each.raw.tolist() == pytest.approx([definition(x[:, [j]], labels, k) for j in range(columns)], abs=1e-9)
    counts = np.unique(labels, return_counts=True)[1]
    assert bool(found.flags["singletons"]) == bool((counts == 1).any())
    assert bool(found.flags["ties"]) == any(len(np.unique(c)) < samples for c in x.T)
    assert each.flags["ties"].tolist() == [len(np.unique(c)) < samples for c in x.T]
    limit = float(-(counts / samples * np.log2(counts / samples)).sum())
    assert found.limit is not None and float(found.limit) == pytest.approx(limit, abs=1e-12)
    assert float(found.value) == pytest.approx(min(max(float(found.raw), 0), limit), abs=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_standardises_columns_that_are_taken_together(backend: Any) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300)
    x = rng.normal(size=(300, 3)) * [1, 30, 1e-3] + labels[:, None]
    scaled = (x - x.mean(0)) / x.std(0)
    for values, options in ((scaled, Ross(backend=backend)), (x, Ross(backend=backend, standardise=False))):
        found = single(options, x, labels)
        assert found.raw is not None and float(found.raw) == pytest.approx(definition(values, labels, 3), abs=1e-9)
    assert abs(definition(scaled, labels, 3) - definition(x, labels, 3)) > 0.01


def test_backends_agree_in_everything() -> None:
    values, labels, mask = batch_and_mask()
    for columns in (1, 3):
        numba, torch_ = (Ross(backend=b, permutations=19, subsamples=3) for b in ("numba", "torch"))
        same(single(numba, values[..., :columns], labels, mask), single(torch_, values[..., :columns], labels, mask))
        same(units(numba, values[..., :columns], labels, mask), units(torch_, values[..., :columns], labels, mask))


@pytest.mark.parametrize("backend", BACKENDS)
def test_blocks_do_not_change_anything(monkeypatch: pytest.MonkeyPatch, backend: Any) -> None:
    values, labels, _ = batch_and_mask(columns=5)
    options = Ross(backend=backend)
    whole, each = single(options, values, labels), units(options, values, labels)
    for name, size in (("_ENTRIES", 130), ("_SEARCHED", {"cpu": 70}), ("_LABELS", 150)):
        monkeypatch.setattr(f"ibmon_estimators.ross.{name}", size)
    same(units(options, values, labels), each)
    same(single(options, values[..., :-1], labels), single(Ross(backend=backend), values[..., :-1], labels))
    again = single(options, values, labels)
    torch.testing.assert_close(again.raw, whole.raw, rtol=0, atol=1e-12)


def test_discrete_values_count_as_well_as_their_ranks_allow() -> None:
    """A binary channel: with jitter its information, without it nonsense that is flagged."""
    generator = seeded()
    labels = torch.arange(4000) % 2
    values = (labels ^ (torch.rand(4000, generator=generator) < 0.1).long()).double()[:, None]
    flips = float((values[:, 0] != labels).double().mean())
    truth = 1 + flips * log2(flips) + (1 - flips) * log2(1 - flips)
    found = single(Ross(), values, labels)
    assert float(found.value) == pytest.approx(truth, abs=0.05) and found.flags["ties"]
    many = single(Ross(), values.repeat(1, 3), labels)
    assert float(many.value) == pytest.approx(truth, abs=0.05) and many.flags["ties"]
    plain = single(Ross(jitter=0), values, labels)
    assert plain.raw is not None and float(plain.raw) > 2 and plain.flags["ties"]


# Units, lags, batches, masks


@pytest.mark.parametrize("backend", BACKENDS)
def test_pairwise_is_each_column_alone(backend: Any) -> None:
    values, labels, mask = batch_and_mask()
    options = Ross(backend=backend, permutations=19, subsamples=3)
    found = units(options, values, labels, mask)
    assert found.value.shape == (2, 3, 3)
    assert found.flags["ties"][..., 2].all() and not found.flags["ties"][..., 0].any()
    for data in (values, values.relu()):
        found = units(options, data, labels, mask)
        assert "high_dimension" not in found.flags
        for j in range(3):
            alone = single(options, data[..., [j]], labels, mask)
            flags = {name: flag for name, flag in alone.flags.items() if name != "high_dimension"}
            same(found, replace(alone, flags=flags), (..., j))


@pytest.mark.parametrize("lag", [0, 3, -3])
def test_lag_takes_the_labels_of_another_time(lag: int) -> None:
    values, labels, mask = batch_and_mask()
    other = mask.flip(-1)
    x, y = Variable.continuous(values, mask), Variable.labels(labels, other)
    found = Ross().pairwise(x, y, lag=lag, rng=seeded())
    now, then = slice(max(-lag, 0), 60 - max(lag, 0)), slice(max(lag, 0), 60 - max(-lag, 0))
    same(found, units(Ross(), values[..., now, :], labels[..., then], mask[..., now] & other[..., then]))
    echo = torch.cat([torch.zeros(3), labels[0, 0].double()])[:60] if lag == 3 else None
    if echo is not None:
        heard = units(Ross(), labels[0, 0, :, None].double(), echo.long(), lag=3)
        assert heard.limit is not None and float(heard.value) > 0.9 * float(heard.limit)
        assert float(units(Ross(), labels[0, 0, :, None].double(), echo.long()).value) < 0.4


@pytest.mark.parametrize("lag", [60, -99])
def test_no_samples_are_left_by_a_long_lag(lag: int) -> None:
    values, labels, _ = batch_and_mask()
    found = units(Ross(), values, labels, lag=lag)
    assert found.value.shape == (2, 3, 3) and found.value.isnan().all() and found.flags["empty"].all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("columns", [1, 3])
def test_batched_equals_looped_and_masked_equals_compressed(columns: int, backend: Any) -> None:
    values, labels, mask = batch_and_mask(columns=columns)
    padded = values.masked_fill(~mask[..., None], torch.nan)  # what is masked must not matter
    options = Ross(backend=backend, permutations=2, subsamples=3)
    for estimator in (single, units):
        whole, masked = estimator(options, values, labels), estimator(options, padded, labels, mask)
        for a in range(2):
            for b in range(3):
                keep = mask[a, b]
                same(whole, estimator(options, values[a, b], labels[a, b]), (a, b))
                same(masked, estimator(options, values[a, b][keep], labels[a, b][keep]), (a, b))


def test_a_mask_of_the_labels_counts_too() -> None:
    values, labels, mask = batch_and_mask()
    x = Variable.continuous(values)
    found, free = Ross()(x, [Variable.labels(labels, mask), Variable.labels(labels)], rng=seeded())
    same(found, single(Ross(), values, labels, mask))
    same(free, single(Ross(), values, labels))


def test_several_labels_are_each_as_if_alone() -> None:
    """One pass serves them, also where one has labels that occur once."""
    values, labels, _ = batch_and_mask()
    rare = labels.clone()
    rare[..., :2] = torch.tensor([77, 78])
    alike = torch.zeros_like(labels)
    asked = [labels, rare, alike, labels[0, 0], labels * 10**12]
    x = Variable.continuous(values)
    found = Ross()(x, [Variable.identity(60), *(Variable.labels(y) for y in asked)], rng=seeded())
    for one, y in zip(found[1:], asked, strict=True):
        same(one, single(Ross(), values, y))
    same(found[1], found[5])
    assert found[2].flags["singletons"].all() and not found[1].flags["singletons"].any()
    same(found[4], single(Ross(), values, labels[0, 0].expand(2, 3, -1)))


def test_identity_is_called_deterministic() -> None:
    values, _, _ = batch_and_mask()
    (found,) = Ross()(Variable.continuous(values[0, 0]), [Variable.identity(60)], rng=seeded())
    assert float(found.value) == pytest.approx(log2(60)) and found.flags["deterministic"] and found.flags["saturated"]


# The null, the p-value, the standard error


@pytest.mark.parametrize("columns", [1, 2])
def test_null_reads_nothing_and_p_values_are_uniform_without_information(columns: int) -> None:
    generator = seeded(5)
    values = torch.randn(200, 60, columns, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (200, 60), generator=generator)
    found = single(Ross(permutations=19), values, labels)
    assert found.null is not None and found.p_value is not None
    assert abs(float(found.null.mean())) < 0.02
    assert 0.42 < float(found.p_value.mean()) < 0.58
    assert 0.01 <= float((found.p_value <= 0.05 + 1e-9).double().mean()) <= 0.1
    assert 0.4 <= float((found.p_value <= 0.5).double().mean()) <= 0.6
    told = single(Ross(permutations=19), values + 2 * labels[..., None], labels)
    assert told.p_value is not None and told.null is not None
    assert float((told.p_value <= 0.05 + 1e-9).double().mean()) > 0.95
    assert abs(float(told.null.mean())) < 0.02


def test_few_permutations_give_a_null_and_no_p_value() -> None:
    values, labels, _ = batch_and_mask()
    five, none = single(Ross(), values, labels), single(Ross(permutations=0), values, labels)
    assert five.null is not None and five.p_value is None and "label_saturated" in five.flags
    assert none.null is None and none.p_value is None
    torch.testing.assert_close(five.raw, none.raw, rtol=0, atol=0)


def test_null_is_the_mean_over_permutations_of_what_is_kept() -> None:
    """Of one column and 200 permutations the spread is small enough to tell a wrong constant from the right one."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 80)
    labels[0] = 9
    x = rng.normal(size=(80, 1)) + labels[:, None]
    found = single(Ross(permutations=200), x, labels)
    plain = [definition(x[1:], rng.permutation(labels[1:]), 3) for _ in range(200)]
    assert found.null is not None and float(found.null) == pytest.approx(np.mean(plain), abs=4 * np.std(plain) / 10)


@pytest.mark.parametrize("columns", [1, 2])
def test_standard_error_is_the_scatter_of_the_estimate(columns: int) -> None:
    generator = seeded(2)
    labels = torch.randint(0, 3, (80, 300), generator=generator)
    values = torch.randn(80, 300, columns, generator=generator, dtype=torch.float64) + labels[..., None]
    found = single(Ross(subsamples=10, permutations=0), values, labels)
    assert found.error is not None and found.raw is not None
    assert 0.7 < float(found.error.mean() / found.raw.std()) < 1.4
    assert single(Ross(), values[0], labels[0]).error is None


@pytest.mark.parametrize(("parts", "columns"), [(2, 2000), (3, 800), (20, 20)])
def test_standard_error_of_a_mean(parts: int, columns: int) -> None:
    data = torch.randn(1000, columns, generator=seeded(), dtype=torch.float64)
    error = standard_error(lambda part: data[part].mean(0), 1000, parts, seeded(1), data.device)
    assert float(error.square().mean().sqrt()) == pytest.approx(1000**-0.5, rel=0.05)


# Invariances


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize(("scale", "offset"), [(1e9, 0.0), (1e-9, 0.0), (1.0, 1e8), (1e-300, 0.0), (1e300, 0.0)])
def test_scale_and_offset_do_not_matter(columns: int, scale: float, offset: float) -> None:
    values, labels, _ = batch_and_mask(columns=columns)
    moved = values * scale + offset
    same(single(Ross(), moved, labels), single(Ross(), values, labels), tolerance=1e-9)
    same(units(Ross(), moved, labels), units(Ross(), values, labels), tolerance=1e-9)


def test_a_mirror_does_not_matter() -> None:
    values, labels, _ = batch_and_mask()
    for columns in (values[..., :1], values[..., :2]):  # without ties, whose noise is not mirrored
        same(single(Ross(), -columns, labels), single(Ross(), columns, labels))


def test_differences_that_overflow_are_still_ordered() -> None:
    values, labels, _ = batch_and_mask()
    values = values.clamp(-2, 2)
    same(units(Ross(), values * 8e307, labels), units(Ross(), values, labels), tolerance=1e-9)
    same(single(Ross(), values * 8e307, labels), single(Ross(), values, labels), tolerance=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 3), st.integers(1, 20), st.sampled_from(BACKENDS))
def test_names_of_labels_and_order_of_samples_do_not_matter(
    seed: int, samples: int, columns: int, classes: int, backend: Any
) -> None:
    generator = seeded(seed)
    values = torch.randn(samples, columns, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, classes, (samples,), generator=generator)
    names = torch.randperm(4 * classes, generator=generator) * (10**15 if seed % 2 else 1) - 7
    options = Ross(backend=backend)
    found = single(options, values, labels)
    same(single(options, values, names[labels]), found, tolerance=1e-9)
    order = torch.randperm(samples, generator=generator)
    turned = single(options, values[order], labels[order])
    torch.testing.assert_close(turned.raw, found.raw, rtol=0, atol=1e-9)
    assert found.limit is not None and 0 <= found.value <= found.limit + 1e-12


def test_half_types_and_integers_are_taken() -> None:
    values = torch.randint(-9, 9, (100, 2), generator=seeded())
    labels = (values[:, 0] > 0).long()
    for estimator in (single, units):
        wanted = estimator(Ross(), values.double(), labels)
        for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.int32):
            same(estimator(Ross(), values.to(dtype), labels), wanted)


# Edges


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("columns", [1, 3])
def test_nonfinite_values_are_flagged_and_spare_the_rest(columns: int, backend: Any) -> None:
    values, labels, _ = batch_and_mask(columns=columns)
    options = Ross(backend=backend, subsamples=2)
    clean, each = single(options, values, labels), units(options, values, labels)
    values[0, 1, 5, 0], values[1, 2, 3, 0] = torch.nan, -inf
    bad = torch.zeros(2, 3, dtype=torch.bool)
    bad[0, 1] = bad[1, 2] = True
    found = single(options, values, labels)
    assert torch.equal(found.flags["nonfinite"], bad)
    for name in ("value", "raw", "null", "error"):
        assert torch.equal(getattr(found, name).isnan(), bad), name
        torch.testing.assert_close(getattr(found, name)[~bad], getattr(clean, name)[~bad], rtol=0, atol=1e-12)
    columnwise = torch.zeros(2, 3, columns, dtype=torch.bool)
    columnwise[..., 0] = bad
    some = units(options, values, labels)
    assert torch.equal(some.flags["nonfinite"], columnwise) and torch.equal(some.value.isnan(), columnwise)
    torch.testing.assert_close(some.value[~columnwise], each.value[~columnwise], rtol=0, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_constant_says_nothing(backend: Any) -> None:
    values, labels, _ = batch_and_mask()
    options = Ross(backend=backend, permutations=19, subsamples=2)
    flat = single(options, torch.full((60, 3), 0.1), labels[0, 0])
    assert float(flat.value) == 0 and flat.flags["constant"] and flat.flags["ties"]
    assert flat.null is not None and float(flat.null) == 0 and flat.p_value is not None and float(flat.p_value) == 1
    partly = values.clone()
    partly[..., 1] = 1e8 / 3
    same(single(options, partly, labels), single(Ross(backend=backend, permutations=19, subsamples=2), partly, labels))
    each, before = units(options, partly, labels), units(options, values, labels)
    assert torch.equal(each.flags["constant"], torch.tensor([False, True, False]).expand(2, 3, 3))
    assert (each.value[..., 1] == 0).all()
    torch.testing.assert_close(each.value[..., ::2], before.value[..., ::2], rtol=0, atol=1e-12)
    without = single(options, values[..., ::2], labels)
    torch.testing.assert_close(single(options, partly, labels).raw, without.raw, rtol=0, atol=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("columns", [1, 3])
def test_one_class_all_singletons_few_samples_and_no_data(columns: int, backend: Any) -> None:
    values = torch.randn(40, columns, generator=seeded(), dtype=torch.float64)
    options = Ross(backend=backend, subsamples=5, permutations=19)
    for estimator in (single, units):
        alike = estimator(options, values, torch.full((40,), -3))
        assert (alike.value == 0).all() and (alike.raw == 0).all() and (alike.limit == 0).all()
        assert not alike.flags["singletons"].any() and not alike.flags["label_saturated"].any()
        alone = estimator(options, values, torch.arange(40))
        assert (alone.value == 0).all() and alone.flags["singletons"].all()
        assert alone.limit is not None and alone.limit.allclose(torch.tensor(log2(40), dtype=torch.float64))
        rest = estimator(options, values, torch.tensor([1, 2, *[3] * 38]))
        assert (rest.value == 0).all() and rest.flags["singletons"].all()
        for samples in (1, 2, 3, 5):
            few = estimator(Ross(k=10, backend=backend, subsamples=3), values[:samples], torch.arange(samples) % 2)
            assert few.limit is not None and (few.value >= 0).all() and (few.value <= few.limit).all()
            assert few.flags["few_samples"].all()
        for nothing in (
            estimator(options, values[:0], torch.arange(0)),
            estimator(options, values, torch.arange(40), torch.zeros(40).bool()),
        ):
            assert nothing.value.isnan().all() and nothing.flags["empty"].all() and not nothing.flags["few_samples"].any()


def test_layers_without_units_or_elements() -> None:
    labels = torch.arange(40) % 2
    nothing = single(Ross(), torch.zeros(40, 0), labels)
    assert float(nothing.value) == 0 and nothing.flags["constant"]
    assert units(Ross(), torch.zeros(40, 0), labels).value.shape == (0,)
    assert single(Ross(), torch.zeros(0, 40, 2), labels).value.shape == (0,)


def test_many_columns_are_flagged() -> None:
    values, labels, _ = batch_and_mask(columns=5)
    assert single(Ross(), values, labels).flags["high_dimension"].all()
    assert not single(Ross(), values[..., 1:], labels).flags["high_dimension"].any()
    assert "high_dimension" not in units(Ross(), values, labels).flags


def test_inputs_and_random_state_are_left_alone() -> None:
    values, labels, mask = batch_and_mask()
    copies, state = (values.clone(), labels.clone(), mask.clone()), torch.get_rng_state()
    numpy_state = np.random.get_state(legacy=False)["state"]["key"].copy()
    ends = []
    for backend in BACKENDS:
        for m in (mask, None):
            for columns in (values, values[..., :1], values[0, 0, :, :1]):
                options, generator = Ross(backend=backend, subsamples=2), seeded(3)
                x = Variable.continuous(columns, m if columns.ndim == 4 else None)
                y = Variable.labels(labels if columns.ndim == 4 else labels[0, 0])
                options(x, [Variable.identity(60), y], rng=generator)
                options.pairwise(x, y, rng=generator)
                ends.append(generator.get_state())
    assert all(torch.equal(end, ends[0]) for end in ends)
    for now, before in zip((values, labels, mask), copies, strict=True):
        assert torch.equal(now, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], numpy_state)


def test_the_generator_alone_decides() -> None:
    values, labels, _ = batch_and_mask()
    one, again, other = (single(Ross(subsamples=3), values, labels, seed=seed) for seed in (4, 4, 5))
    same(one, again)
    assert one.null is not None and other.null is not None and not torch.equal(one.null, other.null)


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    values, labels, _ = batch_and_mask()
    wanted = single(Ross(), values, labels)
    monkeypatch.setattr(compiled, "installed", lambda: False)
    same(single(Ross(), values, labels), wanted)
    with pytest.raises(ValueError, match="ross: backend=numba needs numba"):
        single(Ross(backend="numba"), values, labels)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": 0}, "ross: k must be at least 1"),
        ({"jitter": -1e-9}, "ross: jitter must be at least 0 and less than 1"),
        ({"jitter": 1.0}, "ross: jitter must be at least 0 and less than 1"),
        ({"permutations": -1}, "ross: permutations must be 0 or more"),
        ({"subsamples": 1}, "ross: subsamples must be 0 or at least 2"),
        ({"backend": "cuda"}, "ross: backend must be auto, numba or torch"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Ross(**options)


def test_wrong_variables_are_refused() -> None:
    x, y = Variable.continuous(torch.randn(10, 2, generator=seeded())), Variable.labels(torch.arange(10) % 2)
    with pytest.raises(ValueError, match="ross takes identity or labels as the other variable, not continuous"):
        Ross()(x, [x], rng=seeded())
    with pytest.raises(ValueError, match="not for labels"):
        Ross()(y, [y], rng=seeded())
    for other in (Variable.labels(torch.arange(9)), Variable.identity(9)):
        with pytest.raises(ValueError, match="fit"):
            Ross()(x, [other], rng=seeded())
    with pytest.raises(ValueError, match="pairwise takes labels as the other variable, not identity"):
        Ross().pairwise(x, Variable.identity(10), rng=seeded())
    with pytest.raises(ValueError, match="not for labels"):
        Ross().pairwise(y, y, rng=seeded())
    with pytest.raises(ValueError, match="as many labels as samples, not 9 for 10"):
        Ross().pairwise(x, Variable.labels(torch.arange(9)), rng=seeded())


def test_rows_of_zeros_and_ones_are_told_apart() -> None:
    """What a deterministic layer of distinct inputs says of them is their number; small whole numbers fill few bits."""
    n, units = 20_000, 20
    rows = ((torch.randperm(2**units, generator=torch.Generator().manual_seed(0))[:n, None] >> torch.arange(units)) & 1).double()
    (estimate,) = Ross(k=3)(Variable.continuous(rows), [Variable.identity(n)], rng=torch.Generator().manual_seed(0))
    assert float(estimate.value) == pytest.approx(np.log2(n), abs=1e-9)
