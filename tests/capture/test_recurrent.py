from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ibmon import EvaluationSet
from ibmon.capture import evaluate, recurrent
from ibmon.capture.layers import Layer, choose, describe
from ibmon.capture.recording import Recorder
from ibmon.capture.recurrent import Part, parts, unroll
from ibmon.records import UsageError
from support import history_of

KINDS: dict[str, Callable[..., nn.RNNBase]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "tanh": nn.RNN,
    "relu": lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k),
}


def _named(**modules: nn.Module) -> nn.Sequential:
    model = nn.Sequential()
    for name, module in modules.items():
        model.add_module(name, module)
    return model


def _names(model: nn.Module, asked: Any) -> list[str]:
    return [layer.name for layer in choose(model, asked)]


@st.composite
def modules(draw: st.DrawFn) -> tuple[nn.RNNBase, Tensor, Tensor]:
    """A recurrent module of any make, inputs (samples, time, features), and lengths of which one is the whole time."""
    torch.manual_seed(draw(st.integers(0, 1000)))
    features, units, samples, time = (draw(st.integers(1, 6)) for _ in range(4))
    module = KINDS[draw(st.sampled_from(list(KINDS)))](
        *(features, units),
        num_layers=draw(st.integers(1, 3)),
        bias=draw(st.booleans()),
        batch_first=draw(st.booleans()),
        bidirectional=draw(st.booleans()),
    )
    lengths = torch.randint(1, time + 1, (samples,))
    lengths[draw(st.integers(0, samples - 1))] = time
    return module, 2 * torch.randn(samples, time, features), lengths


def _states(module: nn.RNNBase, samples: int) -> Any:
    h, c = torch.randn(2, len(module.all_weights), samples, module.hidden_size)
    return (h, c) if isinstance(module, nn.LSTM) else h


def _last(found: dict[Part, Tensor], quantity: str, lengths: Tensor) -> Tensor:
    """Final states as the modules give them: of the backward direction at the first timepoint."""
    rows = torch.arange(len(lengths))
    return torch.stack([v[:, 0] if p.reverse else v[rows, lengths - 1] for p, v in found.items() if p.quantity == quantity])


@settings(max_examples=60)
@given(modules(), st.booleans(), st.booleans())
def test_the_steps_are_those_of_the_module(made: tuple[nn.RNNBase, Tensor, Tensor], packed: bool, started: bool) -> None:
    module, x, lengths = made
    states = _states(module, len(x)) if started else None
    if packed:
        inputs = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    else:
        inputs, lengths = x if module.batch_first else x.transpose(0, 1), torch.full((len(x),), x.shape[1])
    with torch.no_grad():
        output, final = module(inputs, states)
    expected = pad_packed_sequence(output, batch_first=True)[0] if packed else output
    if not packed and not module.batch_first:
        expected = output.transpose(0, 1)
    found, mask = unroll(module, list(parts(module)), inputs, states)
    directions = (False, True) if module.bidirectional else (False,)
    hidden = torch.cat([found[Part("h", module.num_layers - 1, r)] for r in directions], 2)
    assert torch.allclose(hidden, expected, atol=1e-6)
    finals = dict(zip("hc", final, strict=True)) if isinstance(final, tuple) else {"h": final}
    for quantity, values in finals.items():
        assert torch.allclose(_last(found, quantity, lengths), values, atol=1e-6)
    assert (mask is not None) == packed
    if mask is not None:
        assert torch.equal(mask.sum(1), lengths)
        assert all(not values[~mask].any() for values in found.values())


