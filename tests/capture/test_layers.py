from __future__ import annotations

import pytest
import torch
from torch import nn

from ibmon.capture.layers import Layer, choose, describe, spread
from ibmon.capture.recording import Recorder
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


class Attention(nn.Module):
    """An attention of somebody's own, told by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(4, 12)


class Block(nn.Module):
    def __init__(self, *, attending: bool = True) -> None:
        super().__init__()
        self.mixer = Attention() if attending else nn.Linear(4, 4)
        self.mlp = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4))


class Transformer(nn.Module):
    def __init__(self, blocks: nn.Module, words: int = 5) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.blocks = blocks
        self.pooler = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
        self.head = nn.Linear(4, words)


def test_of_a_transformer_the_blocks_are_watched() -> None:
    assert _names(Transformer(nn.ModuleList([Block(), Block()]))) == ["blocks.0", "blocks.1", "pooler.1", "head"]
    mixed = nn.ModuleList([Block(), Block(attending=False)])
    assert _names(Transformer(mixed))[:2] == ["blocks.0", "blocks.1"]
    stages = nn.Sequential(nn.Sequential(Block(), Block()), nn.Sequential(Block()))
    assert _names(Transformer(stages))[:3] == ["blocks.0.0", "blocks.0.1", "blocks.1.0"]
    assert _names(nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2), 2, enable_nested_tensor=False)) == [
        "layers.0",
        "layers.1",
    ]


def test_probabilities_of_a_vocabulary_are_not_watched_unless_asked_for() -> None:
    large = Transformer(nn.ModuleList([Block()]), words=30_000)
    assert "head" not in _names(large)
    assert _names(large, ["head"]) == ["head"]


def test_activations_of_other_libraries_are_known_by_their_names() -> None:
    class NewGELUActivation(nn.Module):
        pass

    assert _names(nn.Sequential(nn.Linear(2, 2), NewGELUActivation(), nn.Linear(2, 1))) == ["1", "2"]


def test_many_layers_are_spread_evenly() -> None:
    layers = [Layer(str(k), str(k)) for k in range(100)]
    chosen = spread(layers, 10)
    assert len(chosen) == 10 and chosen[0] == layers[0] and chosen[-1] == layers[-1]
    assert spread(layers[:3], 10) == layers[:3]


def test_outputs_with_time_in_front_are_turned_round() -> None:
    encoder = nn.TransformerEncoderLayer(4, 2, 8)
    x = torch.randn(7, 5, 4)  # time, sample, unit
    model = nn.Sequential(encoder)
    with Recorder(model, choose(model, ["0"])) as recorder, torch.no_grad():
        recorder.expect(5)
        model.eval()(x)
    layer = recorder.activations()["0"]
    assert layer.axes == ("sample", "time", "unit") and layer.values.shape == (5, 7, 4)


def test_a_layer_without_samples_is_left_out_with_the_reason() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.positions = nn.Embedding(3, 4)
            self.tokens = nn.Linear(4, 2)
            self.index = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.index(torch.arange(3))
            return self.tokens((x + self.positions(torch.arange(3))).flatten(0, 1))

    model = Model()
    with Recorder(model, choose(model, ["*"])) as recorder, torch.no_grad():
        recorder.expect(6)
        model(torch.randn(6, 3, 4))
    assert not recorder.activations()
    assert recorder.unusable["positions"] == "its output is 3x4 for 6 samples"
    assert recorder.unusable["tokens"] == "its output is 18x2 for 6 samples"
    assert "no tensor of real numbers" in recorder.unusable["index"]
