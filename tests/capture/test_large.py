"""Models that are large, and targets that are no classes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from ibmon.capture import evaluate
from ibmon.capture.evaluate import Watched, chunk_of, labels, limited, snapshot
from ibmon.capture.layers import choose
from ibmon.tensors import EvaluationSet


class Counting(nn.Module):
    """Remembers how many samples it was called with."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(4, width)
        self.seen: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(x))
        return self.linear(x)


def _watched(model: nn.Module, data: EvaluationSet) -> Watched:
    return Watched(model, choose(model, None), {"all": data}, {})


def test_one_pass_takes_as_many_samples_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "CHUNK_BYTES", 100 * 2 * 256 * 4)
    model = Counting(256)
    watched = _watched(model, EvaluationSet(torch.randn(250, 4)))
    chunk, each = chunk_of(watched, "all")
    assert each == 2 * 256 * 4, "the layer and the output"
    assert chunk == 100
    # lists are copied with the shadow: look at the real one by sharing it
    passes: list[int] = []
    model.register_forward_hook(lambda m, args, out: passes.append(len(args[0])))
    shot = snapshot(replace(watched, chunk=chunk), "all", 0, None).snapshot
    assert passes == [100, 100, 50]
    assert shot.layers["linear"].values.shape == (250, 256)


def test_small_layers_go_in_one_pass() -> None:
    assert chunk_of(_watched(Counting(3), EvaluationSet(torch.randn(50, 4))), "all")[0] == evaluate.CHUNK


def test_samples_that_belong_together_are_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "CHUNK", 10)
    edges = torch.arange(50).flip(0)
    data = EvaluationSet(torch.randn(50, 4), forward=lambda m, x: m(x[edges]), whole=True)
    assert limited(data, 5) is data
    watched = replace(_watched(Counting(3), data), chunk=10)
    assert snapshot(watched, "all", 0, None).snapshot.layers["linear"].values.shape == (50, 3)


def test_outputs_of_a_vocabulary_are_not_kept() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 20_000))
    shot = snapshot(_watched(model, EvaluationSet(torch.randn(5, 4))), "all", 0, None).snapshot
    assert shot.outputs is None
    assert list(shot.layers) == ["1"]


def test_real_numbers_are_no_labels() -> None:
    data = EvaluationSet(
        torch.randn(4, 2), {"price": torch.randn(4), "kind": torch.tensor([0, 1, 0, 1]), "new": torch.ones(4).bool()}
    )
    assert list(labels(data)) == ["kind", "new"]
    assert evaluate.static_data(data).targets["new"].dtype == torch.long
