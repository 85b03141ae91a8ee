"""Matrix-based Rényi information against published values, closed forms, a plain reference and its own declarations."""

from __future__ import annotations

import json
from dataclasses import replace
from math import exp, log, log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from ibmon import Estimate, Variable
from ibmon_estimators import renyi
from ibmon_estimators.renyi import Renyi

V = Variable.continuous
OPTIONS = [Renyi(), Renyi(alpha=2.0), Renyi(alpha=0.5), Renyi(alpha=2.0, sigma=0.4), Renyi(sigma=0.4, permutations=2)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def all_kinds(
    options: Renyi, x: Tensor, labels: Tensor, y: Tensor, mask: Tensor | None = None
) -> tuple[Estimate, Estimate, Estimate]:
    ys = [Variable.identity(x.shape[-2]), Variable.labels(labels), V(y)]
    identity, label, other = options(V(x, mask), ys, rng=generator(5))
    return identity, label, other


def data(seed: int, *shape: int) -> tuple[Tensor, Tensor, Tensor]:
    """x (*shape, 3), labels (*shape) and y (*shape, 2), which know of each other."""
    drawn = torch.randn(*shape, 5, generator=generator(seed), dtype=torch.float64)
    labels = (drawn[..., 0] > 0).long() + (drawn[..., 1] > 0.5).long()
    return drawn[..., :3], labels, drawn[..., 3:] + drawn[..., :2]


def kernel(rows: np.ndarray, sigma: float | None) -> np.ndarray:
    squared = ((rows[:, None] - rows[None]) ** 2).sum(-1)
    width = squared.sum() / (len(rows) * (len(rows) - 1)) if sigma is None else sigma**2
    return np.exp(-squared / (2 * width)) if width > 0 else np.ones_like(squared)


def plain_entropy(matrix: np.ndarray, alpha: float) -> float:
    eigenvalues = np.linalg.eigvalsh(matrix / np.trace(matrix)).clip(0)
    return float(np.log2((eigenvalues**alpha).sum()) / (1 - alpha))


def plain(options: Renyi, x: Tensor, other: Tensor) -> tuple[float, float]:
    """I_α and S_α of the other variable."""
    a = kernel(x.numpy(), options.sigma)
    b = kernel(other.numpy(), options.sigma) if other.ndim == 2 else (other[:, None] == other).double().numpy()
    alone = plain_entropy(b, options.alpha)
    return plain_entropy(a, options.alpha) + alone - plain_entropy(a * b, options.alpha), alone


def assert_alike(batched: Estimate, single: Estimate, at: tuple[int, ...], fields: tuple[str, ...]) -> None:
    for name in fields:
        whole, one = getattr(batched, name), getattr(single, name)
        assert (whole is None) == (one is None), name
        if whole is not None:
            torch.testing.assert_close(whole[at], one, rtol=0, atol=1e-9, equal_nan=True, msg=name)
    assert {n: f[at].tolist() for n, f in batched.flags.items()} == {n: f.tolist() for n, f in single.flags.items()}


def without_null(estimate: Estimate) -> Estimate:
    """What does not depend on permutations, which are not those of the compressed samples."""
    flags = {name: flag for name, flag in estimate.flags.items() if name != "label_saturated"}
    return replace(estimate, flags=flags, null=None, p_value=None)


def test_agrees_with_published_values(oracle: Path) -> None:
    folder = oracle / "mutual_information"
    values = json.loads((folder / "fixed_peers.json").read_text())["cases"]["matrix_renyi"]["values"]
    with np.load(folder / "matrix_renyi.npz") as arrays:
        x, y = (V(torch.from_numpy(arrays[name])) for name in "xy")
    assert len(values) == 4
    for key, expected in values.items():
        alpha, sigma = key.split("_")
        options = Renyi(alpha=float(alpha.removeprefix("alpha")), sigma=float(sigma.removeprefix("sigma")))
        (found,) = options(x, [y], rng=generator())
        assert found.raw is not None and found.unit == "Renyi bits"
        entropies = [float(options.entropy(v, rng=generator()).value) * log(2) for v in (x, y)]
        both = options.entropy(V(torch.cat([x.values, y.values], 1)), rng=generator())  # the product of the kernels
        np.testing.assert_allclose(entropies, [expected["Sx"], expected["Sy"]], rtol=0, atol=1e-9)
        assert float(both.value) * log(2) == pytest.approx(expected["Sxy"], abs=1e-9)
        assert float(found.raw) * log(2) == pytest.approx(expected["I"], abs=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.sampled_from(OPTIONS))
def test_plain_reference(seed: int, samples: int, options: Renyi) -> None:
    x, labels, y = data(seed, samples)
    identity, label, other = all_kinds(options, x, labels, y)
    for found, variable in ((identity, torch.arange(samples)), (label, labels), (other, y)):
        information, alone = plain(options, x, variable)
        assert found.raw is not None and found.limit is not None
        tolerance = 1e-5 if options.alpha < 1 else 1e-9  # √λ of an eigenvalue that is 0 but for rounding
        assert float(found.raw) == pytest.approx(information, abs=tolerance)
        assert float(found.limit) == pytest.approx(alone, abs=tolerance)


@pytest.mark.parametrize("alpha", [0.5, 1.01, 2.0, 3.0])
def test_two_samples_have_a_closed_form(alpha: float) -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    k = exp(-25 / 2 / 7**2)
    truth = log2(((1 + k) / 2) ** alpha + ((1 - k) / 2) ** alpha) / (1 - alpha)
    options = Renyi(alpha=alpha, sigma=7)
    assert float(options.entropy(V(x), rng=generator()).value) == pytest.approx(truth, abs=1e-9)
    identity, same, _ = all_kinds(options, x, torch.tensor([4, 4]), x)
    assert float(identity.value) == pytest.approx(truth, abs=1e-9)
    assert float(same.value) == 0 and same.limit is not None and float(same.limit) == 0


def test_clusters_and_the_limits_of_the_width() -> None:
    labels = torch.arange(60) % 3
    apart = labels[:, None].double() * 1000 + torch.zeros(1, 2)
    for alpha in (1.01, 2.0):
        options = Renyi(alpha=alpha, sigma=1.0)
        identity, label, other = all_kinds(options, apart, labels, apart)
        for found in (identity, label, other, options.entropy(V(apart), rng=generator())):
            assert float(found.value) == pytest.approx(log2(3), abs=1e-9)
        rows = torch.randn(60, 2, generator=generator(), dtype=torch.float64)
        narrow = Renyi(alpha=alpha, sigma=1e-5).entropy(V(rows), rng=generator())
        assert float(narrow.value) == pytest.approx(log2(60), abs=1e-6) and narrow.flags["saturated"]
        wide = Renyi(alpha=alpha, sigma=1e8).entropy(V(rows), rng=generator())
        assert float(wide.value) == pytest.approx(0, abs=1e-6) and not wide.flags["saturated"]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_batched_equals_looped_and_masked_equals_compressed(options: Renyi) -> None:
    x, labels, y = data(1, 2, 3, 30)
    x[0, 1], labels[1, 1] = 0.3, 7
    mask = torch.rand(2, 3, 30, generator=generator(3)) < 0.7
    padded = x.masked_fill(~mask[..., None], torch.nan)  # what is masked must not matter
    whole, masked = all_kinds(options, x, labels, y), all_kinds(options, padded, labels, y, mask)
    every, some = (options.entropy(V(v, m), rng=generator()) for v, m in ((x, None), (padded, mask)))
    for at in np.ndindex(2, 3):
        keep = mask[at]
        for found, single in zip(whole, all_kinds(options, x[at], labels[at], y[at]), strict=True):
            assert_alike(found, single, at, ("value", "raw", "limit", "null", "p_value"))
        for found, single in zip(masked, all_kinds(options, x[at][keep], labels[at][keep], y[at][keep]), strict=True):
            assert_alike(without_null(found), without_null(single), at, ("value", "raw", "limit"))
        assert_alike(every, options.entropy(V(x[at]), rng=generator()), at, ("value", "raw", "limit"))
        assert_alike(some, options.entropy(V(x[at][keep]), rng=generator()), at, ("value", "raw", "limit"))


def test_other_variables_have_masks_and_batches_of_their_own() -> None:
    x, labels, y = data(1, 4, 30)
    mask = torch.rand(4, 30, generator=generator()) < 0.5
    ys = [Variable.labels(labels[0]), Variable.labels(labels, mask), V(y[0]), V(y, mask), V(y)]
    found = Renyi(permutations=0)(V(x), ys, rng=generator())
    for b in range(4):
        kept = mask[b]
        pairs = ((x[b], labels[0]), (x[b][kept], labels[b][kept]), (x[b], y[0]), (x[b][kept], y[b][kept]), (x[b], y[b]))
        for estimate, (left, right) in zip(found, pairs, strict=True):
            assert float(estimate.value[b]) == pytest.approx(plain(Renyi(), left, right)[0], abs=1e-9)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_tiles_make_no_difference(options: Renyi, monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels, y = data(2, 50)
    before = all_kinds(options, x, labels, y)
    monkeypatch.setitem(renyi.TILE, "cpu", 7)
    for found, expected in zip(all_kinds(options, x, labels, y), before, strict=True):
        assert_alike(found, expected, (), ("value", "raw", "limit", "null"))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.sampled_from([1.01, 2.0, 3.0]))
@example(171, 19, 3.0)
def test_properties(seed: int, samples: int, alpha: float) -> None:
    x, labels, y = data(seed, samples)
    options = Renyi(alpha=alpha, permutations=0)
    every = all_kinds(options, x, labels, y)
    own = float(options.entropy(V(x), rng=generator()).value)
    lowest = 0.0 if alpha < 2 else -1.0  # orders from 2 on are no information, and fall below 0 by themselves
    for found in every:
        assert found.limit is not None and found.raw is not None
        assert lowest - 1e-9 <= float(found.raw) <= min(own, float(found.limit)) + 1e-9
        assert 0 <= float(found.value) <= float(found.limit) <= log2(samples) + 1e-9
    (swapped,) = options(V(y), [V(x)], rng=generator())
    assert float(swapped.value) == pytest.approx(float(every[2].value), abs=1e-9)
    order = torch.randperm(samples, generator=generator(seed))
    for moved, kept in zip(all_kinds(options, x[order], labels[order], y[order]), every, strict=True):
        assert float(moved.value) == pytest.approx(float(kept.value), abs=1e-9)


@pytest.mark.parametrize("alpha", [1.01, 2.0])
def test_declared_invariances(alpha: float) -> None:
    x, labels, y = data(0, 80)
    options = Renyi(alpha=alpha)
    expected = all_kinds(options, x, labels, y)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator(), dtype=torch.float64)).Q
    for changed in (x * 1e9, x * 1e-9, x + 1e3, x @ turn, x * 1e200, x * 1e-200):
        for found, wanted in zip(all_kinds(options, changed, labels, y), expected, strict=True):
            assert float(found.value) == pytest.approx(float(wanted.value), abs=1e-8)
    (turned,) = options(V(y), [V(x @ turn * 1e9)], rng=generator())
    assert float(turned.value) == pytest.approx(float(expected[2].value), abs=1e-8)


