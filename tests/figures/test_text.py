"""Figures on a plain standard output."""

import re
from typing import Literal

import numpy as np
import plotext
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from figures.comparable import placed_curves, run, through_training, timepoints
from ibmon.figures.compare import overlay
from ibmon.figures.figure import Axis, Curves, Figure, Heatmap, Histogram, Line, Passage, Plane, Table, Trajectory, View
from ibmon.figures.text import render
from plot import samples
from plot.test_charts import VALUES, VIEWS, empty_figures

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def check(text: str, columns: int, rows: int) -> None:
    lines = ESCAPE.sub("", text).split("\n")
    assert len(lines) <= rows
    assert all(len(line) <= columns for line in lines)
    assert all(c.isprintable() for line in lines for c in line)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("figure", samples.all_figures(), ids=lambda figure: figure.name)
def test_every_figure(figure: Figure, colour: bool) -> None:
    for columns, rows in ((80, 24), (120, 40), (30, 12), (20, 6)):
        text = render(figure, columns, rows, colour)
        check(text, columns, rows)
        assert text.startswith(figure.title[:columns])
        assert colour or "\x1b" not in text


def test_axes_series_and_notes_are_named() -> None:
    text = render(samples.plane(), 80, 24, False)
    for word in ("I(X;T) [bits]", "I(T;Y) [bits]", "layer 1  layer 2", "binned, 30 bins"):
        assert word in text
    assert re.search("[⠀-⣿]", text)
    assert "10⁻¹" in render(samples.curves(), 80, 24, False)


def test_colours_are_used_only_where_asked_for() -> None:
    assert "\x1b[38;5;33m" in render(samples.plane(), 80, 24, True)
    assert "\x1b[48" not in render(samples.plane(), 80, 24, True)


def test_plotext_is_left_empty() -> None:
    plotext.figure.clear()
    empty = plotext.figure.plot_size(40, 10).build().string(True)
    render(samples.plane(), 80, 24, True)
    assert plotext.figure.plot_size(40, 10).build().string(True) == empty
    plotext.figure.clear()


@pytest.mark.parametrize("figure", empty_figures(), ids=lambda figure: type(figure).__name__)
def test_empty(figure: Figure) -> None:
    check(render(figure, 60, 15, True), 60, 15)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("columns", [20, 21, 22, 23, 24, 30, 44])
def test_long_numbers_leave_the_ramp_what_room_there_is(columns: int, colour: bool) -> None:
    values = np.array([[1006.0, -2.69589342e-200], [-2.345e-200, -1.23e-150]])
    for centre in (None, 0.0):
        for figure in (
            Passage(name="w", title="w", words=("a", "word"), values=values, value_label="saliency", centre=centre),
            Heatmap(name="h", title="h", values=-values * 1e-200, row_labels=("a", "b"), centre=centre),
            Heatmap(name="h", title="h", values=values, row_labels=("a", "b"), centre=centre),
        ):
            check(render(figure, columns, 8, colour), columns, 8)


@pytest.mark.parametrize("value", [3.44052619e-200, 2.7e99, 1e-323, 1.0])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_single_value_however_small_has_an_axis(value: float, scale: Literal["linear", "log"]) -> None:
    once = np.array([1])
    axis = Axis(label="x", scale=scale)
    line = Line(label="line", x=once.astype(float), y=np.array([value]), step=once)
    check(render(Curves(name="c", title="c", x=axis, y=axis, lines=(line,)), 40, 12, False), 40, 12)


@settings(max_examples=60)
@given(data=st.data(), view=VIEWS, label=st.text(max_size=20), size=st.tuples(st.integers(20, 90), st.integers(6, 30)))
def test_anything(data: st.DataObject, view, label: str, size: tuple[int, int]) -> None:
    count = data.draw(st.integers(0, 12))
    x, y = (data.draw(hnp.arrays(np.float64, count, elements=VALUES)) for _ in range(2))
    steps = np.arange(count)
    axis = Axis(label=label, scale=data.draw(st.sampled_from(["linear", "log"])))
    for figure in (
        Plane(name="p", title=label, x=axis, y=axis, trajectories=(Trajectory(label=label, x=x, y=y, step=steps, epoch=steps),)),
        Curves(name="c", title=label, x=axis, y=axis, lines=(Line(label=label, x=x, y=y, step=steps),)),
        Heatmap(name="h", title=label, values=x[None], x=axis),
        Histogram(name="i", title=label, edges=np.arange(count + 1.0), counts=np.abs(y)[None], x=axis),
        Passage(name="w", title=label, words=(label, "word") * count, values=np.repeat(x, 2), value_label=label),
    ):
        check(render(figure, *size, data.draw(st.booleans()), view), *size)


def test_a_comparison_names_runs_and_series() -> None:
    plane, loss = overlay({"tanh": run(), "relu": run(1.0)})[:2]
    text = render(plane, 80, 24, False)
    for word in ("●1 tanh · layer 1", "○3 relu · layer 3"):
        assert word in text
    assert text.count("●") > 5
    assert "● 1" not in text
    first, second = render(loss, 80, 24, True, View(colour="run")), render(loss, 80, 24, True)
    names = [re.findall(r"\x1b\[38;5;(\d+)m.. ?(tanh|relu) · (train|test)", text) for text in (first, second)]
    assert len({colour for colour, *_ in names[0]}) == 2
    assert len({colour for colour, *_ in names[1]}) == 1


