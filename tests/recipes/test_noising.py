"""Data noising: the probabilities of a small text by hand, and what is drawn by them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon import IbmonError
from ibmon_recipes.noising import noise

TEXT = torch.tensor([0, 1, 0, 1, 0, 2, 3, 0, 1, 3])


def test_kneser_ney_counts_who_follows_and_who_goes_before() -> None:
    found = noise("kneser-ney", TEXT, 5, 0.4)
    # 0 is first in four bigrams and followed by 1 and 2; 1 in three, by 0 and 3; 2 and 3 in one each; 4 is not there.
    assert found.rate.tolist() == pytest.approx([0.4 * 2 / 4, 0.4 * 2 / 3, 0.4, 0.4, 0.0])
    # Before 0 stand 1 and 3, before 3 stand 2 and 1, before the others only 0.
    assert found.proposal.tolist() == pytest.approx([2 / 6, 1 / 6, 1 / 6, 2 / 6, 0])
    assert found.targets


def test_unigrams_are_drawn_as_often_as_they_occur_for_inputs_alone() -> None:
    found = noise("unigram", TEXT, 5, 0.25)
    assert found.rate.tolist() == [0.25] * 5 and not found.targets
    assert found.proposal.tolist() == pytest.approx([0.4, 0.3, 0.1, 0.2, 0])
    words = TEXT.repeat(20_000, 1)
    torch.manual_seed(0)
    noised, following = found(words, words + 7)
    assert torch.equal(following, words + 7)
    assert float((noised != words).double().mean()) == pytest.approx(0.25 * (1 - 0.4**2 - 0.3**2 - 0.1**2 - 0.2**2), abs=0.005)


def test_targets_are_those_of_an_interpolated_bigram_model() -> None:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    text = torch.from_numpy(random.choice(6, 60, p=[0.4, 0.25, 0.15, 0.1, 0.06, 0.04]))
    found = noise("kneser-ney", text, 6, 0.5)
    words, following = text[:-1].repeat(6000, 1), text[1:].repeat(6000, 1)
    noised, drawn = found(words, following)
    for x in range(6):
        here = words == x
        plain = torch.bincount(following[here], minlength=6).double() / here.sum()
        expected = (1 - found.rate[x]) * plain + found.rate[x] * found.proposal
        assert torch.bincount(drawn[here], minlength=6).double() / here.sum() == pytest.approx(expected.numpy(), abs=0.02)
        kept = float((noised[here] == x).double().mean())
        assert kept == pytest.approx(float(1 - found.rate[x] * (1 - found.proposal[x])), abs=0.02)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=50), st.floats(0, 1))
def test_rates_and_proposals_are_probabilities(words: list[int], strength: float) -> None:
    for kind in ("unigram", "kneser-ney"):
        found = noise(kind, torch.tensor(words), 7, strength)
        assert found.rate.min() >= 0 and found.rate.max() <= strength * (1 + 1e-6)
        assert float(found.proposal.sum()) == pytest.approx(1, abs=1e-5) and found.proposal.min() >= 0


def test_nothing_is_replaced_at_rate_zero_and_none_above_one() -> None:
    words = TEXT.repeat(50, 1)
    for kind in ("unigram", "kneser-ney"):
        assert all(torch.equal(part, words) for part in noise(kind, TEXT, 5, 0.0)(words, words))
        for strength in (-0.1, 1.1, float("nan")):
            with pytest.raises(IbmonError, match="noise-rate is a probability"):
                noise(kind, TEXT, 5, strength)
