"""Estimators of mutual information that come with ibmon.

Discovery imports this module only; an estimator and torch are imported when the estimator is first used.
"""

from __future__ import annotations

from collections.abc import Iterator

from ibmon import EstimatorSpec, hookimpl


@hookimpl
def ibmon_estimators() -> Iterator[EstimatorSpec]:
    """The estimators of this package."""
    yield EstimatorSpec(
        name="binning",
        target="ibmon_estimators.binning:Binning",
        summary="Entropy of the discretised layer: fixed width, edges on [-1, 1], quantiles, or its observed range.",
    )
    yield EstimatorSpec(
        name="kde",
        target="ibmon_estimators.kde:KDE",
        summary="Kernel bounds for the layer plus Gaussian noise, of an absolute or a relative variance.",
        bounds=True,
    )
