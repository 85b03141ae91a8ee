"""Gaussian information against closed forms, published values, a plain reference and its own declarations."""

from __future__ import annotations

import json
from math import e, log, log2, pi, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma
from torch import Tensor

from ibmon import Estimate, Variable
from ibmon_estimators import aligned, bases
from ibmon_estimators.gaussian import Gaussian

V = Variable.continuous
OPTIONS = [Gaussian(), Gaussian(bias_corrected=True), Gaussian(permutations=20)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def call(options: Gaussian, x: Tensor, y: Tensor, mask: Tensor | None = None) -> Estimate:
    return options(V(x, mask), [V(y)], rng=generator(5))[0]


def raised(estimate: Estimate) -> set[str]:
    return {name for name, flag in estimate.flags.items() if bool(flag.any())}


def related(seed: int, *shape: int, x: int = 3, y: int = 2) -> tuple[Tensor, Tensor]:
    """Variables (*shape, x) and (*shape, y) that share some of their variance."""
    drawn = torch.randn(*shape, x + y, generator=generator(seed), dtype=torch.float64)
    return drawn[..., :x], drawn[..., x:] + 0.7 * drawn[..., :1]


def plain(x: np.ndarray, y: np.ndarray) -> float:
    """½ log2 det Σ_x det Σ_y / det Σ_xy."""

    def bits(rows: np.ndarray) -> float:
        return 0.5 * np.linalg.slogdet(np.atleast_2d(np.cov(rows.T)))[1] / log(2)

    return bits(x) + bits(y) - bits(np.concatenate([x, y], 1))


def correction(count: int, x: int, y: int) -> float:
    """Bias in bits of Gaussian information (Ince et al. 2017)."""

    def term(d: int) -> float:
        return 0.5 * sum(digamma((count - i) / 2) for i in range(1, d + 1)) / log(2)

    return term(x) + term(y) - term(x + y)


def assert_alike(batched: Estimate, single: Estimate, at: tuple[int, ...], tolerance: float = 1e-9) -> None:
    for name in ("value", "raw", "limit", "error", "null", "p_value"):
        whole, one = getattr(batched, name), getattr(single, name)
        assert (whole is None) == (one is None), name
        if whole is not None:
            torch.testing.assert_close(whole[at], one, rtol=0, atol=tolerance, equal_nan=True, msg=name)
    assert {n: f[at].tolist() for n, f in batched.flags.items()} == {n: f.tolist() for n, f in single.flags.items()}


def test_agrees_with_published_values(oracle: Path) -> None:
    folder = oracle / "mutual_information"
    peers = {name: case["raw"] for name, case in json.loads((folder / "bmi_peers.json").read_text()).items()}
    for name, case in json.loads((folder / "fixed_peers.json").read_text())["cases"].items():
        peers[name] = case.get("peers", {})
    compared = 0
    for name, values in peers.items():
        if "jidt_gaussian" not in values:
            continue
        with np.load(folder / f"{name}.npz") as data:
            found = call(Gaussian(), torch.from_numpy(data["x"]), torch.from_numpy(data["y"]))
        assert found.raw is not None
        assert float(found.raw) * log(2) == pytest.approx(values["jidt_gaussian"], abs=1e-9), name
        compared += 1
    assert compared >= 10


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(12, 60), st.integers(1, 4), st.integers(1, 4))
def test_plain_reference_and_correction(seed: int, samples: int, dx: int, dy: int) -> None:
    x, y = related(seed, samples, x=dx, y=dy)
    found, corrected = (call(Gaussian(bias_corrected=b), x, y) for b in (False, True))
    assert found.raw is not None and corrected.raw is not None
    expected = plain(x.numpy(), y.numpy())
    assert float(found.raw) == pytest.approx(expected, abs=1e-9)
    assert float(corrected.raw) == pytest.approx(expected - correction(samples, dx, dy), abs=1e-9)


