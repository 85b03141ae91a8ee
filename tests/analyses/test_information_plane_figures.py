"""What the information plane draws of what estimators say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from ibmon import Activation, Snapshot
from ibmon.analysis.jobs import plan
from ibmon.analysis.values import logged
from ibmon.figures.build import build_figures
from ibmon.figures.compare import pooled
from ibmon.figures.figure import Curves, Figure, Plane, View
from ibmon.figures.image import save
from ibmon.figures.table import to_csv
from ibmon.plot import draw
from ibmon.records import Result, Value
from ibmon.registry import discover
from support import history_of, written


def figures_of(**about_x: object) -> dict[str, Figure]:
    lines: list[Result] = []
    for seq in range(4):
        values = [
            value
            for layer, x, null in (("a", 3.0, 0.1), ("b", 2.0, 0.7))
            for value in (
                Value(quantity="I(X;T)", value=x + seq, subject={"layer": layer}, estimator="kde", **about_x),
                Value(
                    quantity="I(T;Y)",
                    value=0.2 * seq,
                    subject={"layer": layer},
                    estimator="kde",
                    details={"null": null, "limit": 1.0, "raw": 0.2 * seq},
                    flags={"label_saturated": True} if null > 0.5 else {},
                ),
            )
        ]
        job = "information-plane/kde"
        lines.append(Result(segment=1, seq=seq, job=job, step=seq, epoch=seq, evaluation="all", values=values))
    run = written(lines, role="analyst", run=written([]))
    return {figure.name: figure for figure in build_figures(history_of(run))[0]}


def test_the_null_is_a_dashed_companion_that_no_legend_names() -> None:
    figure = figures_of()["information-ity-kde"]
    assert isinstance(figure, Curves)
    assert [(line.label, line.dashed, line.group) for line in figure.lines] == [
        ("a", False, 0),
        ("a null", True, 0),
        ("b", False, 1),
        ("b null", True, 1),
    ]
    assert (figure.lines[3].y == 0.7).all() and "permuted labels" in figure.note
    drawn = "".join(chr(c) for c in draw(figure, 80, 24, View()).grid.ch.ravel())
    assert "null" not in drawn
    assert "a null" in to_csv(figure)


def test_an_estimate_that_labels_do_not_raise_above_chance_is_drawn_open() -> None:
    plane = figures_of()["information-plane-kde"]
    assert isinstance(plane, Plane)
    a, b = plane.trajectories
    assert a.hollow is not None and b.hollow is not None
    assert not a.hollow.any() and b.hollow.all() and b.flags[0] == ("label_saturated",)
    assert b.y_details["null"].tolist() == [0.7] * 4
    head, first, *_ = to_csv(plane).splitlines()
    row = dict(zip(head.split(","), first.split(","), strict=True))
    assert (row["y_null"], row["y_limit"], row["y_raw"]) == ("0.1", "1", "0")


def test_there_is_no_plane_where_nothing_can_be_said_of_the_layer() -> None:
    drawn = figures_of(flags={"deterministic": True, "saturated": True})
    assert list(drawn) == ["information-ity-kde"]
    assert drawn["information-ity-kde"].important


def convolutional(scale: float, replicas: int = 0) -> dict[str, Activation]:
    """Relu channels of one pixel, then a layer of two of them by ``scale``: less than all channels say, more than one does."""
    axes = ("replica",) if replicas else ()
    rng = torch.Generator().manual_seed(5)
    values = torch.randn(*([replicas] if replicas else []), 60, 4, 1, 1, generator=rng).relu()
    dense = scale * values.flatten(-3)[..., :2]
    return {
        "conv": Activation(values, (*axes, "sample", "channel", "height", "width")),
        "dense": Activation(dense, (*axes, "sample", "unit")),
    }


def drawn(
    *estimators: str, replicas: int = 0, steps: tuple[int, ...] = (0, 4, 9), evaluations: tuple[str, ...] = ("all",)
) -> dict[str, Figure]:
    """The figures of a real measurement of both ways, by name, in their order."""
    jobs, problems = plan(discover(), estimators, ["information-plane:channels=mean"])
    assert not problems
    lines: list[Result] = []
    seq = 0
    for step in steps:
        for evaluation in evaluations:
            layers = convolutional(min(0.05 + step, 1.0), replicas)
            at = Snapshot(step, float(step), evaluation, layers, torch.arange(60), targets={"y": torch.arange(60) % 3})
            lines += [
                Result(
                    segment=1,
                    seq=seq,
                    job=job.name,
                    step=step,
                    epoch=float(step),
                    evaluation=evaluation,
                    values=[logged(m, Path("unused"), "unused") for m in job.measure(at, 0)],
                )
                for job in jobs
                if job.fits(at)
            ]
            seq += 1
    figures, failures = build_figures(history_of(written(lines, role="analyst", run=written([]))))
    assert not failures
    return {figure.name: figure for figure in figures}


def test_ways_are_told_apart_and_the_names_of_the_default_stay() -> None:
    figures = drawn("binning:width=0.5", "kde:variance=0.1", "kde:variance=0.01")
    names = [name for name in figures if name.startswith("information-")]
    single = ["", "-2"]
    assert names == [
        f"information-{kind}-{estimator}"
        for estimator in ("binning", "kde", "kde-2", "binning-mean", "kde-mean", "kde-mean-2")
        for kind in ("plane", "ixt", "ity")
    ] + [f"information-plane-kde{way}{n}-{end}" for way in ("", "-mean") for n in single for end in ("first", "last")]
    concat, mean = figures["information-plane-kde"], figures["information-plane-kde-mean"]
    assert (concat.title, mean.title) == ("information plane", "information plane, mean over channels")
    assert concat.note == "kde:variance=0.1" and mean.note.startswith("kde:variance=0.1; mean over channels")
    assert "mean over channels" in figures["information-ixt-kde-mean"].title
    assert [f.name for f in figures.values() if f.important] == ["information-plane-binning"]
    assert isinstance(concat, Plane) and isinstance(mean, Plane)
    assert mean.trajectories[0].x[0] < concat.trajectories[0].x[0]
    assert mean.trajectories[1].x.tolist() == concat.trajectories[1].x.tolist()


def test_a_set_is_named_whether_or_not_there_are_others() -> None:
    one, both = drawn("kde", evaluations=("test",), steps=(0, 1)), drawn("kde", evaluations=("test", "train"), steps=(0, 1))
    assert set(one) == {name for name in both if "test" in name}


def test_evaluation_sets_stay_apart_within_a_way() -> None:
    figures = drawn("kde", evaluations=("test", "train"), steps=(0, 1))
    planes = [name for name in figures if name.startswith("information-plane")]
    assert planes[:4] == [f"information-plane-kde-{s}" for s in ("test", "test-mean", "train", "train-mean")]
    assert figures["information-plane-kde-train-mean"].title == "information plane on train, mean over channels"


@pytest.mark.parametrize("replicas", [0, 3])
def test_the_note_names_the_layers_that_break_the_order_at_the_end_of_training(replicas: int) -> None:
    figures = drawn("binning:width=0.5", replicas=replicas)
    concat, mean = figures["information-plane-binning"], figures["information-plane-binning-mean"]
    assert concat.note == "binning:width=0.5"
    assert mean.note == "binning:width=0.5; mean over channels; order of data processing broken by dense"
    assert isinstance(mean, Plane)
    dense = mean.trajectories[1]
    assert ["order" in flags for flags in dense.flags] == [False, True, True]
    assert dense.hollow is not None
    raised = [{"saturated", "label_saturated"} & set(flags) for flags in dense.flags]
    assert dense.hollow.tolist() == [bool(names) for names in raised]  # the order leaves points as they are


def test_the_ends_of_training_stand_alone_with_their_bounds(tmp_path: Path) -> None:
    figures = drawn("binning", "kde:variance=0.1")
    assert not any(name.startswith("information-plane-binning-") and name.endswith(("first", "last")) for name in figures)
    plane = figures["information-plane-kde"]
    assert isinstance(plane, Plane)
    for name, at, when in (("first", 0, "untrained"), ("last", -1, "epoch 9")):
        end = figures[f"information-plane-kde-{name}"]
        assert isinstance(end, Plane)
        assert end.title == f"information plane, {when}" and not end.important and end.screen == "plane"
        assert (end.x, end.y, end.references) == (plane.x, plane.y, plane.references)
        assert [t.label for t in end.trajectories] == ["conv", "dense"]
        for one, whole in zip(end.trajectories, plane.trajectories, strict=True):
            assert one.x.tolist() == [whole.x[at]] and one.step.tolist() == [whole.step[at]]
            assert one.x_lower is not None and whole.x_lower is not None
            assert one.x_lower.tolist() == [whole.x_lower[at]] and np.isfinite(one.x_lower).all()
            assert one.flags == (whole.flags[at],) and one.y_details["null"].tolist() == [whole.y_details["null"][at]]
        save(end, tmp_path / "end.png")
        assert imread(tmp_path / "end.png").shape[1] > 900
    assert "dense" in figures["information-plane-kde-mean-last"].note
    assert "dense" not in figures["information-plane-kde-mean-first"].note
    assert "information-plane-kde-first" not in drawn("kde:variance=0.1", steps=(0,))


def test_the_ends_of_several_runs_are_pooled() -> None:
    runs = [list(drawn("kde:variance=0.1", replicas=replicas).values()) for replicas in (0, 2)]
    last = {figure.name: figure for figure in pooled(runs, "g")}["information-plane-kde-last"]
    assert isinstance(last, Plane)
    assert last.trajectories[0].members_x is not None and last.trajectories[0].members_x.shape == (1, 3)


def test_another_unit_is_named_and_has_no_ends_in_bits() -> None:
    figures = drawn("renyi:permutations=0", "kde", steps=(0, 1))
    renyi, kde = figures["information-plane-renyi"], figures["information-plane-kde"]
    assert isinstance(renyi, Plane) and isinstance(kde, Plane)
    assert (renyi.x.label, kde.x.label) == ("I(X;T) [Renyi bits]", "I(X;T) [bits]")
    assert not renyi.references and [r.label for r in kde.references] == ["H(X)", "H(Y)"]
    curves = figures["information-ity-renyi"]
    assert isinstance(curves, Curves) and curves.y.label == "I(T;Y) [Renyi bits]"
