"""Dropped snapshots are gaps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ibmon.figures.build import build_figures
from ibmon.figures.figure import Axis, Curves, Line
from ibmon.figures.gaps import with_gaps
from ibmon.records import Dropped, Result, Value
from support import history_of, written

STEPS = st.lists(st.integers(0, 40), unique=True, max_size=15).map(sorted)


def curves(steps: list[int]) -> Curves:
    values = np.array(steps, np.float64)
    flags = tuple((str(step),) for step in steps)
    line = Line(
        label="a", x=values, y=values, step=np.array(steps, np.int64), flags=flags, details={"null": values}, lower=values
    )
    return Curves(name="c", title="c", x=Axis(label="step"), y=Axis(), lines=(line,))


@given(steps=STEPS, dropped=st.lists(st.integers(0, 40), max_size=8))
def test_every_dropped_step_within_is_a_point_without_a_value_and_nothing_else_changes(
    steps: list[int], dropped: list[int]
) -> None:
    (before,), (after,) = curves(steps).lines, with_gaps(curves(steps), dropped).lines
    missing = sorted({d for d in dropped if steps and steps[0] < d < steps[-1] and d not in steps})
    assert after.step is not None
    assert after.step.tolist() == sorted([*steps, *missing])
    assert after.step[np.isnan(after.y)].tolist() == missing
    measured = ~np.isnan(after.y)
    assert after.y[measured].tolist() == before.y.tolist() == after.details["null"][measured].tolist()
    assert [flags for flags in after.flags if flags] == list(before.flags)
    assert all(after.flags[k] == () for k in np.flatnonzero(~measured))


def test_no_line_is_drawn_across_a_dropped_snapshot() -> None:
    def result(seq: int) -> Result:
        values = [Value(quantity="q", value=float(seq), subject={"layer": "1"})]
        return Result(segment=1, seq=seq, job="unknown", step=10 * seq, values=values)

    run = written([result(0), result(1), result(3)], role="analyst")
    written([Dropped(segment=1, step=20, reason="the spool is full"), Dropped(segment=1, step=10, reason="test alone")], run=run)
    figure = build_figures(history_of(run))[0][0]
    assert isinstance(figure, Curves)
    assert figure.lines[0].step is not None
    assert figure.lines[0].step.tolist() == [0, 10, 20, 30]
    assert np.isnan(figure.lines[0].y).tolist() == [False, False, True, False]