def test_correction_and_error_are_those_of_gaussian_samples() -> None:
    rho, samples = torch.tensor([0.8, 0.5, 0.0], dtype=torch.float64), 60
    x, noise = torch.randn(2, 4000, samples, 3, generator=generator(), dtype=torch.float64)
    y = rho * x + (1 - rho**2).sqrt() * noise
    found = call(Gaussian(bias_corrected=True), x, y)
    assert found.raw is not None and found.error is not None
    truth = float(-0.5 * torch.log2(1 - rho**2).sum())
    within = float(found.raw.std()) / sqrt(4000)
    assert float(found.raw.mean()) == pytest.approx(truth, abs=4 * within)
    assert float(found.error.mean()) == pytest.approx(float(found.raw.std()), rel=0.15)
    independent = call(Gaussian(), x, noise)
    assert independent.raw is not None and independent.error is not None
    assert float(independent.raw.mean()) == pytest.approx(9 / (2 * samples) / log(2), rel=0.15)
    assert float(independent.error.mean()) > 0.8 * float(independent.raw.std())


@pytest.mark.parametrize("bias_corrected", [False, True])
def test_entropy_has_its_closed_form_and_its_error(bias_corrected: bool) -> None:
    options = Gaussian(bias_corrected=bias_corrected)
    mixing = torch.tensor([[1.0, 2e-7], [0.0, 1e-6]], dtype=torch.float64)
    rows = torch.randn(3000, 40, 2, generator=generator(), dtype=torch.float64) @ mixing
    found = options.entropy(V(rows), rng=generator())
    assert found.raw is None and found.error is not None
    truth = 0.5 * log2((2 * pi * e) ** 2 * float(torch.linalg.det(mixing)) ** 2)
    if bias_corrected:
        assert float(found.value.mean()) == pytest.approx(truth, abs=4 * float(found.value.std()) / sqrt(3000))
    assert float(found.error.mean()) == pytest.approx(float(found.value.std()), rel=0.1)
    one = np.cov(rows[0].numpy().T)
    plugged = 0.5 * (np.linalg.slogdet(one)[1] / log(2) + 2 * log2(2 * pi * e))
    freedom = sum(digamma((40 - i) / 2) for i in (1, 2)) + 2 * log(2 / 39) if bias_corrected else 0
    assert float(found.value[0]) == pytest.approx(plugged - freedom / 2 / log(2), abs=1e-9)


def test_entropy_of_a_singular_layer_is_that_of_the_directions_that_vary() -> None:
    x = torch.randn(100, 2, generator=generator(), dtype=torch.float64)
    turned = torch.linalg.qr(torch.randn(5, 5, generator=generator(1), dtype=torch.float64)).Q[:2]
    found, inside = (Gaussian().entropy(V(v), rng=generator()) for v in (x @ turned + 3, x))
    assert float(found.value) == pytest.approx(float(inside.value), abs=1e-9)
    assert "collinear" in raised(found) and "collinear" not in raised(inside)
    still = Gaussian().entropy(V(torch.full((100, 3), 0.3)), rng=generator())
    assert float(still.value) == 0 and "constant" in raised(still)
    assert float(Gaussian().entropy(V(torch.zeros(100, 0)), rng=generator()).value) == 0
    wide = Gaussian().entropy(V(torch.randn(10, 50, generator=generator())), rng=generator())
    assert wide.value.isfinite() and {"collinear", "high_dimension"} <= raised(wide)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(20, 60), st.booleans())
def test_chain_rule(seed: int, samples: int, bias_corrected: bool) -> None:
    x, y = related(seed, samples)
    z = torch.randn(samples, 2, generator=generator(seed + 1), dtype=torch.float64) + x[:, :1] - y[:, :1]
    options = Gaussian(bias_corrected=bias_corrected)
    whole, first = call(options, torch.cat([x, z], 1), y).raw, call(options, z, y).raw
    rest = options.conditional(V(x), V(y), V(z), rng=generator()).raw
    assert whole is not None and first is not None and rest is not None
    assert float(whole) == pytest.approx(float(first + rest), abs=1e-9)


