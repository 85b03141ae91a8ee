"""A language model with random states: what is drawn, what it is penalised by, and what reaches its variance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from ibmon_recipes.bayesian import BayesianLSTMs
from ibmon_recipes.language_models import LOG_VARIANCE, detached
from ibmon_recipes.lm_penalties import Penalty
from ibmon_recipes.lstms import LSTMs


def model_of(seed: int = 0) -> BayesianLSTMs:
    torch.manual_seed(seed)
    return BayesianLSTMs(12, 5, dropout=0.0, tie=False, scale=0.5).double()


def some(*shape: int) -> Tensor:
    return torch.randint(12, shape, generator=torch.Generator().manual_seed(1))


def test_in_evaluation_it_is_the_lstm_of_its_weights() -> None:
    bayesian = model_of().eval()
    plain = LSTMs(12, 5, dropout=0.0, tie=False, scale=0.5).double().eval()
    weights = {name.replace("layer2.cell.", "layer2."): p for name, p in bayesian.state_dict().items()}
    del weights["layer2.log_variance"]
    suffixed = {f"{name}_l0" if name.startswith("layer2.") else name: p for name, p in weights.items()}
    plain.load_state_dict(suffixed)
    tokens = some(3, 8)
    ours, theirs = bayesian.read(tokens), plain.read(tokens)
    torch.testing.assert_close(bayesian.logits(ours), plain.logits(theirs))
    for place in bayesian.places:
        torch.testing.assert_close(bayesian.at(place, ours), plain.at(place, theirs))
    assert ours.gaussian is not None and torch.equal(ours.gaussian.mean, ours.top)


def test_states_are_drawn_about_their_mean_and_handed_on_as_drawn() -> None:
    model, tokens = model_of(), some(400, 3)
    with torch.no_grad():
        read = model.read(tokens)
    assert read.gaussian is not None and read.top is read.hidden[1]
    noise = (read.top - read.gaussian.mean) / torch.tensor(0.5 * LOG_VARIANCE).exp()
    assert float(noise.mean()) == pytest.approx(0, abs=0.05) and float(noise.std()) == pytest.approx(1, abs=0.05)
    with torch.no_grad():
        h, c = model.layer2.cell(read.inputs[1][:, 1], (read.top[:, 0], read.cells[1]()[:, 0]))
    torch.testing.assert_close(read.gaussian.mean[:, 1], h)
    torch.testing.assert_close(read.cells[1]()[:, 1], c)
    assert torch.equal(read.last[1][0], read.top[:, -1])


def test_carried_on_it_goes_on_from_what_was_drawn() -> None:
    model, tokens = model_of(), some(2, 10)
    torch.manual_seed(7)
    whole = model.read(tokens).top
    torch.manual_seed(7)
    states, parts = None, list[Tensor]()
    for part in tokens.split(4, 1):
        read = model.read(part, states)
        states = detached(read.last)
        parts.append(read.top)
    torch.testing.assert_close(torch.cat(parts, 1), whole)


def test_the_penalty_is_the_divergence_and_its_gradient_that_of_the_equation() -> None:
    model, tokens = model_of(), some(3, 6)
    nn.init.normal_(model.layer2.log_variance)
    torch.manual_seed(2)
    read = model.read(tokens)
    assert read.gaussian is not None
    cost = Penalty("bayes", 1.0, "layer2.h", "l2", 0.1)(model, read, model.logits(read))
    deviation = (0.5 * model.layer2.log_variance).exp()
    expected = kl_divergence(Normal(read.gaussian.mean, deviation), Normal(0.0, 1.0)).sum(-1).mean()
    torch.testing.assert_close(cost, expected)
    (drawn,) = torch.autograd.grad(read.top.sum(), model.layer2.log_variance, retain_graph=True)
    assert drawn.abs().min() > 0, "the variance learns from the words, too"
    ours = torch.autograd.grad(cost, [*model.layer2.parameters()], retain_graph=True)
    theirs = torch.autograd.grad(expected, [*model.layer2.parameters()])
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)
