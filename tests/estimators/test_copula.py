"""Gaussian copula information against published values, a plain reference and its own declarations."""

from __future__ import annotations

import json
from math import log, log2
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rankdata
from torch import Tensor

from ibmon import Estimate, Variable
from ibmon_estimators import aligned, bases, copula
from ibmon_estimators.copula import Copula, normal_scores
from ibmon_estimators.gaussian import Gaussian

V = Variable.continuous
OPTIONS = [Copula(), Copula(bias_corrected=False), Copula(permutations=20)]
FIELDS = ("value", "raw", "limit", "error", "null", "p_value")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def call(options: Copula | Gaussian, x: Tensor, y: Tensor, mask: Tensor | None = None) -> Estimate:
    return options(V(x, mask), [V(y)], rng=generator(5))[0]


def related(seed: int, *shape: int, x: int = 3, y: int = 2) -> tuple[Tensor, Tensor]:
    """Variables (*shape, x) and (*shape, y) that share some of their variance, neither Gaussian."""
    drawn = torch.randn(*shape, x + y, generator=generator(seed), dtype=torch.float64)
    return drawn[..., :x].exp(), (drawn[..., x:] + 0.7 * drawn[..., :1]) ** 3


def scores(rows: np.ndarray) -> np.ndarray:
    return norm.ppf(rankdata(rows, axis=0) / (len(rows) + 1))


def assert_alike(batched: Estimate, single: Estimate, at: tuple[int, ...], tolerance: float = 1e-9) -> None:
    for name in FIELDS:
        whole, one = getattr(batched, name), getattr(single, name)
        assert (whole is None) == (one is None), name
        if whole is not None:
            torch.testing.assert_close(whole[at], one, rtol=0, atol=tolerance, equal_nan=True, msg=name)
    for name in batched.flags.keys() & single.flags.keys():
        assert bool(batched.flags[name][at]) == bool(single.flags[name]), name


def test_agrees_with_published_values(oracle: Path) -> None:
    folder = oracle / "mutual_information"
    peers = {name: case["raw"] for name, case in json.loads((folder / "bmi_peers.json").read_text()).items()}
    for name, case in json.loads((folder / "fixed_peers.json").read_text())["cases"].items():
        peers[name] = case.get("peers", {})
    compared = tied = 0
    for name, values in peers.items():
        if "gcmi_cc" not in values:
            continue
        with np.load(folder / f"{name}.npz") as data:
            x, y = (torch.from_numpy(data[what]) for what in "xy")
        found = call(Copula(), x, y)
        ties = any(len(np.unique(column)) < len(column) for v in (x, y) for column in v.T.numpy())
        assert bool(found.flags["ties"]) == ties, name
        if ties:  # which the published code ranks by the order of the samples
            tied += 1
            continue
        assert found.raw is not None
        assert float(found.raw) * log(2) == pytest.approx(values["gcmi_cc"], abs=1e-9), name
        compared += 1
    assert compared >= 9 and tied >= 1


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.sampled_from([0.5, 5.0, 1e6]), st.booleans())
def test_scores_are_those_of_mean_ranks(seed: int, samples: int, levels: float, masked: bool) -> None:
    values = (torch.randn(2, samples, 3, generator=generator(seed), dtype=torch.float64) * levels).round()
    mask = torch.rand(2, samples, generator=generator(seed + 1)) < 0.7 if masked else None
    found, ties = normal_scores(values, mask)
    for b in range(2):
        keep = torch.ones(samples, dtype=torch.bool) if mask is None else mask[b]
        rows = values[b][keep].numpy()
        if len(rows):
            np.testing.assert_allclose(found[b][keep].numpy(), scores(rows), rtol=0, atol=1e-12)
        assert ties[b].tolist() == [len(np.unique(column)) < len(column) for column in rows.T]