def test_conditional_knows_a_chain_a_collider_and_what_is_given() -> None:
    a, b, c = torch.randn(3, 5000, 1, generator=generator(), dtype=torch.float64)
    options = Gaussian(permutations=20)
    chain = options.conditional(V(a + b), V(a + c), V(a), rng=generator())
    assert float(chain.value) < 0.002 and chain.p_value is not None and float(chain.p_value) > 0.05
    collider = options.conditional(V(a), V(b), V(a + b + c), rng=generator())
    # Σ of (a, b) given their noisy sum: ρ = −1/2.
    assert float(collider.value) == pytest.approx(-0.5 * log2(1 - 0.25), abs=4 * float(collider.error or 0))
    assert collider.p_value is not None and float(collider.p_value) == pytest.approx(1 / 21)
    for x, y, z in ((a, b, a), (a, a, 2 * a + 1), (a.float(), b, torch.cat([a, b], 1).float())):
        known = options.conditional(V(x), V(y), V(z), rng=generator())
        assert float(known.value) == 0 and "constant" in raised(known)
    same = options.conditional(V(a + b), V(b), V(a), rng=generator())
    assert float(same.value) == pytest.approx(log2(5000)) and "deterministic" in raised(same)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(1, 5), st.integers(1, 5))
def test_properties(seed: int, samples: int, dx: int, dy: int) -> None:
    x, y = related(seed, samples, x=dx, y=dy)
    found = call(Gaussian(), x, y)
    assert found.limit is not None
    assert 0 <= float(found.value) <= float(found.limit) == pytest.approx(log2(samples))
    swapped = call(Gaussian(), y, x)
    assert float(swapped.value) == pytest.approx(float(found.value), abs=1e-9)
    order = torch.randperm(samples, generator=generator(seed))
    assert float(call(Gaussian(), x[order], y[order]).value) == pytest.approx(float(found.value), abs=1e-9)
    more = call(Gaussian(), torch.cat([x, y[:, :1]], 1), y)
    assert float(more.value) >= float(found.value) - 1e-9


def test_declared_invariances() -> None:
    x, y = related(0, 200)
    expected = float(call(Gaussian(), x, y).value)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator(), dtype=torch.float64)).Q
    for changed in (x * 1e9, x * 1e-9, x * torch.tensor([1e6, 1, 1e-6]), x + 1e6, x @ turn, x * 1e-200, x * 1e200):
        assert float(call(Gaussian(), changed, y).value) == pytest.approx(expected, abs=1e-8)
        assert float(call(Gaussian(), y, changed).value) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("chunk", [2**18, 100])
