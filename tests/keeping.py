"""A run that kept its snapshots, made in this process."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from ibmon.records import EvaluationInfo, RunInfo, Watch
from ibmon.runs.directory import RunDirectory, create
from ibmon.spool import StaticData, write_group, write_static
from ibmon.tensors import Activation, Snapshot
from support import written


def kept_run(
    layers: dict[int, dict[str, Tensor]],
    targets: dict[str, Tensor],
    *,
    axes: tuple[str, ...] = ("sample", "unit"),
    estimators: tuple[str, ...] = ("binning:width=0.2", "kde:variance=0.01"),
) -> RunDirectory:
    """A run whose snapshots hold these ``layers``, tensors of these ``axes``, by step and name; an epoch is ten steps."""
    run = create(RunInfo(format=1, id=f"kept-{time.monotonic_ns()}", created=time.time() - 60, recipe="kept"))
    samples = len(next(iter(next(iter(layers.values())).values())))
    for seq, (step, tensors) in enumerate(layers.items()):
        activations = {name: Activation(values, axes) for name, values in tensors.items()}
        write_group(run.snapshots, 1, seq, Snapshot(step=step, epoch=step / 10, evaluation="all", layers=activations))
    write_static(run.evaluation, "all", StaticData(torch.arange(samples), None, targets))
    watched = [EvaluationInfo(name="all", samples=samples, given=samples, tasks=list(targets))]
    return written([Watch(segment=1, evaluation=watched, estimators=list(estimators))], run=run)


def trained_run(samples: int = 200) -> RunDirectory:
    """A run of a network of two layers that learns the sign of a product."""
    torch.manual_seed(0)
    x = torch.rand(samples, 2) * 2 - 1
    y = (x.prod(1) > 0).long()
    hidden, head = nn.Linear(2, 5), nn.Linear(5, 2)
    descent = torch.optim.Adam([*hidden.parameters(), *head.parameters()], lr=0.03)
    layers: dict[int, dict[str, Tensor]] = {}
    for step in range(129):
        t = hidden(x).tanh()
        logits = head(t)
        if step == 0 or step & (step - 1) == 0:
            layers[step] = {"hidden": t.detach().clone(), "out": logits.detach().softmax(1)}
        descent.zero_grad()
        nn.functional.cross_entropy(logits, y).backward()
        descent.step()
    return kept_run(layers, {"y": y})
