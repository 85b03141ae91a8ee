from __future__ import annotations

import pytest
import torch
from torch import nn

from ibmon.capture.layers import Layer, Recorder, choose, describe
from ibmon.records import UsageError


def _names(model: nn.Module, asked: object = None) -> list[str]:
    return [layer.name for layer in choose(model, asked)]  # type: ignore[arg-type]


MLP = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))


def test_by_default_activations_and_the_output_are_watched() -> None:
    assert _names(MLP) == ["1", "3", "4"]
    assert _names(nn.Sequential(nn.LSTM(2, 3), nn.Linear(3, 1))) == ["0", "1"]
    assert _names(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))) == ["0", "1"]


def test_layers_are_asked_for_by_name_glob_and_type() -> None:
    assert _names(MLP, ["0", "3"]) == ["0", "3"]
    assert _names(MLP, ["*"]) == ["0", "1", "2", "3", "4"]
    assert _names(MLP, [nn.Linear]) == ["0", "2", "4"]
    assert choose(MLP, {"first": "1"}) == [Layer("first", "1")]


def test_a_layer_that_does_not_exist_is_one_sentence() -> None:
    model = nn.Sequential()
    model.add_module("encoder", nn.Linear(2, 2))
    with pytest.raises(UsageError, match="did you mean 'encoder'"):
        choose(model, ["encodr"])
    with pytest.raises(UsageError, match="no layer"):
        choose(model, {"a": "b"})


def test_a_layer_says_whether_it_is_an_activation() -> None:
    assert describe(Layer("a", "0"), MLP).stage == "pre-activation"
    assert describe(Layer("a", "1"), MLP).stage == "activation"
    nested = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Tanh()))
    assert describe(Layer("a", "0"), nested).stage == "activation"


def test_outputs_are_copied_before_an_in_place_operation() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True))
    x = torch.randn(5, 4)
    with Recorder(model, choose(model, ["0", "1"])) as recorder, torch.no_grad():
        model(x)
    taken = recorder.activations()
    assert (taken["0"].values < 0).any()
    assert torch.equal(taken["1"].values, taken["0"].values.clamp(min=0))


def test_a_shared_module_gives_one_layer_a_call() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.Tanh()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.act(self.act(x))

    model = Twice()
    x = torch.randn(3, 2)
    with Recorder(model, choose(model, None)) as recorder, torch.no_grad():
        model(x)
        recorder.next_chunk()
        model(x + 1)
    taken = recorder.activations()
    assert list(taken) == ["act", "act:2"]
    assert taken["act:2"].values.shape == (6, 2)


@pytest.mark.parametrize("batch_first", [True, False])
def test_recurrent_outputs_are_sample_time_unit(batch_first: bool) -> None:
    model = nn.Sequential(nn.LSTM(2, 3, batch_first=batch_first))
    x = torch.randn(5, 7, 2)
    with Recorder(model, choose(model, None)) as recorder, torch.no_grad():
        model(x if batch_first else x.transpose(0, 1))
    layer = recorder.activations()["0"]
    assert layer.values.shape == (5, 7, 3)
    assert layer.axes == ("sample", "time", "unit")
