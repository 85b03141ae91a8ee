"""What a view that ends earlier can cut, and what has to be built anew."""

from __future__ import annotations

import numpy as np

from ibmon.figures.figure import Axis, Curves, Line, Plane, Table, Trajectory
from ibmon.figures.view import follows_training

AXIS = Axis(label="bits")


def plane(points: int) -> Plane:
    at = np.arange(points)
    path = Trajectory(label="1", x=at * 1.0, y=at * 1.0, step=at, epoch=at * 1.0)
    return Plane(name="p", title="p", x=AXIS, y=AXIS, trajectories=(path,))


def curves(step: np.ndarray | None) -> Curves:
    line = Line(label="1", x=np.arange(3.0), y=np.arange(3.0), step=step)
    return Curves(name="c", title="c", x=AXIS, y=AXIS, lines=(line,))


def test_paths_and_curves_through_training_are_cut() -> None:
    assert follows_training(plane(5))
    assert follows_training(curves(np.arange(3)))


def test_single_moments_and_other_axes_are_built_anew() -> None:
    assert not follows_training(plane(1)), "the plane of the newest network alone"
    assert not follows_training(curves(None)), "a curve over timepoints"
    assert not follows_training(Table(name="t", title="t", columns=("a",), rows=(("1",),)))
