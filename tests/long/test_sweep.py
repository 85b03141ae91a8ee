"""Sweeps by real processes: what fails, what is interrupted, and what goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ibmon.runs.directory import find_runs, status
from support import history_of, ibmon, started, wait_for

pytestmark = pytest.mark.long
SLOPE = Path(__file__).parents[1] / "data" / "recipes" / "slope.py"


def _finished() -> dict[str, str]:
    """The finished runs by their names."""
    return {run.info().name: run.id for run in find_runs() if status(run).state == "finished" and not status(run).detail}


def test_a_run_that_fails_stops_no_other_and_is_run_again_when_asked() -> None:
    asked = ("sweep", str(SLOPE), "--set", "activation=tanh,breaks", "--seeds", "2", "--jobs", "2", "--group", "g")
    done = ibmon(*asked, "--lr", "0.05", "--epochs", "3")
    assert done.returncode == 1, done.stderr
    assert "g: 2 of 4 runs finished" in done.stdout
    assert done.stdout.count("failed: ValueError: there is no such activation") == 2
    first = _finished()
    assert set(first) == {"activation=tanh seed=0", "activation=tanh seed=1"}
    infos = [run.info() for run in find_runs()]
    assert {info.schedule for info in infos} == {"log:40"} and "log:40" in done.stderr
    assert {(info.group, info.seed, info.parameters["lr"]) for info in infos} == {("g", 0, 0.05), ("g", 1, 0.05)}
    again = ibmon(*asked, "--lr", "0.05", "--epochs", "3")
    assert again.returncode == 1
    assert _finished() == first
    assert len(find_runs()) == 6
    other = ibmon("compare", "g", "--json")
    assert other.returncode == 0, other.stderr
    assert json.loads(other.stdout)["compared"] == [{"name": "g", "runs": [first[f"activation=tanh seed={k}"] for k in (0, 1)]}]


def test_an_interrupted_sweep_stops_in_order_and_goes_on_where_it_was() -> None:
    asked = ("sweep", str(SLOPE), "--seeds", "3", "--epochs", "40", "--seconds", "0.05", "--group", "g")
    process = subprocess.Popen([sys.executable, "-m", "ibmon", *asked], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(_finished()) == 1 and len(find_runs()) == 2 and history_of(find_runs()[0]).captured > 3)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=100)
    assert process.returncode == 130, errors
    assert "g: 1 of 3 runs finished" in out and "seed=1: stopped before its end" in out
    assert "--group g" in errors.splitlines()[-1]
    assert len(find_runs()) == 2 and status(find_runs()[0]).detail == "stopped"
    done = ibmon(*asked)
    assert done.returncode == 0, done.stderr
    assert "g: 3 of 3 runs finished" in done.stdout
    assert len(_finished()) == 3 and len(find_runs()) == 4
    assert f"the newest finished one counts, and not {find_runs()[2].id} (stopped)" in done.stdout
    steps = [history_of(run).steps.tolist() for run in find_runs() if run.id in _finished().values()]
    assert steps[0] == steps[1] == steps[2]
    assert all(history_of(run).captured == history_of(run).measured for run in find_runs())


def test_a_run_that_is_under_way_is_waited_for() -> None:
    parameters = {"lr": 0.1, "activation": "tanh", "epochs": 30, "seconds": 0.1, "seed": 1}
    run = started("slope", str(SLOPE.resolve()), parameters=parameters, seed=1, group="g")
    done = ibmon("sweep", str(SLOPE), "--seeds", "2", "--epochs", "30", "--seconds", "0.1", "--group", "g")
    assert done.returncode == 0, done.stderr
    assert f"seed=1: under way as {run.id}" in done.stderr
    assert len(find_runs()) == 2


def test_a_second_interruption_leaves_what_is_under_way_running() -> None:
    asked = ("sweep", str(SLOPE), "--seeds", "2", "--epochs", "1", "--seconds", "8", "--group", "g")
    process = subprocess.Popen(
        [sys.executable, "-m", "ibmon", *asked], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: bool(find_runs()) and history_of(find_runs()[0]).captured > 0)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    for line in process.stderr:
        if "Stopping" in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and "go on in the background" in errors
    (run,) = find_runs()
    assert not status(run).over
    wait_for(lambda: status(run).over)
    assert status(run).state == "finished"
