"""What has been logged is remembered exactly, in whatever order it came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ibmon.runs.numbers import Keys, Numbers


@given(st.lists(st.integers(-5, 30)))
def test_numbers_are_a_set(given_numbers: list[int]) -> None:
    numbers, known = Numbers(), set[int]()
    for number in given_numbers:
        assert numbers.add(number) == (number not in known)
        known.add(number)
        assert len(numbers) == len(known)
    assert all((number in numbers) == (number in known) for number in range(-7, 33))


def test_numbers_in_order_take_no_room() -> None:
    numbers = Numbers()
    for start in (1, 0):
        for number in range(start, 10_000, 2):  # every other one first: what is between fills the gaps
            numbers.add(number)
    assert len(numbers) == 10_000
    assert not numbers._rest


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5), st.sampled_from(["a", "b"]))))
def test_keys_are_a_set(given_keys: list[tuple[int, int, str]]) -> None:
    keys, known = Keys(), set[tuple[int, int, str]]()
    for key in given_keys:
        assert keys.add(key) == (key not in known)
        known.add(key)
        assert key in keys
    assert len(keys) == len(known)
