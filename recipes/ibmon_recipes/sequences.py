"""Trend against noise: the simulated sequences of the information planes of a multi-task LSTM, and what they were made after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

import ibmon
from ibmon_recipes import networks

HIGHEST = 1000
"""Of the integers that sequences are made of; the network gets them divided by it."""
TIMEPOINTS = 10
SHORTEST, LONGEST = 3, 20
"""Of the sequences of several lengths."""
ESTIMATORS = ("kde:relative=true,variance=0.1", "binning:width=0.07")
"""Once trained, bins tell nearly all sequences apart by the states of this many units; relative noise does not."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """``x`` ``(samples, time, 1)``, zero past the end of each; ``lengths`` and ``trend`` (1, or 0 for noise) ``(samples,)``."""

    x: Tensor
    lengths: Tensor
    trend: Tensor

    @property
    def mask(self) -> Tensor:
        """Which timepoints are data ``(samples, time)``."""
        return torch.arange(self.x.shape[1], device=self.x.device) < self.lengths[:, None]

    def to(self, device: torch.device) -> Sequences:
        return Sequences(self.x.to(device), self.lengths.to(device), self.trend.to(device))


def paper(samples: int, generator: torch.Generator) -> Sequences:
    """Ten timepoints of Gaussian noise, or of consecutive integers from an arbitrary one on, divided by ``HIGHEST``.

    The paper does not say the noise's mean and variance. They are those of the integers here, ½ and 1/12, so that neither tells
    the classes apart at a single timepoint.
    """
    lengths = torch.full((samples,), TIMEPOINTS)
    noise = 0.5 + 12**-0.5 * torch.randn(samples, TIMEPOINTS, generator=generator)
    return _either(noise, lengths, generator)


def damien(samples: int, generator: torch.Generator) -> Sequences:
    """The generator of A. Damien's example of a dynamic recurrent network, which the paper names.

    Lengths are uniform on 3 to 20; noise is integers uniform on 0 to ``HIGHEST``, a trend consecutive ones whose start is
    uniform on 0 to ``HIGHEST`` − length; all are divided by ``HIGHEST``.
    """
    lengths = torch.randint(SHORTEST, LONGEST + 1, (samples,), generator=generator)
    noise = torch.randint(0, HIGHEST + 1, (samples, LONGEST), generator=generator) / HIGHEST
    return _either(noise, lengths, generator)


GENERATORS = {"paper": paper, "damien": damien}


def _either(noise: Tensor, lengths: Tensor, generator: torch.Generator) -> Sequences:
    """Each sequence with probability ½ a trend instead of its noise ``(samples, time)``."""
    samples, time = noise.shape
    starts = (torch.rand(samples, generator=generator, dtype=torch.float64) * (HIGHEST + 1 - lengths)).long()
    trends = (starts[:, None] + torch.arange(time)) / HIGHEST
    trend = torch.randint(0, 2, (samples,), generator=generator)
    drawn = Sequences(torch.where(trend[:, None] == 1, trends, noise)[..., None], lengths, trend)
    return Sequences(drawn.x * drawn.mask[..., None], lengths, trend)


class Network(nn.Module):
    """One LSTM layer, and a linear map with softmax of its hidden state after the last timepoint that is data."""

    def __init__(self, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 2)
        self.output = nn.Softmax(dim=1)
        for p in self.parameters():  # what torch does by itself for both, with random numbers of their own
            nn.init.uniform_(p, -(hidden**-0.5), hidden**-0.5, generator=generator)

    def logits(self, x: Tensor, lengths: Tensor) -> Tensor:
        """``(samples, 2)`` of sequences ``(samples, time, 1)``."""
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        return self.head(last[0])

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.output(self.logits(x, lengths))


def train(
    monitor: ibmon.Monitor,
    *,
    generator: Literal["paper", "damien"] = "paper",
    epochs: int = 200,
    batch: int = 128,
    lr: float = 1e-3,
    optimizer: Literal["adam", "sgd"] = "adam",
    hidden: int = 64,
    samples: int = 1000,
    eval_samples: int = 500,
    seed: int = 0,
) -> None:
    """A one-layer LSTM tells linear trends from noise: the simulated experiment of the information planes of LSTMs.

    T is taken over test sequences, at every timepoint that is data: the hidden state, the cell state, and the output. The paper
    trains for 1000 epochs with the learning rate 0.001: adam learns the task in 200, plain sgd is still at chance then.

    Args:
        generator: paper has ten timepoints and Gaussian noise, damien three to twenty and uniform noise
        epochs: passes over the training set
        batch: sequences in a minibatch
        lr: learning rate
        optimizer: adam or plain sgd
        hidden: units of the LSTM
        samples: how many sequences are trained on
        eval_samples: how many others the planes and the test accuracy are of
        seed: of the sequences, the weights and the order of the minibatches
    """
    device = monitor.device
    if min(samples, eval_samples, hidden, batch) < 1:
        raise ibmon.IbmonError("samples, eval-samples, hidden and batch are 1 or more.")
    if device.type == "cpu":
        torch.set_num_threads(1)  # the matrices are tiny: a second thread only waits
    random = torch.Generator().manual_seed(seed)
    model = Network(hidden, random).to(device)
    drawn = GENERATORS[generator]
    trained = drawn(samples, networks.stream("train", seed)).to(device)
    tested = drawn(eval_samples, networks.stream("test", seed)).to(device)
    descent = networks.descent_of(model.parameters(), optimizer, lr)
    monitor.watch(
        model,
        optimizer=descent,
        evaluation={"test": ibmon.EvaluationSet((tested.x, tested.lengths), {"trend": tested.trend}, tested.mask)},
        layers=["lstm", "lstm.c", "output"],
        estimators=ESTIMATORS,
        batch_size=batch,
    )
    often = max(1, epochs // 200)
    for epoch in monitor.epochs(epochs, steps_per_epoch=-(-samples // batch), short_last=samples % batch > 0):
        for rows in torch.randperm(samples, generator=random).to(device).split(batch):
            loss = nn.functional.cross_entropy(model.logits(trained.x[rows], trained.lengths[rows]), trained.trend[rows])
            loss.backward()
            monitor.step(loss)
            descent.step()
            descent.zero_grad()
        if epoch % often == 0 or epoch == epochs - 1:
            with torch.no_grad():
                for name, data in (("train", trained), ("test", tested)):
                    logits = model.logits(data.x, data.lengths)
                    accuracy = (logits.argmax(1) == data.trend).float().mean()
                    monitor.log(name, loss=nn.functional.cross_entropy(logits, data.trend), accuracy=accuracy)
