from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibmon.capture.governor import Governor
from ibmon.records import UsageError
from ibmon.schedules import DEFAULT, Schedule, every, explicit, log_spaced, parse

SCHEDULES = st.one_of(
    st.integers(1, 60).map(log_spaced),
    st.integers(1, 50).map(every),
    st.lists(st.integers(1, 3000), min_size=1, max_size=20).map(explicit),
)


@given(SCHEDULES, st.integers(0, 2500), st.integers(0, 3))
def test_after_and_count_agree_with_due(schedule: Schedule, at: int, level: int) -> None:
    level = level if schedule.per_decade else 0
    points = [p for p in range(1, 3001) if schedule.due(p, level)]
    later = [p for p in points if p > at]
    if later:
        assert schedule.after(at, level) == later[0]
    assert schedule.count(at, 3000, level) == len(later)


@given(st.integers(2, 60), st.integers(0, 5))
def test_thinned_schedules_are_nested(per_decade: int, level: int) -> None:
    schedule = log_spaced(per_decade)
    fine = {p for p in range(1, 2000) if schedule.due(p, level)}
    coarse = {p for p in range(1, 2000) if schedule.due(p, level + 1)}
    assert coarse <= fine


def test_the_default_is_dense_at_the_start_and_log_spaced() -> None:
    points = [p for p in range(1, 10_001) if DEFAULT.due(p)]
    assert points[:10] == list(range(1, 11))
    assert 100 < len(points) < 160
    assert not DEFAULT.due(0)


def test_explicit_schedules_end() -> None:
    assert explicit([5, 1]).after(5) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", DEFAULT),
        ("log", log_spaced(40)),
        ("log:20", log_spaced(20)),
        ("every:10epochs", every(10, "epochs")),
        ("every:1epoch", every(1, "epochs")),
        ("every:100 steps", every(100, "steps")),
        ("at:1,10,100", explicit([1, 10, 100])),
        ("at:5,3steps", explicit([3, 5], "steps")),
    ],
)
def test_texts_are_schedules(text: str, expected: Schedule) -> None:
    assert parse(text) == expected
    assert parse(str(expected)) == Schedule(**{**_fields(expected), "thinnable": expected.thinnable and not str(expected)})


def _fields(schedule: Schedule) -> dict[str, object]:
    return {n: getattr(schedule, n) for n in ("unit", "per_decade", "interval", "points")}


@pytest.mark.parametrize("text", ["often", "every", "every:0", "every:x", "at:", "log:-1"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def _costly(budget: float = 0.03) -> Governor:
    governor = Governor(budget=budget)
    governor.started -= 100.0
    governor.spent, governor.captures, governor.capture_seconds = 20.0, 10, 20.0
    return governor


def test_the_governor_thins_the_default_schedule_only() -> None:
    assert _costly().thin(DEFAULT, 100, None)
    assert not _costly().thin(log_spaced(40), 100, None)
    assert not _costly().thin(every(10), 100, None)


def test_the_governor_projects_to_the_known_end() -> None:
    # Two seconds a snapshot: far over the budget of ten more epochs, well within that of a hundred thousand.
    assert _costly().thin(DEFAULT, 100, 110)
    assert not _costly().thin(DEFAULT, 100, 100_000)


def test_a_cheap_monitor_is_left_alone() -> None:
    governor = Governor()
    governor.started -= 100.0
    governor.spent, governor.captures, governor.capture_seconds = 0.5, 100, 0.5
    assert not governor.thin(DEFAULT, 100, None)
    assert governor.overhead == pytest.approx(0.005, rel=0.05)
