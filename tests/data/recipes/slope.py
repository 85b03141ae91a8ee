"""A recipe of two parameters that learns a slope in a moment."""

import time
from typing import Literal

import torch
from torch import nn

import ibmon


def train(
    monitor: ibmon.Monitor,
    *,
    lr: float = 0.1,
    activation: Literal["tanh", "relu", "breaks"] = "tanh",
    epochs: int = 5,
    seconds: float = 0.0,
    seed: int = 0,
) -> None:
    """A slope.

    Args:
        seconds: that an epoch takes at least
    """
    if activation == "breaks":
        raise ValueError("there is no such activation")
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(1, 1), nn.Tanh() if activation == "tanh" else nn.ReLU())
    x = torch.linspace(-1, 1, 64)[:, None]
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    data = ibmon.EvaluationSet(x, {"y": (x[:, 0] > 0).long()})
    monitor.watch(model, optimizer=optimizer, evaluation=data, estimators=("binning:width=0.07",))
    for _ in monitor.epochs(epochs):
        time.sleep(seconds)
        loss = (model(x) - x.abs()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        monitor.step(loss)
        optimizer.step()
