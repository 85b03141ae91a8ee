"""The temperature some hours ahead, by a fully recurrent network: the forecast of "Analyzing information in RNNs"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

import ibmon
import ibmon.data

CELLS = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
TRAINED, VALIDATED = 0.7, 0.15
"""Shares of the hours, the earliest first; the rest is tested on."""
ORDER = 48
"""Hours that the linear forecast looks back."""
WARM_UP = 168
"""Hours from which a state is built up before anything is asked of it."""
SNAPSHOTS = 10
"""In every decade of epochs, fewer where they would cost more than the budget: an epoch takes hardly longer than a snapshot."""
LARGEST_GRADIENT = 1.0
"""Norm that gradients are cut to: without it single updates undo epochs of learning."""

State = Tensor | tuple[Tensor, Tensor]


class Network(nn.Module):
    """Inputs ``(streams, time, inputs)`` → a recurrent layer → one output ``(streams, time, 1)``, and the states at the end.

    ``input`` hands the inputs on, so that they can be watched like a layer.
    """

    def __init__(self, cell: str, inputs: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.input = nn.Identity()
        self.hidden = CELLS[cell](inputs, hidden, batch_first=True)
        self.output = nn.Linear(hidden, 1)
        for p in self.parameters():  # what torch does by itself for both, with random numbers of their own
            nn.init.uniform_(p, -(hidden**-0.5), hidden**-0.5, generator=generator)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        states, last = self.hidden(self.input(x), state)
        return self.output(states), last

    def warmed_up(self, before: Tensor) -> State:
        """The state after inputs ``(streams, time, inputs)``; hooks, and so the Monitor, see nothing of the way there."""
        return self.hidden.forward(before)[1]


def detached(state: State) -> State:
    """The same state, through which gradients go no further back."""
    return (state[0].detach(), state[1].detach()) if isinstance(state, tuple) else state.detach()


@dataclass(frozen=True, slots=True)
class Hours:
    """A standardised series as what the network gets and what it shall say.

    ``x`` ``(hours, window)`` are the value now and those before it, the newest first; ``y`` ``(hours,)`` is the value ``horizon``
    later. ``first`` is the number in the series of what the first ``y`` is: parts of the series are told by what is forecast.
    """

    x: Tensor
    y: Tensor
    first: int

    @classmethod
    def of(cls, values: np.ndarray, window: int, horizon: int) -> Hours:
        series = torch.from_numpy(values).float()
        first = window - 1 + horizon
        return cls(series[:-horizon].unfold(0, window, 1).flip(1), series[first:], first)

    def streams(self, end: int, count: int, length: int) -> tuple[Tensor, Tensor]:
        """The last hours before ``end``, cut into ``count`` streams: ``(count, length, window)`` and ``(count, length)``."""
        rows = slice(end - self.first - count * length, end - self.first)
        return self.x[rows].reshape(count, length, -1), self.y[rows].reshape(count, length)

    def stretches(self, starts: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
        """``length`` hours from each of ``starts`` on, and the inputs of the ``WARM_UP`` hours before them.

        ``(starts, length, window)``, ``(starts, WARM_UP, window)`` and the targets ``(starts, length)``.
        """
        rows = starts[:, None] - self.first + torch.arange(-WARM_UP, length)
        x = self.x[rows]
        return x[:, WARM_UP:], x[:, :WARM_UP], self.y[rows[:, WARM_UP:]]


def persistence(values: np.ndarray, horizon: int, start: int) -> np.ndarray:
    """The forecast that nothing changes: for every hour from ``start`` on the value ``horizon`` before it ``(hours,)``."""
    return values[start - horizon : len(values) - horizon]


def autoregression(values: np.ndarray, horizon: int, start: int, trained: int, order: int = ORDER) -> np.ndarray:
    """The linear forecast for every hour from ``start`` on ``(hours,)``: from a constant and the last ``order`` values that are
    known ``horizon`` before, with the weights of least squares on the hours before ``trained``."""
    known = np.lib.stride_tricks.sliding_window_view(values[:-horizon], order)
    design = np.column_stack([known, np.ones(len(known))])  # its row r is what was known of hour r + first
    first = order - 1 + horizon
    weights = np.linalg.lstsq(design[: trained - first], values[first:trained], rcond=None)[0]
    return design[start - first :] @ weights


def rmse(forecast: np.ndarray, values: np.ndarray) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((forecast - values) ** 2)))


@torch.no_grad()
def error(model: Network, hours: Hours, start: int, end: int, streams: int) -> Tensor:
    """Root mean square of the errors on the hours from ``start`` to before ``end``, all at once in ``streams`` stretches.

    Every stretch but the first begins where another ends, with a state of its own that ``WARM_UP`` hours have built up.
    """
    length = -(-(end - start) // streams)
    starts = end - length * torch.arange(streams, 0, -1)  # the first ones may reach back before ``start``: left out below
    x, before, y = hours.stretches(starts, length)
    found = model(x, model.warmed_up(before))[0][..., 0]
    return (found - y).flatten()[start - end :].square().mean().sqrt()


def evaluation_set(hours: Hours, start: int, end: int, streams: int, length: int) -> tuple[ibmon.EvaluationSet, Tensor]:
    """``streams`` stretches spread over the hours from ``start`` to before ``end``, and their targets ``(streams, length, 1)``.

    Each is some days long because information flows between moments: what is estimated pools them along the time. Stretches from
    all seasons say more of the whole part than a few long ones of as many hours, and are cheaper to pass through the network.
    """
    apart = (end - start) // streams
    x, before, y = hours.stretches(start + apart * torch.arange(streams), length)

    def forward(model: nn.Module, inputs: Any) -> Tensor:
        assert isinstance(model, Network)
        now, earlier = inputs
        return model(now, model.warmed_up(earlier))[0]

    return ibmon.EvaluationSet((x, before), forward=forward), y[..., None]


def forecast(targets: Tensor, horizon: int) -> Callable[..., dict[str, ibmon.Activation]]:
    """A probe that says what the outputs are about: ``target`` ``(streams, time, 1)``, the value that each output forecasts, and
    ``horizon``, how many timepoints later that value is an input.

    As targets of the evaluation set they would be classes.
    """

    def probe(model: nn.Module, data: ibmon.EvaluationSet, *, rng: torch.Generator) -> dict[str, ibmon.Activation]:
        return {
            "target": ibmon.Activation(targets, ("sample", "time", "unit")),
            "horizon": ibmon.Activation(torch.tensor([float(horizon)]), ("unit",)),
        }

    return probe


def train(
    monitor: ibmon.Monitor,
    *,
    cell: Literal["elman", "gru", "lstm"] = "elman",
    hidden: int = 32,
    horizon: int = 6,
    window: int = 1,
    epochs: int = 100,
    streams: int = 64,
    bptt: int = 72,
    lr: float = 3e-3,
    csv: str | None = None,
    column: str | None = None,
    eval_hours: int = 2000,
    eval_streams: int = 8,
    seed: int = 0,
) -> None:
    """A fully recurrent network forecasts the hourly temperature at JFK airport, or a column of a file of yours.

    The first 70 % of the hours are trained on, as streams whose state is carried on while gradients go back only so far; the next
    15 % validate, the last 15 % test. The errors stand in one chart with those of two forecasts without a network on the same
    hours: that nothing changes, and linear in the last 48 hours. Gradients are cut to norm 1 before anything is measured of them.

    The nodes are the inputs, the hidden units and the output. The paper does not say how many inputs its network has. A recurrent
    network remembers by itself, so here it is one, the temperature now. With ``window`` earlier hours are inputs too; each is a
    copy of the one beside it an hour later, which is the strongest flow of all and says nothing about the network.

    Args:
        cell: of the hidden layer: elman (tanh), gru or lstm
        hidden: units of the hidden layer
        horizon: hours from the newest input to what is forecast
        window: hours that are inputs at the same time, the newest included
        epochs: passes over the training part
        streams: parts of the training part that are read side by side
        bptt: hours that gradients go back through time
        lr: learning rate of adam
        csv: file with a header whose rows are hours, instead of the temperature at JFK
        column: column of the file, or of the weather at JFK
        eval_hours: hours of the test part that the layers are recorded in, all stretches together
        eval_streams: stretches they are in, each one series of its own
        seed: of the weights
    """
    if min(hidden, horizon, window, streams, bptt, eval_streams) < 1:
        raise ibmon.IbmonError("hidden, horizon, window, streams, bptt and eval-streams are 1 or more.")
    if epochs < 0 or not lr > 0:
        raise ibmon.IbmonError("epochs is 0 or more, and lr above 0.")
    if eval_hours < 2 * eval_streams:
        raise ibmon.IbmonError(f"eval-hours is 2 or more for each of {eval_streams} stretches, not {eval_hours}.")
    data = _series(csv, column)
    values, count = data.values, len(data.values)
    trained, tested = round(TRAINED * count), round((TRAINED + VALIDATED) * count)
    length = eval_hours // eval_streams
    segments = (trained - window - horizon + 1) // (streams * bptt)
    # the least history: of a warm-up before the validation part, whose first stretch may begin up to ``streams`` hours earlier
    if segments < 1 or trained < window + horizon + streams + WARM_UP + 2 * ORDER:
        raise ibmon.IbmonError(
            f"{data.name!r} has {count} values, too few to train on {streams} streams of {bptt}: "
            "take less of streams, bptt, window or horizon."
        )
    if length > (count - tested) // eval_streams:
        raise ibmon.IbmonError(f"{count - tested} hours are tested on; eval-hours takes at most those, not {eval_hours}.")
    mean, deviation = values[:trained].mean(), values[:trained].std()
    if not deviation > 0:
        raise ibmon.IbmonError(f"{data.name!r} is constant where it is trained on: there is nothing to forecast.")
    device = monitor.device
    if device.type == "cpu":
        torch.set_num_threads(1)  # the matrices are tiny: a second thread only waits
    model = Network(cell, window, hidden, torch.Generator().manual_seed(seed)).to(device)
    hours = Hours.of((values - mean) / deviation, window, horizon)
    hours = Hours(hours.x.to(device), hours.y.to(device), hours.first)
    x, y = hours.streams(trained, streams, segments * bptt)
    recorded, targets = evaluation_set(hours, tested, count, eval_streams, length)
    baselines = {
        "persistence": rmse(persistence(values, horizon, tested), values[tested:]),
        f"linear AR({ORDER})": rmse(autoregression(values, horizon, tested, trained), values[tested:]),
    }
    descent = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    monitor.watch(
        model,
        optimizer=descent,
        evaluation={"test": recorded},
        layers=["input", "hidden", "output"],
        estimators=["copula"],
        analyses=["flow"],
        probes={"forecast": forecast(targets, horizon)},
        schedule=ibmon.Schedule(per_decade=SNAPSHOTS, thinnable=True),
        batch_size=streams,
    )
    quantity = f"RMSE [{data.unit}]" if data.unit else "RMSE"
    for epoch in monitor.epochs(epochs, steps_per_epoch=segments):
        state: State | None = None
        total = torch.zeros((), device=device)
        for inputs, said in zip(x.split(bptt, 1), y.split(bptt, 1), strict=True):
            found, after = model(inputs, state)
            state = detached(after)
            loss = nn.functional.mse_loss(found[..., 0], said)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
            monitor.step(loss)
            descent.step()
            descent.zero_grad()
            total += loss.detach()
        monitor.log("train", loss=total / segments)
        for name, start, end in (("validation", trained, tested), ("test", tested, count)):
            monitor.log(f"network {name}", **{quantity: error(model, hours, start, end, streams) * deviation})
        if epoch & (epoch + 1) == 0 or epoch == epochs - 1:  # now and then: a level line needs no more points
            for name, value in baselines.items():
                monitor.log(f"{name} test", **{quantity: value})


def _series(csv: str | None, column: str | None) -> ibmon.data.TimeSeries:
    if csv is None:
        return ibmon.data.jfk_weather(column) if column else ibmon.data.jfk_weather()
    if column is None:
        raise ibmon.IbmonError("csv needs column: which of the file's columns is forecast.")
    return ibmon.data.time_series(Path(csv), column)
