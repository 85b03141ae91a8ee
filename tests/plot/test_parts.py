"""Ticks, scales, colours and the other parts of charts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color, ColorSystem

from ibmon.figures.figure import Axis, Curves, Line, View
from ibmon.figures.ticks import nice_step, ticks
from ibmon.figures.view import hues, short_labels, smoothed
from ibmon.plot import Palette, draw, table
from ibmon.plot.axes import spread
from ibmon.plot.canvas import Box, Dots, clean, shorten
from ibmon.plot.curves import thinned
from ibmon.plot.palette import LEVELS, XTERM, oklab
from ibmon.plot.scales import fit_limits
from plot import samples


def rgb(packed: np.ndarray) -> np.ndarray:
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(float)


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
    few_x, few_y = thinned(x, y)
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


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_256_colours_survive_a_conversion(theme: str) -> None:
    palette = Palette(depth="256", theme=theme)  # pyright: ignore[reportArgumentType]
    used = [
        palette.fades(),
        np.array([palette.shadow(i) for i in range(8)]),
        palette.epochs(),
        palette.epochs(faint=True),
        palette.heat(),
    ]
    roles = [palette.role(role) for role in ("text", "strong", "axis", "grid", "reference", "warn")]
    for r, g, b in rgb(np.concatenate([*(a.ravel() for a in used), roles])).astype(int).tolist():
        number = Color.from_rgb(r, g, b).downgrade(ColorSystem.EIGHT_BIT).number
        assert number is not None
        assert tuple(XTERM[number - 16]) == (r, g, b)


@pytest.mark.parametrize("depth", ["true", "256"])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_ramps_never_fall_in_lightness(depth: str, theme: str) -> None:
    palette = Palette(depth=depth, theme=theme)  # pyright: ignore[reportArgumentType]
    for ramp in (palette.epochs(), palette.heat(), palette.greys()):
        assert (np.diff(oklab(rgb(ramp))[:, 0]) >= -1e-3).all()
        assert len(set(ramp.tolist())) >= 8
    assert len(palette.epochs()) == LEVELS
    ground = oklab(rgb(np.array(palette.role("ground"))))[0]
    assert (np.abs(oklab(rgb(palette.epochs()))[:, 0] - ground) > 0.2).all()
    faded, newest = palette.fades()[:, 0], palette.fades()[:, -1]
    contrast = np.abs(oklab(rgb(faded))[:, 0] - ground) / np.abs(oklab(rgb(newest))[:, 0] - ground)
    assert (contrast >= 0.4).all()
    assert len(set(newest.tolist())) == 8


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
