"""Run the checks: all of one estimator, or one test for each under pytest."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from time import perf_counter
from typing import Any

from ibmon.registry import discover
from ibmon.specs import EstimatorSpec

from . import checks_batch, checks_contract, checks_invariance, checks_operations, checks_robustness, checks_state, checks_truth
from .check import Check
from .report import Report, Result
from .subject import NotApplicable, Subject

CHECKS: tuple[Check, ...] = (
    *checks_contract.CHECKS,
    *checks_invariance.CHECKS,
    *checks_batch.CHECKS,
    *checks_robustness.CHECKS,
    *checks_state.CHECKS,
    *checks_operations.CHECKS,
    *checks_truth.CHECKS,
)
"""Every check, in the order in which they run."""

Named = str | EstimatorSpec | tuple[str | EstimatorSpec, Mapping[str, Any]]


def check_names() -> tuple[str, ...]:
    """The names of all checks, in the order in which they run."""
    return tuple(check.name for check in CHECKS)


def check_estimator(
    spec: EstimatorSpec | str,
    *,
    options: Mapping[str, Any] | None = None,
    only: Collection[str] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    raising: bool = True,
    each: Callable[[Result], None] | None = None,
) -> Report:
    """Hold an estimator to the contract of ``ibmon.Estimator`` and to what its ``EstimatorSpec`` declares.

    ``spec`` is a declaration, or the name of an installed estimator; ``options`` build it in place of its defaults, and
    ``only`` names the checks to run (all that fit what is declared). ``expected_failures``, name of a check -> why it fails,
    must fail. One that passes counts as a failure, so that the list stays true; one that does not apply is skipped.

    ``each`` is told every result as it comes. Raises AssertionError, with the report as its text, when a check failed; with
    ``raising`` false it only returns the report. Raises ValueError for a check that does not exist and for an empty reason,
    NotFoundError for an estimator that is not installed, and whatever importing and building it raises. As a test::

        from ibmon.testing import check_estimator

        def test_mine():
            check_estimator("mine", expected_failures={"symmetry": "the kernel's width is that of x"})
    """
    found = _spec(spec)
    expected = _known_reasons(expected_failures or {})
    if only is not None:
        _known(only)
    chosen = [check for check in CHECKS if only is None or check.name in only]
    subject = Subject.of(found, options or {})
    results: list[Result] = []
    for check in chosen:
        results.append(_result(check, subject, expected.get(check.name)))
        if each is not None:
            each(results[-1])
    report = Report(_title(found, subject.options), tuple(results))
    if raising:
        report.raise_if_failed()
    return report


def parametrize_with_checks(
    estimators: Iterable[Named], *, expected_failures: Mapping[str, Mapping[str, str]] | None = None
) -> Callable[[Callable[..., None]], Any]:
    """A pytest decorator: one test for each estimator and each check that fits what it declares.

    ``estimators`` are declarations, names of installed estimators, or pairs of one of them and its options. The test takes
    one argument, ``check``, and calls it; tests are called ``ksg-symmetry``. ``expected_failures``, estimator -> check ->
    why it fails, become strict expected failures of pytest::

        from ibmon.testing import parametrize_with_checks

        @parametrize_with_checks(["mine", ("mine", {"k": 5})], expected_failures={"mine": {"symmetry": "it is a divergence"}})
        def test_contract(check):
            check()

    Raises ValueError for a check or an estimator that does not exist in ``expected_failures``, and for an empty reason.
    """
    import pytest

    pairs = [entry if isinstance(entry, tuple) else (entry, {}) for entry in estimators]
    specs = [(_spec(named), options) for named, options in pairs]
    reasons = {name: _known_reasons(checks) for name, checks in (expected_failures or {}).items()}
    strange = reasons.keys() - {spec.name for spec, _ in specs}
    if strange:
        raise ValueError(f"expected_failures names {', '.join(sorted(strange))}, which is not among the estimators")
    parameters: list[Any] = []
    for spec, options in specs:
        for check in CHECKS:
            if not check.inapplicable(spec):
                reason = reasons.get(spec.name, {}).get(check.name)
                marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]
                bound = _Bound(check, spec, options)
                parameters.append(pytest.param(bound, id=f"{_title(spec, options)}-{check.name}", marks=marks))
    return pytest.mark.parametrize("check", parameters)


@dataclass(frozen=True, slots=True)
class _Bound:
    """One check of one estimator, as a test calls it."""

    check: Check
    spec: EstimatorSpec
    options: Mapping[str, Any]

    def __call__(self) -> None:
        import pytest

        try:
            self.check.function(_subject(self.spec, tuple(self.options.items())))
        except NotApplicable as reason:
            pytest.skip(str(reason))


@lru_cache(maxsize=32)
def _subject(spec: EstimatorSpec, options: tuple[tuple[str, Any], ...]) -> Subject:
    """One subject for all tests of an estimator, which share what it remembers."""
    return Subject.of(spec, dict(options))


def _result(check: Check, subject: Subject, expected: str | None) -> Result:
    began = perf_counter()
    status, message = "passed", check.inapplicable(subject.spec)
    if message:
        status = "skipped"
    else:
        try:
            check.function(subject)
        except NotApplicable as reason:
            status, message = "skipped", str(reason)
        except Exception as error:
            status, message = "failed", _said(error)
    if expected is not None:
        if status == "failed":
            status, message = "expected", expected
        elif status == "passed":
            status, message = "failed", f"passes, and was expected to fail ({expected})"
    return Result(check.name, status, message, check.summary, perf_counter() - began)


def _said(error: Exception) -> str:
    if isinstance(error, AssertionError) and str(error):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"


def _spec(named: EstimatorSpec | str) -> EstimatorSpec:
    return discover().estimator(named) if isinstance(named, str) else named


def _title(spec: EstimatorSpec, options: Mapping[str, Any]) -> str:
    said = ",".join(f"{name}={value}" for name, value in options.items())
    return f"{spec.name}:{said}" if said else spec.name


def _known(names: Iterable[str]) -> None:
    known = check_names()
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known)}."
            raise ValueError(f"There is no check called {name!r}; {hint}")


def _known_reasons(expected: Mapping[str, str]) -> Mapping[str, str]:
    _known(expected)
    for name, reason in expected.items():
        if not reason.strip():
            raise ValueError(f"Say why {name!r} is expected to fail: its reason is empty.")
    return expected
