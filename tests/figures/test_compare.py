"""Several runs as one figure."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from figures.comparable import run, through_training, timepoints
from ibmon.figures.compare import overlay, pooled
from ibmon.figures.differences import differences
from ibmon.figures.figure import Axis, Curves, Figure, Heatmap, Histogram, Line, Plane, Reference, Table, Trajectory
from ibmon.figures.view import hues, marks_of, runs_of, series_in
from plot import samples
from plot.test_charts import empty_figures

VALUES = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf, 0.0]))
LABELS = st.sampled_from(["layer 1", "layer 2", "layer 3"])


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    steps = np.array(sorted(draw(st.sets(st.integers(0, 12), max_size=8))), np.int64)
    x, y, low = (draw(hnp.arrays(np.float64, len(steps), elements=VALUES)) for _ in range(3))
    return Trajectory(
        label=draw(LABELS),
        x=x,
        y=y,
        step=steps,
        epoch=steps / 2,
        x_lower=low if draw(st.booleans()) else None,
        hollow=draw(hnp.arrays(np.bool_, len(steps))),
        flags=tuple(("saturated",) if k % 2 else () for k in range(len(steps))),
        group=draw(st.none() | st.integers(0, 1)),
    )


@st.composite
def lines(draw: st.DrawFn) -> Line:
    x = np.array(sorted(draw(st.sets(st.integers(0, 12), max_size=8))), np.float64)
    y = draw(hnp.arrays(np.float64, len(x), elements=VALUES))
    return Line(label=draw(LABELS), x=x, y=y, step=10 * x, group=draw(st.none() | st.integers(0, 1)))


AXES = st.sampled_from([Axis(label="bits"), Axis(label="nats")])
PLANES = st.builds(
    Plane,
    name=st.just("plane"),
    title=st.just("plane"),
    x=AXES,
    y=AXES,
    trajectories=st.lists(trajectories(), max_size=4).map(tuple),
)
CURVES = st.builds(
    Curves, name=st.just("curves"), title=st.just("curves"), x=AXES, y=AXES, lines=st.lists(lines(), max_size=4).map(tuple)
)
RUNS = st.tuples(PLANES, CURVES).map(list)
SEVERAL = st.dictionaries(st.sampled_from("abcd"), RUNS, min_size=1, max_size=4)


def same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return (one is None) == (other is None) and (one is None or np.array_equal(one, np.asarray(other), equal_nan=True))


def content(figure: Figure) -> Counter[tuple[str, str, bytes, bytes]]:
    """The series of a figure in no order."""
    return Counter((one.run, one.label, one.x.tobytes(), one.y.tobytes()) for one in series_in(figure))


@settings(max_examples=80)
@given(figures=RUNS, copies=st.integers(1, 4))
def test_copies_of_a_run_are_the_run(figures: list[Figure], copies: int) -> None:
    for figure, one in zip(figures, pooled([figures] * copies, "group"), strict=True):
        assert type(one) is type(figure)
        assert [s.label for s in series_in(one)] == [s.label for s in series_in(figure)]
        assert hues(series_in(one)) == hues(series_in(figure))
        for series, before in zip(series_in(one), series_in(figure), strict=True):
            assert same(series.x, before.x)
            assert same(series.y, before.y)
            assert same(series.step, before.step)
            assert series.flags == before.flags
            if isinstance(series, Trajectory) and isinstance(before, Trajectory):
                assert same(series.hollow, before.hollow)
                assert same(series.x_lower, before.x_lower)
                assert series.members_x is None or series.members_x.shape == (len(before.x), copies)
                assert series.members_x is None or same(series.members_x[:, -1], before.x)


def test_copies_of_matrices_and_histograms() -> None:
    figures = [samples.heatmap(), through_training(), samples.histogram(), samples.table(), samples.image()]
    heat, through, histogram, table, image = pooled([figures] * 3, "")
    np.testing.assert_allclose(heat.values, samples.heatmap().values)
    np.testing.assert_allclose(through.values, through_training().values)
    np.testing.assert_array_equal(histogram.counts, 3 * samples.histogram().counts)
    assert table.rows == samples.table().rows
    assert [f.note for f in (heat, histogram, table, image)] == [
        "mean of 3 runs", "sum of 3 runs", "the first of 3 runs", "the first of 3 runs",
    ]  # fmt: skip


@settings(max_examples=80)
@given(seeds=st.lists(RUNS, min_size=2, max_size=4))
def test_pooling_invents_no_step(seeds: list[list[Figure]]) -> None:
    for one in pooled(seeds, "group"):
        known = {x for figures in seeds for f in figures if f.name == one.name for s in series_in(f) for x in (*s.x, *s.y)}
        for series in series_in(one):
            before = [
                s
                for figures in seeds
                for f in figures
                for s in series_in(f)
                if f.name == one.name and series.label.startswith(s.label)
            ]
            place = (lambda s: s.step) if isinstance(one, Plane) else (lambda s: s.x)
            assert set(place(series).tolist()) <= {at for s in before for at in place(s).tolist()}
            if " · " in series.label:
                assert {x for x in series.y.tolist() if np.isfinite(x)} <= known


def test_the_median_is_over_the_runs_at_the_steps_of_all() -> None:
    def seed(steps: list[int], values: list[float], label: str = "a") -> list[Figure]:
        at, y = np.array(steps), np.array(values)
        t = Trajectory(label=label, x=y, y=10 * y, step=at, epoch=at / 1.0, hollow=y > 5)
        line = Line(label=label, x=at / 1.0, y=y, step=100 * at)
        axis = Axis(label="bits")
        return [
            Plane(name="p", title="p", note="kde", x=axis, y=axis, trajectories=(t,)),
            Curves(name="c", title="c", x=axis, y=axis, lines=(line,)),
        ]

    plane, curves = pooled([seed([1, 2, 4], [1, 2, 3]), seed([2, 3, 4], [4, 5, 9]), seed([0, 2, 4], [0, 9, 8])], "group")
    assert isinstance(plane, Plane)
    assert isinstance(curves, Curves)
    [t], [line] = plane.trajectories, curves.lines
    assert (t.step.tolist(), t.x.tolist(), t.y.tolist()) == ([2, 4], [4, 8], [40, 80])
    assert t.members_x is not None
    assert t.members_x.tolist() == [[2, 4, 9], [3, 9, 8]]
    assert t.hollow is not None
    assert t.hollow.tolist() == [False, True]
    assert plane.note == "kde; median of 3 runs"
    assert (line.x.tolist(), line.y.tolist()) == ([2, 4], [4, 8])
    assert line.lower is not None
    np.testing.assert_allclose(line.lower, np.percentile([[2, 3], [4, 9], [9, 8]], 10, axis=0))

    plane, curves = pooled([seed([1, 2], [1, 2]), seed([3, 4], [4, 5])], "tanh")
    assert [s.label for s in series_in(plane)] == ["a · tanh 1", "a · tanh 2"]
    assert len(set(hues(series_in(plane)))) == 1
    assert plane.note == "kde; each run by itself, without a point in common: a"

    plane, _ = pooled([seed([1], [1]), seed([1], [3]), seed([], []), seed([1], [3], label="b")], "")
    assert [(s.label, s.x.tolist()) for s in series_in(plane)] == [("a", [2]), ("b", [3])]
    assert plane.note == "kde; median of 1 to 2 runs"


def test_matrices_are_pooled_at_the_steps_of_all() -> None:
    [one] = pooled([[through_training(8)], [through_training(5)]], "")
    assert isinstance(one, Heatmap)
    assert one.steps is not None
    assert one.steps.tolist() == [0, 10, 20, 30, 40]
    np.testing.assert_allclose(one.values, through_training(5).values)
    other = replace(samples.heatmap(), values=np.zeros((2, 2)))
    [one] = pooled([[samples.heatmap()], [other]], "")
    assert isinstance(one, Heatmap)
    assert one.note == "the first of 2 runs"
    np.testing.assert_array_equal(one.values, samples.heatmap().values)


def test_what_is_of_one_network_is_not_pooled_and_not_said_of_several() -> None:
    def found(value: float, *, single: bool = False) -> list[Figure]:
        at = np.array([value])
        unit = Trajectory(label="unit 0", x=at, y=at, step=np.array([1]), epoch=np.array([1.0]))
        return [
            Plane(name="p", title="p", x=Axis(), y=Axis(), trajectories=(unit,), note=f"kde; r = {value}; n = 9", single=single),
            replace(samples.heatmap(), note=f"kde; r = {value}; n = 9", single=single),
        ]

    plane, matrix = pooled([found(1.0), found(3.0)], "")
    assert isinstance(plane, Plane) and plane.trajectories[0].x.tolist() == [2.0]
    assert (plane.note, matrix.note) == ("kde; n = 9; median of 2 runs", "kde; n = 9; mean of 2 runs")
    plane, matrix = pooled([found(1.0, single=True), found(3.0, single=True)], "")
    assert isinstance(plane, Plane) and plane.trajectories[0].x.tolist() == [1.0]
    assert (plane.note, matrix.note) == ("kde; r = 1.0; n = 9; the first of 2 runs",) * 2


@settings(max_examples=60)
@given(figures=RUNS)
def test_one_run_over_nothing_is_that_run(figures: list[Figure]) -> None:
    assert all(one is figure for one, figure in zip(overlay({"a": figures}), figures, strict=True))


@settings(max_examples=80)
@given(runs=SEVERAL, random=st.randoms())
def test_an_overlay_has_every_series_of_every_run(runs: dict[str, list[Figure]], random) -> None:
    order = list(runs)
    random.shuffle(order)
    laid, shuffled = overlay(runs), overlay({name: runs[name] for name in order})
    assert len({figure.name for figure in laid}) == len(laid)
    assert sum((content(f) for f in laid), Counter()) == sum((content(f) for f in shuffled), Counter())
    for figures in runs.values() if len(runs) > 1 else ():
        for figure in figures:
            there = [one for f in laid for one in series_in(f) if type(f) is type(figure)]
            for series in series_in(figure):
                assert any(same(one.x, series.x) and same(one.y, series.y) and one.label == series.label for one in there)
    for figure in laid if len(runs) > 1 else ():
        numbers: dict[str, set[int]] = {}
        for one, hue in zip(series_in(figure), hues(series_in(figure)), strict=True):
            numbers.setdefault(one.label, set()).add(hue)
        assert all(len(each) == 1 for each in numbers.values())


def test_runs_are_named_once() -> None:
    laid = {figure.name: figure for figure in overlay({"tanh": run(), "relu": run(1.0)})}
    plane, loss = laid["information-plane"], laid["loss"]
    assert runs_of(plane) == runs_of(loss) == ["tanh", "relu"]
    assert (plane.title, plane.note) == ("information plane", "binned, 30 bins, 4096 samples")
    assert marks_of(plane) == ["1", "2", "3"] * 2
    assert isinstance(plane, Plane)
    assert [r.label for r in plane.references] == ["H(X)", "H(Y)"]
    assert hues(series_in(loss)) == [0, 0, 0, 0]
    histogram = laid["activations"]
    assert isinstance(histogram, Histogram)
    assert histogram.labels == ("tanh · layer 1", "tanh · layer 2", "relu · layer 1", "relu · layer 2")
    assert histogram.counts.shape == (4, 8)
    beside = [(name, figure.title) for name, figure in laid.items() if name.startswith(("flow", "runs", "filters"))]
    assert beside == [
        ("flow", "information flow"),
        ("runs-tanh", "runs · tanh"),
        ("runs-relu", "runs · relu"),
        ("filters-tanh", "filters · tanh"),
        ("filters-relu", "filters · relu"),
    ]


def test_what_differs_is_named_by_its_run() -> None:
    plane = samples.plane()
    other = replace(plane, note="binned, 30 bins", references=(replace(plane.references[0], value=10.0), plane.references[1]))
    [laid] = overlay({"a": [plane], "b": [other], "c": [plane]})
    assert isinstance(laid, Plane)
    assert laid.references == (
        Reference(axis="x", value=12.0, label="a, c · H(X)", runs=("a", "c")),
        Reference(axis="y", value=1.0, label="H(Y)"),
        Reference(axis="x", value=10.0, label="b · H(X)", runs=("b",)),
    )
    assert laid.note == "a: binned, 30 bins, 4096 samples; b: binned, 30 bins; c: binned, 30 bins, 4096 samples"

    nats = replace(plane, x=Axis(label="I(X;T) [nats]"))
    first, second = overlay({"a": [plane], "b": [nats], "c": [plane]})
    assert (first.name, runs_of(first)) == ("information-plane-a-c", ["a", "c"])
    assert (second.name, runs_of(second)) == ("information-plane-b", ["b"])
    [only] = overlay({"a": [], "b": [plane]})
    assert (only.name, only.title) == ("information-plane", "information plane · b")


def test_groups_are_compared_as_runs_are() -> None:
    tanh, relu = (pooled([run(shift + k / 10) for k in range(3)], name) for name, shift in (("tanh", 0.0), ("relu", 1.0)))
    laid = overlay({"tanh": tanh, "relu": relu})
    plane = laid[0]
    assert plane.note == "binned, 30 bins, 4096 samples; median of 3 runs"
    assert all(t.members_x is not None and t.members_x.shape[1] == 3 for t in series_in(plane) if isinstance(t, Trajectory))


def test_more_than_four_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 4 runs"):
        overlay({str(k): [] for k in range(5)})


def test_differences_are_those_of_the_newest_values() -> None:
    found = differences({"tanh": run(), "relu": run(1.0)})
    assert found is not None
    assert found.columns == ("quantity", "series", "tanh", "relu", "relu − tanh", "estimator")
    rows = {row[:2]: row[2:] for row in found.rows}
    first = samples.plane(layers=3, points=30).trajectories[0]
    assert rows["I(X;T) [bits]", "layer 1"] == (f"{first.x[-1]:.4g}", f"{first.x[-1] - 1:.4g}", "-1", "binned")
    assert rows["loss", "train"][2] == "+1"
    assert (found.name, found.screen) == ("differences", "compare")


def test_differences_up_to_a_step_say_where_they_are() -> None:
    found = differences({"a": run(points=30), "b": run(points=25)}, until=500)
    assert found is not None
    at = {row[:2]: row[-2] for row in found.rows}
    ends = [max(e for e in run(points=n)[0].trajectories[0].epoch if 10 * e <= 500) for n in (30, 25)]
    assert found.columns[-2:] == ("at", "estimator")
    assert at["I(X;T) [bits]", "layer 1"] == f"epoch {ends[0]:g} / {ends[1]:g}"
    assert at["loss", "train"] == ""


def test_differences_of_groups_have_their_spread() -> None:
    groups = {name: pooled([run(shift + k) for k in range(3)], name) for name, shift in (("a", 0.0), ("b", 1.0))}
    found = differences(groups)
    assert found is not None
    row = next(row for row in found.rows if row[:2] == ("loss", "train"))
    end = samples.losses().lines[0].y[-1]
    assert row[2:5] == (
        f"{end + 1:.4g} ({end + 0.2:.3g}–{end + 1.8:.3g})",
        f"{end + 2:.4g} ({end + 1.2:.3g}–{end + 2.8:.3g})",
        "+1",
    )


def test_of_many_positions_differences_say_the_mean_and_the_last() -> None:
    longer, shorter = timepoints(12), timepoints(9)
    shorter = replace(shorter, trajectories=tuple(replace(t, x=t.x - 1) for t in shorter.trajectories))
    found = differences({"a": [longer], "b": [shorter]})
    assert found is not None
    ends = [float(t.x[-1]) for t in longer.trajectories]
    rows = [row for row in found.rows if row[0] == "I(X;T) [bits]"]
    assert [row[1] for row in rows] == ["mean of 9 · information plane", "last, 8 · information plane"]
    for row, value in zip(rows, (np.mean(ends[:9]), ends[8]), strict=True):
        assert row[2:5] == (f"{value:.4g}", f"{value - 1:.4g}", "-1")
    assert len(found.rows) == 4 and "of each timepoint that all have the mean, and the last" in found.note
    assert differences({"a": [longer], "b": [replace(shorter, trajectories=shorter.trajectories[:1])]}) is None


def test_the_mean_over_positions_has_the_spread_of_its_networks() -> None:
    seeds = [
        [replace(timepoints(), trajectories=tuple(replace(t, x=t.x + k) for t in timepoints().trajectories))] for k in range(3)
    ]
    found = differences({"a": pooled(seeds, "a"), "b": pooled(seeds, "b")})
    assert found is not None
    mean = float(np.mean([t.x[-1] for t in timepoints().trajectories]))
    assert found.rows[0][2] == f"{mean + 1:.4g} ({mean + 0.2:.3g}–{mean + 1.8:.3g})"


def test_curves_over_something_else_than_training_are_told_apart_by_their_figure() -> None:
    x = np.arange(5.0)
    one, other = (
        Curves(
            name=n, title=f"{n} now", x=Axis(label="timepoint"), y=Axis(label="I"), lines=(Line(label="I(X;H)", x=x, y=x + k),)
        )
        for k, n in enumerate(("h", "c"))
    )
    found = differences({"a": [one, other], "b": [one, other]})
    assert found is not None
    assert [(row[1], row[2], row[-1]) for row in found.rows] == [
        ("I(X;H) · h now", "4", "timepoint 4"),
        ("I(X;H) · c now", "5", "timepoint 4"),
    ]


def test_what_only_one_run_has_is_no_difference() -> None:
    curves = samples.losses()
    found = differences({"a": [curves], "b": [replace(curves, lines=curves.lines[:1])], "c": []})
    assert found is not None
    assert [(row[1], *row[4:]) for row in found.rows] == [("train", "–", "+0", "–")]
    assert "left out: 1" in found.note
    assert differences({"a": [curves], "b": []}) is None
    assert differences({}) is None


def test_empty_figures() -> None:
    for figure in empty_figures():
        for one in (*pooled([[figure], [figure]], "a"), *overlay({"a": [figure], "b": [figure]})):
            assert type(one) is type(figure)
        assert differences({"a": [figure], "b": [figure]}) is None
    assert pooled([], "a") == overlay({}) == []


@settings(max_examples=60)
@given(runs=SEVERAL, until=st.none() | st.integers(-1, 15))
def test_differences_of_anything(runs: dict[str, list[Figure]], until: int | None) -> None:
    found = differences(runs, until)
    assert found is None or isinstance(found, Table)
    for row in () if found is None else found.rows:
        assert len(row) == len(found.columns)
