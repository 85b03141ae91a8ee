"""The conformance kit passes correct estimators, and every one of its checks finds an estimator broken on purpose."""

from __future__ import annotations

import subprocess
import sys
from math import log

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import digamma

from ibmon import EstimatorSpec
from ibmon.records import NotFoundError
from ibmon.testing import Report, Result, cases, check_estimator, check_names, parametrize_with_checks
from testing import broken_calls
from testing.broken import BROKEN, Broken
from testing.reference import KSG_SPEC, NOISY_SPEC, PLUG_IN_SPEC, ROSS_SPEC, SPECS

assert broken_calls  # enters its estimators into BROKEN


@parametrize_with_checks(SPECS)
def test_correct_estimators_pass(check) -> None:
    check()


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_a_broken_estimator_fails_the_check_meant_for_it(case: Broken) -> None:
    report = check_estimator(case.spec, only=[case.check], raising=False)
    assert [result.check for result in report.failed] == [case.check], str(report)
    assert case.words in report.failed[0].message


def test_every_check_has_a_broken_estimator() -> None:
    assert {case.check for case in BROKEN} | {"device"} == set(check_names())


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (KSG_SPEC, {"symmetry", "raw-is-the-value-before-clipping", "nonfinite", "conditional", "pairwise-masked", "mask-of-y"}),
        (ROSS_SPEC, {"null", "pairwise", "raw-falls-below-zero"}),
        (NOISY_SPEC, {"error-covers-seeds"}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_checks_that_look_for_what_they_need_find_it(spec: EstimatorSpec, names: set[str]) -> None:
    assert {result.check for result in check_estimator(spec, only=names).passed} == names


# Truths.


@pytest.mark.parametrize(
    ("case", "density"),
    [
        (cases.uniform_noise(0.5, samples=9, replicas=1), None),
        (cases.gamma_exponential(3, samples=9, replicas=1), (digamma(4) - log(3)) / log(2)),
        (cases.gamma_exponential(1, samples=9, replicas=1), digamma(2) / log(2)),
    ],
    ids=lambda value: value.name if isinstance(value, cases.Case) else "",
)
def test_closed_forms(case: cases.Case, density: float | None) -> None:
    if density is None:
        trapezoid = lambda y: min(y, 0.5, 1.5 - y) / 0.5  # noqa: E731
        h = quad(lambda y: -trapezoid(y) * np.log2(trapezoid(y)), 0, 1.5, points=[0.5, 1])[0]
        density = h - np.log2(0.5)
    assert case.truth == pytest.approx(density, abs=1e-9)


@pytest.mark.parametrize(
    "case",
    [
        *(cases.gaussian(rho, samples=2000, replicas=200) for rho in (0.0, 0.3, 0.9)),
        cases.gaussian_columns(samples=2000, replicas=200),
        cases.gamma_exponential(3, samples=2000, replicas=200),
        cases.uniform_noise(0.5, samples=2000, replicas=200),
        cases.uniform_noise(2.0, samples=2000, replicas=200),
        cases.gaussian_classes((0.0, 1.5, 4.0), (400, 600, 1000), replicas=200),
        cases.noisy_channel(samples=2000, replicas=200),
    ],
    ids=lambda case: case.name,
)
def test_the_information_of_samples_is_the_truth_on_average(case: cases.Case) -> None:
    errors = case.of_samples - case.truth
    assert float(errors.mean().abs()) <= 4 * float(errors.std()) / 200**0.5 + 1e-12
    assert float(errors.std()) < 0.05


# The kit itself.


def test_it_needs_torch_and_numpy_only() -> None:
    code = "import sys, ibmon.testing; print([m for m in ('pytest', 'scipy', 'hypothesis', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, text=True, capture_output=True).stdout.strip() == "[]"


def test_it_leaves_random_state_alone() -> None:
    before, numpy_before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].copy()
    check_estimator(PLUG_IN_SPEC, only=["global-random-state", "same-seed", "batch", "counts"])
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], numpy_before)


def lying(check: str) -> Broken:
    return next(case for case in BROKEN if case.check == check)


