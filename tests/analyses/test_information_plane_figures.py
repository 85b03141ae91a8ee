"""What the information plane draws of what estimators say."""

from __future__ import annotations

from ibmon.figures.build import build_figures
from ibmon.figures.figure import Curves, Figure, Plane, View
from ibmon.figures.table import to_csv
from ibmon.plot import draw
from ibmon.records import Result, Value
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
