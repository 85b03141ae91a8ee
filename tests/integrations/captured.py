"""What a run captured, as tests of trainings by other libraries' trainers ask for it."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ibmon import Snapshot
from ibmon.runs.directory import RunDirectory
from ibmon.runs.history import History
from ibmon.spool import groups, read_group, read_static
from support import history_of


@dataclass(frozen=True)
class Capture:
    """What a run captured."""

    run: RunDirectory

    @property
    def history(self) -> History:
        return history_of(self.run)

    @property
    def snapshots(self) -> list[Snapshot]:
        (folder,) = self.run.spools()
        return [read_group(group, lambda name: read_static(self.run.evaluation, name)) for group in groups(folder)]

    @property
    def steps(self) -> list[int]:
        return [s.step for s in self.snapshots]

    @property
    def problems(self) -> list[str]:
        said = [n.text for n in self.history.notices if n.level != "info"]
        return said + [d.reason for d in self.history.dropped]


def random_states() -> list[Any]:
    """What the next random numbers of everybody depend on."""
    return [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()]


def seeded() -> None:
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)


def described(name: str) -> str:
    """The script of this name in docs/own-scripts.md."""
    text = (Path(__file__).parents[2] / "docs" / "own-scripts.md").read_text()
    (script,) = re.findall(rf"^```python {re.escape(name)}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return script