def test_gates_say_how_the_states_follow_from_one_another() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 7, 3)
    lstm, gru = nn.LSTM(3, 5, batch_first=True), nn.GRU(3, 5, batch_first=True)
    q = {part.quantity: v for part, v in unroll(lstm, list(parts(lstm)), x)[0].items()}
    assert torch.allclose(q["c"][:, 1:], q["f"][:, 1:] * q["c"][:, :-1] + q["i"][:, 1:] * q["g"][:, 1:], atol=1e-6)
    assert torch.allclose(q["h"], q["o"] * q["c"].tanh(), atol=1e-6)
    (into, over, *biases), *_ = lstm.all_weights
    net = x[:, 1:] @ into.T + q["h"][:, :-1] @ over.T + sum(biases)
    assert torch.allclose(q["f"][:, 1:], net[..., 5:10].sigmoid(), atol=1e-6), "the second quarter of the weights is the gate's"
    q = {part.quantity: v for part, v in unroll(gru, list(parts(gru)), x)[0].items()}
    assert torch.allclose(q["h"][:, 1:], (1 - q["z"][:, 1:]) * q["n"][:, 1:] + q["z"][:, 1:] * q["h"][:, :-1], atol=1e-6)
    assert (q["r"] > 0).all() and (q["r"] < 1).all()


