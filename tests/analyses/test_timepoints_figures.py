"""What is drawn of timepoints, from real measurements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ibmon import Activation, EvaluationSet, Monitor, Snapshot, explicit
from ibmon.analysis.jobs import plan
from ibmon.analysis.values import logged
from ibmon.figures.build import build_figures
from ibmon.figures.compare import overlay
from ibmon.figures.figure import Curves, Figure, Heatmap, Plane, View
from ibmon.figures.image import save
from ibmon.figures.table import to_csv
from ibmon.figures.text import render
from ibmon.figures.view import runs_of
from ibmon.plot import draw
from ibmon.records import Result, Value
from ibmon.registry import discover
from ibmon.runs.directory import RunDirectory
from support import history_of, written

SAMPLES, TIME = 60, 6
LABELS = torch.arange(SAMPLES) % 2
MASK = torch.arange(TIME)[None] >= torch.arange(SAMPLES)[:, None] % 4


def states(step: int, replicas: int = 0) -> Activation:
    """States that know more of the label the later they are, and the longer they were trained; masked in front."""
    rng = torch.Generator().manual_seed(step)
    shape = (replicas, SAMPLES, TIME, 2) if replicas else (SAMPLES, TIME, 2)
    noise = torch.randn(*shape, generator=rng)
    signal = step * torch.arange(TIME)[:, None] * (2 * LABELS[:, None, None] - 1)
    mask = MASK.expand(replicas, *MASK.shape) if replicas else MASK
    return Activation(noise + signal, ("replica", "sample", "time", "unit")[0 if replicas else 1 :], mask)


def drawn(
    *estimators: str,
    analyses: tuple[str, ...] = (),
    layers: tuple[str, ...] = ("lstm",),
    evaluations: tuple[str, ...] = ("all",),
    tasks: tuple[str, ...] = ("y",),
    steps: tuple[int, ...] = (0, 1, 3),
    replicas: int = 0,
) -> dict[str, Figure]:
    """The figures by name, in their order."""
    jobs, problems = plan(discover(), estimators, analyses)
    assert not problems
    jobs = [job for job in jobs if job.name.startswith(("timepoints", "information-plane"))]
    tokens = Activation(torch.arange(SAMPLES * TIME).reshape(SAMPLES, TIME) % 3, ("sample", "unit"))
    lines: list[Result] = []
    for seq, (step, evaluation) in enumerate((s, e) for s in steps for e in evaluations):
        at = Snapshot(
            step,
            float(step),
            evaluation,
            {layer: states(step, replicas) for layer in layers},
            torch.arange(SAMPLES),
            inputs=tokens,
            targets=dict.fromkeys(tasks, LABELS),
        )
        for job in jobs:
            values = [logged(m, Path("unused"), "unused") for m in job.measure(at, 0)]
            lines.append(
                Result(segment=1, seq=seq, job=job.name, step=step, epoch=float(step), evaluation=evaluation, values=values)
            )
    figures, failures = build_figures(history_of(written(lines, role="analyst", run=written([]))))
    assert not failures
    return {figure.name: figure for figure in figures if figure.screen == "timepoints"}


KINDS = ("plane", "inputs", "between", "ixt", "ity", "now-x", "now-y")


def test_a_layer_has_its_planes_its_maps_and_its_curves() -> None:
    figures = drawn("binning:width=0.5")
    assert list(figures) == [f"timepoints-{kind}-binning-lstm" for kind in KINDS]
    assert [f.name for f in figures.values() if f.important] == ["timepoints-plane-binning-lstm"]
    plane = figures["timepoints-plane-binning-lstm"]
    assert isinstance(plane, Plane) and plane.positions is not None and plane.positions.label == "timepoint"
    assert [t.label for t in plane.trajectories] == [f"t{t}" for t in range(TIME)]
    assert [t.position for t in plane.trajectories] == list(range(TIME))
    assert plane.trajectories[0].epoch.tolist() == [0, 1, 3] and plane.note == "binning:width=0.5"
    assert all(t.x_lower is None for t in plane.trajectories)
    assert (plane.x.label, plane.y.label) == ("I(X;H_t) [bits]", "I(H_t;Y) [bits]")
    assert [(r.label, r.value) for r in plane.references] == [("H(Y)", 1.0)]
    assert len({f.title for f in figures.values()}) == len(KINDS)


def test_points_are_open_where_they_say_little() -> None:
    plane = drawn("binning:width=1e-6")["timepoints-plane-binning-lstm"]
    assert isinstance(plane, Plane)
    last = plane.trajectories[-1]
    assert last.hollow is not None and last.hollow.all()
    assert {"saturated", "label_saturated"} <= set(last.flags[0])
    coarse = drawn("binning:width=1e6")["timepoints-plane-binning-lstm"]
    assert isinstance(coarse, Plane) and not any(t.hollow is not None and t.hollow.any() for t in coarse.trajectories)


def test_neighbours_leave_out_the_ends() -> None:
    between = drawn("binning:width=0.5")["timepoints-between-binning-lstm"]
    assert isinstance(between, Plane)
    assert [t.position for t in between.trajectories] == [1, 2, 3, 4]
    assert (between.x.label, between.y.label) == ("I(H_t;H_{t-1}) [bits]", "I(H_t;H_{t+1}) [bits]")


def test_maps_are_over_timepoints_and_training_and_end_where_a_view_ends() -> None:
    figures = drawn("kde:variance=0.1")
    about_x, about_y = (figures[f"timepoints-{kind}-kde-lstm"] for kind in ("ixt", "ity"))
    plane = figures["timepoints-plane-kde-lstm"]
    assert isinstance(about_x, Heatmap) and isinstance(about_y, Heatmap) and isinstance(plane, Plane)
    assert about_x.steps is not None and about_x.steps.tolist() == [0, 1, 3]
    assert about_x.row_labels == ("0", "1", "2", "3", "4", "5") and about_x.column_labels == ("0", "1", "3")
    for t, path in enumerate(plane.trajectories):
        assert about_x.values[t].tolist() == path.x.tolist()
        assert about_y.values[t].tolist() == (path.y - path.y_details["null"]).tolist()
    assert "null" in about_y.note and "null" not in about_x.note
    assert about_y.values[-1, -1] > 0.5 > about_y.values[-1, 0]


def test_the_newest_network_over_time_has_its_cap_and_its_null() -> None:
    figures = drawn("kde:variance=0.1")
    x, y = figures["timepoints-now-x-kde-lstm"], figures["timepoints-now-y-kde-lstm"]
    assert isinstance(x, Curves) and isinstance(y, Curves)
    lines = {line.label: line for line in x.lines}
    assert lines["log2 N_t"].dashed and lines["log2 N_t"].y == pytest.approx(np.log2([15, 30, 45, 60, 60, 60]))
    assert {"I(X;H_t)", "I(X_t;H_t)", "I(X_t;H_t) null", "I(H_t;H_{t-1})"} <= lines.keys()
    assert (lines["I(X;H_t)"].y <= lines["log2 N_t"].y + 1e-9).all() and lines["I(X;H_t)"].lower is not None
    assert [(line.label, line.dashed, line.unnamed) for line in y.lines] == [
        ("I(H_t;Y)", False, False),
        ("I(H_t;Y) null", True, True),
    ]
    assert x.x.label == "timepoint" and y.lines[0].x.tolist() == list(range(TIME))
    assert [r.label for r in y.references] == ["H(Y)"] and y.lines[0].step is None


def test_what_padding_predicts_is_dashed_beside_what_was_measured() -> None:
    figures = drawn("binning:width=1e-6", analyses=("timepoints:padding=as-data",))
    name = "timepoints-now-x-binning-lstm-padding-as-data"
    assert list(figures) == [f"timepoints-{kind}-binning-lstm{way}" for way in ("", "-padding-as-data") for kind in KINDS]
    both = figures[name]
    assert isinstance(both, Curves) and "padding=as-data" in both.note
    lines = {line.label: line for line in both.lines}
    measured, predicted = lines["I(X;H_t)"], lines["predicted by padding"]
    assert predicted.dashed and predicted.group == measured.group and not predicted.unnamed
    masked = figures["timepoints-now-x-binning-lstm"]
    assert isinstance(masked, Curves) and "predicted by padding" not in {line.label for line in masked.lines}


def test_sets_layers_estimators_and_tasks_have_figures_of_their_own() -> None:
    figures = drawn("binning", "kde", "kde:variance=0.5", layers=("a", "b"), evaluations=("imdb", "rt"), tasks=("p", "q"))
    ends = [f"{e}-{s}" for e in ("binning-a", "binning-b", "kde-a", "kde-b") for s in ("imdb", "rt")]
    ends += [f"{e}-{s}-2" for e in ("kde-a", "kde-b") for s in ("imdb", "rt")]
    planes = {name for name in figures if name.startswith("timepoints-plane")}
    assert planes == {f"timepoints-plane-{end}-{task}" for end in ends for task in ("p", "q")}
    assert len([name for name in figures if name.startswith("timepoints-now-y")]) == len(ends)
    assert figures["timepoints-plane-kde-a-rt-q"].title == "timepoints of q, a on rt"
    curves = figures["timepoints-now-y-kde-a-rt"]
    assert isinstance(curves, Curves) and [line.label for line in curves.lines if not line.dashed] == ["p", "q"]


def test_a_run_of_one_set_meets_a_run_of_two() -> None:
    both = drawn("kde", evaluations=("imdb", "rt"), steps=(0, 1))
    alone = drawn("kde", evaluations=("imdb",), steps=(0, 1))
    assert set(alone) == {name for name in both if "imdb" in name}
    laid = {f.name: f for f in overlay({"multi": list(both.values()), "single": list(alone.values())})}
    assert runs_of(laid["timepoints-plane-kde-lstm-imdb"]) == ["multi", "single"]
    assert runs_of(laid["timepoints-ixt-kde-lstm-imdb"]) == ["multi", "single"]
    assert laid["timepoints-plane-kde-lstm-rt"].title == "timepoints, lstm on rt · multi"


def test_replicas_are_a_median_with_its_networks() -> None:
    figures = drawn("kde:variance=0.1", replicas=3)
    plane, now = figures["timepoints-plane-kde-lstm"], figures["timepoints-now-y-kde-lstm"]
    heat = figures["timepoints-ixt-kde-lstm"]
    assert isinstance(plane, Plane) and isinstance(now, Curves) and isinstance(heat, Heatmap)
    path = plane.trajectories[2]
    assert path.members_x is not None and path.members_x.shape == (3, 3)
    assert path.x.tolist() == np.median(path.members_x, axis=1).tolist() == heat.values[2].tolist()
    line = now.lines[0]
    assert line.lower is not None and line.upper is not None and (line.lower <= line.y).all() and (line.y <= line.upper).all()


def test_an_estimator_without_labels_draws_what_it_can_tell() -> None:
    figures = drawn("copula", "ksg", analyses=("timepoints-continuous",))
    assert [name for name in figures if "copula" in name] == ["timepoints-between-copula-lstm", "timepoints-now-x-copula-lstm"]
    assert "timepoints-plane-ksg-lstm" not in figures and "timepoints-inputs-ksg-lstm" in figures


@pytest.mark.parametrize("time", [10, 300])
def test_many_timepoints_are_drawn_by_every_renderer(time: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines: list[Result] = []
    for step in range(3):
        values = [
            Value(
                quantity=quantity,
                value=rng.random(time).tolist(),
                subject={"layer": "lstm"},
                axes={"time": list(range(time))},
                estimator="kde",
            )
            for quantity in ("I(X;H_t)", "I(H_t;Y)")
        ]
        lines.append(Result(segment=1, seq=step, job="timepoints/kde", step=step, epoch=float(step), values=values))
    figures, failures = build_figures(history_of(written(lines, role="analyst", run=written([]))))
    assert not failures
    plane = figures[0]
    assert isinstance(plane, Plane) and len(plane.trajectories) == time
    assert len(to_csv(plane).splitlines()) == 1 + 3 * time
    assert "timepoint" in "".join(chr(c) for c in draw(plane, 100, 30, View()).grid.ch.ravel())
    for figure in figures:
        assert figure.title in render(figure, 90, 24, colour=False)
    save(plane, tmp_path / "plane.png", dpi=60)
    assert (tmp_path / "plane.png").stat().st_size > 1000


def test_runs_are_laid_over_each_other() -> None:
    runs = [list(drawn("kde:variance=0.1", steps=steps).values()) for steps in ((0, 1), (0, 2))]
    laid = {figure.name: figure for figure in overlay(dict(zip("ab", runs, strict=True)))}
    plane = laid["timepoints-plane-kde-lstm"]
    assert isinstance(plane, Plane) and {t.run for t in plane.trajectories} == {"a", "b"}


class Last(nn.Module):
    """A recurrent network that names the class at the end of the sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 4, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def test_a_recurrent_network_is_watched_at_every_timepoint(measured: Callable[..., RunDirectory]) -> None:
    def train(monitor: Monitor) -> None:
        torch.manual_seed(0)
        model = Last()
        optimizer = torch.optim.Adam(model.parameters(), 0.05)
        labels = torch.arange(64) % 2
        inputs = torch.rand(64, 5, 1)
        inputs[:, 3] = labels[:, None] * 2.0 - 1.0  # the label is shown at t = 3
        data = EvaluationSet(inputs, {"y": labels}, mask=torch.ones(64, 5, dtype=torch.bool))
        monitor.watch(model, optimizer=optimizer, evaluation={"all": data}, schedule=explicit([0, 30]))
        for _ in range(30):
            loss = nn.functional.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            monitor.step(loss)
            optimizer.step()

    history = history_of(measured(train, estimators=["kde:relative=true,variance=0.1"]))
    assert not history.failures and not history.disabled
    about_y = history.select("I(H_t;Y)", job="timepoints", layer="lstm")[0]
    assert about_y.value.shape == (2, 5)
    excess = about_y.value - about_y.details["null"]
    assert (excess[-1, 3:] > 0.5).all() and (excess[-1, :3] < 0.2).all()
    assert not history.select("I(X;T)", layer="lstm") and history.select("I(X;T)", layer="head")
    names = [figure.name for figure in build_figures(history)[0]]
    assert {"timepoints-plane-kde-lstm", "information-plane-kde"} <= set(names)
