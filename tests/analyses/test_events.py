"""Events that were planted are found where they are, and none where there are none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibmon_analyses import events
from ibmon_analyses.events import Event

STEPS = np.unique(np.rint(np.geomspace(1, 8000, 200)))
SNAPSHOTS = np.geomspace(1, 8000, 150)


def stick(at: np.ndarray, knot: float, before: float, after: float) -> np.ndarray:
    """A loss that falls with one power of time and from the knot on with another."""
    return np.where(at < knot, (at / knot) ** before, (at / knot) ** after)


def noise(points: int, seed: int, scale: float, memory: float = 0.0) -> np.ndarray:
    """Factors around one whose logarithms remember their predecessors."""
    logs = np.random.default_rng(seed).standard_normal(points) * scale * math.sqrt(1 - memory**2)
    for i in range(1, points):
        logs[i] += memory * logs[i - 1]
    return np.exp(logs)


@pytest.mark.parametrize("at", [STEPS, np.arange(1.0, 8001)], ids=["log-spaced", "every step"])
@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_a_planted_kink_is_within_its_interval_and_a_straight_line_has_none(at: np.ndarray, memory: float) -> None:
    held = alarms = 0
    for seed in range(50):
        wobble = noise(len(at), seed, 0.1, memory)
        kink = events.loss_kink(at, stick(at, 300, -0.3, -0.05) * wobble)
        held += kink.lower <= 300 <= kink.upper
        alarms += events.loss_kink(at, at**-0.3 * wobble).found
    assert held >= 40
    assert alarms <= 5


def test_the_kink_of_a_loss_without_noise_is_exact() -> None:
    kink = events.loss_kink(STEPS, stick(STEPS, 300, -0.1, -0.9))
    assert kink.at == pytest.approx(300, rel=0.03)
    assert kink.lower <= kink.at <= kink.upper < 330 and kink.detail == "slope -0.10 → -0.90"


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        (stick(STEPS, 300, -0.3, -0.25) * noise(len(STEPS), 1, 0.001), "differ by less than 0.1"),
        (np.ones(len(STEPS)), "differ by less"),
        (noise(len(STEPS), 1, 2.0), "no better than a straight line"),
        (np.where(STEPS < 7000, np.nan, 1.0), "fewer than 12"),
    ],
)
def test_what_is_no_kink_says_why(loss: np.ndarray, why: str) -> None:
    kink = events.loss_kink(STEPS, loss)
    assert not kink.found and math.isnan(kink.lower) and why in kink.detail


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_units_of_loss_and_time_do_not_matter(units: float, clock: float) -> None:
    loss = stick(STEPS, 300, -0.3, -0.05) * noise(len(STEPS), 3, 0.05)
    one, other = events.loss_kink(STEPS, loss), events.loss_kink(clock * STEPS, units * loss)
    assert np.array(astuple(other)[1:4]) == pytest.approx(clock * np.array(astuple(one)[1:4]))


def test_long_series_are_pooled_evenly_over_log_time() -> None:
    at = np.arange(0.0, 100_001)
    pooled, loss = events.pooled(at, np.r_[np.nan, at[1:] ** -0.5])
    assert len(pooled) <= 200 and pooled[0] == 1 and (np.diff(pooled) > 0).all()
    assert loss == pytest.approx(pooled**-0.5)


def test_a_crossing_lies_between_its_snapshots() -> None:
    event = events.snr_crossing(SNAPSHOTS, (300 / SNAPSHOTS) ** 0.7)
    assert event.at == pytest.approx(300)
    assert event.lower < 300 < event.upper and event.upper / event.lower == pytest.approx(SNAPSHOTS[1])


def test_a_momentary_dip_is_no_crossing() -> None:
    snr = np.where(SNAPSHOTS < 2000, 4.0, 0.3)
    snr[60:64] = 0.2
    event = events.snr_crossing(SNAPSHOTS, snr)
    assert event.lower < 2000 <= event.upper
    snr[SNAPSHOTS >= 2000] = 4.0
    assert "not below 1 for an octave" in events.snr_crossing(SNAPSHOTS, snr).detail


@pytest.mark.parametrize(
    ("snr", "why"),
    [
        (np.full(150, 0.5), "below 1 from the first"),
        (np.full(150, 2.0), "stays above 1"),
        (np.where(SNAPSHOTS < 5000, 2.0, 0.5), "not yet for an octave"),
        (np.full(150, np.inf), "fewer than 12"),
    ],
)
def test_without_a_crossing_it_is_said_why(snr: np.ndarray, why: str) -> None:
    event = events.snr_crossing(SNAPSHOTS, snr)
    assert not event.found and why in event.detail


def test_a_planted_break_is_within_its_interval_and_noise_has_none() -> None:
    held = alarms = 0
    for seed in range(30):
        wobble = noise(150, seed, 0.4, 0.3)
        event = events.snr_break(SNAPSHOTS, np.where(SNAPSHOTS < 300, 3.0, 0.4) * wobble)
        held += event.lower <= 300 <= event.upper
        alarms += events.snr_break(SNAPSHOTS, wobble).found
    assert held >= 24
    assert alarms <= 3
    assert events.snr_break(SNAPSHOTS, np.ones(150)).detail == "constant"


def test_a_gradual_fall_has_a_wider_break_than_a_sudden_one() -> None:
    wobble = noise(150, 0, 0.2)
    sudden = events.snr_break(SNAPSHOTS, np.where(SNAPSHOTS < 300, 3.0, 0.3) * wobble)
    gradual = events.snr_break(SNAPSHOTS, 3.0 / (1 + (SNAPSHOTS / 300)) * wobble)
    assert math.log(gradual.upper / gradual.lower) > 2 * math.log(sudden.upper / sudden.lower)


def test_a_break_among_very_many_snapshots_is_found_in_their_means() -> None:
    at = np.arange(1.0, 50_001)
    event = events.snr_break(at, np.where(at < 300, 3.0, 0.3) * noise(len(at), 0, 0.5))
    assert event.lower < 300 < event.upper < 400


def turning(peak: float = 300) -> np.ndarray:
    """I(X;T) in bits that rises up to the peak and falls after it."""
    away = np.log(SNAPSHOTS / peak)
    return 8 + np.where(away < 0, 0.5, -0.4) * away


def test_a_planted_turn_is_within_its_interval_and_noise_does_not_turn() -> None:
    held = alarms = 0
    for seed in range(50):
        wobble = 0.1 * np.random.default_rng(seed).standard_normal(150)
        turn = events.information_turn(SNAPSHOTS, turning() + wobble)
        held += turn.lower <= 300 <= turn.upper
        alarms += events.information_turn(SNAPSHOTS, 8 + wobble).found
    assert held >= 45
    assert alarms <= 8


def test_the_error_of_the_estimate_decides_whether_it_turned() -> None:
    value = turning()
    small = events.information_turn(SNAPSHOTS, value, np.full(150, 0.01))
    large = events.information_turn(SNAPSHOTS, value, np.full(150, 0.1))
    assert small.lower > large.lower and small.upper < large.upper
    assert not events.information_turn(SNAPSHOTS, value, np.full(150, 1.0)).found
    assert events.information_turn(SNAPSHOTS, value, np.full(150, np.nan)) == events.information_turn(SNAPSHOTS, value)


def test_a_fall_of_no_consequence_and_one_from_the_start_are_told() -> None:
    flat = np.full(150, 12.0)
    flat[70] += 0.01
    assert "less than 0.05" in events.information_turn(SNAPSHOTS, flat).detail
    assert "no rise before" in events.information_turn(SNAPSHOTS, -np.log(SNAPSHOTS)).detail


def event(at: float, lower: float, upper: float) -> Event:
    return Event("x", at, lower, upper)


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        (event(50, 40, 60), event(70, 55, 90), "yes"),
        (event(50, 40, 60), event(70, 61, 90), "no"),
        (event(50, 40, 60), events.absent("x", "why"), "cannot be told"),
        (event(50, 40, 60), event(70, 2, 900), "cannot be told"),
    ],
)
def test_events_coincide_where_intervals_that_say_something_overlap(one: Event, other: Event, verdict: str) -> None:
    assert events.coincide(one, other, (1, 1000)) == events.coincide(other, one, (1, 1000)) == verdict


def test_the_interval_over_networks_is_that_of_four_in_five() -> None:
    found = [event(float(at), 0, 0) for at in range(1, 102)]
    over = events.over_networks([*found, *[events.absent("x", "why")] * 50])
    assert (over.lower, over.at, over.upper, over.detail) == (11, 51, 91, "in 101 of 151 networks")
    assert not events.over_networks([found[0], events.absent("x", "why")]).found


@pytest.mark.parametrize("detect", [events.loss_kink, events.snr_break, events.snr_crossing, events.information_turn])
@given(seed=st.integers(0, 2**31))
def test_an_interval_holds_its_event_and_equal_input_gives_equal_output(
    seed: int, detect: Callable[[np.ndarray, np.ndarray], Event]
) -> None:
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.uniform(0.1, 3, 40))
    value = np.exp(np.cumsum(rng.standard_normal(40)))
    one = detect(at, value)
    assert repr(one) == repr(detect(at.copy(), value.copy()))
    assert not one.found or at[0] <= one.lower <= one.at <= one.upper <= at[-1]