@pytest.mark.parametrize("alpha", [1.01, 2.0])
def test_null_tells_labels_from_chance(alpha: float) -> None:
    x, labels, y = data(0, 300)
    random = torch.randint(0, 3, (300,), generator=generator(1))
    told, chance = Renyi(alpha=alpha, permutations=19)(V(x), [Variable.labels(v) for v in (labels, random)], rng=generator())
    assert told.null is not None and told.p_value is not None and chance.null is not None and chance.p_value is not None
    assert float(told.p_value) == pytest.approx(1 / 20) and float(chance.p_value) > 0.05
    assert float(told.value) > 1.5 * float(told.null) and float(chance.value) == pytest.approx(float(chance.null), rel=0.2)
    several = Renyi(alpha=alpha, permutations=3)(V(x), [V(y)], rng=generator())[0]
    assert several.null is not None and several.p_value is None and float(several.null) < float(several.value)


@pytest.mark.parametrize("options", [Renyi(permutations=150), Renyi(alpha=2.0, permutations=150)], ids=str)
def test_null_is_the_mean_over_permutations_of_what_is_data(options: Renyi) -> None:
    x, labels, y = data(0, 40)
    mask = torch.rand(40, generator=generator(3)) < 0.8
    labels[~mask] = torch.arange(int((~mask).sum())) + 9  # would be many more classes
    y[~mask] = 1e3
    _, label, other = all_kinds(options, x, labels, y, mask)
    orders = [torch.randperm(int(mask.sum()), generator=generator(s)) for s in range(150)]
    for found, variable in ((label, labels[mask]), (other, y[mask])):
        expected = torch.tensor([plain(options, x[mask], variable[order])[0] for order in orders])
        assert found.null is not None
        assert float(found.null) == pytest.approx(float(expected.mean()), abs=4 * 2**0.5 * float(expected.std()) / 150**0.5)


