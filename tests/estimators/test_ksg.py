"""KSG against published values, brute force, closed forms and its own invariances, with and without compiled kernels."""

from __future__ import annotations

import json
from dataclasses import replace
from math import e, exp, log, log2, pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ibmon import Estimate, Variable
from ibmon_estimators import compiled, neighbours, sweep
from ibmon_estimators.ksg import KSG
from ibmon_estimators.ross import Ross

without_numba = pytest.mark.skipif(not compiled.installed(), reason="needs numba")
BACKENDS = [pytest.param("numba", marks=without_numba), "torch"]
PLAIN: dict[str, Any] = {"standardise": False, "jitter": 0.0}
FIXED = ("gauss_r0.0", "gauss_r0.3", "gauss_r0.9", "gauss_d5_r0.6")
BENCHMARK = (
    "1v1-normal-0.75",
    "half_cube-1v1-normal-0.75",
    "multinormal-dense-2-2-0.5",
    "multinormal-dense-5-5-0.5",
    "student-identity-1-1-1",
    "wiggly-1v1-normal-0.75",
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def variable(values: Tensor | np.ndarray, mask: Tensor | None = None) -> Variable:
    return Variable.continuous(torch.as_tensor(values), mask)


def information(options: KSG, x: Tensor | np.ndarray, y: Tensor | np.ndarray, seed: int = 0) -> Estimate:
    return options(variable(x), [variable(y)], rng=seeded(seed))[0]


def bits(tensor: Tensor | None) -> Any:
    assert tensor is not None
    return tensor.numpy()


# The definitions, sample by sample and distance by distance.


def digamma(counts: np.ndarray | int) -> np.ndarray:
    return torch.digamma(torch.as_tensor(counts, dtype=torch.float64)).numpy()


def distances(values: np.ndarray) -> np.ndarray:
    return np.abs(values[:, None] - values[None]).max(-1)


def kth(distance: np.ndarray, k: int) -> np.ndarray:
    others = distance.copy()
    np.fill_diagonal(others, np.inf)
    return np.sort(others, axis=1)[:, k - 1, None]


def closer(distance: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Others that are strictly closer."""
    near = distance < radius
    np.fill_diagonal(near, False)
    return near.sum(1)


def plain_ksg1(x: np.ndarray, y: np.ndarray, k: int) -> float:
    dx, dy = distances(x), distances(y)
    radius = kth(np.maximum(dx, dy), k)
    terms = digamma(closer(dx, radius) + 1) + digamma(closer(dy, radius) + 1)
    return float(digamma(k) + digamma(len(x)) - terms.mean()) / log(2)


def plain_ksg2(x: np.ndarray, y: np.ndarray, k: int) -> float:
    dx, dy = distances(x), distances(y)
    neighbour = np.maximum(dx, dy) <= kth(np.maximum(dx, dy), k)
    terms = 0
    for d in (dx, dy):
        terms += digamma((d <= np.where(neighbour, d, 0).max(1, keepdims=True)).sum(1) - 1)
    return float(digamma(k) - 1 / k + digamma(len(x)) - np.mean(terms)) / log(2)


def plain_conditional(x: np.ndarray, y: np.ndarray, z: np.ndarray, k: int) -> float:
    dx, dy, dz = distances(x), distances(y), distances(z)
    radius = kth(np.maximum(np.maximum(dx, dy), dz), k)
    xz, yz = np.maximum(dx, dz), np.maximum(dy, dz)
    terms = digamma(closer(xz, radius) + 1) + digamma(closer(yz, radius) + 1) - digamma(closer(dz, radius) + 1)
    return float(digamma(k) - terms.mean()) / log(2)


def plain_entropy(x: np.ndarray, k: int) -> float:
    logs = np.log(2 * kth(distances(x), k)).mean()
    return float(digamma(len(x)) - digamma(k) + x.shape[1] * logs) / log(2)


# Published values.


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("case", "convention"),
    [*((c, "fixed") for c in FIXED), *((c, "raw") for c in BENCHMARK), *((c, "standardized") for c in BENCHMARK)],
)
def test_agrees_with_published_values(oracle: Path, case: str, convention: str, backend: Any) -> None:
    folder = oracle / "mutual_information"
    if convention == "fixed":
        peers = json.loads((folder / "fixed_peers.json").read_text())["cases"][case]["peers"]
    else:
        peers = json.loads((folder / "bmi_peers.json").read_text())[case][convention]
    data = np.load(folder / f"{case}.npz")
    plain = KSG(standardise=convention == "standardized", jitter=0.0, backend=backend)
    for algorithm, names in ((1, ("ref_ksg1_k3", "jidt_ksg1_k3")), (2, ("ref_ksg2_k3", "jidt_ksg2_k3"))):
        found = information(replace(plain, algorithm=algorithm), data["x"], data["y"])
        for name in names:
            assert bits(found.raw) == pytest.approx(peers[name] / log(2), abs=1e-9), name


@pytest.mark.parametrize("backend", BACKENDS)
def test_ties_count_as_published(oracle: Path, backend: Any) -> None:
    folder = oracle / "mutual_information"
    peers = json.loads((folder / "fixed_peers.json").read_text())["cases"]["relu_gauss_r0.6"]["peers"]
    data = np.load(folder / "relu_gauss_r0.6.npz")
    found = information(KSG(**PLAIN, backend=backend), data["x"], data["y"])
    assert bits(found.raw) == pytest.approx(peers["ref_ksg1_k3"] / log(2), abs=1e-9)
    assert found.flags["ties"]


# Brute force.


@st.composite
def samples(draw: st.DrawFn, variables: int, least: int = 6) -> list[np.ndarray]:
    """Dependent variables of 1 to 4 columns: continuous, rounded, with an atom at 0, with heavy tails, or with twins."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(least, 60))
    shared = rng.normal(size=(size, 1))
    drawn = [shared + rng.normal(size=(size, draw(st.integers(1, 4)))) for _ in range(variables)]
    shape = draw(st.sampled_from(["continuous", "rounded", "atom", "tails", "twins"]))
    if shape == "rounded":
        return [np.round(v * 2) for v in drawn]
    if shape == "atom":
        return [np.maximum(v, 0) for v in drawn]
    if shape == "tails":
        return [np.sinh(3 * v) for v in drawn]
    return [v[np.arange(size) // 2] for v in drawn] if shape == "twins" else drawn


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=60)
@given(samples(2), st.integers(1, 5))
def test_plain_reference(backend: Any, drawn: list[np.ndarray], k: int) -> None:
    x, y = drawn
    for algorithm, plain in ((1, plain_ksg1), (2, plain_ksg2)):
        options = KSG(k=k, algorithm=algorithm, **PLAIN, backend=backend)
        for a, b in ((x, y), (x[:, :1], y[:, :1])):
            if (a == a[:1]).all() or (b == b[:1]).all():
                continue
            assert bits(information(options, a, b).raw) == pytest.approx(plain(a, b, k), abs=1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=40)
@given(samples(3), st.integers(1, 5))
def test_plain_reference_of_conditional_and_entropy(backend: Any, drawn: list[np.ndarray], k: int) -> None:
    x, y, z = drawn
    options = KSG(k=k, **PLAIN, backend=backend)
    if not ((x == x[:1]).all() or (y == y[:1]).all()):
        found = options.conditional(*map(variable, (x, y, z)), rng=seeded())
        assert bits(found.raw) == pytest.approx(plain_conditional(x, y, z, k), abs=1e-11)
    if not (x == x[:1]).all(0).any() and (kth(distances(x), k) > 0).all():
        assert bits(options.entropy(variable(x), rng=seeded()).value) == pytest.approx(plain_entropy(x, k), abs=1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(150, 400), k=st.integers(1, 6))
def test_sweeps_are_exact_whatever_the_distribution(backend: Any, seed: int, size: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=size)
    columns = [
        shared,
        shared + 1e-6 * rng.normal(size=size),  # all but the same
        rng.standard_cauchy(size) ** 3,  # heavy tails: far less than one sample in most cells of a table
        np.maximum(shared + rng.normal(size=size), 0),  # half of the samples in an atom
        np.maximum(rng.normal(size=size), 0) + 1e-10 * rng.random(size),  # the atom with jitter
        rng.integers(0, 4, size).astype(float),
        np.where(np.arange(size) % 50, 0, shared),  # hardly anything but the atom
    ]
    x = np.stack(columns, 1)
    found = KSG(k=k, **PLAIN, backend=backend).pairwise(variable(x), variable(x), rng=seeded())
    for i in range(len(columns)):
        for j in range(i, len(columns)):
            assert bits(found.raw)[i, j] == pytest.approx(plain_ksg1(x[:, i : i + 1], x[:, j : j + 1], k), abs=1e-11)
    assert np.array_equal(bits(found.raw), bits(found.raw).T)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(300, 3), normal(300, 4, seed=1)
    options = KSG(backend="torch")
    apart, together = (options.pairwise(variable(x), variable(y), rng=seeded()), information(options, x, y))
    for module, name in ((sweep, "_CHUNK"), (sweep, "_CANDIDATES"), (neighbours, "_CHUNK")):
        monkeypatch.setattr(module, name, {"cpu": 700})
    assert torch.equal(options.pairwise(variable(x), variable(y), rng=seeded()).value, apart.value)
    assert information(options, x, y).value == pytest.approx(float(together.value), abs=1e-12)


# Closed forms.


def gaussian(rho: float, dims: int, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    x, noise = normal(2, size, dims, seed=seed)
    return x, rho * x + sqrt(1 - rho**2) * noise


@pytest.mark.parametrize("algorithm", [1, 2])
def test_gaussian_information(algorithm: int) -> None:
    for rho in (0.0, 0.5, 0.95):
        found = information(KSG(algorithm=algorithm), *gaussian(rho, 1, 4000))
        assert bits(found.raw) == pytest.approx(-0.5 * log2(1 - rho**2), abs=0.06)


def test_many_dimensions_are_flagged_and_read_low() -> None:
    rho = sqrt(1 - exp(-2 / 20))  # 1 nat between 20 and 20 columns
    high, few = information(KSG(), *gaussian(rho, 20, 2000)), information(KSG(), *gaussian(rho, 4, 300))
    assert high.flags["high_dimension"] and not few.flags["high_dimension"]
    assert 0.1 < float(high.value) * log(2) < 0.35
    one_sided = information(KSG(), normal(100, 5), normal(100, 1))
    assert one_sided.flags["high_dimension"]


def test_conditional_information_of_gaussians() -> None:
    z, a, b, c = normal(4, 4000, 1)

    def given_z(x: Tensor, y: Tensor, options: KSG = KSG()) -> float:  # noqa: B008
        return float(bits(options.conditional(variable(x), variable(y), variable(z), rng=seeded()).raw))

    assert given_z(z + a, z + b) == pytest.approx(0, abs=0.05)
    assert given_z(z + a, z + a + c) == pytest.approx(0.5, abs=0.06)
    assert given_z(z + a, z + a + c, KSG(algorithm=2)) == given_z(z + a, z + a + c)
    x, y = z + a, z + a + c
    chain = float(bits(information(KSG(), x, torch.cat([y, z], 1)).raw)) - float(bits(information(KSG(), x, z).raw))
    assert given_z(x, y) == pytest.approx(chain, abs=0.1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_given_is_information(backend: Any) -> None:
    x, y = gaussian(0.7, 2, 500)
    options = KSG(backend=backend)
    found = options.conditional(variable(x), variable(y), variable(torch.full((500, 1), 3.0)), rng=seeded())
    assert bits(found.raw) == pytest.approx(float(bits(information(options, x, y).raw)), abs=1e-11)
    assert not found.flags["constant"] and found.limit == pytest.approx(log2(500))


@pytest.mark.parametrize("backend", BACKENDS)
def test_entropy_of_known_densities(backend: Any) -> None:
    options = KSG(backend=backend)

    def entropy(values: Tensor) -> float:
        return float(options.entropy(variable(values), rng=seeded()).value)

    x = normal(4000, 2)
    assert entropy(x) == pytest.approx(log2(2 * pi * e), abs=0.06)
    uniform = torch.rand(4000, 1, generator=seeded(), dtype=torch.float64)
    assert entropy(uniform / 8) == pytest.approx(-3, abs=0.06)
    for factor in (2.0**-30, 2.0**30):
        assert entropy(x * factor) == pytest.approx(entropy(x) + 2 * log2(factor), abs=1e-9)
    one, raw = x[:, :1] * 3.7, KSG(standardise=False, backend=backend)
    assert float(raw.entropy(variable(one), rng=seeded()).value) == pytest.approx(entropy(one), abs=1e-9)


def test_entropy_where_there_is_no_density() -> None:
    x = normal(100, 2)
    x[:, 1] = 4.0
    found = KSG().entropy(variable(x), rng=seeded())
    assert found.value.isnan() and found.flags["constant"] and found.raw is None and found.limit is None
    atom = normal(100, 1).clamp(min=0)
    assert KSG(jitter=0.0).entropy(variable(atom), rng=seeded()).value == -torch.inf
    assert -40 < KSG().entropy(variable(atom), rng=seeded()).value < 0
    assert KSG().entropy(variable(x[:3, :1]), rng=seeded()).value.isnan()


# Pairs of columns.


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("lag", [0, 3, -2])
@pytest.mark.parametrize("algorithm", [1, 2])
def test_pairwise_is_a_loop_of_calls(backend: Any, lag: int, algorithm: int) -> None:
    options = KSG(algorithm=algorithm, backend=backend)
    x = normal(2, 90, 3)
    y = 0.5 * x[..., :2].roll(2, 1) + normal(2, 90, 2, seed=1)
    mask_x, mask_y = torch.rand(2, 2, 90, generator=seeded(2)) < 0.8
    padded = x.masked_fill(~mask_x[..., None], torch.nan), y.masked_fill(~mask_y[..., None], torch.nan)
    whole = options.pairwise(variable(x), variable(y), lag=lag, rng=seeded())
    masked = options.pairwise(variable(padded[0], mask_x), variable(padded[1], mask_y), lag=lag, rng=seeded())
    assert whole.value.shape == (2, 3, 2)
    now, then = slice(max(-lag, 0), 90 + min(-lag, 0)), slice(max(lag, 0), 90 + min(lag, 0))
    for b in range(2):
        keep = mask_x[b, now] & mask_y[b, then]
        for i in range(3):
            for j in range(2):
                pair = x[b, now, i : i + 1], y[b, then, j : j + 1]
                wanted, few = information(options, *pair), information(options, pair[0][keep], pair[1][keep])
                for found, single in ((whole, wanted), (masked, few)):
                    for name in ("value", "raw", "limit"):
                        assert bits(getattr(found, name))[b, i, j] == pytest.approx(bits(getattr(single, name)), abs=1e-9)
                    for name in found.flags:
                        assert bool(found.flags[name][b, i, j]) == bool(single.flags[name]), name


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("algorithm", [1, 2])
def test_pairs_of_one_variable_are_symmetric(backend: Any, algorithm: int) -> None:
    options = KSG(algorithm=algorithm, backend=backend, **PLAIN)
    x = normal(120, 4) + normal(120, 1, seed=1)
    one = variable(x)
    whole, copied = options.pairwise(one, one, rng=seeded()), options.pairwise(one, variable(x.clone()), rng=seeded())
    assert torch.equal(bits_of(whole), bits_of(whole).T)
    torch.testing.assert_close(bits_of(whole), bits_of(copied), rtol=0, atol=1e-11)
    assert (bits_of(whole).diagonal() > 3).all()
    ahead = options.pairwise(one, one, lag=5, rng=seeded())
    wanted = options.pairwise(variable(x[:-5]), variable(x[5:]), rng=seeded())
    torch.testing.assert_close(bits_of(ahead), bits_of(wanted), rtol=0, atol=1e-11)


def bits_of(estimate: Estimate) -> Tensor:
    assert estimate.raw is not None
    return estimate.raw


def test_lag_finds_what_follows() -> None:
    x = normal(600, 1)
    y = x.roll(4, 0) + 0.3 * normal(600, 1, seed=1)
    found = {lag: float(KSG().pairwise(variable(x), variable(y), lag=lag, rng=seeded()).value) for lag in range(-5, 6)}
    assert max(found, key=lambda lag: found[lag]) == 4 and found[4] > 1 and found[-4] < 0.2


def test_one_bad_column_spoils_its_own_pairs_only() -> None:
    x, y = normal(80, 3), normal(80, 2, seed=1)
    clean = KSG().pairwise(variable(x), variable(y), rng=seeded())
    x[7, 0], x[:, 1] = torch.nan, 2.0
    found = KSG(subsamples=2, permutations=19).pairwise(variable(x), variable(y), rng=seeded())
    assert found.flags["nonfinite"].tolist() == [[True, True], [False, False], [False, False]]
    assert found.flags["constant"].tolist() == [[False, False], [True, True], [False, False]]
    assert found.value[0].isnan().all() and (found.value[1] == 0).all()
    assert torch.equal(found.value[2], clean.value[2])
    assert found.error is not None and found.null is not None and found.p_value is not None
    for companion in (found.error, found.null, found.p_value):
        assert companion.shape == (3, 2) and companion[0].isnan().all() and companion[1:].isfinite().all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_pairs(backend: Any) -> None:
    x = variable(normal(2, 30, 2))
    for lag in (30, -45):
        found = KSG(backend=backend).pairwise(x, x, lag=lag, rng=seeded())
        assert found.value.shape == (2, 2, 2) and found.value.isnan().all() and found.flags["empty"].all()
    few = KSG(backend=backend).pairwise(x, x, lag=28, rng=seeded())
    assert few.value.isnan().all() and few.flags["few_samples"].all() and not few.flags["empty"].any()


# Batches, masks and what is shared.

OPTIONS = [
    pytest.param(KSG(backend="numba"), marks=without_numba, id="numba"),
    pytest.param(KSG(backend="torch"), id="torch"),
    pytest.param(KSG(algorithm=2, k=4), id="algorithm 2"),
    pytest.param(KSG(permutations=19, subsamples=3), id="with null and error"),
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dims", [1, 3])
def test_batched_equals_looped_and_masked_equals_compressed(options: KSG, dims: int) -> None:
    x = normal(2, 3, 70, dims).clamp(min=0)  # ties, so that the jitter has to be the same
    y = (x[..., :1] + normal(2, 3, 70, 1, seed=1)).round(decimals=1)
    mask = torch.rand(2, 3, 70, generator=seeded(2)) < 0.7
    padded = x.masked_fill(~mask[..., None], torch.nan)
    whole = information(options, x, y)
    of_x = options(variable(padded, mask), [variable(y)], rng=seeded())[0]
    of_y = options(variable(x), [variable(y.masked_fill(~mask[..., None], torch.inf), mask)], rng=seeded())[0]
    for a in range(2):
        for b in range(3):
            single, few = information(options, x[a, b], y[a, b]), information(options, *(v[a, b][mask[a, b]] for v in (x, y)))
            for found, wanted in ((whole, single), (of_x, few), (of_y, few)):
                for name in ("value", "raw", "limit", "error", "null", "p_value"):
                    batched, alone = getattr(found, name), getattr(wanted, name)
                    assert (batched is None) == (alone is None)
                    if alone is not None:
                        torch.testing.assert_close(batched[a, b], alone, rtol=0, atol=1e-12)
                assert {n: bool(f[a, b]) for n, f in found.flags.items()} == {n: bool(f) for n, f in wanted.flags.items()}


def test_a_y_without_a_batch_serves_all_elements() -> None:
    x, y = normal(2, 3, 40, 2), normal(40, 1, seed=1)
    assert torch.equal(information(KSG(), x, y).value, information(KSG(), x, y.expand(2, 3, 40, 1)).value)


def test_labels_get_what_ross_gives_whatever_else_is_asked_for() -> None:
    options: dict[str, Any] = {"k": 4, "permutations": 3, "subsamples": 2, "jitter": 1e-9}
    x = normal(100, 2).clamp(min=0)
    labels = Variable.labels((x[:, 0] > 0.3).long())
    wanted = Ross(**options)(variable(x), [labels], rng=seeded())[0]
    y = variable(x + normal(100, 2, seed=1).round())
    company = KSG(**options)(variable(x), [y, labels, Variable.identity(100), labels, y], rng=seeded())
    alone = KSG(**options)(variable(x), [y], rng=seeded())[0]
    for found in (company[1], company[3]):
        for name in ("value", "raw", "null", "error", "limit"):
            assert torch.equal(getattr(found, name), getattr(wanted, name)), name
    for found in (company[0], company[4]):
        assert torch.equal(found.value, alone.value) and found.error is not None and torch.equal(found.error, bits_error(alone))
    assert KSG()(variable(x), [], rng=seeded()) == ()


def bits_error(estimate: Estimate) -> Tensor:
    assert estimate.error is not None
    return estimate.error


def test_identity_says_that_a_layer_has_no_noise() -> None:
    x = normal(60, 2)
    x[1] = x[0]
    found = KSG()(variable(x), [Variable.identity(60)], rng=seeded())[0]
    assert found.flags["deterministic"] and found.flags["saturated"]
    assert found.value == pytest.approx(log2(60) - 2 / 60)
    with pytest.raises(ValueError, match="do not fit"):
        KSG()(variable(x), [Variable.identity(59)], rng=seeded())


# Scales, ties and data that say nothing.


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dims", [1, 2])
def test_scale_and_offset_are_harmless(backend: Any, dims: int) -> None:
    options = KSG(backend=backend)
    x, y = ((v * 2**20).round() / 2**20 for v in gaussian(0.6, dims, 300))  # so that the offset is exact
    before = information(options, x, y)
    for factor, offset in ((2.0**30, 0.0), (2.0**-30, 0.0), (1.0, 2.0**27), (2.0**10, -(2.0**36))):
        assert torch.equal(information(options, x * factor + offset, y).value, before.value)
        assert torch.equal(information(options, x, y * factor + offset).value, before.value)
    assert information(options, x * 1e9, y * 1e-9).value == pytest.approx(float(before.value), abs=1e-2)
    assert information(options, x.float(), y.half()).value == pytest.approx(float(before.value), abs=0.1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_order_of_samples_does_not_matter(backend: Any) -> None:
    order = torch.randperm(150, generator=seeded(4))
    for algorithm in (1, 2):
        options = KSG(algorithm=algorithm, jitter=0.0, standardise=False, backend=backend)
        for x, y in (gaussian(0.6, 2, 150), gaussian(0.6, 1, 150)):
            for a, b in ((x, y), ((3 * x).round(), (3 * y).round())):
                moved = information(options, a[order], b[order])
                assert moved.raw == pytest.approx(float(bits(information(options, a, b).raw)), abs=1e-11)


def test_columns_are_standardised() -> None:
    x, y = gaussian(0.6, 2, 300)
    scaled = x * torch.tensor([1e6, 1e-6], dtype=torch.float64)
    by_hand = [(v - v.mean(0)) / v.std(0, correction=0) for v in (scaled, y)]
    found = information(KSG(), scaled, y)
    assert found.raw == pytest.approx(float(bits(information(KSG(**PLAIN), *by_hand).raw)), abs=1e-9)
    assert abs(found.raw - information(KSG(standardise=False), scaled, y).raw) > 0.01


def test_jitter_only_where_values_repeat() -> None:
    x, y = gaussian(0.6, 2, 200)
    plain, no_jitter = information(KSG(jitter=1e-3), x, y), information(KSG(jitter=0.0), x, y)
    assert torch.equal(plain.value, no_jitter.value) and not plain.flags["ties"]
    x[3, 1] = x[7, 1]
    assert information(KSG(jitter=0.0), x, y).flags["ties"]
    seeds = {float(information(KSG(jitter=1e-3), x, y, seed).value) for seed in range(4)}
    assert len(seeds) > 1
    assert float(information(KSG(), x, y, 1).value) == float(information(KSG(), x, y, 1).value)
    apart = [KSG(jitter=jitter).pairwise(variable(x), variable(y), rng=seeded()).value for jitter in (0.0, 1e-3)]
    assert torch.equal(apart[0][0], apart[1][0]) and not torch.equal(apart[0][1], apart[1][1])


def test_jitter_is_a_share_of_the_deviation_also_without_standardising() -> None:
    x, y = ((8 * v).round() / 8 for v in gaussian(0.6, 1, 200))
    raw = KSG(standardise=False, jitter=1e-6)
    before = information(raw, x, y)
    for factor in (2.0**-30, 2.0**30):
        assert torch.equal(information(raw, x * factor, y * factor).value, before.value)
    # Beside 2^40 the noise would be rounded away, and every seed would read the same.
    seeds = {float(information(raw, x.clamp(min=0) + 2.0**40, normal(200, 1), seed).value) for seed in range(3)}
    assert len(seeds) == 3


def test_discrete_data_read_their_information_through_the_jitter() -> None:
    x = torch.arange(400)[:, None] % 4
    y = x // 2
    found = information(KSG(), x.double(), y.double())
    assert found.value == pytest.approx(1, abs=0.1) and found.flags["ties"] and not found.flags["constant"]
    assert information(KSG(), x.double(), torch.arange(400)[:, None].double() // 4 % 2).value < 0.1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("algorithm", [1, 2])
def test_constants_few_samples_and_no_data(backend: Any, algorithm: int) -> None:
    options = KSG(algorithm=algorithm, backend=backend, subsamples=2)
    for dims in (1, 2):
        x, y = gaussian(0.6, dims, 60)
        constant = torch.full_like(y, 0.1)
        for pair in ((x, constant), (constant, y), (constant, constant)):
            found = information(options, *pair)
            assert found.value == 0 and found.flags["constant"] and not found.flags["ties"]
        half = torch.cat([constant[:, :1], y], 1)  # a column that is still beside one that is not
        found = information(options, x, half)
        assert found.raw == pytest.approx(float(bits(information(options, x, y).raw)), abs=1e-9)
        assert not found.flags["constant"]
        for size in (2, 3):
            found = information(options, x[:size], y[:size])
            assert found.value.isnan() and found.flags["few_samples"] and not found.flags["empty"]
        assert information(options, x[:3], constant[:3]).value == 0
        assert information(options, x[:4], y[:4]).value.isfinite()
        found = information(options, x[:0], y[:0])
        assert found.value.isnan() and found.flags["empty"] and not found.flags["few_samples"]
        three = options.conditional(variable(x), variable(constant), variable(y), rng=seeded())
        assert three.value == 0 and three.flags["constant"]
        assert options.conditional(*(variable(v[:3]) for v in (x, y, x)), rng=seeded()).value.isnan()


def test_constants_are_constant_whatever_their_value() -> None:
    for size in range(5, 120, 7):
        for value in (0.1, 1 / 3, 1e9 + 0.1, -1e-12):
            assert information(KSG(), normal(size, 1), torch.full((size, 1), value, dtype=torch.float64)).flags["constant"]


def test_nonfinite_values_spare_the_rest_of_the_batch() -> None:
    x, y = normal(4, 50, 2), normal(4, 50, 1, seed=1)
    before = information(KSG(), x, y)
    x[0, 3, 1], y[2, 5, 0] = torch.inf, torch.nan
    options = KSG(subsamples=2, permutations=19)
    for found in (
        information(options, x, y),
        options.conditional(variable(normal(4, 50, 1, seed=2)), variable(x), variable(y), rng=seeded()),
    ):
        assert found.flags["nonfinite"].tolist() == [True, False, True, False]
        assert found.value.isnan().tolist() == [True, False, True, False]
        assert found.error is not None and found.error.isnan().tolist() == [True, False, True, False]
    assert torch.equal(information(options, x, y).value[[1, 3]], before.value[[1, 3]])
    assert KSG().entropy(variable(x), rng=seeded()).value.isnan().tolist() == [True, False, False, False]


# Errors and nulls.


def test_standard_error_is_the_scatter_of_the_estimate() -> None:
    x, y = (torch.stack(v) for v in zip(*(gaussian(0.7, 1, 400, seed) for seed in range(40)), strict=True))
    found = information(KSG(subsamples=6), x, y)
    scatter, said = float(bits_of(found).std()), float(bits_error(found).square().mean().sqrt())
    assert 0.7 * scatter < said < 1.5 * scatter
    assert information(KSG(), x, y).error is None
    assert KSG(subsamples=4).entropy(variable(x[0]), rng=seeded()).error == pytest.approx(0.05, abs=0.04)


def test_null_and_p_value_from_nineteen_permutations_on() -> None:
    x, y = gaussian(0.7, 1, 200)
    found = information(KSG(permutations=39), x, y)
    assert found.null is not None and abs(float(found.null)) < 0.1
    assert found.p_value == pytest.approx(1 / 40)
    other = information(KSG(permutations=39), x, normal(200, 1, seed=9))
    assert other.p_value is not None and other.p_value > 0.05
    assert "label_saturated" not in found.flags
    few = information(KSG(permutations=18), x, y)
    assert few.null is None and few.p_value is None and torch.equal(few.value, found.value)


# Conduct.


def test_inputs_and_random_state_are_left_alone() -> None:
    x, y, z = normal(3, 2, 50, 2)
    x[..., 0, 0] = x[..., 1, 0]
    mask = torch.rand(2, 50, generator=seeded(1)) < 0.9
    copies, state = [v.clone() for v in (x, y, z, mask)], torch.get_rng_state()
    for options in (KSG(permutations=19, subsamples=2), KSG(backend="torch", **PLAIN)):
        three = [variable(v, mask) for v in (x, y, z)]
        options(three[0], three[1:], rng=seeded())
        options.conditional(*three, rng=seeded())
        options.pairwise(three[0], three[0], rng=seeded())
        options.entropy(three[0], rng=seeded())
    for now, before in zip((x, y, z, mask), copies, strict=True):
        assert torch.equal(now, before)
    assert torch.equal(torch.get_rng_state(), state)


@without_numba
def test_backends_agree() -> None:
    x, y = normal(700, 3).clamp(min=-0.5), normal(700, 3, seed=1)
    for options in (KSG(k=5), KSG(algorithm=2), KSG(**PLAIN)):
        compared = [replace(options, backend=backend) for backend in ("numba", "torch")]
        for a, b in (
            [information(o, x, y) for o in compared],
            [o.pairwise(variable(x), variable(y), lag=1, rng=seeded()) for o in compared],
            [o.conditional(variable(x), variable(y[:, :1]), variable(y[:, 1:]), rng=seeded()) for o in compared],
        ):
            torch.testing.assert_close(bits_of(a), bits_of(b), rtol=0, atol=1e-11)


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "installed", lambda: False)
    x, y = gaussian(0.5, 1, 60)
    assert torch.equal(information(KSG(), x, y).value, information(KSG(backend="torch"), x, y).value)
    with pytest.raises(ValueError, match="ksg: backend=numba needs numba"):
        information(KSG(backend="numba"), x, y)


@without_numba
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": 0}, "ksg: k must be at least 1"),
        ({"algorithm": 3}, "ksg: algorithm must be 1 or 2"),
        ({"jitter": -1e-3}, "ksg: jitter must be"),
        ({"jitter": float("nan")}, "ksg: jitter must be"),
        ({"permutations": -1}, "ksg: permutations must be 0 or more"),
        ({"subsamples": 1}, "ksg: subsamples must be 0 or at least 2"),
        ({"backend": "cython"}, "ksg: backend must be auto, numba or torch"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        KSG(**options)


def test_wrong_variables_are_refused() -> None:
    x, labels = variable(normal(20, 2)), Variable.labels(torch.arange(20))
    with pytest.raises(ValueError, match="not for labels"):
        KSG()(labels, [x], rng=seeded())
    for z in (labels, Variable.identity(20)):
        with pytest.raises(ValueError, match="ksg takes continuous"):
            KSG().conditional(x, x, z, rng=seeded())
        with pytest.raises(ValueError, match="ksg takes continuous"):
            KSG().pairwise(x, z, rng=seeded())
    for shape in ((19, 2), (1, 2), (20,), (3, 20, 2)):
        y = variable(normal(*shape))
        with pytest.raises(ValueError, match="does not fit samples"):
            KSG()(x, [y], rng=seeded())
        with pytest.raises(ValueError, match="does not fit samples"):
            KSG().pairwise(x, y, rng=seeded())
    with pytest.raises(ValueError, match="do not fit"):
        KSG()(x, [Variable.labels(torch.arange(19))], rng=seeded())
