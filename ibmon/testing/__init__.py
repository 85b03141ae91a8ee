"""The conformance kit: hold an estimator to ``ibmon.Estimator`` and to what its ``EstimatorSpec`` declares.

For authors of estimators, in their own tests::

    from ibmon.testing import check_estimator, parametrize_with_checks

    def test_mine():                       # all checks in one test
        check_estimator("mine")

    @parametrize_with_checks(["mine"])     # or one test for each check
    def test_contract(check):
        check()

Which checks run follows from the declaration: kinds of variable, operations, bounds, invariances, and the distributions for
which the estimator is consistent. ``cases`` has the data: distributions whose information is known. Needs torch and numpy
only; ``parametrize_with_checks`` needs pytest.
"""

from . import cases
from .report import Report, Result
from .run import check_estimator, check_names, parametrize_with_checks

__all__ = ["Report", "Result", "cases", "check_estimator", "check_names", "parametrize_with_checks"]
