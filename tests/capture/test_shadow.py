"""The evaluation pass leaves no trace: not in weights, buffers, modes, carried states, or random numbers."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from ibmon import EvaluationSet, tap
from ibmon.capture import shadow
from ibmon.capture.evaluate import Watched, limited, samples_of, snapshot, static_data
from ibmon.capture.layers import choose
from ibmon.capture.shadow import CaptureError, ChangedError
from ibmon.records import UsageError


class Awkward(nn.Module):
    """Everything that makes an evaluation pass dangerous."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.5)
        self.linear = nn.Linear(4, 4)
        self.calls = 0
        self.state: torch.Tensor | None = None
        self.merged = False

    def eval(self) -> Awkward:
        self.merged = True  # as LoRA layers do: weights would be merged here
        return super().eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        h = self.drop(self.linear(self.norm(x)))
        h = h + torch.rand(()) + float(np.random.rand()) + random.random()
        self.state = h if self.state is None or self.state.shape != h.shape else self.state + h
        return self.state


def _watched(model: nn.Module, inputs: object = None, **more: object) -> Watched:
    data = EvaluationSet(torch.randn(6, 4) if inputs is None else inputs)
    return Watched(model, choose(model, None), {"all": data}, {}, **more)  # type: ignore[arg-type]


def _trained() -> Awkward:
    model = Awkward()
    model.train()
    for _ in range(3):
        model(torch.randn(6, 4)).sum().backward()
        model.state = model.state.detach() if model.state is not None else None
    return model


def test_nothing_moves() -> None:
    model = _trained()
    watched = _watched(model)
    model(torch.randn(6, 4))  # leaves a carried state with a history: deepcopy alone would refuse it
    state = {k: v.clone() for k, v in model.state_dict().items()}
    carried, calls = model.state, model.calls
    grads = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    randoms = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    found = snapshot(watched, "all", 0, None)
    taken, failed = found.snapshot, found.failed
    assert set(taken.layers) == {"norm", "linear"} and not failed
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert model.state is carried and model.calls == calls and model.training and not model.merged
    assert all(m.training for m in model.modules())
    assert all(torch.equal(a, p.grad) for a, p in zip(grads, model.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), randoms[0])
    assert random.getstate() == randoms[1]
    assert np.array_equal(np.random.get_state()[1], randoms[2])


def test_the_shadow_evaluates_in_evaluation_mode() -> None:
    model = nn.Sequential(nn.Linear(4, 50), nn.Dropout(0.9), nn.Identity())
    model.train()
    taken = snapshot(
        Watched(model, choose(model, ["0", "2"]), {"all": EvaluationSet(torch.randn(6, 4))}, {}), "all", 0, None
    ).snapshot
    assert torch.equal(taken.layers["0"].values, taken.layers["2"].values)


def test_a_later_capture_sees_the_current_weights_and_buffers() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2))
    watched = _watched(model)
    before = snapshot(watched, "all", 0, None).snapshot
    model.train()
    for _ in range(10):
        model(torch.randn(8, 4) * 5 + 3)
    with torch.no_grad():
        model[1].weight.mul_(2.0)
    after = snapshot(watched, "all", 1, None).snapshot
    model.eval()
    with torch.no_grad():
        assert torch.equal(after.layers["1"].values, model(watched.evaluation["all"].inputs))
    assert not torch.equal(before.layers["1"].values, after.layers["1"].values)


class Uncopyable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.linear = nn.Linear(4, 2)
        self.calls = 0

    def __deepcopy__(self, memo: object) -> Uncopyable:
        raise TypeError("no copies")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.linear(self.norm(x))


def test_a_model_that_cannot_be_copied_is_evaluated_in_place_and_put_back() -> None:
    model = Uncopyable().train()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    taken = snapshot(_watched(model), "all", 0, None).snapshot
    assert "linear" in taken.layers
    assert model.training and model.norm.training and model.calls == 0
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


