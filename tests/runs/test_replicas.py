"""One network of those that were trained as one batched model, out of the history of all."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from ibmon.records import NotFoundError, Result, RunInfo, Scalars, Value
from ibmon.runs.history import History, Series, of_replica, thin
from support import history_of, written

POINTS = 4


def _series(axes: dict[str, tuple[int | float | str, ...]], seed: int = 0) -> Series:
    rng = np.random.default_rng(seed)
    shape = (POINTS, *(len(points) for points in axes.values()))
    value, lower, upper, raw = rng.normal(size=(4, *shape))
    return Series(
        quantity="I(X;T)",
        unit="bits",
        subject={"layer": "1"},
        evaluation="all",
        estimator="toy",
        job="plane/toy",
        axes=axes,
        step=10 * np.arange(POINTS),
        epoch=np.arange(POINTS) / 2,
        value=value,
        lower=lower,
        upper=upper,
        flags={"saturated": rng.random(shape) < 0.5},
        details={"raw": raw},
    )


def _history(*series: Series) -> History:
    return History(run=RunInfo(format=1, id="demo-1", created=0.0), series=series)


def _same(one: Series, other: Series) -> bool:
    """Whether two series say the same, array by array."""
    for field in fields(Series):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("flags", "details"):
            assert list(a) == list(b)
            for name in a:
                assert_array_equal(a[name], b[name])
        elif isinstance(a, np.ndarray):
            assert_array_equal(a, b)
        else:
            assert a == b
    return True


@given(
    st.permutations(["replica", "time", "class"]).flatmap(lambda names: st.integers(0, 2).map(lambda k: names[k:])),
    st.integers(1, 4),
    st.data(),
)
def test_a_series_is_cut_as_by_hand_wherever_its_axis_stands(names: list[str], count: int, data: st.DataObject) -> None:
    sizes = {"replica": count, "time": 3, "class": 2}
    series = _series({name: tuple(range(sizes[name])) for name in names})
    history = _history(series)
    if "replica" not in names:
        assert history.replicas == ()
        return
    assert history.replicas == tuple(range(count))
    r = data.draw(st.integers(0, count - 1))
    (cut,) = of_replica(history, r).series
    axis = 1 + names.index("replica")

    def by_hand(column: np.ndarray) -> np.ndarray:
        return np.take(column, r, axis=axis)

    columns = {name: by_hand(getattr(series, name)) for name in ("value", "lower", "upper")}
    wanted = replace(
        series,
        **columns,
        axes={name: points for name, points in series.axes.items() if name != "replica"},
        flags={"saturated": by_hand(series.flags["saturated"])},
        details={"raw": by_hand(series.details["raw"])},
    )
    assert _same(cut, wanted)
    assert list(cut.axes) == [name for name in names if name != "replica"]


def test_cutting_and_thinning_commute() -> None:
    series = _series({"time": (0, 1), "replica": (0, 1, 2)})
    first = thin(of_replica(_history(series), 2).series[0], 15)
    then = of_replica(_history(thin(series, 15)), 2).series[0]
    assert _same(first, then)
    assert first.value.shape == (2, 2)


def test_what_is_of_all_networks_stays_and_what_is_of_others_goes() -> None:
    whole, some, plain = _series({"replica": (0, 1, 2)}), _series({"replica": (1,)}, 1), _series({}, 2)
    history = _history(whole, some, plain)
    assert of_replica(history, 0).series[1] is plain
    assert len(of_replica(history, 0).series) == 2
    assert len(of_replica(history, 1).series) == 3
    assert of_replica(history, 1).replicas == ()
    assert of_replica(history, 0).run is history.run


def test_networks_are_those_of_all_series_in_order() -> None:
    history = _history(_series({"replica": (10, 2)}), _series({"replica": (2, 1.5, "b", "a")}))
    assert history.replicas == (1.5, 2, 10, "a", "b")
    assert of_replica(history, "a").series[0].value.shape == (POINTS,)


def test_a_network_that_is_not_there() -> None:
    with pytest.raises(NotFoundError, match=r"demo-1 has no network 3; there are 3, 0 to 2\."):
        of_replica(_history(_series({"replica": (0, 1, 2)})), 3)
    with pytest.raises(NotFoundError, match="demo-1 has no axis of networks"):
        of_replica(_history(_series({"time": (0, 1)})), 0)


def test_out_of_the_logs_of_a_run() -> None:
    def value(k: int) -> Value:
        return Value(
            quantity="I(X;T)",
            value=[k, k + 0.5, None],
            lower=[0.0, 0.25, 0.5],
            subject={"layer": "1"},
            estimator="toy",
            axes={"replica": [0, 1, 2]},
            flags={"saturated": [False, k == 1, False], "few_samples": True},
            details={"null": [0.1, 0.2, 0.3]},
        )

    lines = [Result(segment=1, seq=k, job="plane/toy", step=10 * k, values=[value(k)]) for k in range(3)]
    run = written(lines, role="analyst")
    written([Scalars(segment=1, name="test", step=3, values={"accuracy": 0.5})], run=run)
    history = history_of(run)
    cut = of_replica(history, 1)
    (series,) = cut.series
    assert series.value.tolist() == [0.5, 1.5, 2.5]
    assert series.lower.tolist() == [0.25, 0.25, 0.25]
    assert np.isnan(series.upper).all()
    assert series.flags["saturated"].tolist() == [False, True, False]
    assert series.flags["few_samples"].tolist() == [True, True, True]
    assert series.details["null"].tolist() == [0.2, 0.2, 0.2]
    assert not series.value.flags.writeable
    assert cut.scalars is history.scalars
    assert np.isnan(of_replica(history, 2).series[0].value).all()
