"""Trainings of several processes: which of them watches, and models that no single one of them can be asked about."""

from __future__ import annotations

import os
import sys
from typing import Any

from torch import nn


def rank() -> int:
    """The number of this process in its training: of torch.distributed, else as ``torchrun`` and Lightning say it."""
    distributed = _initialised()
    if distributed is not None:
        return distributed.get_rank()
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def world() -> int:
    """How many processes train together."""
    distributed = _initialised()
    return distributed.get_world_size() if distributed is not None else int(os.environ.get("WORLD_SIZE") or 1)


def sharding(model: nn.Module) -> str:
    """What spreads the parameters of a model over processes, or an empty string.

    A pass over such a model is a step of all processes together: one alone would wait for the others for ever.
    """
    for module in model.modules():
        if type(module).__name__ == "FullyShardedDataParallel":
            return "FSDP"
    for p in model.parameters():
        if type(p).__name__ == "DTensor" or type(p.data).__name__ == "DTensor":
            return "FSDP or tensor parallelism"
        if hasattr(p, "ds_id"):
            return "DeepSpeed ZeRO-3"
    return ""


def _initialised() -> Any:
    """``torch.distributed``, where a process group is at work; it is never imported for that."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return distributed
    return None