def test_a_failure_raises_with_the_report_as_its_text() -> None:
    case = lying("unit")
    with pytest.raises(AssertionError, match=r"of 1 checks 0 passed, 1 failed(?s:.*)failed    unit: gives"):
        check_estimator(case.spec, only=["unit"])


def test_an_expected_failure_is_no_failure_and_must_fail() -> None:
    case = lying("unit")
    report = check_estimator(case.spec, only=["unit"], expected_failures={"unit": "it is meant to"})
    assert [(r.check, r.message) for r in report.expected] == [("unit", "it is meant to")]
    with pytest.raises(AssertionError, match="was expected to fail"):
        check_estimator(KSG_SPEC, only=["unit"], expected_failures={"unit": "it is not"})


def test_an_inapplicable_check_is_skipped_with_its_reason() -> None:
    report = check_estimator(KSG_SPEC, only=["counts", "error-covers-seeds"], expected_failures={"counts": "no matter"})
    said = {r.check: r.message for r in report.skipped}
    assert said["counts"] == "is not declared consistent for discrete"
    assert "seed" in said["error-covers-seeds"]
    assert "skipped   counts: is not declared" in str(report)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"only": ["symetry"]}, "did you mean 'symmetry'"),
        ({"expected_failures": {"symetry": "why"}}, "did you mean 'symmetry'"),
        ({"expected_failures": {"symmetry": " "}}, "its reason is empty"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_estimator(KSG_SPEC, **arguments)  # type: ignore[arg-type]


def test_installed_estimators_are_found_by_name_and_take_options() -> None:
    report = check_estimator("binning", options={"width": 0.5}, only=["unit", "shapes"])
    assert report.estimator == "binning:width=0.5"
    with pytest.raises(NotFoundError, match="did you mean 'binning'"):
        check_estimator("bining")


def test_wrong_options_are_an_error_at_once() -> None:
    with pytest.raises(TypeError, match="neighbours"):
        check_estimator(KSG_SPEC, options={"neighbours": 5}, raising=False)


def test_parametrizing_makes_one_test_for_each_check_that_applies() -> None:
    mark = parametrize_with_checks(
        [KSG_SPEC, (KSG_SPEC, {"k": 5}), "binning"], expected_failures={"binning": {"batch": "for the sake of it"}}
    ).mark
    parameters = {p.id: p for p in mark.args[1]}
    assert {"ksg-symmetry", "ksg:k=5-symmetry", "binning-unit"} <= parameters.keys()
    assert not {"ksg-counts", "ksg-rotation", "binning-gaussian"} & parameters.keys()
    (expected,) = parameters["binning-batch"].marks
    assert expected.kwargs == {"reason": "for the sake of it", "strict": True}
    parameters["ksg:k=5-unit"].values[0]()
    with pytest.raises(pytest.skip.Exception, match="gives no error"):
        parameters["ksg-error-covers-seeds"].values[0]()


@pytest.mark.parametrize(
    ("table", "said"),
    [({"kgs": {}}, "kgs, which is not among"), ({"ksg": {"symmetri": "x"}}, "symmetri"), ({"ksg": {"symmetry": ""}}, "empty")],
)
def test_parametrizing_refuses_what_does_not_exist(table: dict[str, dict[str, str]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parametrize_with_checks([KSG_SPEC], expected_failures=table)


def test_a_report_counts_and_says_why() -> None:
    results = (
        Result("one", "passed", summary="It is one.", seconds=1),
        Result("two", "failed", "is three", "It is two."),
        Result("three", "expected", "it rounds", "It is three."),
        Result("four", "skipped", "cannot count", "It is four."),
    )
    report = Report("counter", results)
    assert str(report) == (
        "counter: of 3 checks 1 passed, 1 failed, 1 failed as expected; 1 skipped (1.0 s)\n"
        "  failed    two: is three\n            (It is two.)\n  expected  three: it rounds\n  skipped   four: cannot count"
    )
    with pytest.raises(AssertionError, match="is three"):
        report.raise_if_failed()
    Report("counter", results[:1]).raise_if_failed()
