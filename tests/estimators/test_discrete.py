"""Plug-in information between labels against published values, plain counts, known truths and its own invariants."""

from __future__ import annotations

import json
from collections import Counter
from math import log, log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon import Estimate, Variable
from ibmon_estimators import discrete
from ibmon_estimators.discrete import Discrete


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def labels(values: Any, mask: torch.Tensor | None = None) -> Variable:
    return Variable.labels(torch.as_tensor(values), mask)


def between(x: Any, y: Any, mask: torch.Tensor | None = None, options: Discrete | None = None) -> Estimate:
    return (options or Discrete())(labels(x, mask), [labels(y)], rng=seeded())[0]


def given_that(x: Any, y: Any, z: Any, mask: torch.Tensor | None = None, options: Discrete | None = None) -> Estimate:
    return (options or Discrete()).conditional(labels(x, mask), labels(y), labels(z), rng=seeded())


def plain(*columns: np.ndarray, miller_madow: bool = False) -> float:
    """Entropy in bits of the rows of columns (samples,)."""
    counts = np.array(list(Counter(zip(*(c.tolist() for c in columns), strict=True)).values()))
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum() + miller_madow * (len(counts) - 1) / (2 * counts.sum() * log(2)))


def same(found: Estimate, wanted: Estimate, at: Any = (), null: bool = True) -> None:
    for name in ("value", "raw", "limit", *(("null", "p_value") if null else ())):
        one, other = getattr(found, name), getattr(wanted, name)
        assert (one is None) == (other is None), name
        if one is not None:
            torch.testing.assert_close(one[at], other, rtol=0, atol=1e-12, equal_nan=True, msg=lambda m, n=name: f"{n}: {m}")
    for name, flag in wanted.flags.items():
        if null or name != "label_saturated":
            assert found.flags[name][at].tolist() == flag.tolist(), name


def batch_and_mask(samples: int = 70) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = seeded(1)
    z = torch.randint(0, 2, (2, 3, samples), generator=generator)
    x = torch.randint(-2, 2, (2, 3, samples), generator=generator) + z
    y = (x + torch.randint(0, 3, (2, 3, samples), generator=generator)) * 10**12
    return x, y, z, torch.rand(2, 3, samples, generator=generator) < 0.7


def test_agrees_with_published_values(oracle: Path) -> None:
    folder = oracle / "mutual_information"
    cases = json.loads((folder / "fixed_peers.json").read_text())["cases"]
    for case in ("xor", "bsc_0.1"):
        data = np.load(folder / f"{case}.npz")
        x = data["x"][:, 0] + 2 * data["x"][:, -1]  # both columns as one label
        found = between(x, data["labels"])
        assert found.raw is not None
        assert float(found.raw) * log(2) == pytest.approx(cases[case]["peers"]["npeet_midd"], abs=1e-12)
        assert float(found.raw) * log(2) == pytest.approx(float(data["mi_true_nats"]), abs=1e-8)
    data = np.load(folder / "xor.npz")
    (a, b), c = data["x"].T, data["labels"]
    assert float(between(a, c).value) == pytest.approx(cases["xor"]["peers"]["I_A_T"], abs=1e-12)
    assert float(given_that(a, c, b).value) == pytest.approx(1, abs=1e-12)
    assert float(given_that(a, b, c).value) == pytest.approx(1, abs=1e-12)


NAMES = st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=9, unique=True)


@settings(max_examples=80)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), NAMES, NAMES, NAMES, st.booleans())
def test_is_what_plain_counts_give(
    seed: int, samples: int, xs: list[int], ys: list[int], zs: list[int], miller_madow: bool
) -> None:
    rng = np.random.default_rng(seed)
    x, y, z = (np.array(names)[rng.integers(0, len(names), samples)] for names in (xs, ys, zs))
    options = Discrete(miller_madow=miller_madow)

    def h(*columns: np.ndarray) -> float:
        return plain(*columns, miller_madow=miller_madow)

    found, under = between(x, y, options=options), given_that(x, y, z, options=options)
    alone = options.entropy(labels(x), rng=seeded())
    assert found.raw is not None and under.raw is not None and alone.raw is not None
    assert float(found.raw) == pytest.approx(h(x) + h(y) - h(x, y), abs=1e-12)
    assert float(under.raw) == pytest.approx(h(x, z) + h(y, z) - h(x, y, z) - h(z), abs=1e-12)
    assert float(alone.value) == pytest.approx(h(x), abs=1e-12)
    limits = (min(plain(x), plain(y)), min(plain(x, z), plain(y, z)) - plain(z))
    for estimate, limit in zip((found, under), limits, strict=True):
        assert estimate.limit is not None and float(estimate.limit) == pytest.approx(limit, abs=1e-12)
        assert 0 <= estimate.value <= estimate.limit
    assert bool(found.flags["sparse"]) == (len(set(zip(x, y, strict=True))) > samples / 2)
    assert bool(under.flags["sparse"]) == (len(set(zip(x, y, z, strict=True))) > samples / 2)
    assert bool(alone.flags["sparse"]) == (len(set(x)) > samples / 2)
    same(between(y, x, options=options), found, null=False)
    order = rng.permutation(samples)
    same(between(x[order], y[order], options=options), found, null=False)
    same(between(np.unique(x, return_inverse=True)[1], y, options=options), found)