def test_permutations_by_default() -> None:
    x, labels, y = data(0, 60)
    for alpha, continuous in ((1.01, False), (2.0, True)):
        identity, label, other = all_kinds(Renyi(alpha=alpha), x, labels, y)
        assert identity.null is None and label.null is not None and (other.null is not None) == continuous
        assert all(e.null is None for e in all_kinds(Renyi(alpha=alpha, permutations=0), x, labels, y))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_degenerate_data(options: Renyi) -> None:
    x, labels, y = data(0, 60)
    for left, right in ((torch.full((60, 3), 0.3), y), (x[:1], y[:1]), (x[:, :0], y)):
        identity, label, other = all_kinds(options, left, labels[: len(left)], right)
        for found in (identity, label, other):
            assert float(found.value) == 0 and found.flags["constant"]
    _, one_class, constant = all_kinds(options, x, torch.zeros(60), torch.ones(60, 2))
    assert float(one_class.value) == 0 and not one_class.flags.get("label_saturated", torch.tensor(False))
    assert one_class.raw is not None and abs(float(one_class.raw)) < 1e-12
    assert one_class.null is None or abs(float(one_class.null)) < 1e-12
    assert float(constant.value) == 0 and constant.flags["constant"] and not one_class.flags["constant"]
    repeated = options.entropy(V(x.repeat(2, 1)), rng=generator())
    if options.sigma is not None and options.alpha > 1:  # the same distribution
        assert float(repeated.value) == pytest.approx(float(options.entropy(V(x), rng=generator()).value), abs=1e-9)
    nothing = torch.zeros(60, dtype=torch.bool)
    for found in (*all_kinds(options, x[:0], labels[:0], y[:0]), *all_kinds(options, x, labels, y, nothing)):
        assert found.value.isnan() and found.flags["empty"]
    assert all_kinds(options, x[None][:0], labels[None][:0], y[None][:0])[1].value.shape == (0,)


