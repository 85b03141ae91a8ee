"""A third party's plugin: an estimator, and an analysis with a figure of its own."""

from ibmon import AnalysisSpec, EstimatorSpec, hookimpl


@hookimpl
def ibmon_estimators():
    yield EstimatorSpec(name="toy", target="ibmon_toy_parts:Toy", summary="Always one bit.")


@hookimpl
def ibmon_analyses():
    yield AnalysisSpec(
        name="spread",
        target="ibmon_toy_parts:Spread",
        figures="ibmon_toy_figures:figures",
        requires=("layers",),
        per_estimator=False,
    )
    yield AnalysisSpec(
        name="explodes", target="ibmon_toy_parts:Explodes", figures="ibmon_toy_figures:broken", per_estimator=False
    )
