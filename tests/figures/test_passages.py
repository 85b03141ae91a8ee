"""Words on lines, what of them has room, and passages of several runs."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ibmon.figures.compare import overlay, pooled
from ibmon.figures.figure import Passage
from ibmon.figures.passages import left_out, lines_of, scale_of, signs, values_of, window, words_of
from plot import samples


@given(st.lists(st.floats(0.5, 30), max_size=60), st.floats(1, 80), st.sampled_from([0.0, 1.0, 3.0]))
def test_lines_hold_every_word_once_and_no_more_than_they_can(widths: list[float], room: float, gap: float) -> None:
    lines = lines_of(widths, room, gap)
    assert [k for line in lines for k in line] == list(range(len(widths)))
    for at, line in enumerate(lines):
        wide = sum(widths[k] for k in line) + gap * (len(line) - 1)
        assert len(line) == 1 or wide <= room + 1e-9
        if at + 1 < len(lines):
            assert wide + gap + widths[line.stop] > room - 1e-9


@given(st.data(), st.integers(1, 12), st.integers(1, 40), st.integers(3, 60), st.booleans())
def test_what_is_shown_has_room_and_holds_the_cursor(data: st.DataObject, rows: int, count: int, room: int, named: bool) -> None:
    row, line = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, count - 1))
    shown = window(rows, count, room, named=named, row=row, line=line)
    lines = [range(2 * k, 2 * k + 2) for k in range(count)]
    said = left_out(shown, lines, rows)
    used = len(shown.rows) * (named + len(shown.lines)) + (len(shown.rows) - 1) * shown.between
    assert used + bool(said) <= room
    assert row in shown.rows
    assert line in shown.lines
    assert bool(said) == (len(shown.rows) < rows or len(shown.lines) < count)


def test_words_are_what_can_be_shown() -> None:
    words = ("plain", "cafe\u0301", "two\nlines", "", "\x1b[2J", "\u202edlrow")
    shown = words_of(Passage(name="w", title="w", words=words, values=np.zeros(6)))
    assert shown == ["plain", "café", "two lines", " ", "\\x1b[2J", "\\u202edlrow"]


def test_words_and_values_need_not_be_as_many() -> None:
    for values, known in (([1.0, 2.0], 2), ([1.0, 2.0, 3.0, 4.0, 5.0], 3)):
        found = values_of(Passage(name="w", title="w", words=("a", "b", "c"), values=np.array(values)))
        assert found.shape == (1, 3)
        assert np.isfinite(found).sum() == known


def test_signs_are_tenths_of_the_range() -> None:
    part = np.array([[0.0, 0.09, 0.1, 0.55, 1.0, np.nan]])
    assert signs(part, centred=False) == [["", "", "¹", "⁵", "⁹", ""]]
    assert signs(part, centred=True, plain=True) == [["_9", "_8", "_8", "^1", "^9", ""]]
    scale = scale_of(samples.signed_passage())
    assert scale is not None
    assert (scale.low, scale.centre, scale.high) == (-1.0, 0.0, 1.0)


def test_runs_of_a_group_are_averaged_and_compared_runs_stand_below_each_other() -> None:
    first = samples.passage()
    other = replace(first, values=3 * first.values)
    [middle] = pooled([[first], [other]], "relu")
    assert isinstance(middle, Passage)
    np.testing.assert_allclose(middle.values, 2 * first.values)
    assert middle.note == "test, example 17; mean of 2 runs"
    elsewhere = replace(first, words=first.words[::-1])
    [kept] = pooled([[first], [elsewhere]], "relu")
    assert kept.note.endswith("the first of 2 runs")

    [both] = overlay({"tanh": [first], "relu": [other]})
    assert isinstance(both, Passage)
    assert both.labels == ("tanh · untrained", "tanh · epoch 4", "relu · untrained", "relu · epoch 4")
    assert np.shape(both.values) == (4, len(first.words))
    assert len(overlay({"tanh": [first], "relu": [elsewhere]})) == 2
