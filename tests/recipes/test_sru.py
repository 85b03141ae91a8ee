"""Simple recurrent units against their equations, one unit and one timepoint after the other."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ibmon_recipes.language_models import detached
from ibmon_recipes.lm import built
from ibmon_recipes.lm_sizes import sized
from ibmon_recipes.sru import HIGHWAY, SRU, SRUs


def one_by_one(layer: SRU, x: Tensor, c: Tensor, kept_x: Tensor, kept_c: Tensor) -> tuple[Tensor, Tensor]:
    """h and c by the equations, where the masks ``(streams, units)`` are of x in the product and of c in the highway."""
    units = x.shape[-1]
    w, w_f, w_r = layer.product.weight.split(units)
    b_f, b_r = layer.bias.split(units)
    h_out, c_out = list[Tensor](), list[Tensor]()
    for t in range(x.shape[1]):
        seen = x[:, t] * kept_x
        f, r = torch.sigmoid(seen @ w_f.T + b_f), torch.sigmoid(seen @ w_r.T + b_r)
        c = f * c + (1 - f) * (seen @ w.T)
        h_out.append(r * c * kept_c + (1 - r) * x[:, t])
        c_out.append(c)
    return torch.stack(h_out, 1), torch.stack(c_out, 1)


def layer_of(units: int, dropout: float = 0.0, seed: int = 0) -> SRU:
    torch.manual_seed(seed)
    layer = SRU(units, dropout).double()
    nn.init.normal_(layer.bias)
    return layer


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(1, 8), st.integers(1, 6), st.integers(0, 100))
def test_a_layer_is_its_equations_and_so_are_its_gradients(streams: int, time: int, units: int, seed: int) -> None:
    layer = layer_of(units, seed=seed)
    x, c = torch.randn(streams, time, units, dtype=torch.float64), torch.randn(streams, units, dtype=torch.float64)
    ones = torch.ones(streams, units, dtype=torch.float64)
    found, expected = layer(x, c), one_by_one(layer, x, c, ones, ones)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    weights = [*layer.parameters()]
    gradients = [torch.autograd.grad(h.square().sum() + c.sum(), weights) for h, c in (found, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_dropout_is_the_same_at_all_timepoints_and_not_of_what_goes_by() -> None:
    layer, streams, units = layer_of(6, dropout=0.5), 3, 6
    x, c = torch.randn(streams, 9, units, dtype=torch.float64), torch.randn(streams, units, dtype=torch.float64)
    torch.manual_seed(5)
    found, cells = layer(x, c)
    torch.manual_seed(5)
    kept_x, kept_c = (nn.functional.dropout(torch.ones(streams, 1, units, dtype=torch.float64), 0.5)[:, 0] for _ in range(2))
    assert set(kept_x.flatten().tolist()) == {0.0, 2.0} == set(kept_c.flatten().tolist())
    h, expected = one_by_one(layer, x, c, kept_x, kept_c)
    torch.testing.assert_close(found, h)
    torch.testing.assert_close(cells, expected)
    ones = torch.ones_like(c)
    torch.testing.assert_close(layer.eval()(x, c), one_by_one(layer, x, c, ones, ones))


def test_a_carried_state_is_one_long_pass() -> None:
    torch.manual_seed(0)
    model = SRUs(12, 5, layers=3, dropout=0.0, within=0.0, tie=True, scale=0.5).double()
    tokens = torch.randint(12, (4, 20), generator=torch.Generator().manual_seed(1))
    whole = model(tokens)
    states, parts = None, list[Tensor]()
    for part in tokens.split(5, 1):
        read = model.read(part, states)
        states = detached(read.last)
        parts.append(model.logits(read))
    torch.testing.assert_close(torch.cat(parts, 1), whole)


def test_layers_lie_on_each_other_and_their_states_have_places() -> None:
    torch.manual_seed(0)
    model = SRUs(12, 5, layers=3, dropout=0.0, within=0.0, tie=False, scale=0.5)
    read = model.read(torch.randint(12, (2, 6)))
    assert model.places == ("layer1.c", "layer1.h", "layer2.c", "layer2.h", "layer3.c", "layer3.h")
    assert read.inputs[1] is read.hidden[0] and read.inputs[2] is read.hidden[1] and read.top is read.hidden[2]
    for k in range(3):
        assert model.at(f"layer{k + 1}.h", read) is read.hidden[k]
        assert torch.equal(model.at(f"layer{k + 1}.c", read)[:, -1], read.last[k][0])
    model.at("layer2.c", read).square().mean().backward()
    reached = {name.rpartition(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == {"embedding", "recurrent.0", "recurrent.0.product", "recurrent.1", "recurrent.1.product"}


def test_the_large_one_is_the_paper_s() -> None:
    size = sized("sru", "large")
    assert (size.layers, size.batch, size.eta, size.tie, size.adam) == (5, 64, 1e-8, True, False)
    with torch.device("meta"):
        model = built("sru", size, 10_000, bottleneck=False, seed=0)
    assert isinstance(model, SRUs) and sum(p.numel() for p in model.parameters()) == pytest.approx(24e6, rel=0.03)


def test_most_of_an_untrained_layer_goes_by() -> None:
    model = built("sru", sized("sru", "small"), 12, bottleneck=False, seed=0)
    layer = model.get_submodule("recurrent.0")
    assert isinstance(layer, SRU)
    assert (layer.bias[:128] == 0).all() and (layer.bias[128:] == HIGHWAY).all()
    read = model.eval().read(torch.randint(12, (2, 6)))
    through = torch.sigmoid(torch.tensor(HIGHWAY))
    assert (read.hidden[0] - (1 - through) * read.inputs[0]).abs().max() < 0.1 * read.inputs[0].abs().max()
