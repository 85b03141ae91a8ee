"""The bound on what a layer tells is one, is near where it can be known, and asking changes nothing."""

from __future__ import annotations

from math import isnan, log, log2
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ibmon_recipes.language import windows
from ibmon_recipes.lenses import Output, fitted, informative, states
from ibmon_recipes.lm import built
from ibmon_recipes.lm_sizes import Size

WORDS, UNITS = 4, 6


def a_channel(wrong: float, samples: int, seed: int, *, stretch: float = 1.0) -> tuple[Tensor, Tensor]:
    """Words of which each is shown as another one in a share ``wrong``, and states ``(samples, units)`` that show them.

    The states are mixed, far from zero, and of variances that are ``stretch``² apart.
    """
    random = torch.Generator().manual_seed(seed)
    words = torch.randint(WORDS, (samples,), generator=random)
    other = (words + torch.randint(1, WORDS, (samples,), generator=random)) % WORDS
    shown = torch.where(torch.rand(samples, generator=random) < wrong, other, words)
    codes = torch.eye(WORDS, UNITS)[shown] + 0.05 * torch.randn(samples, UNITS, generator=random)
    mixing = torch.linalg.qr(torch.randn(UNITS, UNITS, generator=torch.Generator().manual_seed(9)))[0]
    return 7 + (codes * torch.logspace(0, 1, UNITS, stretch)) @ mixing, words


def capacity(wrong: float) -> float:
    """Bits that such a channel tells."""
    parts = [(1 - wrong, 1), (wrong / (WORDS - 1), WORDS - 1)]
    return log2(WORDS) + sum(n * p * log2(p) for p, n in parts if p)


def bits_of(wrong: float, *, stretch: float = 1.0, samples: int = 20_000, knows: bool = True) -> float:
    """What is found that such a channel tells, where the network itself reads it well, but for noise, or not at all."""
    x, words = a_channel(wrong, samples, 0, stretch=stretch)
    again, others = a_channel(wrong, 10_000, 1, stretch=stretch)
    random = torch.Generator().manual_seed(2)
    output = Output(3 * torch.randn(WORDS, UNITS, generator=random), torch.zeros(WORDS))
    top = torch.randn(samples, UNITS, generator=random)
    if knows:
        p = torch.full((WORDS, WORDS), wrong / (WORDS - 1)).fill_diagonal_(1 - wrong)
        top = 0.5 * top + p.log()[words] @ torch.linalg.pinv(output.weight).T
    lens = fitted(x, top, words, output)
    with torch.no_grad():
        return log2(WORDS) - float(output.nats(lens(again), others)) / log(2)


@pytest.mark.parametrize("stretch", [1.0, 1000.0])
@pytest.mark.parametrize("wrong", [0.02, 0.2, 0.75])
def test_what_a_channel_tells_is_found_and_never_more(wrong: float, stretch: float) -> None:
    bits, truth = bits_of(wrong, stretch=stretch), capacity(wrong)
    assert bits <= truth + 0.03
    assert bits == pytest.approx(truth, abs=0.1)


def test_what_the_network_does_not_read_is_learnt() -> None:
    assert bits_of(0.2, samples=200_000, knows=False) == pytest.approx(capacity(0.2), abs=0.03)
    assert bits_of(0.2, samples=1000, knows=False) < bits_of(0.2, samples=10_000, knows=False) < capacity(0.2) + 0.03


def network_of(kind: Any = "lstm", *, bottleneck: bool = False) -> Any:
    layers = 3 if kind == "sru" else 2
    return built(kind, Size(hidden=5, layers=layers, scale=0.5, dropout=0.5), 12, bottleneck=bottleneck, seed=0)


def a_text(words: int, seed: int = 0) -> Tensor:
    return torch.randint(12, (words,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "vd-lstm", "sru", "bayes-lstm"])
def test_asking_changes_neither_the_network_nor_its_random_numbers(kind: str, bottleneck: bool) -> None:
    network = network_of(kind, bottleneck=bottleneck).train()
    before, random = {name: p.clone() for name, p in network.state_dict().items()}, torch.get_rng_state()
    bits = informative(network, windows(a_text(400), 20, 9), windows(a_text(400, 1), 10, 9), log2(12), 7)
    assert list(bits) == [*network.places, *(["bottleneck"] if network.bottleneck is not None else [])]
    assert all(-3 < value < 0.5 for value in bits.values()), "the next word is drawn: nothing tells it"
    assert torch.equal(torch.get_rng_state(), random) and network.training
    assert all(torch.equal(before[name], p) for name, p in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    again = informative(network, windows(a_text(400), 20, 9), windows(a_text(400, 1), 10, 9), log2(12), 3)
    assert again == pytest.approx(bits, abs=1e-3), "however many are read at once"


def test_the_last_layer_is_what_the_logits_are_made_of() -> None:
    for bottleneck in (False, True):
        network = network_of(bottleneck=bottleneck)
        tokens = a_text(24).reshape(4, 6)
        *_, top = states(network, tokens, 3).values()
        assert torch.allclose(network.output(top), network.eval()(tokens).flatten(0, 1), atol=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_broken_and_constant_states_do_no_harm(value: float) -> None:
    network = network_of()
    with torch.no_grad():
        network.embedding.weight.fill_(value)
    bits = informative(network, windows(a_text(400), 20, 9), windows(a_text(400, 1), 10, 9), log2(12), 7)
    assert all(isnan(b) != (value == 0.0) for b in bits.values())
    network.layer2 = Silent()
    found = informative(network, windows(a_text(400), 20, 9), windows(a_text(400, 1), 10, 9), log2(12), 7)
    assert value != 0.0 or found["layer2.h"] == pytest.approx(0, abs=0.3), "states that are all 0 tell nothing"


class Silent(nn.LSTM):
    """States that are 0."""

    def __init__(self) -> None:
        super().__init__(5, 5, batch_first=True)
        for p in self.parameters():
            nn.init.zeros_(p)
