"""Runs in notebooks and scripts."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ibmon
from ibmon import AnalysisSpec, EvaluationSet, IbmonError, Monitor
from ibmon.figures import build
from ibmon.records import Result, Scalars, Value
from ibmon.runs.directory import RunDirectory
from ibmon.runs.listing import rename
from support import history_of, written

Measured = Callable[..., RunDirectory]


def _train(monitor: Monitor) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(64, 3, generator=rng)
    y = (x.sum(1) > 0).long()
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor.watch(model, optimizer=optimizer, evaluation={"all": EvaluationSet(x, {"y": y})})
    for _ in monitor.epochs(3):
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        monitor.step(loss)
        optimizer.step()
        optimizer.zero_grad()
        monitor.log("validation", loss=loss.item())


@pytest.fixture
def run(measured: Measured) -> ibmon.Run:
    return ibmon.open(measured(_train, estimators=["binning"]).path)


def test_a_real_run_as_columns_and_pictures(run: ibmon.Run, tmp_path: Path) -> None:
    history = history_of(RunDirectory(run.path))
    assert run.status.state == "finished" and run.info.recipe == "toy" and run.id == run.info.id
    frame = run.frame()
    assert len({len(column) for column in frame.values()}) == 1
    (series,) = history.select("I(X;T)", layer="1")
    rows = (frame["quantity"] == "I(X;T)") & (frame["layer"] == "1")
    np.testing.assert_array_equal(frame["value"][rows], series.value)
    np.testing.assert_array_equal(frame["step"][rows], series.step)
    assert set(frame["estimator"][rows]) == {series.estimator}
    scalars = run.scalars()
    np.testing.assert_array_equal(
        scalars["value"][scalars["quantity"] == "validation/loss"], history.scalars["validation/loss"].value
    )
    pictures = run.figures()
    plane = pictures["information-plane-binning"]
    assert plane._repr_png_().startswith(b"\x89PNG")
    assert plane.name == "information-plane-binning" and "Figure" not in repr(plane)
    plane.save(tmp_path / "plane.svg")
    assert (tmp_path / "plane.svg").read_text().startswith("<?xml")
    pictures["loss"].save(str(tmp_path / "loss.csv"))
    assert {r["series"] for r in csv.DictReader((tmp_path / "loss.csv").read_text().splitlines())} == {"training", "validation"}
    with pytest.raises(ValueError, match=r"\.png, \.svg or \.pdf"):
        plane.save(tmp_path / "plane.gif")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_columns_are_a_data_frame(library: str, run: ibmon.Run) -> None:
    frames: Any = pytest.importorskip(library)
    columns = run.frame()
    frame = frames.DataFrame(columns)
    assert frame.shape == (len(columns["value"]), len(columns)) and list(frame.columns) == list(columns)
    newest = frame[frame["quantity"] == "I(X;T)"] if library == "pandas" else frame.filter(frames.col("quantity") == "I(X;T)")
    assert newest["step"].max() == 3
    np.testing.assert_array_equal(frame["value"].to_numpy(), columns["value"])


def _written() -> RunDirectory:
    lines = [
        Result(
            segment=1,
            seq=seq,
            job="foreign/toy",
            step=10 * seq,
            values=[Value(quantity="q", value=[float(seq), -1.0], axes={"replica": [0, 1]})],
        )
        for seq in range(3)
    ]
    return written(lines, role="analyst")


def test_a_run_that_goes_on_is_read_on() -> None:
    made = _written()
    run = ibmon.open(made.path)
    assert len(run.frame()["value"]) == 6 and not len(run.scalars()["value"])
    written([Scalars(segment=1, name="validation", step=30, values={"loss": 1.0})], run=made)
    assert len(run.frame()["value"]) == 7
    assert {name: column.tolist() for name, column in run.scalars().items() if name in ("step", "quantity", "value")} == {
        "step": [30],
        "quantity": ["validation/loss"],
        "value": [1.0],
    }


def test_single_networks_and_earlier_steps() -> None:
    run = ibmon.open(_written().path)
    assert run.frame(replica=0, until=10)["value"].tolist() == [0.0, 1.0]
    (picture,) = run.figures(replica=0, until=10).values()
    assert picture.figure.lines[0].y.tolist() == [0.0, 1.0]
    with pytest.raises(IbmonError, match="no network 7"):
        run.frame(replica=7)


def test_runs_are_found_as_the_commands_find_them(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = _written(), _written()
    assert ibmon.open().id == ibmon.open("latest").id == second.id
    rename(first, "the first")
    assert ibmon.open("the first").path == first.path
    assert ibmon.open(first.id[:-1] if first.id[:-1] != second.id[:-1] else first.id).id == first.id
    with pytest.raises(IbmonError, match="no run 'absent'"):
        ibmon.open("absent")
    monkeypatch.setenv("IBMON_RUNS", "nowhere")
    with pytest.raises(IbmonError, match="no run in nowhere yet"):
        ibmon.open()


def test_figures_that_fail_are_told_and_harm_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    class Registry:
        def analyses(self) -> list[AnalysisSpec]:
            return [AnalysisSpec(name="foreign", target="nowhere:analysis", figures="nowhere:figures")]

        def provider(self, kind: str, name: str) -> str:
            return "somebody 1.0"

    monkeypatch.setattr(build, "_installed", Registry)
    with pytest.warns(UserWarning, match=r"the figures of foreign \(somebody 1\.0\) failed"):
        assert ibmon.open(_written().path).figures() == {}
