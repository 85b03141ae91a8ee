"""What a Monitor cannot watch, said before the training starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ibmon.records import UsageError

from . import processes


def refuse(model: Any, optimizer: Any) -> None:
    """Raises UsageError for a model that is no module and for what is not one optimizer."""
    if model is not None and not isinstance(model, nn.Module):
        raise UsageError(f"A Monitor watches a torch.nn.Module, not a {type(model).__name__}.")
    if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
        raise UsageError(f"optimizer= is the one whose updates count, a torch.optim.Optimizer, not a {type(optimizer).__name__}.")


def out_of_reach(model: nn.Module) -> str:
    """Why no process can capture the layers of a model, in a sentence, or nothing."""
    sharded = processes.sharding(model)
    if sharded:
        return f"The model is sharded over processes ({sharded}): no single one can capture it."
    if isinstance(model, torch.jit.ScriptModule):
        return "The model is compiled by torch.jit, whose layers cannot be captured: watch the model that it was made from."
    return ""


def listed(names: str | Sequence[str]) -> Sequence[str]:
    """A single name is one name, and not its letters."""
    return [names] if isinstance(names, str) else names
