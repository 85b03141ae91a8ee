"""Analyses that ship with ibmon."""

from collections.abc import Iterator

from ibmon import AnalysisSpec, hookimpl


@hookimpl
def ibmon_analyses() -> Iterator[AnalysisSpec]:
    yield AnalysisSpec(
        name="information-plane",
        target="ibmon_analyses.information_plane:InformationPlane",
        figures="ibmon_analyses.information_plane_figures:figures",
        summary="I(X;T) against I(T;Y) of every layer (Tishby & Zaslavsky 2015).",
        requires=("layers",),
        kinds=("identity", "labels"),
    )
    yield AnalysisSpec(
        name="gradient-snr",
        target="ibmon_analyses.gradient_snr:GradientSNR",
        figures="ibmon_analyses.gradient_snr_figures:figures",
        summary="Mean, standard deviation and signal-to-noise ratio of minibatch gradients, layer by layer.",
        requires=("gradients",),
        per_estimator=False,
    )
