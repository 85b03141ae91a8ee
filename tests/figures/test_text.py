"""Figures on a plain standard output."""

import re

import numpy as np
import plotext
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ibmon.figures.figure import Axis, Curves, Figure, Heatmap, Histogram, Line, Plane, Trajectory
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


@settings(max_examples=60, deadline=None)
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
    ):
        check(render(figure, *size, data.draw(st.booleans()), view), *size)
