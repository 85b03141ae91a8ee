"""The gap of a training against information and norm of a layer: what is measured, and which snapshots meet which gaps."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest
import torch

from ibmon import Activation, Curves, Figure, Measurement, Plane, Snapshot
from ibmon.analysis.values import logged
from ibmon.figures.build import build_figures
from ibmon.figures.compare import overlay
from ibmon.figures.image import save
from ibmon.figures.table import to_csv
from ibmon.figures.text import render
from ibmon.records import AnyRecord, Result, Scalars
from ibmon.runs.directory import RunDirectory
from ibmon_analyses.generalisation import Generalisation
from support import history_of, written


def measured(**layers: Activation) -> dict[str, Measurement]:
    snapshot = Snapshot(step=0, epoch=0.0, evaluation="all", layers=layers)
    return {m.subject["layer"]: m for m in Generalisation().measure(snapshot, {})}


def test_the_norm_is_the_mean_over_what_is_data() -> None:
    values = torch.randn(5, 7, 3)
    mask = torch.rand(5, 7) < 0.5
    found = measured(
        plain=Activation(values[:, 0], ("sample", "unit")),
        time=Activation(values, ("sample", "time", "unit"), mask),
        pictures=Activation(values.reshape(5, 7, 3, 1), ("sample", "channel", "height", "width")),
        empty=Activation(values, ("sample", "time", "unit"), torch.zeros_like(mask)),
        replicas=Activation(values, ("replica", "sample", "unit")),
        weights=Activation(values[0], ("row", "unit")),
    )
    assert set(found) == {"plain", "time", "pictures", "empty", "replicas"}
    assert float(found["plain"].value) == pytest.approx(float(values[:, 0].norm(dim=1).mean()))
    assert float(found["time"].value) == pytest.approx(float(values[mask].norm(dim=1).mean()))
    assert float(found["pictures"].value) == pytest.approx(float(values.flatten(1).norm(dim=1).mean()))
    assert isnan(float(found["empty"].value))
    np.testing.assert_allclose(found["replicas"].value, values.norm(dim=-1).mean(1), rtol=1e-6)
    assert list(found["replicas"].axes) == ["replica"]


def run_of(
    folder: Path,
    gaps: Sequence[tuple[int, float]],
    *,
    layer: str = "",
    over_time: bool = False,
    part: str = "test",
    told: Sequence[Scalars] = (),
) -> RunDirectory:
    """Snapshots at steps 0, 10, 20, 30 of layers ``a`` and ``b``; I(X;T) of b is 5, 4, 3, 2 bits, of a one bit more."""
    lines: list[AnyRecord] = [
        Scalars(segment=1, name=part, step=step, epoch=step / 10, values={"loss gap": gap, "loss": 1.0}) for step, gap in gaps
    ]
    run = written([*lines, *told])
    results: list[AnyRecord] = []
    for seq in range(4):
        step, epoch = 10 * seq, float(seq)
        layers = {name: Activation((seq + 1.0) * torch.ones(6, 4), ("sample", "unit")) for name in "ab"}
        asked = Generalisation(layer)
        norms = asked.measure(Snapshot(step=step, epoch=epoch, evaluation="all", layers=layers), {})
        found = {"generalisation" + (f":layer={layer}" if layer else ""): list(norms)}
        for name, offset in (("binning", 0.0), ("kde:variance=0.1", 0.5)):
            of = [("a", 6.0 + offset - seq), ("b", 5.0 + offset - seq)]
            if over_time:
                spread = np.array([-1.0, 1.0, nan])
                found[f"timepoints/{name}"] = [
                    Measurement(
                        quantity="I(X;H_t)", value=v + spread, subject={"layer": who}, axes={"time": [0, 1, 2]}, estimator=name
                    )
                    for who, v in of
                ]
            else:
                found[f"information-plane/{name}"] = [
                    Measurement(quantity="I(X;T)", value=v, subject={"layer": who}, estimator=name, flags={"saturated": seq == 0})
                    for who, v in of
                ]
        for job, values in found.items():
            kept = [logged(m, folder, f"{run.path.name}-{job.partition('/')[2]}-{seq}-{k}") for k, m in enumerate(values)]
            results.append(Result(segment=1, seq=seq, job=job, step=step, epoch=epoch, evaluation="all", values=kept))
    return written(results, role="analyst", run=run)


def figures_of(run: RunDirectory) -> dict[str, Figure]:
    figures, failures = build_figures(history_of(run))
    assert not failures
    return {figure.name: figure for figure in figures if figure.screen == "generalisation"}


def test_snapshots_meet_the_gap_that_was_logged_at_their_step(tmp_path: Path) -> None:
    found = figures_of(run_of(tmp_path, [(10, 0.1), (15, 9.0), (20, 0.4), (20, 0.2), (30, 0.3)]))
    assert list(found) == ["generalisation-loss-gap", "generalisation-loss-gap-norm", "norms"]
    plane, norm, curves = found.values()
    assert isinstance(plane, Plane) and isinstance(norm, Plane) and isinstance(curves, Curves)
    assert plane.important and not norm.important and "of b" in plane.title
    assert [t.label for t in plane.trajectories] == ["binning", "kde:variance=0.1"]
    for t, offset in zip(plane.trajectories, (0.0, 0.5), strict=True):
        assert t.step.tolist() == [10, 20, 30] and t.epoch.tolist() == [1, 2, 3]
        assert t.x.tolist() == [4 + offset, 3 + offset, 2 + offset]
        assert t.y.tolist() == [0.1, 0.2, 0.3], "the last that was logged at a step, and none of a step without a snapshot"
        assert t.hollow is not None and not t.hollow.any()
    (t,) = norm.trajectories
    assert t.label == "b" and t.x.tolist() == [4, 6, 8] and t.y.tolist() == [0.1, 0.2, 0.3]
    assert [line.label for line in curves.lines] == ["a", "b"] and curves.lines[0].y.tolist() == [2, 4, 6, 8]
    for figure in found.values():
        assert figure.title in render(figure, 80, 24, False)
        save(figure, tmp_path / f"{figure.name}.png")
    rows = to_csv(plane).splitlines()
    assert len(rows) == 1 + 6 and any("kde:variance=0.1" in row and "3.5" in row and "0.2" in row for row in rows)


def test_the_layer_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    plane = figures_of(run_of(tmp_path, [(0, 0.0), (10, 0.1)], layer="a"))["generalisation-loss-gap"]
    assert isinstance(plane, Plane) and "of a" in plane.title
    assert plane.trajectories[0].x.tolist() == [6, 5]
    assert plane.trajectories[0].hollow is not None and plane.trajectories[0].hollow.tolist() == [True, False]


def test_timepoints_are_averaged(tmp_path: Path) -> None:
    plane = figures_of(run_of(tmp_path, [(10, 0.1), (20, 0.2)], over_time=True))["generalisation-loss-gap"]
    assert isinstance(plane, Plane) and plane.x.label == "mean over timepoints of I(X;H_t) [bits]"
    assert plane.trajectories[0].x.tolist() == [4, 3], "of those that have a value"


def test_without_a_gap_there_are_the_norms(tmp_path: Path) -> None:
    assert list(figures_of(run_of(tmp_path, []))) == ["norms"]


def test_what_layers_tell_is_set_against_their_information(tmp_path: Path) -> None:
    def said(layer: str, step: int, value: float, quantity: str = "H(Y) − cross-entropy by lens [bits]") -> Scalars:
        return Scalars(segment=1, name=layer, step=step, epoch=step / 10, values={quantity: value})

    told = [said(who, step, k + step / 100) for k, who in enumerate("abc") for step in (10, 15, 30)]
    told.append(said("test", 10, 7.0, "H(Y) − cross-entropy [bits]"))  # of no layer
    found = figures_of(run_of(tmp_path, [], told=told))
    assert list(found) == [
        "generalisation-told-by-lens-binning",
        "generalisation-told-by-lens-kde-variance-0.1",
        "norms",
    ]
    plane = found["generalisation-told-by-lens-kde-variance-0.1"]
    assert isinstance(plane, Plane) and plane.x.label == "I(X;T) [bits]" and "by lens" in plane.y.label
    assert [t.label for t in plane.trajectories] == ["a", "b"], "c is no layer that was watched"
    a, b = plane.trajectories
    assert a.step.tolist() == b.step.tolist() == [10, 30]
    assert a.x.tolist() == [5.5, 3.5] and a.y.tolist() == [0.1, 0.3]
    assert b.x.tolist() == [4.5, 2.5] and b.y.tolist() == [1.1, 1.3]
    plain = figures_of(run_of(tmp_path, [], told=[said("b", 10, 0.5, "H(Y) − cross-entropy [bits]")], over_time=True))
    assert "generalisation-told-binning" in plain
    assert "mean over timepoints of I(X;H_t)" in render(plain["generalisation-told-binning"], 80, 24, False)


def test_runs_are_laid_over_each_other(tmp_path: Path) -> None:
    runs = {
        name: list(figures_of(run_of(tmp_path, [(10, g), (30, 2 * g)])).values()) for name, g in (("none", 0.4), ("anp", 0.1))
    }
    plane = next(f for f in overlay(runs) if f.name == "generalisation-loss-gap")
    assert isinstance(plane, Plane) and {(t.run, t.label) for t in plane.trajectories} == {
        (run, estimator) for run in runs for estimator in ("binning", "kde:variance=0.1")
    }
