"""Compared runs in panels of their own: the same limits, colours and places in all of them."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from figures.comparable import placed_curves, run, through_training, timepoints
from figures.test_compare import SEVERAL
from figures.test_image import texts
from ibmon.figures.compare import overlay
from ibmon.figures.figure import Curves, Figure, Heatmap, Histogram, Passage, Plane, Reference, View
from ibmon.figures.image import default_view, save
from ibmon.figures.panels import apart, columns_of, layouts, of_run, panels, rows_of, twin
from ibmon.figures.table import to_csv
from ibmon.figures.text import render
from ibmon.figures.view import follows_training, runs_of, series_in
from ibmon.plot import draw
from plot import samples

PANELS, OVERLAY = View(layout="panels"), View(layout="overlay")


def planes(count: int = 10) -> Plane:
    """Two runs of as many timepoints; the second has moved by one bit."""
    plane = timepoints(count)
    moved = replace(plane, trajectories=tuple(replace(t, x=t.x + 1) for t in plane.trajectories))
    [laid] = overlay({"tanh": [plane], "relu": [moved]})
    assert isinstance(laid, Plane)
    return laid


def matrices() -> Heatmap:
    """Two runs that were measured at steps 0, 10, ..., 190 and at every other of these, the second to twice the values."""
    first = through_training()
    second = replace(first, values=2 * first.values[:, ::2], steps=first.steps[::2])
    [laid] = overlay({"a": [first], "b": [second]})
    assert isinstance(laid, Heatmap)
    return laid


def test_many_positions_and_matrices_are_apart_unless_told_otherwise() -> None:
    many, few, [loss], heat = planes(5), planes(4), overlay({"a": [samples.losses()], "b": [samples.losses()]}), matrices()
    assert [apart(f, View()) for f in (many, few, loss, heat)] == [True, False, False, True]
    assert [apart(f, PANELS) for f in (many, few, loss, heat)] == [True] * 4
    assert [apart(f, OVERLAY) for f in (many, few, loss, heat)] == [False, False, False, True]
    assert apart(loss, View(alone="b")) and not apart(loss, View(alone="c"))
    for alone in (timepoints(10), through_training(), samples.table()):
        assert layouts(alone) == () and not apart(alone, PANELS)


def test_what_a_panel_does_not_have_is_another_runs() -> None:
    laid = planes()
    parts = panels(laid, View())
    assert list(parts) == ["tanh", "relu"]
    assert Counter(t.label for part in parts.values() for t in series_in(part)) == Counter(t.label for t in laid.trajectories)
    assert list(panels(laid, View(alone="relu"))) == ["relu"]
    assert panels(laid, OVERLAY) == {"": laid}


@settings(max_examples=25)
@given(runs=SEVERAL, scale=st.sampled_from([None, "linear", "log"]))
def test_panels_have_every_series_once_and_the_same_limits(runs: dict[str, list[Figure]], scale) -> None:
    view = View(layout="panels", x_scale=scale, y_scale=scale)
    for laid in overlay(runs):
        parts = panels(laid, view)
        assert Counter(id(s) for part in parts.values() for s in series_in(part)) == Counter(id(s) for s in series_in(laid))
        assert len({(part.x.limits, part.y.limits) for part in parts.values() if isinstance(part, Plane | Curves)}) <= 1
        draw(laid, 90, 30, view)


@pytest.mark.parametrize("size", [(158, 40), (78, 18), (50, 10)])
def test_the_axes_of_all_panels_are_the_same_on_the_screen(size: tuple[int, int]) -> None:
    laid = planes()
    whole = draw(laid, *size, OVERLAY).frame
    for view in (View(), View(alone="tanh"), View(alone="relu")):
        frame = draw(laid, *size, view).frame
        assert (frame.x_limits, frame.y_limits) == (whole.x_limits, whole.y_limits)
    lines = draw(laid, *size, View()).grid.lines()
    heads = [line for line in lines if "● tanh" in line or "○ relu" in line]
    if size[0] >= 78:
        assert heads == lines[:1] and "● tanh" in heads[0] and "○ relu" in heads[0]
        assert "\n".join(lines).count("timepoint") == 1  # what colours mean is said once
    else:
        assert heads == lines[:1] and "1 of 2" in heads[0] and "relu" not in heads[0]


def test_where_there_is_little_room_the_run_of_the_cursor_is_shown() -> None:
    laid = planes()
    assert "relu" in draw(laid, 50, 10, View(cursor=(10, 0))).grid.lines()[0]
    assert "2 of 2" in draw(laid, 50, 10, View(cursor=(10, 0))).grid.lines()[0]
    assert draw(laid, 50, 10, View(alone="relu")).grid.lines()[0].strip() == "○ relu"


def test_a_cursor_stands_at_the_same_place_in_every_panel() -> None:
    laid = planes()
    assert (
        twin(laid, (3, 5), "relu") == (13, 5) and twin(laid, (13, 5), "tanh") == (3, 5) and twin(laid, (3, 5), "tanh") == (3, 5)
    )
    thinned = tuple(
        replace(t, x=t.x[::3], y=t.y[::3], step=t.step[::3], epoch=t.epoch[::3]) if t.run == "relu" else t
        for t in laid.trajectories
    )
    assert twin(replace(laid, trajectories=thinned), (3, 7), "relu") == (13, 2)  # the nearest step
    lacking = tuple(t for t in laid.trajectories if t.run == "tanh" or t.position != 3)
    assert twin(replace(laid, trajectories=lacking), (3, 5), "relu") is None
    heat = matrices()
    assert heat.row_labels == ("layer 1", "layer 2") * 2
    assert twin(heat, (1, 4), "b") == (3, 4) and twin(heat, (1, 19), "b") == (3, 18)
    [counts] = overlay({"a": [samples.histogram()], "b": [samples.histogram()]})
    assert twin(counts, (1, 2), "b") == (3, 2)


def test_matrices_keep_their_steps_and_share_their_colours() -> None:
    heat = matrices()
    assert heat.row_runs == ("a", "a", "b", "b") and heat.steps is not None and len(heat.steps) == 20
    first, second = (part for part in panels(heat, View()).values())
    assert isinstance(first, Heatmap) and isinstance(second, Heatmap)
    np.testing.assert_array_equal(first.values, through_training().values)
    np.testing.assert_array_equal(second.values, 2 * through_training().values[:, ::2])
    assert second.steps is not None and second.steps.tolist() == list(range(0, 200, 20))
    reach = float(np.abs(heat.values[np.isfinite(heat.values)]).max())
    assert first.limits == second.limits == (-reach, reach)
    assert columns_of(heat, "b").tolist() == list(range(0, 20, 2)) and rows_of(heat, "b") == [2, 3]
    rows = to_csv(heat).splitlines()
    assert rows[0].startswith("run,row,column,step,value") and len(rows) == 1 + 2 * 20 + 2 * 10  # and no row of what never was
    assert not follows_training(heat)


def test_matrices_of_other_quantities_do_not_meet() -> None:
    first = through_training()
    laid = overlay({"a": [first], "b": [replace(first, value_label="p")]})
    assert [(f.name, f.title) for f in laid] == [("correlation-a", "correlation · a"), ("correlation-b", "correlation · b")]


def test_histograms_beside_each_other_have_the_bars_of_one_run() -> None:
    one = samples.histogram()
    [laid] = overlay({"a": [one], "b": [replace(one, counts=3 * one.counts)]})
    part = of_run(laid, "a")
    assert isinstance(part, Histogram) and part.labels == one.labels
    np.testing.assert_array_equal(part.counts, one.counts)
    assert part.y.limits[1] == 3 * one.counts.sum(axis=0).max()
    frames = [draw(laid, 60, 20, View(alone=run)).frame for run in "ab"]
    assert frames[0].y_limits == frames[1].y_limits


def test_a_reference_is_drawn_where_its_run_is() -> None:
    plane = replace(timepoints(6), references=())
    marked = replace(plane, references=(Reference(axis="y", value=0.5, label="H(Y)"),))
    [laid] = overlay({"a": [marked], "b": [plane]})
    first, second = (part.references for part in panels(laid, View()).values() if isinstance(part, Plane))
    assert first == marked.references and second == ()


def test_passages_of_the_same_words_stand_below_each_other() -> None:
    one = Passage(name="p", title="p", words=("a", "b"), values=np.eye(2), labels=("untrained", "now"), value_label="saliency")
    [laid] = overlay({"x": [one], "y": [replace(one, values=one.values[0], labels=())]})
    assert isinstance(laid, Passage) and laid.words == one.words
    assert laid.labels == ("x · untrained", "x · now", "y") and laid.values.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert len(overlay({"x": [one], "y": [replace(one, words=("a", "c"))]})) == 2


def test_exports_have_a_panel_for_each_run_and_one_bar(tmp_path: Path) -> None:
    laid = planes()
    assert default_view(laid).colour == "position" and default_view(laid, "overlay").colour == "series"
    save(laid, tmp_path / "a.svg")
    shown = texts(tmp_path / "a.svg")
    assert shown.count("tanh") == shown.count("relu") == shown.count("timepoint") == 1
    assert shown.count(laid.y.label) == 1 and shown.count(laid.x.label) == 2
    save(laid, tmp_path / "b.svg", View(alone="relu"))
    assert "tanh" not in texts(tmp_path / "b.svg")
    save(matrices(), tmp_path / "c.svg")
    shown = texts(tmp_path / "c.svg")
    assert shown.count("a") == shown.count("b") == shown.count("r") == 1
    save(laid, tmp_path / "d.svg", default_view(laid, "overlay"))
    assert "timepoint" not in texts(tmp_path / "d.svg")


@pytest.mark.parametrize("colour", [False, True])
def test_text_has_the_runs_below_each_other_with_the_same_limits(colour: bool) -> None:
    laid = planes()
    lines = re.sub(r"\x1b\[[0-9;]*m", "", render(laid, 80, 44, colour)).splitlines()
    heads = [k for k, line in enumerate(lines) if line in ("● tanh", "○ relu")]
    assert len(heads) == 2 and lines[0] == laid.title and len(lines) <= 44
    axes = [line for line in lines if set(line.split()) and all(w.replace(".", "").isdigit() for w in line.split())]
    assert len(axes) == 2 and axes[0] == axes[1]
    assert "● a" in render(matrices(), 80, 30, colour)


def test_every_kind_of_comparison_is_drawn_in_panels(tmp_path: Path) -> None:
    runs = {name: [*run(float(k))[1:], timepoints(12), placed_curves(12)] for k, name in enumerate("abcd")}
    for laid in overlay(runs):
        for view in (PANELS, View(alone="b"), replace(PANELS, cursor=(1, 1)), replace(PANELS, until=100)):
            for size in ((158, 42), (78, 18), (30, 8)):
                assert draw(laid, *size, view).grid.ch.shape == (size[1], size[0])
        if len(runs_of(laid)) > 1 and isinstance(laid, Histogram | Curves):  # the others are saved above
            save(laid, tmp_path / "a.png", replace(default_view(laid), layout="panels"), dpi=40)
