"""The gradient of each sample's loss by each of its words."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from ibmon import Activation, EvaluationSet
from ibmon.probes import saliency

WORDS, UNITS, TIME = 12, 3, 5


def squared(outputs: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
    return (outputs - targets["y"]).square().mean()


class Weighed(nn.Module):
    """Σ_t w_t · e_t, so that ∂(output)/∂e_t is w_t."""

    def __init__(self, *, frozen: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, UNITS).requires_grad_(not frozen)
        self.w = nn.Parameter(torch.randn(TIME, UNITS))

    def forward(self, tokens: Tensor) -> Tensor:
        e = self.embedding(tokens)
        return e.mul_(self.w).sum((1, 2))  # in place, as networks may


def asked(model: nn.Module, data: EvaluationSet, module: str = "embedding", samples: int = 200) -> Activation:
    model.eval()
    return saliency(module, samples=samples)(model, data, rng=torch.Generator())


def tokens_of(samples: int) -> Tensor:
    return torch.randint(0, WORDS, (samples, TIME), generator=torch.Generator().manual_seed(samples))


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("samples", [7, 50, 200])
def test_a_linear_model_has_its_weights_times_the_error_as_saliency(frozen: bool, samples: int) -> None:
    torch.manual_seed(1)
    model, tokens, y = Weighed(frozen=frozen), tokens_of(90), torch.randn(90)
    with torch.no_grad():  # as the trainer may be: the probe needs gradients all the same
        found = asked(model, EvaluationSet(tokens, {"y": y}, loss=squared), samples=samples)
        expected = 2 * (model(tokens) - y).abs()[:, None] * model.w.norm(dim=1)
    assert found.axes == ("sample", "time") and found.mask is None
    torch.testing.assert_close(found.values, expected[:samples])


@pytest.mark.parametrize("frozen", [False, True])
def test_the_model_stays_as_it_was(frozen: bool) -> None:
    model = Weighed(frozen=frozen)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    learning, random = [p.requires_grad for p in model.parameters()], torch.get_rng_state()
    asked(model, EvaluationSet(tokens_of(40), {"y": torch.zeros(40)}, loss=squared))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()] == learning
    assert all(p.grad is not None and bool((p.grad == 1).all()) for p in model.parameters())
    assert not model.embedding._forward_hooks


def test_a_model_that_looks_at_one_word_has_its_saliency_there() -> None:
    class Spotting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(WORDS, UNITS)

        def forward(self, tokens: Tensor) -> Tensor:
            return (self.embedding(tokens) * (tokens == 7)[..., None]).sum((1, 2))

    tokens = tokens_of(60)
    found = asked(Spotting(), EvaluationSet(tokens, {"y": torch.full((60,), 50.0)}, loss=squared))
    assert torch.equal(found.values > 0, tokens == 7) and bool((tokens == 7).any())


class Packed(nn.Module):
    """The last state of an LSTM over what is data; several inputs, padding at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Sequential(nn.Embedding(WORDS, UNITS))
        self.lstm = nn.LSTM(UNITS, 4, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.words(tokens), lengths, batch_first=True, enforce_sorted=False)
        return self.head(self.lstm(packed)[1][0][0])


def entropy(outputs: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
    return nn.functional.cross_entropy(outputs, targets["y"])


@given(lengths=st.lists(st.integers(1, TIME), min_size=2, max_size=40), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_what_stands_at_padding_changes_nothing(lengths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    model, n = Packed(), len(lengths)
    mask = torch.arange(TIME) < torch.tensor(lengths)[:, None]
    y, tokens = torch.arange(n) % 2, tokens_of(n)
    found, other = (
        asked(model, EvaluationSet((t, torch.tensor(lengths)), {"y": y}, mask, loss=entropy), "words")
        for t in (tokens, torch.where(mask, tokens, (tokens + 1) % WORDS))
    )
    assert found.mask is not None and torch.equal(found.mask, mask)
    assert torch.equal(found.values, other.values) and bool((found.values[~mask] == 0).all())
    alone = asked(model, EvaluationSet((tokens[-1:], torch.tensor(lengths[-1:])), {"y": y[-1:]}, loss=entropy), "words")
    torch.testing.assert_close(found.values[-1:], alone.values)  # the samples do not act on each other


def test_recurrent_layers_run_without_cudnn_which_has_no_way_back_in_evaluation_mode() -> None:
    seen: list[bool] = []

    class Watching(Weighed):
        def forward(self, tokens: Tensor) -> Tensor:
            seen.append(torch.backends.cudnn.enabled)
            return super().forward(tokens)

    before = torch.backends.cudnn.enabled
    asked(Watching(), EvaluationSet(tokens_of(4), {"y": torch.zeros(4)}, loss=squared))
    assert seen == [False] and torch.backends.cudnn.enabled == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_what_the_cpu_gives() -> None:
    torch.manual_seed(0)
    lengths, y = torch.arange(40) % TIME + 1, torch.arange(40) % 2
    mask = torch.arange(TIME) < lengths[:, None]
    model = Packed()
    here = asked(model, EvaluationSet((tokens_of(40), lengths), {"y": y}, mask, loss=entropy), "words")
    data = EvaluationSet(
        (tokens_of(40).cuda(), lengths),
        {"y": y.cuda()},
        mask.cuda(),
        forward=lambda m, inputs: m(inputs[0], inputs[1].cpu()),
        loss=entropy,
    )
    there = asked(model.cuda(), data, "words")
    assert there.values.device.type == "cpu" and there.mask is not None and there.mask.device.type == "cpu"
    torch.testing.assert_close(there.values, here.values, rtol=1e-4, atol=1e-6)


class Twice(Weighed):
    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens) + super().forward(tokens)


class Apart(Weighed):
    def forward(self, tokens: Tensor) -> Tensor:
        self.embedding(tokens)
        return self.w.sum().expand(len(tokens))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(UNITS, UNITS, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0].sum((1, 2))


TOLD = EvaluationSet(tokens_of(4), {"y": torch.zeros(4)}, loss=squared)


@pytest.mark.parametrize(
    ("model", "data", "module", "said"),
    [
        (Weighed(), EvaluationSet(tokens_of(4), {"y": torch.zeros(4)}), "embedding", "needs a loss"),
        (Weighed(), TOLD, "words", "no module 'words'; its embeddings are embedding"),
        (nn.Linear(2, 1), TOLD, "embedding", "it has no nn.Embedding"),
        (Twice(), TOLD, "embedding", "called 2 times a pass"),
        (Apart(), TOLD, "embedding", "does not depend on the output of 'embedding'"),
        (Recurrent(), EvaluationSet(torch.zeros(4, TIME, UNITS), loss=squared), "lstm", "puts out tuple, not one tensor"),
        (
            Weighed(),
            EvaluationSet(tokens_of(4), {"y": torch.zeros(4)}, torch.ones(4, 2, dtype=torch.bool), loss=squared),
            "embedding",
            r"has the shape \(4, 5, 3\), not \(4, 2, units\)",
        ),
        (
            Weighed(),
            EvaluationSet(tokens_of(4), {"y": torch.zeros(4)}, loss=lambda outputs, targets: outputs - targets["y"]),
            "embedding",
            r"one number.*not of shape \(4,\)",
        ),
    ],
)
def test_what_it_cannot_do_is_one_sentence(model: nn.Module, data: EvaluationSet, module: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        asked(model, data, module)


def test_no_samples_are_refused_when_the_probe_is_made() -> None:
    with pytest.raises(ValueError, match="one sample or more"):
        saliency(samples=0)