@pytest.mark.parametrize("kind", list(KINDS))
def test_long_inputs_are_projected_in_blocks(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = KINDS[kind](3, 4, bidirectional=True)
    x = torch.randn(11, 5, 3)
    whole, _ = unroll(module, list(parts(module)), x)
    monkeypatch.setattr(recurrent, "BLOCK", 5 * 16 * 3)
    blocks, _ = unroll(module, list(parts(module)), x)
    assert all(torch.allclose(values, whole[part], atol=1e-6) for part, values in blocks.items())


def test_what_is_not_asked_for_is_not_kept() -> None:
    module = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    asked = {Part("f", 1, reverse=True), Part("c", 0)}
    assert set(unroll(module, asked, torch.randn(6, 2, 3))[0]) == asked


def test_a_single_sequence_is_one_sample() -> None:
    module = nn.LSTM(3, 4)
    x, states = torch.randn(6, 3), (torch.randn(1, 4), torch.randn(1, 4))
    found, _ = unroll(module, [Part("h")], x, hx=states)
    assert torch.allclose(found[Part("h")][0], module(x, states)[0], atol=1e-6)


def test_parts_are_asked_for_by_name_and_glob() -> None:
    model = _named(lstm=nn.LSTM(2, 3), deep=nn.GRU(3, 3, num_layers=2, bidirectional=True), out=nn.Linear(3, 1))
    assert _names(model, ["lstm"]) == ["lstm"]
    assert _names(model, ["out", "lstm.c", "lstm"]) == ["lstm", "lstm.c", "out"]
    assert _names(model, ["lstm.gates"]) == ["lstm.i", "lstm.f", "lstm.o", "lstm.g"]
    assert _names(model, ["lstm.*"]) == ["lstm.h", "lstm.c", "lstm.i", "lstm.f", "lstm.o", "lstm.g"]
    assert _names(model, ["deep.z"]) == ["deep.0.z", "deep.0r.z", "deep.1.z", "deep.1r.z"]
    assert _names(model, ["deep.1r.gates"]) == ["deep.1r.r", "deep.1r.z", "deep.1r.n"]
    assert _names(model, ["*.h"]) == ["lstm.h", "deep.0.h", "deep.0r.h", "deep.1.h", "deep.1r.h"]
    assert _names(model, ["*"]) == _names(model, None) == ["lstm", "deep", "out"]
    assert choose(model, {"cell": "lstm.c"}) == [Layer("cell", "lstm", Part("c"))]
    assert _names(model, {"a": "deep.1.gates", "b": "out"}) == ["a.1.r", "a.1.z", "a.1.n", "b"]
    assert describe(Layer("cell", "lstm", Part("c")), model).stage == ""
    assert describe(Layer("gate", "lstm", Part("f")), model).stage == "activation"


def test_what_has_no_such_inside_is_one_sentence() -> None:
    model = _named(lstm=nn.LSTM(2, 3, proj_size=2), rnn=nn.RNN(2, 3), out=nn.Linear(3, 1))
    with pytest.raises(UsageError, match=r"'lstm' has projections \(proj_size=2\)"):
        choose(model, ["lstm.c"])
    assert _names(model, ["lstm"]) == ["lstm"]
    with pytest.raises(UsageError, match=r"inside 'rnn' are h\.$"):
        choose(model, {"gates": "rnn.gates"})
    with pytest.raises(UsageError, match=r"There is no layer 'out\.h'"):
        choose(model, ["out.h"])


class Reader(nn.Module):
    """Reads sequences of several lengths (samples, time, 1); its last hidden state is the output."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 3, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        if lengths.min() == lengths.max():
            return self.lstm(x[:, : lengths[0]])[1][0][0]
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return self.lstm(input=packed)[1][0][0]


def test_packed_sequences_have_a_mask_whatever_the_longest_of_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "CHUNK", 3)
    torch.manual_seed(1)
    model = Reader()
    x, lengths = torch.randn(8, 6, 1), torch.tensor([2, 1, 2, 5, 3, 1, 4, 4])  # the last chunk is not packed
    layers, outputs = evaluate.forward(model, choose(model, ["lstm", "lstm.h", "lstm.c"]), EvaluationSet((x, lengths)))
    assert list(layers) == ["lstm", "lstm.h", "lstm.c"]
    for layer in layers.values():
        assert layer.axes == ("sample", "time", "unit") and layer.values.shape == (8, 5, 3)
        assert layer.mask is not None and torch.equal(layer.mask.sum(1), lengths)
        assert not layer.values[~layer.mask].any()
    assert torch.allclose(layers["lstm"].values, layers["lstm.h"].values, atol=1e-6)
    assert outputs is not None
    assert torch.allclose(layers["lstm.h"].values[torch.arange(8), lengths - 1], outputs.values, atol=1e-6)


def test_a_module_that_is_called_twice_is_unrolled_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            first, state = self.rnn(x)
            return self.rnn(first, state)[0]

    model, x = Twice(), torch.randn(4, 3, 2)
    with Recorder(model, choose(model, ["rnn", "rnn.h"])) as recorder:
        model(x)
    taken = recorder.activations()
    assert set(taken) == {"rnn", "rnn.h", "rnn:2", "rnn.h:2"}
    assert torch.allclose(taken["rnn.h:2"].values, taken["rnn:2"].values, atol=1e-6)
    assert not taken["rnn.h"].values.requires_grad


def test_under_autocast_the_states_are_those_of_full_precision() -> None:
    module, x = nn.LSTM(2, 3), torch.randn(5, 4, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = unroll(module, [Part("c")], x.bfloat16())
    assert found[Part("c")].dtype == torch.float32
    assert torch.allclose(found[Part("c")], unroll(module, [Part("c")], x.bfloat16().float())[0][Part("c")])


def test_a_watched_training_is_untouched_and_its_gates_are_measured(measured: Callable[..., Any]) -> None:
    def training(monitor: Any = None) -> nn.Sequential:
        torch.manual_seed(0)
        model = _named(lstm=nn.LSTM(1, 4, batch_first=True, dropout=0.0))
        x = torch.randn(30, 6, 1)
        descent = torch.optim.Adam(model.parameters(), lr=0.01)
        if monitor is not None:
            evaluation = EvaluationSet(x, {"y": (x.mean((1, 2)) > 0).long()})
            monitor.watch(model, optimizer=descent, evaluation=evaluation, layers=["lstm", "lstm.c", "lstm.gates"])
        for _ in range(5):
            model(x)[0].square().mean().backward()
            descent.step()
            descent.zero_grad()
        return model

    kept: list[nn.Sequential] = []

    def watched(monitor: Any) -> None:
        kept.append(training(monitor))

    run = measured(watched, estimators=["binning:width=0.5"])
    for ours, theirs in zip(kept[0].parameters(), training().parameters(), strict=True):
        assert torch.equal(ours, theirs)
    history = history_of(run)
    assert not history.failures and not history.disabled
    assert {s.subject["layer"] for s in history.select("I(X;H_t)")} == {"lstm", "lstm.c", "lstm.i", "lstm.f", "lstm.o", "lstm.g"}