def test_repeated_inputs_are_one_identity() -> None:
    x = torch.randn(20, 3, generator=generator(), dtype=torch.float64).repeat(3, 1)
    (found,) = Renyi()(V(x), [Variable.identity(x)], rng=generator())
    assert found.limit is not None and float(found.limit) == pytest.approx(log2(20), abs=1e-9)
    own = Renyi().entropy(V(x), rng=generator())
    assert float(found.value) == pytest.approx(float(own.value), abs=1e-9)  # the rows tell no more than the identity


@pytest.mark.parametrize("alpha", [1.01, 2.0])
def test_nonfinite_values_spare_the_rest_of_the_batch(alpha: float) -> None:
    x, labels, y = data(0, 3, 40)
    clean = all_kinds(Renyi(alpha=alpha), x, labels, y)
    x[1, 3, 0], y[2, 7, 1] = torch.nan, torch.inf
    found = all_kinds(Renyi(alpha=alpha), x, labels, y)
    for estimate, before, bad in zip(found, clean, ([1], [1], [1, 2]), strict=True):
        expected = [i in bad for i in range(3)]
        assert estimate.flags["nonfinite"].tolist() == estimate.value.isnan().tolist() == expected
        assert float(estimate.value[0]) == pytest.approx(float(before.value[0]), abs=1e-12)


