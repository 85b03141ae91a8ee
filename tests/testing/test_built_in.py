"""The estimators that come with ibmon keep to what they declare."""

from __future__ import annotations

from collections.abc import Callable

from ibmon.registry import discover
from ibmon.testing import parametrize_with_checks

OWN = [entry.spec.name for entry in discover().contributions["estimators"].values() if entry.provider.name == "ibmon"]
EXPECTED: dict[str, dict[str, str]] = {}
"""Estimator -> check -> why it cannot pass, in a sentence."""


@parametrize_with_checks(OWN, expected_failures=EXPECTED)
def test_built_in(check: Callable[[], None]) -> None:
    check()
