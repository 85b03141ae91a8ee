"""The parts that need no terminal: where charts lie, where the cursor goes, what differs between two rows."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style

from ibmon.figures.figure import Axis, Curves, Graph, Heatmap, Line, Passage, Plane, Trajectory, View
from ibmon.plot import draw
from ibmon.tui import looking
from ibmon.tui.layout import capacity, tiles
from ibmon.tui.readout import readout
from ibmon.tui.rows import changed, fitted, width_of

STYLE = Style(bold=True)


@given(st.integers(1, 9), st.integers(1, 250), st.integers(1, 80))
def test_tiles_cover_everything_once(count, width, height):
    covered = np.zeros((height, width), int)
    for place in tiles(count, width, height):
        covered[place.y : place.bottom, place.x : place.right] += 1
    assert (covered == 1).all()


def test_capacity():
    assert capacity(80, 20) == 1
    assert capacity(160, 41) == 6
    assert capacity(1, 1) == 1


rows = st.lists(st.builds(Segment, st.text("ab 层", min_size=1, max_size=4), st.just(STYLE)), max_size=6)


@given(rows, rows)
def test_rows_are_equal_outside_of_what_changed(before, after):
    def cells(row):
        return [c for s in row for character in s.text for c in ([character] if character != "层" else ["层", ""])]

    size = max(width_of(before), width_of(after))
    a, b = (cells(row) + [" "] * (size - width_of(row)) for row in (before, after))
    extent = changed(before, after) or (0, 0)
    assert a[: extent[0]] == b[: extent[0]]
    assert a[extent[1] :] == b[extent[1] :]


@given(rows, st.integers(0, 12))
def test_rows_are_cut_to_a_width(row, width):
    assert width_of(fitted(row, width)) <= width


def curves(*values):
    lines = tuple(
        Line(label=str(i), x=np.arange(len(y), dtype=float), y=np.array(y, float), step=np.arange(len(y)))
        for i, y in enumerate(values)
    )
    return Curves(name="c", title="c", x=Axis(label="epoch"), y=Axis(label="value [bits]"), lines=lines)


def test_the_cursor_stands_on_points_only():
    nan = float("nan")
    figure = curves([1, nan, 3, nan], [nan, nan], [5, 6, 7, 8])
    view = looking.pointed(figure, View())
    assert view.cursor == (0, 2)
    view = looking.moved(figure, view, -1, 0)
    assert view.cursor == (0, 0)
    view = looking.moved(figure, view, -1, 0)
    assert view.cursor == (0, 0)
    view = looking.moved(figure, view, 0, 1)
    assert view.cursor == (2, 0)
    assert looking.pointed(figure, View(until=1)).cursor == (0, 0)
    assert looking.pointed(curves([nan]), View()).cursor is None


def test_reading_a_curve_and_a_heatmap():
    said = "".join(text for words in readout(curves([1.5, 2.5]), View(cursor=(0, 1))) for text, _ in words)
    assert "value 2.5 bits" in said
    assert "epoch 1" in said
    heat = Heatmap(name="h", title="h", values=np.array([[1.0, np.nan]]), row_labels=("a",), column_labels=("b", "c"))
    said = "".join(text for words in readout(heat, View(cursor=(0, 0))) for text, _ in words)
    assert "row a" in said
    assert "value 1" in said


def test_a_note_is_no_estimator():
    plain, unit = curves([1.5, 2.5]), "squared units of the activation"
    estimated = replace(plain, lines=(replace(plain.lines[0], estimator="kde"),))
    path = Trajectory(label="a", x=np.zeros(1), y=np.zeros(1), step=np.zeros(1, int), epoch=np.zeros(1))
    plane = Plane(name="p", title="p", x=Axis(label="x"), y=Axis(label="y"), trajectories=(path,), note=unit)
    heat = Heatmap(name="h", title="h", values=np.ones((1, 1)), note=unit)
    for figure, said in (
        (plain, "not an estimate   no flags"),
        (replace(plain, note=unit), f"{unit}   no flags"),
        (replace(estimated, note=unit), "estimator kde   no flags"),
        (plane, f"{unit}   no flags"),
        (replace(plane, trajectories=(replace(path, estimator="kde"),)), "estimator kde   no flags"),
        (heat, f"{unit}   no flags"),
    ):
        assert "".join(text for text, _ in readout(figure, View(cursor=(0, 0)))[-1]) == said


def test_views():
    figure = curves([1, 2, 3])
    view = looking.rescaled(View(x_limits=(1.0, 2.0)), figure, "x")
    assert (view.x_scale, view.x_limits) == ("log", None)
    assert looking.rescaled(view, figure, "x").x_scale == "linear"
    assert [looking.smoother(View(smooth=n)).smooth for n in looking.SMOOTHING] == [5, 15, 45, 1]


def test_in_running_text_the_cursor_goes_by_words_and_lines():
    words = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    figure = Passage(name="w", title="w", words=words, values=np.arange(24.0).reshape(2, 12), labels=("before", "after"))
    chart = draw(figure, 23, 16)
    lines = [line.split() for line in chart.grid.lines()]
    assert lines[2:5] == [["one", "two", "three", "four"], ["five", "six", "seven", "eight"], ["nine", "ten", "eleven"]]
    view = looking.pointed(figure, View())
    assert view.cursor == (0, 0)

    def at(*moves):
        here = view
        for dx, dy in moves:
            here = looking.moved(figure, here, dx, dy, chart.places)
        return here.cursor

    assert at((-1, 0)) == (0, 0)
    assert at((1, 0), (0, 1)) == (0, 5)  # two: six
    assert at((0, 1), (0, 1), (0, 1)) == (0, 11)  # the last line has one word
    assert at((0, 4)) == (1, 0)
    assert at((0, 99)) == (1, 11)
    assert at((0, 99), (0, -99)) == (0, 0)
    assert looking.moved(figure, view, 0, 1).cursor == (1, 0)  # no places: not drawn yet
    said = ["".join(text for text, _ in words) for words in readout(figure, View(cursor=(1, 2)))]
    assert said[:2] == ["three   word 3 of 12", "value   before 2   after 14"]


def test_in_a_graph_the_cursor_goes_from_node_to_node():
    names, level = ("input", "hidden 0", "hidden 1", "output", "still"), np.array([0.0, 1.0, 1.0, 2.0, np.nan])
    edges, weights = np.array([[0, 1], [0, 2], [1, 3], [2, 3]]), np.array([0.4, 0.3, 0.2, 0.1])
    figure = Graph(
        name="g",
        title="g",
        nodes=names,
        groups=("input", "hidden", "hidden", "output", "hidden"),
        level=level,
        edges=edges,
        weights=weights,
        x=Axis(label="level"),
        weight_label="net flow [bits]",
        note="copula",
    )
    view = looking.pointed(figure, View())
    assert view.cursor == (0, 0)
    way = [view]
    for _ in range(4):
        way.append(looking.moved(figure, way[-1], 1, 0))
    assert [one.cursor[0] for one in way] == [0, 1, 2, 3, 3]  # never where nothing is drawn
    above, below = sorted((1, 2), key=lambda i: -looking.where(figure, View(cursor=(i, 0)))[1])
    assert looking.moved(figure, View(cursor=(below, 0)), 0, -1).cursor == (above, 0)
    assert looking.moved(figure, View(cursor=(above, 0)), 0, -1).cursor == (above, 0)
    assert looking.moved(figure, View(cursor=(above, 0)), 0, 1).cursor == (below, 0)
    said = ["".join(text for text, _ in words) for words in readout(figure, View(cursor=(1, 0)))]
    assert said == ["hidden 0   hidden   level 1", "to output 0.2   from input 0.4   net flow [bits]", "copula"]
    said = ["".join(text for text, _ in words) for words in readout(figure, View(cursor=(0, 0)))]
    assert said[:2] == ["input   level 0", "to hidden 0 0.4  strongest of 2   nothing from others   net flow [bits]"]
    assert "nothing to inspect" in readout(figure, View(cursor=(4, 0)))[0][0][0]
    assert looking.pointed(figure, View(only=("hidden",))).cursor == (1, 0)


def test_a_word_that_no_terminal_should_get_is_spelt():
    figure = Passage(name="w", title="w", words=("\x1b[31mred\n", "\u202e"), values=np.ones(2))
    said = "".join(text for words in readout(figure, View(cursor=(0, 0))) for text, _ in words)
    assert said.startswith("\\x1b[31mred   word 1 of 2")
    assert "value 1" in said
