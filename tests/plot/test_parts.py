"""Ticks, scales, colours and the other parts of charts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibmon.figures.figure import Axis, Curves, Histogram, Line, Plane, View
from ibmon.figures.spans import scaled, value_range
from ibmon.figures.ticks import nice_step, ticks
from ibmon.figures.view import hues, short_labels, shorten, smoothed
from ibmon.plot import CellGrid, Palette, draw, table
from ibmon.plot.axes import spread
from ibmon.plot.canvas import Box, Dots, clean
from ibmon.plot.curves import thinned
from ibmon.plot.scales import fit_limits
from plot import samples


@pytest.mark.parametrize(
    ("low", "high", "scale", "count", "labels"),
    [
        (0.0, 1.0, "linear", 5, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.0, 46800.0, "linear", 5, ["0", "10k", "20k", "30k", "40k"]),
        (0.0, 2.5e6, "linear", 3, ["0", "1M", "2M"]),
        (-1e-6, 1e-6, "linear", 2, ["-1e-6", "0", "1e-6"]),
        (1e-2, 1e2, "log", 5, ["10⁻²", "10⁻¹", "10⁰", "10¹", "10²"]),
        (1e-2, 1e2, "log", 3, ["10⁻²", "10⁰", "10²"]),
        (0.4, 6.0, "log", 5, ["0.5", "1", "2", "5"]),
        (1.0, 3.0, "log", 5, ["1", "2", "3"]),
        (1.0, 2.0, "log", 5, ["1", "2"]),
        (99.0, 101.0, "log", 3, ["99", "100", "101"]),
        (3e5, 2e6, "log", 5, ["500k", "1M", "2M"]),
    ],
)
def test_ticks(low: float, high: float, scale: str, count: int, labels: list[str]) -> None:
    assert [label for _, label in ticks(low, high, scale, count)] == labels  # pyright: ignore[reportArgumentType]


def test_steps_are_nice() -> None:
    assert [nice_step(span, 5) for span in (1, 2.4, 9, 10.1, 0.3)] == pytest.approx([0.2, 0.5, 2, 5, 0.1])


def test_limits_are_held_while_the_data_fit() -> None:
    axis = Axis()
    first = fit_limits(np.array([0.0, 83.0]), axis, "linear")
    assert first == (0.0, 90.0)
    assert fit_limits(np.array([0.0, 89.0]), axis, "linear", hold=first) == first
    assert fit_limits(np.array([0.0, 91.0]), axis, "linear", hold=first) == (0.0, 100.0)
    assert fit_limits(np.array([0.0, 8.0]), axis, "linear", hold=first) == (0.0, 8.0)
    assert fit_limits(np.array([0.2, 0.9]), Axis(limits=(0.0, 1.0)), "linear") == (0.0, 1.0)
    assert fit_limits(np.array([0.2, 0.9]), axis, "linear", references=[1.0, 50.0])[1] == 1.0
    assert fit_limits(np.array([0.2, 0.9]), axis, "linear", zoom=(0.5, 0.3)) == (0.3, 0.5)


def test_frames_know_where_data_are() -> None:
    frame = draw(samples.plane(), 78, 19).frame
    assert (frame.x_limits, frame.y_limits) == ((0.0, 12.5), (0.0, 1.0))
    assert frame.cell(0.0, 0.0) == (frame.left, frame.top + frame.height - 1)
    assert frame.cell(12.5, 1.0) == (frame.left + frame.width - 1, frame.top)
    assert frame.cell(13.0, 0.5) is None
    for column, row in ((frame.left, frame.top), (40, 9)):
        assert frame.cell(*frame.data(column, row)) == (column, row)


def test_axes_stay_while_walking_through_the_epochs() -> None:
    figure = samples.plane()
    frames = {draw(figure, 78, 19, View(until=until)).frame for until in (10, 200, 20000)}
    assert len(frames) == 1


def test_the_newest_point_owns_its_cell() -> None:
    dots = Dots(4, 2, Box(0, 0, 4, 2))
    dots.points(np.array([0.0, 1.0, np.nan, 99.0]), np.array([0.0, 3.0, 1.0, 1.0]), np.array([1, 2, 3, 4], np.int32))
    assert dots.bits.tolist() == [0x81, 0, 0, 0, 0, 0, 0, 0]
    assert dots.fg[0] == 2


def test_gaps_are_not_bridged() -> None:
    dots = Dots(10, 1, Box(0, 0, 10, 1))
    dots.polyline(np.array([0.0, 4.0, np.nan, 14.0, 18.0]), np.zeros(5), 7)
    assert (dots.bits > 0).tolist() == [True] * 3 + [False] * 4 + [True] * 3


def test_lines_from_far_outside_are_clipped() -> None:
    dots = Dots(10, 4, Box(2, 1, 6, 2))
    dots.polyline(np.array([-1e6, 1e6]), np.array([-1e6, 1e6]), 7)
    drawn = np.argwhere(dots.bits.reshape(4, 10) > 0)
    assert drawn[:, 0].tolist() == [1, 1, 2, 2]
    assert drawn[:, 1].tolist() == [2, 3, 4, 5]


def test_values_a_log_axis_cannot_show_are_counted() -> None:
    lines = draw(samples.curves(), 64, 16).grid.lines()
    assert "13 not drawn" in lines[0]
    linear = draw(samples.curves(), 64, 16, View(y_scale="linear")).grid.lines()
    assert "11 not drawn" in linear[0]


def test_smoothing_keeps_gaps_and_ignores_them() -> None:
    values = np.array([1.0, 3.0, np.nan, 5.0])
    assert smoothed(values, 1) is values
    np.testing.assert_allclose(smoothed(values, 3), [2.0, 2.0, np.nan, 5.0])
    np.testing.assert_allclose(smoothed(values, 99), [3.0, 3.0, np.nan, 3.0])


def test_thinning_loses_no_dot() -> None:
    x = np.linspace(0, 19, 1000)
    y = 20 + 15 * np.sin(np.arange(1000.0))
    y[500:560] = np.nan
    few_x, few_y, _ = thinned(x, y)
    assert len(few_x) < 100
    whole, thin = (Dots(10, 10, Box(0, 0, 10, 10)) for _ in range(2))
    whole.polyline(x, y, 1)
    thin.polyline(few_x, few_y, 1)
    assert (whole.bits > 0).tolist() == (thin.bits > 0).tolist()


def test_groups_share_a_colour() -> None:
    assert hues(samples.curves().lines) == [0, 0, 1, 1]


@given(st.lists(st.floats(0, 20), max_size=12), st.integers(0, 3))
def test_end_labels_never_meet(wanted: list[float], low: int) -> None:
    rows = spread(wanted, low, low + 14)
    assert len(set(rows)) == len(wanted)
    assert all(low <= row <= low + 14 for row in rows)


def test_end_labels_stay_clear_of_the_axis() -> None:
    x = np.arange(10.0)
    lines = tuple(Line(label=f"end {i}", x=x, y=np.full(10, 0.001 * i)) for i in range(7))
    chart = draw(Curves(name="c", title="c", x=Axis(label="step"), y=Axis(), lines=lines), 60, 12)
    rows = [r for r, line in enumerate(chart.grid.lines()) if "end" in line]
    assert len(rows) == 7
    assert max(rows) < chart.frame.top + chart.frame.height


def test_marks_of_series() -> None:
    assert short_labels(["layer 1", "layer 2"]) == ["1", "2"]
    assert short_labels(["layer 9", "layer 10"]) == ["9", "10"]
    assert short_labels(["layer 10", "layer 11"]) == ["10", "11"]
    assert short_labels(["conv", "dense"]) == ["1", "2"]
    assert short_labels(["hidden"]) == ["1"]


def test_text_is_made_harmless() -> None:
    assert clean("a\x1b[31m\n\u202e層é") == "a?[31m???é"
    assert clean("I → β…", ascii_only=True) == "I > b~"
    assert shorten("information", 5) == "info…"
    assert shorten("abc", 0) == ""


def bold_words(grid: CellGrid) -> set[str]:
    rows = zip(grid.lines(), grid.bold, strict=True)
    return {word for line, bold in rows for word in "".join(c if b else " " for c, b in zip(line, bold, strict=True)).split()}


def test_positions_have_a_colour_bar_where_there_is_room() -> None:
    wide, narrow = draw(samples.timepoints(), 78, 19), draw(samples.timepoints(), 50, 12)
    right = wide.frame.left + wide.frame.width
    bar = wide.grid.bg[1:17, right + 1 : right + 3]
    assert bar[0, 0] == Palette().ramp()[-1]
    assert bar[-1, 1] == Palette().ramp()[0]
    assert wide.grid.lines()[0].endswith("timepoint")
    assert [line[right + 4 :].strip() for line in wide.grid.lines()[1:17] if line[right + 4 :].strip()] == ["10", "5", "1"]
    assert "timepoint 1 ━━━━━━━━ 10" in narrow.grid.lines()[0]
    assert (narrow.grid.bg == -1).all()


def test_positions_keep_their_colours_when_others_are_hidden() -> None:
    alone = draw(samples.timepoints(), 78, 19, View(only=("t10",)))
    inside = np.s_[alone.frame.top : alone.frame.top + alone.frame.height, : alone.frame.left + alone.frame.width]
    used = set(alone.grid.fg[inside].ravel().tolist())
    assert used & set(Palette().faded_ramp()[-1].tolist())
    assert not used & set(Palette().faded_ramp()[:-1].ravel().tolist())


@given(st.integers(13, 400), st.sampled_from([(78, 19), (40, 12)]))
def test_of_many_positions_a_few_are_named(count: int, size: tuple[int, int]) -> None:
    chart = draw(samples.timepoints(count, 3), *size)
    named = {int(word) for word in bold_words(chart.grid)}
    assert {1, count} <= named
    assert len(named) == 5


def test_runs_have_marks_and_layers_keep_their_hue() -> None:
    figure = samples.two_planes()
    by_layer, by_run = draw(figure, 90, 24).grid, draw(figure, 90, 24, View(colour="run")).grid
    for mark in "●○":
        hues = set(by_layer.fg[(by_layer.ch == ord(mark)) & by_layer.bold].tolist())
        assert hues == {Palette().series(i) for i in range(3)}
    for number, mark in enumerate("●○"):
        assert set(by_run.fg[(by_run.ch == ord(mark)) & by_run.bold].tolist()) == {Palette().series(number)}
    assert "● tanh  ○ relu" in by_layer.lines()[0]
    single = draw(replace(figure, trajectories=figure.trajectories[:3]), 90, 24).grid
    assert "●" not in "".join(single.lines())


def test_curves_of_runs_carry_their_marks() -> None:
    grid = draw(samples.two_curves(), 90, 20).grid
    text = "".join(grid.lines())
    assert text.count("● layer") == text.count("○ layer") == 2
    assert text.count("●") > 6
    assert text.count("○") > 6


def test_links_stay_within_a_run() -> None:
    path = samples.plane(1).trajectories[0]
    near, far = (
        replace(path, x=np.full_like(path.x, x), y=0 * path.y + 0.5, hollow=None, run=run) for x, run in ((1, "a"), (9, "b"))
    )
    figure = replace(samples.plane(1), trajectories=(near, far), references=())

    def between(figure: Plane) -> set[str]:
        chart = draw(figure, 70, 16, View(colour="epoch"))
        row, columns = chart.frame.row(0.5), [chart.frame.column(x) for x in (3, 7)]
        return set(chart.grid.lines()[row][slice(*columns)]) - {" ", "·"}

    assert not between(figure)
    assert between(replace(figure, trajectories=tuple(replace(t, run="") for t in (near, far))))


@given(
    st.lists(st.floats(-100, 100), min_size=2, max_size=9),
    st.floats(-50, 50),
    st.sampled_from([(None, None), (-200.0, None), (None, 150.0)]),
)
def test_a_centre_is_the_middle_of_the_colours(
    values: list[float], centre: float, limits: tuple[float | None, float | None]
) -> None:
    array = np.array(values)
    span = value_range(array, limits, centre)
    assert span is not None
    assert centre - span[0] == pytest.approx(span[1] - centre)
    assert limits[0] in (None, span[0])
    part = scaled(array, span, centre)
    assert ((part >= 0) & (part <= 1)).all()
    assert (part[array > centre] >= 0.5).all()
    assert (part[array < centre] <= 0.5).all()
    assert scaled(np.array([centre]), span, centre)[0] == pytest.approx(0.5)


def test_both_limits_given_are_kept_around_a_centre() -> None:
    span = value_range(np.array([0.0, 1.0]), (-1.0, 4.0), 0.0)
    assert span == (-1.0, 4.0)
    np.testing.assert_allclose(scaled(np.array([-1.0, -0.5, 0.0, 2.0, 4.0]), span, 0.0), [0, 0.25, 0.5, 0.75, 1])


def test_signs_are_told_apart_without_colours() -> None:
    figure = samples.net_flow(30)
    chart = draw(figure, 60, 34, palette=Palette(depth="none"))
    drawn = [line[chart.frame.left : chart.frame.left + 30] for line in chart.grid.lines()[1:31]]
    tenths = np.minimum(10 * np.abs(figure.values) / np.abs(figure.values).max(), 9).astype(int)
    for line, row, tens in zip(drawn, figure.values, tenths, strict=True):
        assert line == "".join(("0abcdefghi" if v < 0 else "0123456789")[t] for v, t in zip(row, tens, strict=True))
    coarse = draw(figure, 60, 34, palette=Palette(depth="16")).grid
    used = set(coarse.fg[np.isin(coarse.ch, [ord(c) for c in "░▒▓█"])].tolist())
    assert used == set(Palette(depth="16").diverging().tolist())


def test_walking_through_the_epochs_hides_columns_and_changes_no_colour() -> None:
    figure = samples.over_epochs(20, 30)
    whole, part = draw(figure, 70, 14), draw(figure, 70, 14, View(until=150))
    box, half = whole.frame, whole.frame.width // 2
    assert whole.frame == part.frame
    for name in ("ch", "fg", "bg"):
        before, after = (getattr(chart.grid, name)[1 : box.top + box.height, : box.left + half] for chart in (whole, part))
        assert (before == after).all()
    assert (part.grid.bg[1 : box.top + box.height, box.left + half : box.left + box.width] == -1).all()


@given(st.integers(2, 300), st.integers(2, 300), st.data())
def test_the_cursor_has_its_labels(rows: int, columns: int, data: st.DataObject) -> None:
    cursor = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    grid = draw(samples.over_epochs(rows, columns), 64, 16, View(cursor=cursor)).grid
    assert {str(cursor[0] + 1), str(cursor[1] + 1)} <= bold_words(grid)


def test_large_matrices_say_that_they_are_averaged() -> None:
    assert "mean of 10.7×5" in draw(samples.over_epochs(300, 250), 64, 16).grid.lines()[0]
    assert "mean" not in draw(samples.over_epochs(20, 30), 64, 16).grid.lines()[0]


def test_values_in_cells_need_room() -> None:
    assert "96" in "".join(draw(samples.confusion(), 80, 20).grid.lines()[:-2])
    assert "0.36" not in "".join(draw(samples.net_flow(), 40, 12).grid.lines())


def test_histograms_mark_the_bin_under_the_cursor() -> None:
    plain, chart = draw(samples.correlations(), 60, 14), draw(samples.correlations(), 60, 14, View(cursor=(1, 16)))
    column = chart.grid.lines()[-2].index("▲")
    low, high = samples.correlations().edges[16:18]
    assert low <= chart.frame.data(column, 3)[0] <= high
    changed = np.unique(np.argwhere(plain.grid.fg != chart.grid.fg)[:, 1])
    assert all(low - 0.05 <= chart.frame.data(int(c), 3)[0] <= high + 0.05 for c in changed)
    assert (chart.grid.fg[5:12, column] == Palette().role("strong")).any()


def test_a_group_without_counts_in_a_bin_shows_nothing_of_itself_there() -> None:
    figure = Histogram(name="h", title="h", edges=np.array([0.0, 1.0, 2.0]), counts=np.array([[5.0, 3.0], [0.0, 4.0]]))
    palette = Palette()
    chart = draw(figure, 40, 13, palette=palette)
    second = chart.grid.bg == palette.series(1)
    columns = np.flatnonzero(second.any(axis=0) | (chart.grid.fg[:-2] == palette.series(1)).any(axis=0))
    assert not len(columns) or columns.min() > 18, "its bars are all in the right half"


def test_logarithmic_histograms_count_what_they_cannot_show() -> None:
    figure = samples.histogram()
    lines = draw(figure, 60, 14, View(x_scale="log")).grid.lines()
    assert "29 not drawn" in lines[0]
    frame = draw(samples.sizes(), 60, 14).frame
    assert (frame.x_limits, frame.x_scale, frame.y_scale) == ((1.0, 10000.0), "log", "log")
    assert frame.y_limits[0] < 1
    zoomed = draw(samples.sizes(), 60, 14, View(x_limits=(10.0, 1000.0), y_limits=(1.0, 100.0))).frame
    assert zoomed.x_limits == pytest.approx((10.0, 1000.0))
    assert zoomed.y_limits == pytest.approx((1.0, 100.0))


@given(st.integers(0, 56), st.integers(6, 30))
def test_tables_keep_the_row_of_the_cursor_in_view(row: int, rows: int) -> None:
    grid = draw(samples.long_table(), 40, rows, View(cursor=(row, 0))).grid
    shown = grid.lines()
    marked = [line for line, bold in zip(shown[1:], grid.bold[1:], strict=True) if bold.any()]
    assert [line.split()[0] for line in marked] == [str(100 * row)]
    first, last = (int(part) for part in shown[-1].split()[0].split("–"))
    assert shown[-1].strip() == f"{first}–{last} of 57"
    assert shown[1].split()[0] == str(100 * (first - 1))
    assert last - first == rows - 3


def test_tables_show_the_newest_values() -> None:
    shown = table(samples.plane(), View(until=100, only=("layer 2",)))
    assert shown.columns == ("series", "epoch", "I(X;T) [bits]", "I(T;Y) [bits]")
    assert [row[:2] for row in shown.rows] == [("layer 2", "10")]
    assert table(samples.plane()).rows[0][-1] == "saturated"
    assert table(samples.curves()).rows[0][0] == "layer 1"
    assert table(samples.heatmap()).rows[0][-1] == "–"
    assert len(table(samples.histogram()).rows) == 8
    assert len(table(samples.image()).rows) == 3


def test_only_filters_series_and_keeps_their_colours() -> None:
    figure = samples.plane()
    alone = draw(figure, 60, 16, View(only=("layer 3",)))
    assert Palette().series(2) in alone.grid.fg
    assert Palette().series(0) not in alone.grid.fg
    hidden = replace(figure, references=())
    assert "no measurement" in "".join(draw(hidden, 60, 16, View(only=("none",))).grid.lines())
