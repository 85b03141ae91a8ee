"""Which run a Monitor writes into."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ibmon.runs.directory import RunDirectory, find_runs
from support import history_of

SEEDS = """
import torch, ibmon
from torch import nn

x = torch.randn(20, 3)
for seed in range(3):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    with ibmon.Monitor(model, inputs=x, schedule="every:1steps") as monitor:
        for _ in range(2 + seed):
            monitor.step(model(x).sum())
"""


def trained(script: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=folder, env={**os.environ, **environment}
    )
    return done.stderr


ONE = SEEDS.replace("range(3)", "range(1)")
LOOP = "        for _"
FORK = """
        import os
        child = os.fork()
        if not child:
            ibmon.Monitor(model, inputs=x).step(1.0)
            os._exit(0)
        os.waitpid(child, 0)
"""
MOVE = """
        import os
        os.chdir("elsewhere")
"""


def taken(run: RunDirectory) -> int:
    """Snapshots of a run, with those that came too fast for the disk."""
    history = history_of(run)
    return history.captured + len(history.dropped)


def test_every_training_of_a_loop_has_a_run_of_its_own(tmp_path: Path) -> None:
    said = trained(SEEDS, tmp_path)
    runs = find_runs()
    assert said.count("watch this run with") == 3
    assert [len(history_of(run).segments) for run in runs] == [1, 1, 1]
    assert sorted(taken(run) for run in runs) == [3, 4, 5]


def test_a_child_of_a_training_has_no_run_of_its_own(tmp_path: Path) -> None:
    said = trained(ONE.replace(LOOP, FORK + LOOP), tmp_path)
    assert len(find_runs()) == 1 and "another process already monitors" in said


def test_a_training_that_changes_its_folder_is_recorded_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    trained(ONE.replace(LOOP, MOVE + LOOP), tmp_path, IBMON_RUNS="here")
    (run,) = find_runs(tmp_path / "here")
    assert taken(run) == 3 and not list((tmp_path / "elsewhere").iterdir())