def test_ramps_of_colours_are_explained() -> None:
    text = ESCAPE.sub("", render(timepoints(20), 80, 24, True))
    assert "timepoint 0  … 19" in text
    assert "t7" not in text
    text = ESCAPE.sub("", render(placed_curves(), 80, 24, True))
    assert "lag 0  … 5" in text
    assert "null" in text
    assert "epoch 1  … 2000" in ESCAPE.sub("", render(samples.plane(), 80, 24, True, View(colour="epoch")))


def test_a_matrix_through_training() -> None:
    plain = render(through_training(), 80, 24, False).split("\n")
    assert plain[1] == "step  r  -0.5 ·░▒▓█ 0.5"
    assert plain[2].startswith("layer 1 ██")
    early = render(through_training(), 80, 24, False, View(until=95)).split("\n")
    assert [line[: 8 + 3 * 10].rstrip() for line in plain[2:4]] == [line.rstrip() for line in early[2:4]]
    assert plain[-1].split()[:3] == ["0", "10", "20"]
    assert "\x1b[38;5;" in render(through_training(), 80, 24, True)
    assert "0.513" in render(samples.heatmap(), 80, 24, False)  # few columns: the numbers themselves


@pytest.mark.parametrize("colour", ["series", "epoch", "position", "run"])
@pytest.mark.parametrize("size", [(80, 24), (33, 14), (20, 6)])
def test_every_meaning_of_colours(colour: str, size: tuple[int, int]) -> None:
    runs = {"tanh": [*run(), *empty_figures()[:2]], "run with a long name": run(1.0), "c": [], "d": run(2.0)}
    for figure in (*overlay(runs), timepoints(40), placed_curves(), through_training(90)):
        for until in (None, 0, 1000):
            for coloured in (False, True):
                check(render(figure, *size, coloured, View(colour=colour, until=until)), *size)


def test_words_bear_their_values_with_colours_and_without() -> None:
    plain = render(samples.passage(), 80, 24, False)
    assert "saliency  0 ¹²³⁴⁵⁶⁷⁸⁹ 1" in plain
    assert plain.count("great⁹") == plain.count("great¹") == 1
    assert "not₇ a great⁹ film" in render(samples.signed_passage(), 80, 24, False)
    coloured = render(samples.passage(), 80, 24, True)
    inks = re.findall(r"\x1b\[48;5;(\d+);38;5;(\d+)mgreat\x1b", coloured)
    assert len(set(inks)) == 2
    assert " .\n" in coloured  # without a value: no colour
    assert " ".join(samples.passage().words) == " ".join(ESCAPE.sub("", coloured).split("\n")[3:7]).strip()
    assert "… 32 more words" in render(samples.passage(), 40, 14, False)


def spread(*, names: int = 5, rows: int = 6) -> Table:
    columns = ("layer of the network", "estimator", "value", "error", "null (p)", "why")[:names]
    row = ("the hidden layer", "binning:width=0.07", "3.341", "0.01234567890123", "0.31 (0.02)", "of 20 halves")[:names]
    return Table(name="t", title="", columns=columns, rows=(row,) * rows)


@pytest.mark.parametrize("columns", range(10, 100))
def test_numbers_of_a_table_are_whole_or_left_out(columns: int) -> None:
    text = render(spread(names=6), columns, 24, False)
    check(text, columns, 24)
    lines = text.split("\n")
    said = lines.pop() if "column" in lines[-1] else ""
    shown = [re.split("  +", line.strip()) for line in lines]
    assert len({len(cells) for cells in shown}) == 1 and len(shown) == 7
    whole = ["3.341", "0.01234567890123", "0.31 (0.02)"]
    assert shown[1][2:5] == whole[: max(len(shown[1]) - 2, 0)]
    gone = 6 - len(shown[1])
    whole_said = f"{gone} column{'s' if gone > 1 else ''} left out: too narrow" if gone else ""
    assert said == whole_said or (len(said) == columns and said.endswith("…") and whole_said.startswith(said[:-1]))
    for cell, full in zip(shown[1], spread(names=6).rows[0], strict=False):
        assert cell == full or (cell.endswith("…") and full.startswith(cell[:-1]) and len(cell) >= 6)


def test_a_table_names_what_it_leaves_out_within_its_room() -> None:
    assert render(spread(names=3), 40, 24, False).split("\n")[1] == "the hidden lay…  binning:width=0…  3.341"
    text = render(spread(), 35, 5, False)
    assert text.split("\n")[-2:] == ["… 4 more", "2 columns left out: too narrow"]
    check(text, 35, 5)
    mixed = Table(name="t", title="", columns=("a", "b"), rows=(("0.123456789012", "3.3"), ("not measured yet", "1.1")))
    assert render(mixed, 19, 9, False).split("\n")[1:3] == ["0.123456789012  3.3", "not measured …  1.1"]
    number = Table(name="t", title="", columns=("a",), rows=(("0.123456789012",),))
    assert render(number, 10, 9, False) == "1 column …"
