"""What this distribution offers to ibmon. Discovery imports this module only, so nothing heavy is imported here."""

from collections.abc import Iterator

from ibmon import AnalysisSpec, EstimatorSpec, hookimpl


@hookimpl
def ibmon_estimators() -> Iterator[EstimatorSpec]:
    """Binning, averaged over the position of its cells."""
    yield EstimatorSpec(
        name="shifted-binning",
        target="ibmon_example.shifted_binning:ShiftedBinning",
        summary="Entropy of the discretised layer, averaged over random positions of the cells.",
        kinds=("identity", "labels"),
    )


@hookimpl
def ibmon_analyses() -> Iterator[AnalysisSpec]:
    """The effective dimension of the layers. It needs no estimator."""
    yield AnalysisSpec(
        name="participation-ratio",
        target="ibmon_example.participation_ratio:ParticipationRatio",
        figures="ibmon_example.participation_ratio_figures:figures",
        summary="Effective dimension of every layer: (sum of eigenvalues)² / sum of squares, of the covariance.",
        requires=("layers",),
        per_estimator=False,
    )
