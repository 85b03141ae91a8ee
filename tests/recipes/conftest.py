"""Recipes trained without a Monitor, as they would be by themselves."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import nn


class Unwatched:
    """A monitor that measures nothing and remembers what it was told."""

    device = torch.device("cpu")
    model: nn.Module
    watched: dict[str, Any]

    def __init__(self) -> None:
        self.logged: dict[str, list[dict[str, float]]] = {}
        self.losses: list[float] = []
        self.snapshots: list[dict[str, torch.Tensor]] = []
        """The weights at each that was asked for."""

    def watch(self, model: nn.Module, **options: Any) -> None:
        self.model, self.watched = model, options

    def epochs(self, n: int, **_: Any) -> Iterable[int]:
        return range(n)

    def step(self, loss: torch.Tensor) -> None:
        self.losses.append(float(loss.detach()))

    def snapshot(self) -> None:
        self.snapshots.append(copy.deepcopy(self.model.state_dict()))

    def log(self, name: str, **values: torch.Tensor) -> None:
        self.logged.setdefault(name, []).append({key: float(value) for key, value in values.items()})


@pytest.fixture
def alone() -> Callable[..., Unwatched]:
    """``alone(train, **options)`` trains a recipe and returns what it trained and told."""

    def run(train: Callable[..., None], **options: Any) -> Unwatched:
        monitor = Unwatched()
        train(monitor, **options)
        return monitor

    return run