def test_batched_equals_looped_and_masked_equals_compressed(
    options: Gaussian, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(aligned.TOGETHER, "cpu", chunk)
    x, y = related(1, 2, 3, 40)
    z = torch.randn(2, 3, 40, 1, generator=generator(2), dtype=torch.float64) + x[..., :1]
    x[0, 0, :, 1], y[1, 1] = 3.0, 2 * x[1, 1, :, :2]
    mask = torch.rand(2, 3, 40, generator=generator(3)) < 0.7
    padded = x.masked_fill(~mask[..., None], torch.nan)  # what is masked must not matter
    whole, masked = call(options, x, y), call(options, padded, y, mask)
    given_z, given_masked = (options.conditional(V(v, m), V(y), V(z), rng=generator(5)) for v, m in ((x, None), (padded, mask)))
    for at in np.ndindex(2, 3):
        keep = mask[at]
        assert_alike(whole, call(options, x[at], y[at]), at)
        assert_alike(given_z, options.conditional(V(x[at]), V(y[at]), V(z[at]), rng=generator(5)), at)
        if not options.permutations:  # compressed samples are permuted otherwise
            assert_alike(masked, call(options, x[at][keep], y[at][keep]), at)
            parts = (V(v[at][keep]) for v in (x, y, z))
            assert_alike(given_masked, options.conditional(*parts, rng=generator(5)), at)
    assert (masked.null is None) == (not options.permutations)


def test_entropy_batched_and_masked() -> None:
    x, _ = related(1, 2, 3, 40)
    x[0, 1, :, 2] = x[0, 1, :, 0]
    mask = torch.rand(2, 3, 40, generator=generator(3)) < 0.7
    whole = Gaussian().entropy(V(x), rng=generator())
    masked = Gaussian().entropy(V(x.masked_fill(~mask[..., None], torch.nan), mask), rng=generator())
    for at in np.ndindex(2, 3):
        assert_alike(whole, Gaussian().entropy(V(x[at]), rng=generator()), at)
        assert_alike(masked, Gaussian().entropy(V(x[at][mask[at]]), rng=generator()), at)


def test_other_variables_have_masks_and_batches_of_their_own() -> None:
    x, y = related(1, 4, 50)
    mask = torch.rand(4, 50, generator=generator()) < 0.5
    shared, masked, plain_y = Gaussian()(V(x), [V(y[0]), V(y, mask), V(y)], rng=generator())
    for b in range(4):
        assert float(shared.value[b]) == pytest.approx(float(call(Gaussian(), x[b], y[0]).value), abs=1e-9)
        assert float(masked.value[b]) == pytest.approx(float(call(Gaussian(), x[b][mask[b]], y[b][mask[b]]).value), abs=1e-9)
        assert float(plain_y.value[b]) == pytest.approx(float(call(Gaussian(), x[b], y[b]).value), abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_collinear_columns_do_not_count(dtype: torch.dtype) -> None:
    x, y = (v.to(dtype) for v in related(0, 300, x=2))
    expected = float(call(Gaussian(bias_corrected=True), x, y).value)
    extra = torch.stack([x[:, 0], x.sum(1) * 7 + 1, torch.full((300,), 0.3, dtype=dtype)], 1)
    found = call(Gaussian(bias_corrected=True), torch.cat([x, extra], 1), y)
    assert float(found.value) == pytest.approx(expected, abs=1e-6)
    assert "collinear" in raised(found) and "deterministic" not in raised(found)
    low = torch.randn(40, 3, generator=generator(), dtype=dtype) @ torch.randn(3, 200, generator=generator(1), dtype=dtype)
    wide, narrow = (call(Gaussian(), v, y[:40, :1]) for v in (low, low[:, :3]))
    assert float(wide.value) == pytest.approx(float(narrow.value), abs=1e-4)  # 200 columns of rank 3, fewer samples
    assert {"collinear"} == raised(wide) - {"few_samples"} and "collinear" not in raised(narrow)


def test_more_units_than_samples_in_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    low = torch.randn(2, 40, 3, generator=generator(), dtype=torch.float64)
    wide = low @ torch.randn(3, 500, generator=generator(1), dtype=torch.float64)
    y = low[..., :1] + torch.randn(2, 40, 1, generator=generator(2), dtype=torch.float64)
    for module in (aligned, bases):
        monkeypatch.setattr(module, "LARGEST", 1)
    torch.testing.assert_close(call(Gaussian(), wide, y).value, call(Gaussian(), low, y).value, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_perfect_dependence_reads_the_limit(dtype: torch.dtype) -> None:
    x = torch.randn(100, 3, generator=generator(), dtype=dtype)
    many = torch.randn(100, 150, generator=generator(1), dtype=dtype)
    for y in (x[:, :1] * 3 - 2, x @ torch.randn(3, 2, generator=generator(2), dtype=dtype), many):
        found = call(Gaussian(permutations=19), x, y)
        assert found.raw is not None and found.error is not None and found.p_value is not None
        assert float(found.value) == float(found.raw) == pytest.approx(log2(100))
        assert {"deterministic", "saturated"} <= raised(found) and found.error.isnan()
        # Of 150 units of noise anything is a function, permuted or not.
        assert float(found.p_value) == pytest.approx(1.0 if y is many else 1 / 20)
    assert "high_dimension" in raised(call(Gaussian(), x, many))


def test_strong_dependence_is_clipped_and_kept_in_raw() -> None:
    x, noise = torch.randn(2, 60, 4, generator=generator(), dtype=torch.float64)
    found = call(Gaussian(), x, x + 0.03 * noise)
    assert found.raw is not None and float(found.raw) > log2(60) == pytest.approx(float(found.value))
    assert "saturated" in raised(found) and "deterministic" not in raised(found)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_degenerate_data(options: Gaussian) -> None:
    x, y = related(0, 60)
    for left, right in ((torch.zeros(60, 3), y), (x, torch.full((60, 2), -7.3)), (x[:1], y[:1]), (x[:, :0], y)):
        found = call(options, left, right)
        assert float(found.value) == 0 and "constant" in raised(found)
    two = call(options, x[:2], y[:2])
    assert float(two.value) == pytest.approx(1) and {"deterministic", "few_samples"} <= raised(two)
    nothing = torch.zeros(60, dtype=torch.bool)
    for found in (
        call(options, x[:0], y[:0]),
        call(options, x, y, nothing),
        options.conditional(V(x, nothing), V(y), V(y), rng=generator()),
        options.entropy(V(x[:0]), rng=generator()),
    ):
        assert found.value.isnan() and "empty" in raised(found)
    none = options(V(x[None][:0]), [V(y[None][:0])], rng=generator())[0]
    assert none.value.shape == (0,)
    assert options.pairwise(V(x[None][:0]), V(y[None][:0]), rng=generator()).value.shape == (0, 3, 2)


def test_nonfinite_values_spare_the_rest_of_the_batch() -> None:
    x, y = related(0, 4, 50)
    clean = call(Gaussian(permutations=19), x, y)
    x[1, 3, 0], y[2, 7, 1], x[3, 0, 1] = torch.nan, torch.inf, 1.7e308
    x[3, 2, 1] = -1.7e308  # their difference overflows
    found = call(Gaussian(permutations=19), x, y)
    assert found.flags["nonfinite"].tolist() == found.value.isnan().tolist() == [False, True, True, True]
    assert_alike(
        found,
        Estimate(
            clean.value[0],
            **{n: getattr(clean, n)[0] for n in ("raw", "limit", "error", "null", "p_value")},
            flags={n: f[0] for n, f in clean.flags.items()},
        ),
        (0,),
    )
    z = torch.randn(4, 50, 1, generator=generator(), dtype=torch.float64)
    given_z = Gaussian().conditional(V(z), V(z + 1), V(x), rng=generator())
    assert given_z.value.isnan().tolist() == [False, True, False, True]
    assert Gaussian().entropy(V(x), rng=generator()).value.isnan().tolist() == [False, True, False, True]


def test_null_and_p_value() -> None:
    x, y = related(0, 200)
    found = call(Gaussian(permutations=199), x, y)
    assert found.null is not None and found.p_value is not None
    assert float(found.p_value) == pytest.approx(1 / 200)
    assert float(found.null) == pytest.approx(6 / (2 * 200) / log(2), rel=0.2)  # d_x d_y / 2N nats
    few = call(Gaussian(permutations=5), x, y)
    assert few.null is not None and few.p_value is None
    values = [
        call(Gaussian(permutations=19), *related(s, 30, x=1, y=1)[:1], torch.randn(30, 1, generator=generator(s + 900)))
        for s in range(200)
    ]
    share = sum(float(v.p_value or 0) <= 0.2 for v in values) / 200
    assert 0.1 <= share <= 0.3


def test_identity_says_that_it_says_nothing() -> None:
    x, y = related(0, 64)
    identity, other = Gaussian()(V(x), [Variable.identity(64), V(y)], rng=generator())
    assert float(identity.value) == pytest.approx(6) and {"deterministic", "saturated"} <= raised(identity)
    assert float(other.value) == float(call(Gaussian(), x, y).value)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("lag", [0, 3, -5])
def test_pairwise_equals_calls(options: Gaussian, lag: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = related(0, 2, 60, x=4, y=3)
    x[0, :, 1], y[1, :, 2] = 0.5, x[1, :, 0]
    mask_x, mask_y = (torch.rand(2, 60, generator=generator(s)) < 0.8 for s in (1, 2))
    start, stop, there = max(0, -lag), 60 - max(0, lag), max(0, lag)
    now, then = slice(start, stop), slice(there, there + stop - start)
    for masked in (False, True):
        left, right = (mask_x, mask_y) if masked else (None, None)
        found = options.pairwise(V(x, left), V(y, right), lag=lag, rng=generator(5))
        assert found.value.shape == (2, 4, 3) and all(f.shape == (2, 4, 3) for f in found.flags.values())
        both = mask_x[:, now] & mask_y[:, then] if masked else None
        for b, i, j in np.ndindex(2, 4, 3):
            keep = torch.ones(stop - start, dtype=torch.bool) if both is None else both[b]
            part = None if both is None else keep
            single = call(options, x[b, now, i, None], y[b, then, j, None], part)
            single = Estimate(
                **{f: getattr(single, f) for f in ("value", "raw", "limit", "error", "null", "p_value")},
                flags={n: f for n, f in single.flags.items() if n in found.flags},
            )
            assert_alike(found, single, (b, i, j), 1e-6)
    for module in (aligned, bases):
        monkeypatch.setattr(module, "LARGEST", 1)
    monkeypatch.setitem(aligned.TOGETHER, "cpu", 1)
    pieces = options.pairwise(V(x, mask_x), V(y, mask_y), lag=lag, rng=generator(5))
    torch.testing.assert_close(pieces.value, found.value, rtol=0, atol=1e-9)


def test_pairwise_finds_the_lag_and_keeps_bad_columns_to_themselves() -> None:
    x = torch.randn(500, 3, generator=generator(), dtype=torch.float64)
    y = x.roll(4, 0) + torch.randn(500, 3, generator=generator(1), dtype=torch.float64)
    by_lag = {lag: Gaussian().pairwise(V(x), V(y), lag=lag, rng=generator()).value.diagonal().sum() for lag in (-4, 0, 4)}
    assert by_lag[4] > 1 and by_lag[0] < 0.1 and by_lag[-4] < 0.1
    x[3, 1] = torch.nan
    found = Gaussian().pairwise(V(x), V(y), rng=generator())
    assert found.value.isnan().tolist() == found.flags["nonfinite"].tolist() == [[False] * 3, [True] * 3, [False] * 3]
    for lag in (500, -900):
        beyond = Gaussian(permutations=19).pairwise(V(x), V(y), lag=lag, rng=generator())
        assert beyond.value.isnan().all() and beyond.flags["empty"].all() and beyond.value.shape == (3, 3)


def test_half_types_and_integers_are_taken() -> None:
    x, y = (v.mul(3).round() for v in related(0, 100))
    expected = float(call(Gaussian(), x, y).value)
    for dtype in (torch.bfloat16, torch.float16, torch.int32):
        assert float(call(Gaussian(), x.to(dtype), y.to(dtype)).value) == pytest.approx(expected, abs=1e-9)


def test_inputs_and_random_state_are_left_alone() -> None:
    x, y = related(0, 2, 50)
    mask = torch.rand(2, 50, generator=generator()) < 0.7
    copies, state, drawn = (x.clone(), y.clone(), mask.clone()), torch.get_rng_state(), generator(3)
    before = drawn.get_state()
    for options in (Gaussian(), Gaussian(permutations=2)):
        options(V(x, mask), [V(y)], rng=drawn)
        options.conditional(V(x), V(y), V(y), rng=drawn)
        options.pairwise(V(x, mask), V(y), lag=1, rng=drawn)
        options.entropy(V(x), rng=drawn)
        if not options.permutations:
            assert torch.equal(drawn.get_state(), before)
    for now, then in zip((x, y, mask), copies, strict=True):
        assert torch.equal(now, then)
    assert torch.equal(torch.get_rng_state(), state)


def test_wrong_options_and_variables_are_refused() -> None:
    with pytest.raises(ValueError, match="gaussian: permutations must be 0 or more"):
        Gaussian(permutations=-1)
    x, labels = V(torch.randn(10, 2, generator=generator())), Variable.labels(torch.arange(10))
    with pytest.raises(ValueError, match="not labels"):
        Gaussian()(x, [labels], rng=generator())
    with pytest.raises(ValueError, match="not for labels"):
        Gaussian()(labels, [x], rng=generator())
    for other in (V(torch.zeros(9, 2)), V(torch.zeros(3, 10, 2))):
        with pytest.raises(ValueError, match="does not fit samples"):
            Gaussian()(x, [other], rng=generator())
    with pytest.raises(ValueError, match="do not fit samples"):
        Gaussian()(x, [Variable.identity(9)], rng=generator())
    for bad in (labels, Variable.identity(10)):
        with pytest.raises(ValueError, match="takes continuous"):
            Gaussian().pairwise(x, bad, rng=generator())
        with pytest.raises(ValueError, match="takes continuous"):
            Gaussian().conditional(x, x, bad, rng=generator())