def test_too_many_samples_for_eigenvalues() -> None:
    rows = torch.zeros(4097, 1)
    rows[::2] = 1
    with pytest.raises(ValueError, match="renyi: eigenvalues of 4097 samples"):
        Renyi().entropy(V(rows), rng=generator())
    few = torch.zeros(4097, dtype=torch.bool)
    few[:100] = True
    k = exp(-99 / 100)  # the mean squared distance of two of the 100 is 50/99
    for alpha, powers in ((1.01, ((1 + k) / 2) ** 1.01 + ((1 - k) / 2) ** 1.01), (2.0, (1 + k**2) / 2)):
        found = Renyi(alpha=alpha).entropy(V(rows, few), rng=generator())
        assert float(found.value) == pytest.approx(log2(powers) / (1 - alpha), abs=1e-9)
    many = Renyi(alpha=2.0, sigma=1.0).entropy(V(rows), rng=generator())
    share = 2049 * 2048 / 4097**2
    assert float(many.value) == pytest.approx(-log2(1 - 2 * share + 2 * share * exp(-1)), abs=1e-9)


def test_half_types_and_integers_are_taken() -> None:
    x, labels, y = (v.mul(3).round() for v in data(0, 60))
    expected = all_kinds(Renyi(), x, labels, y)
    for dtype in (torch.bfloat16, torch.float16, torch.int32):
        for found, wanted in zip(all_kinds(Renyi(), x.to(dtype), labels, y.to(dtype)), expected, strict=True):
            assert float(found.value) == pytest.approx(float(wanted.value), abs=1e-9)


def test_inputs_and_random_state_are_left_alone() -> None:
    x, labels, y = data(0, 2, 40)
    mask = torch.rand(2, 40, generator=generator()) < 0.7
    copies, state, drawn = tuple(v.clone() for v in (x, labels, y, mask)), torch.get_rng_state(), generator(3)
    before = drawn.get_state()
    Renyi()(V(x, mask), [Variable.identity(40), V(y)], rng=drawn)
    Renyi(alpha=2.0).entropy(V(x), rng=drawn)
    assert torch.equal(drawn.get_state(), before)
    Renyi(alpha=2.0)(V(x, mask), [Variable.labels(labels), V(y)], rng=drawn)
    for now, then in zip((x, labels, y, mask), copies, strict=True):
        assert torch.equal(now, then)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"alpha": 1.0}, "use 1.01"),
        ({"alpha": 0.0}, "alpha must be positive"),
        ({"alpha": float("inf")}, "alpha must be positive"),
        ({"sigma": 0.0}, "sigma must be positive"),
        ({"permutations": -1}, "permutations must be 0 or more"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"renyi: .*{said}"):
        Renyi(**options)


def test_wrong_variables_are_refused() -> None:
    x = V(torch.zeros(10, 2))
    with pytest.raises(ValueError, match="not for labels"):
        Renyi()(Variable.labels(torch.arange(10)), [x], rng=generator())
    with pytest.raises(ValueError, match="do not fit"):
        Renyi()(x, [Variable.labels(torch.arange(9))], rng=generator())
    with pytest.raises(ValueError, match="does not fit"):
        Renyi()(x, [V(torch.zeros(9, 1))], rng=generator())
