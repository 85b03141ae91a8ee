"""The monitor never harms the training: the same weights and random numbers, bit for bit, with and without it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ibmon.runs.directory import find_runs
from support import finished, history_of, wait_for

SCRIPTS = Path(__file__).parents[1] / "scripts"
pytestmark = pytest.mark.long


def _weights(script: str, out: Path, *arguments: str) -> Any:
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(out, weights_only=False)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    ("script", "options", "snapshots"),
    [
        ("resnet", None, 17),
        ("carried", None, 10),
        ("compiled", None, 13),
        ("tishby_weights", None, 21),
        ("tishby_weights", {"epochs": 20, "dynamics": True, "protocol": "frozen"}, 21),
        ("tishby_weights", {"epochs": 20, "replicas": 3, "noise": 0.1}, 11),
    ],
    ids=["resnet", "carried", "compiled", "tishby", "updates and frozen gradients", "noisy replicas"],
)
def test_training_is_bit_for_bit_the_same(script: str, options: dict[str, Any] | None, snapshots: int, tmp_path: Path) -> None:
    given = [] if options is None else [json.dumps(options)]
    alone = _weights(script, tmp_path / "a.pt", *given)
    again = _weights(script, tmp_path / "b.pt", *given)
    assert _same(alone, again), "the script itself is not reproducible"
    watched = _weights(script, tmp_path / "c.pt", *given, "--monitor")
    (run,) = find_runs()
    wait_for(lambda: finished(run), "for the analysis")
    history = history_of(run)
    assert history.captured == history.measured == snapshots, history.notices
    assert not history.dropped and not history.failures
    assert not [n for n in history.notices if n.level == "error"]
    assert history.end is not None and history.end.status == "finished"
    assert _same(alone, watched), "the monitor changed the training"