def test_is_gaussian_information_of_the_scores() -> None:
    x, y = related(0, 80)
    z = torch.randn(80, 1, generator=generator(9), dtype=torch.float64)
    sx, sy, sz = (torch.from_numpy(scores(v.numpy())) for v in (x, y, z))
    for corrected in (False, True):
        options, plain = Copula(bias_corrected=corrected), Gaussian(bias_corrected=corrected)
        assert_alike(call(options, x, y), call(plain, sx, sy), ())
        given_z = options.conditional(V(x), V(y), V(z), rng=generator())
        assert_alike(given_z, plain.conditional(V(sx), V(sy), V(sz), rng=generator()), ())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_batched_equals_looped_and_masked_equals_compressed(options: Copula, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = related(1, 2, 3, 40)
    z = torch.randn(2, 3, 40, 1, generator=generator(2), dtype=torch.float64) + x[..., :1].log()
    x[0, 0, :, 1], y[1, 1] = 3.0, x[1, 1, :, :2]
    x[1, 2] = x[1, 2].round()
    mask = torch.rand(2, 3, 40, generator=generator(3)) < 0.7
    padded = x.masked_fill(~mask[..., None], torch.nan)  # what is masked must not matter
    for chunk in (2**17, 50):
        monkeypatch.setitem(copula.CHUNK, "cpu", chunk)
        monkeypatch.setitem(aligned.TOGETHER, "cpu", chunk)
        whole, masked = call(options, x, y), call(options, padded, y, mask)
        some = [options.conditional(V(v, m), V(y), V(z), rng=generator(5)) for v, m in ((x, None), (padded, mask))]
        for at in np.ndindex(2, 3):
            keep = mask[at]
            assert_alike(whole, call(options, x[at], y[at]), at)
            assert_alike(some[0], options.conditional(V(x[at]), V(y[at]), V(z[at]), rng=generator(5)), at)
            if not options.permutations:  # compressed samples are permuted otherwise
                assert_alike(masked, call(options, x[at][keep], y[at][keep]), at)
                parts = (V(v[at][keep]) for v in (x, y, z))
                assert_alike(some[1], options.conditional(*parts, rng=generator(5)), at)
        assert whole.flags["ties"].tolist() == [[True, False, False], [False, False, True]]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("lag", [0, 4, -3])
def test_pairwise_equals_calls(options: Copula, lag: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = related(0, 2, 60, x=4, y=3)
    x[0, :, 1], y[1, :, 2] = 0.5, x[1, :, 0]
    y[0, :, 1] = y[0, :, 1].round()
    mask_x, mask_y = (torch.rand(2, 60, generator=generator(s)) < 0.8 for s in (1, 2))
    start, stop, there = max(0, -lag), 60 - max(0, lag), max(0, lag)
    now, then = slice(start, stop), slice(there, there + stop - start)
    for masked in (False, True):
        left, right = (mask_x, mask_y) if masked else (None, None)
        found = options.pairwise(V(x, left), V(y, right), lag=lag, rng=generator(5))
        assert found.value.shape == (2, 4, 3) and found.flags["ties"].shape == (2, 4, 3)
        both = mask_x[:, now] & mask_y[:, then]
        for b, i, j in np.ndindex(2, 4, 3):
            part = both[b] if masked else None
            assert_alike(found, call(options, x[b, now, i, None], y[b, then, j, None], part), (b, i, j), 1e-6)
    for module in (aligned, bases):
        monkeypatch.setattr(module, "LARGEST", 1)
    monkeypatch.setitem(aligned.TOGETHER, "cpu", 1)
    pieces = options.pairwise(V(x, mask_x), V(y, mask_y), lag=lag, rng=generator(5))
    torch.testing.assert_close(pieces.value, found.value, rtol=0, atol=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.sampled_from([1.0, 1e6]))
def test_properties(seed: int, samples: int, levels: float) -> None:
    x, y = ((v * levels).round() for v in related(seed, samples))
    found = call(Copula(), x, y)
    assert found.limit is not None
    assert 0 <= float(found.value) <= float(found.limit) == pytest.approx(log2(samples))
    assert float(call(Copula(), y, x).value) == pytest.approx(float(found.value), abs=1e-9)
    order = torch.randperm(samples, generator=generator(seed))
    assert float(call(Copula(), x[order], y[order]).value) == pytest.approx(float(found.value), abs=1e-9)


def test_declared_invariances() -> None:
    x, y = related(0, 200)
    expected = float(call(Copula(), x, y).value)
    for changed in (x * 1e9, x * 1e-9, x + 1e3, x.log(), x**3, x.sqrt(), -x, x * 1e-300, x * 1e300):
        assert float(call(Copula(), changed, y).value) == pytest.approx(expected, abs=1e-9)
        assert float(call(Copula(), y, changed).value) == pytest.approx(expected, abs=1e-9)


def test_converges_for_gaussian_copulas_and_stays_below_for_others() -> None:
    a, b = torch.randn(2, 20000, 1, generator=generator(), dtype=torch.float64)
    related_to_a = 0.6 * a + 0.8 * b
    found = call(Copula(), a.exp(), related_to_a**3)
    truth = -0.5 * log2(1 - 0.36)
    assert found.error is not None
    assert float(found.value) == pytest.approx(truth, abs=4 * float(found.error))
    assert float(call(Gaussian(), a.exp(), related_to_a**3).value) < truth - 0.1
    assert float(call(Copula(), a, a.square() + 0.1 * b).value) < 0.01  # no copula of a Gaussian


def test_ties_do_not_depend_on_the_order_of_the_samples() -> None:
    half = torch.randn(400, 2, generator=generator(), dtype=torch.float64).relu()
    trend = torch.arange(400.0)[:, None]
    found = call(Copula(), half, trend)
    assert found.flags["ties"] and float(found.value) < 0.02
    constant = call(Copula(permutations=19), torch.zeros(400, 1), trend)
    assert float(constant.value) == 0 and constant.flags["constant"] and constant.flags["ties"]
    assert float(constant.p_value if constant.p_value is not None else 0) == 1
    assert torch.equal(normal_scores(torch.tensor([[[0.0], [-0.0], [1.0]]]), None)[1], torch.tensor([[True]]))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_degenerate_data(options: Copula) -> None:
    x, y = related(0, 60)
    copies = call(options, torch.cat([x, x.log()], 1), y)
    assert float(copies.value) == pytest.approx(float(call(options, x, y).value), abs=1e-9) and copies.flags["collinear"]
    same = call(options, x, x[:, :1] ** 5)
    assert float(same.value) == pytest.approx(log2(60)) and same.flags["deterministic"]
    wide = call(options, torch.randn(60, 90, generator=generator()), y)
    assert wide.flags["deterministic"] and wide.flags["high_dimension"] and float(wide.value) == pytest.approx(log2(60))
    one = call(options, x[:1], y[:1])
    assert float(one.value) == 0 and one.flags["constant"] and one.flags["few_samples"]
    for nothing in (call(options, x[:0], y[:0]), call(options, x, y, torch.zeros(60, dtype=torch.bool))):
        assert nothing.value.isnan() and nothing.flags["empty"]


def test_nonfinite_values_spare_the_rest() -> None:
    x, y = related(0, 3, 50)
    clean, pairs = call(Copula(), x, y), Copula().pairwise(V(x), V(y), rng=generator())
    x[1, 3, 0], y[2, 7, 1] = torch.nan, -torch.inf
    found, some = call(Copula(), x, y), Copula().pairwise(V(x), V(y), rng=generator())
    assert found.flags["nonfinite"].tolist() == found.value.isnan().tolist() == [False, True, True]
    assert float(found.value[0]) == pytest.approx(float(clean.value[0]), abs=1e-12)
    bad = torch.zeros(3, 3, 2, dtype=torch.bool)
    bad[1, 0], bad[2, :, 1] = True, True
    assert torch.equal(some.value.isnan(), bad) and torch.equal(some.flags["nonfinite"], bad)
    torch.testing.assert_close(some.value[~bad], pairs.value[~bad], rtol=0, atol=1e-12)


def test_half_types_and_integers_are_taken() -> None:
    x, y = (v.clamp(-9, 9).round() for v in related(0, 100))
    expected = float(call(Copula(), x, y).value)
    for dtype in (torch.bfloat16, torch.float16, torch.int32):
        assert float(call(Copula(), x.to(dtype), y.to(dtype)).value) == pytest.approx(expected, abs=1e-9)


def test_identity_says_that_it_says_nothing() -> None:
    x, _ = related(0, 64)
    (found,) = Copula()(V(x), [Variable.identity(64)], rng=generator())
    assert float(found.value) == pytest.approx(6) and found.flags["deterministic"] and found.flags["saturated"]


def test_inputs_and_random_state_are_left_alone() -> None:
    x, y = related(0, 2, 50)
    mask = torch.rand(2, 50, generator=generator()) < 0.7
    copies, state, drawn = (x.clone(), y.clone(), mask.clone()), torch.get_rng_state(), generator(3)
    before = drawn.get_state()
    Copula()(V(x, mask), [V(y)], rng=drawn)
    Copula().pairwise(V(x, mask), V(y), lag=1, rng=drawn)
    assert torch.equal(drawn.get_state(), before)
    Copula(permutations=2).conditional(V(x, mask), V(y), V(y), rng=drawn)
    for now, then in zip((x, y, mask), copies, strict=True):
        assert torch.equal(now, then)
    assert torch.equal(torch.get_rng_state(), state)


def test_wrong_options_and_variables_are_refused() -> None:
    with pytest.raises(ValueError, match="copula: permutations must be 0 or more"):
        Copula(permutations=-1)
    x, labels = V(torch.zeros(10, 2)), Variable.labels(torch.arange(10))
    with pytest.raises(ValueError, match="copula takes continuous or identity"):
        Copula()(x, [labels], rng=generator())
    with pytest.raises(ValueError, match="copula: a variable of shape"):
        Copula().pairwise(x, V(torch.zeros(9, 2)), rng=generator())