def test_tables_too_large_to_hold_are_counted_all_the_same() -> None:
    """Three identities of a thousand samples each: 10⁹ cells."""
    names = torch.randperm(1000, generator=seeded())
    found = given_that(names, names.flip(0), names % 2, options=Discrete(permutations=1))
    assert float(found.value) == pytest.approx(log2(500), abs=1e-12)
    wide = torch.randint(-(2**62), 2**62, (5, 1000), generator=seeded())
    assert between(wide, wide).value.tolist() == pytest.approx([log2(1000)] * 5, abs=1e-12)


def test_correction_removes_most_of_the_bias() -> None:
    x, y = torch.randint(0, 4, (2, 400, 100), generator=seeded())
    raw, corrected = (between(x, y, options=Discrete(miller_madow=m)).raw for m in (False, True))
    assert raw is not None and corrected is not None
    assert float(raw.mean()) == pytest.approx(9 / 200 / log(2), abs=0.005)
    assert abs(float(corrected.mean())) < 0.005 and bool((corrected < 0).any())


@pytest.mark.parametrize("miller_madow", [False, True])
def test_batched_equals_looped_and_masked_equals_compressed(miller_madow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, z, mask = batch_and_mask()
    monkeypatch.setattr(discrete, "_ENTRIES", 4 * 70)  # blocks of four elements and two
    options = Discrete(miller_madow=miller_madow, permutations=19)
    pairs, threes = (between(x, y, m, options) for m in (None, mask)), (given_that(x, y, z, m, options) for m in (None, mask))
    alone = [options.entropy(labels(x, m), rng=seeded()) for m in (None, mask)]
    for whole, masked, single in (
        (*pairs, lambda a, b, keep: between(x[a, b][keep], y[a, b][keep], None, options)),
        (*threes, lambda a, b, keep: given_that(x[a, b][keep], y[a, b][keep], z[a, b][keep], None, options)),
        (*alone, lambda a, b, keep: options.entropy(labels(x[a, b][keep]), rng=seeded())),
    ):
        assert whole.value.shape == masked.value.shape == (2, 3)
        for a in range(2):
            for b in range(3):
                same(whole, single(a, b, slice(None)), (a, b))
                same(masked, single(a, b, mask[a, b]), (a, b), null=False)


def test_any_mask_counts_and_any_batch_is_broadcast() -> None:
    x, y, z, mask = batch_and_mask()
    wanted = between(x, y, mask)
    (found,) = Discrete()(labels(x), [labels(y, mask)], rng=seeded())
    same(found, wanted)
    three = Discrete().conditional(labels(x), labels(y), labels(z, mask), rng=seeded())
    same(three, given_that(x, y, z, mask))
    (joint,) = Discrete()(labels(x, mask), [labels(y, mask.roll(1, -1))], rng=seeded())
    same(joint, between(x, y, mask & mask.roll(1, -1)))
    same(between(x, y[0, 0]), between(x, y[0, 0].expand(2, 3, -1)))
    same(between(x[0, 0], y), between(x[0, 0].expand(2, 3, -1), y))


def test_identity_knows_everything() -> None:
    x, y, _, _ = batch_and_mask()
    inputs = torch.arange(35).repeat(2)
    repeated = Variable.identity(inputs[:, None])
    (same_input, own) = Discrete()(repeated, [repeated, labels(y[0, 0])], rng=seeded())
    assert float(same_input.value) == pytest.approx(log2(35)) and same_input.null is None and not same_input.flags["sparse"]
    (told,) = Discrete()(Variable.identity(70), [labels(y)], rng=seeded())
    h = [plain(row.numpy()) for row in y.flatten(0, 1)]
    assert told.value.flatten().tolist() == pytest.approx(h) and told.value.shape == (2, 3)
    assert told.flags["label_saturated"].all() and told.flags["sparse"].all()  # so would it any labels
    assert float(own.value) == pytest.approx(
        plain(inputs.numpy()) + plain(y[0, 0].numpy()) - plain(inputs.numpy(), y[0, 0].numpy())
    )
    (asked,) = Discrete()(labels(x), [Variable.identity(70)], rng=seeded())
    assert asked.value.flatten().tolist() == pytest.approx([plain(row.numpy()) for row in x.flatten(0, 1)])


def test_several_are_each_as_if_alone() -> None:
    x, y, z, mask = batch_and_mask()
    found = Discrete()(labels(x), [labels(y), Variable.identity(70), labels(z, mask), labels(y)], rng=seeded())
    same(found[0], between(x, y))
    same(found[3], between(x, y))
    same(found[2], between(x, z, mask))


def test_null_is_the_bias_and_p_values_are_uniform_without_information() -> None:
    x, y = torch.randint(0, 4, (2, 300, 100), generator=seeded(2))
    found = between(x, y, options=Discrete(permutations=19))
    assert found.null is not None and found.p_value is not None
    assert float(found.null.mean()) == pytest.approx(9 / 200 / log(2), abs=0.005)
    assert 0.42 < float(found.p_value.mean()) < 0.58
    assert 0.01 <= float((found.p_value <= 0.05 + 1e-9).double().mean()) <= 0.1
    told = between(x, torch.where(y == 0, x, y), options=Discrete(permutations=19))
    assert told.p_value is not None and float((told.p_value <= 0.05 + 1e-9).double().mean()) > 0.9
    assert between(x, y).p_value is None and between(x, y, options=Discrete(permutations=0)).null is None


def test_null_of_the_conditional_keeps_what_the_third_tells() -> None:
    """x and y share z only: given z they are independent, though together they are not."""
    generator = seeded(3)
    z = torch.randint(0, 3, (200, 150), generator=generator)
    x, y = (
        torch.where(torch.rand(200, 150, generator=generator) < 0.7, z, torch.randint(0, 3, (200, 150), generator=generator))
        for _ in range(2)
    )
    options = Discrete(permutations=19)
    under, plainly = given_that(x, y, z, options=options), between(x, y, options=options)
    assert under.p_value is not None and plainly.p_value is not None and under.null is not None and under.raw is not None
    assert 0.4 < float(under.p_value.mean()) < 0.6
    assert float(under.null.mean()) == pytest.approx(float(under.raw.mean()), abs=0.004)
    assert float(plainly.p_value.mean()) < 0.06
    mask = torch.rand(200, 150, generator=generator) < 0.6
    padding = torch.arange(150).expand_as(y) + 3  # would be all the information there is
    masked = given_that(x, torch.where(mask, y, padding), z, mask, options)
    assert masked.null is not None and masked.raw is not None
    assert float(masked.null.mean()) == pytest.approx(float(masked.raw.mean()), abs=0.008)


def test_one_value_one_sample_and_no_data() -> None:
    x, y, z, _ = batch_and_mask()
    flat = torch.full_like(x, 7)
    for found in (
        between(flat, y),
        between(x, flat),
        given_that(flat, y, z),
        between(x[..., :1], y[..., :1]),
        given_that(x, x, x),
    ):
        assert (found.value == 0).all() and (found.limit == 0).all() and not found.flags["empty"].any()
    assert between(x[..., :1], y[..., :1]).flags["few_samples"].all() and not between(x, y).flags["few_samples"].any()
    nothing = torch.zeros(70, dtype=torch.bool)
    for options in (Discrete(), Discrete(miller_madow=True)):
        for found in (
            between(x, y, nothing, options),
            between(x[..., :0], y[..., :0], None, options),
            given_that(x, y, z, nothing, options),
            options.entropy(labels(x, nothing), rng=seeded()),
        ):
            assert found.value.isnan().all() and found.flags["empty"].all() and not found.flags["sparse"].any()
    assert between(x[:0], y[:0]).value.shape == (0, 3)
    partly = torch.ones(2, 3, 70, dtype=torch.bool)
    partly[1, 1] = False
    some = between(x, y, partly)
    assert some.value.isnan().sum() == 1 and some.value[1, 1].isnan()
    torch.testing.assert_close(some.value[0], between(x, y).value[0])


def test_inputs_and_random_state_are_left_alone() -> None:
    x, y, z, mask = batch_and_mask()
    copies, state = [v.clone() for v in (x, y, z, mask)], torch.get_rng_state()
    ends = []
    for m in (None, mask):
        for number in (0, 5):
            generator = seeded(3)
            Discrete(permutations=number)(labels(x, m), [labels(y), Variable.identity(70)], rng=generator)
            Discrete(permutations=number).conditional(labels(x, m), labels(y), labels(z), rng=generator)
            ends.append(generator.get_state())
    assert all(torch.equal(end, ends[0]) for end in ends)
    assert all(torch.equal(now, before) for now, before in zip((x, y, z, mask), copies, strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_what_does_not_fit_is_refused() -> None:
    ten, nine, real = labels(range(10)), labels(range(9)), Variable.continuous(torch.zeros(10, 1))
    with pytest.raises(ValueError, match="discrete: permutations must be 0 or more"):
        Discrete(permutations=-1)
    with pytest.raises(ValueError, match="not for continuous"):
        Discrete()(real, [ten], rng=seeded())
    with pytest.raises(ValueError, match="not for continuous"):
        Discrete().entropy(real, rng=seeded())
    with pytest.raises(ValueError, match="as the other variable, not continuous"):
        Discrete()(ten, [real], rng=seeded())
    with pytest.raises(ValueError, match="as the other variable, not continuous"):
        Discrete().conditional(ten, ten, real, rng=seeded())
    with pytest.raises(ValueError, match=r"shapes \(10,\) and \(9,\) do not fit"):
        Discrete()(ten, [nine], rng=seeded())
    with pytest.raises(ValueError, match="do not fit"):
        Discrete().conditional(ten, ten, labels(range(1)), rng=seeded())
    with pytest.raises(ValueError, match="do not fit"):
        Discrete()(labels(torch.zeros(2, 10)), [labels(torch.zeros(3, 10))], rng=seeded())