def test_a_forward_pass_that_changes_weights_is_refused() -> None:
    class Restless(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                self.weight.mul_(0.5)
            return super().forward(x)

    with pytest.raises(CaptureError, match="changes the parameter"):
        snapshot(_watched(nn.Sequential(Restless(4, 2))), "all", 0, None)


@pytest.mark.parametrize("replaced", [True, False])
def test_a_copy_that_leads_back_to_the_model_is_refused_and_its_statistics_put_back(replaced: bool) -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(4)
            self.body = lambda x: self.norm(x)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(x) if replaced else self.body(x)

    model = Held()
    if replaced:
        old = model.forward
        model.forward = lambda x: old(x) * 2
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ChangedError, match="leads back to it"):
        snapshot(_watched(nn.Sequential(model, nn.Tanh())), "all", 0, None)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_an_uninitialised_model_is_not_touched() -> None:
    with pytest.raises(CaptureError, match="not initialised"):
        snapshot(_watched(nn.Sequential(nn.LazyLinear(3))), "all", 0, None)


def test_a_compiled_model_is_captured_eagerly() -> None:
    inner = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    compiled = torch.compile(inner, backend="eager")
    taken = snapshot(
        Watched(compiled, choose(inner, None), {"all": EvaluationSet(torch.randn(6, 4))}, {}), "all", 0, None
    ).snapshot
    assert taken.layers["1"].values.shape == (6, 3)
    assert shadow.unwrapped(compiled) is inner


def test_probes_backpropagate_and_ablate_on_a_copy_of_their_own() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    weights = [p.detach().clone() for p in model.parameters()]

    def saliency(probed: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> torch.Tensor:
        x = data.inputs.clone().requires_grad_()
        probed(x).square().sum().backward()
        return x.grad

    def ablation(probed: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            probed[0].weight.zero_()
            return {"without": probed(data.inputs)}

    def broken(probed: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> torch.Tensor:
        raise ValueError("no")

    data = EvaluationSet(torch.randn(6, 4))
    probes = {"saliency": saliency, "ablation": ablation, "broken": broken}
    found = snapshot(Watched(model, choose(model, None), {"all": data}, probes), "all", 0, None)
    taken, failed = found.snapshot, found.failed
    assert taken.probes["saliency"].values.shape == (6, 4)
    assert taken.probes["saliency"].values.abs().sum() > 0
    assert "ablation.without" in taken.probes
    assert failed == {"broken": "ValueError: no"}
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())


def test_tapped_tensors_are_layers_inside_a_capture_only() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * tap("gate.pos", torch.sigmoid(self.gate(x)), axes=("sample", "unit"))

    model = Gated()
    x = torch.randn(3, 4)
    tensor = torch.ones(2)
    assert tap("outside", tensor) is tensor
    taken = snapshot(Watched(model, [], {"all": EvaluationSet(x)}, {}), "all", 0, None).snapshot
    assert torch.equal(taken.layers["gate.pos"].values, torch.sigmoid(model.gate(x)).detach())


def test_large_sets_are_evaluated_in_chunks_and_joined() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    x = torch.randn(9000, 2)
    taken = snapshot(_watched(model, x), "all", 0, None).snapshot
    with torch.no_grad():
        torch.testing.assert_close(taken.layers["1"].values, model(x))


def test_a_sample_cap_draws_the_same_samples_every_time() -> None:
    data = EvaluationSet({"x": torch.arange(100.0)[:, None]}, {"y": torch.arange(100)})
    first, second = limited(data, 10), limited(data, 10)
    assert samples_of(first) == 10
    assert torch.equal(first.inputs["x"][:, 0].long(), first.targets["y"])
    assert torch.equal(first.inputs["x"], second.inputs["x"])
    with pytest.raises(UsageError):
        samples_of(EvaluationSet(torch.zeros(3, 1), {"y": torch.zeros(4)}))


def test_equal_inputs_have_one_identity() -> None:
    data = static_data(EvaluationSet((torch.tensor([[1.0], [2.0], [1.0]]), torch.tensor([[0], [0], [0]]))))
    assert data.identity is not None
    assert data.identity[0] == data.identity[2] != data.identity[1]
