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
        operations=("entropy",),
    )
    yield EstimatorSpec(
        name="kde",
        target="ibmon_estimators.kde:KDE",
        summary="Kernel bounds for the layer plus Gaussian noise, of an absolute or a relative variance.",
        bounds=True,
        operations=("entropy",),
        invariances=("offset", "rotation"),
    )
    yield EstimatorSpec(
        name="sample-propagation",
        target="ibmon_estimators.sample_propagation:SamplePropagation",
        summary="Monte Carlo of the layer plus Gaussian noise, unbiased with a standard error (Goldfeld et al. 2019).",
        operations=("entropy",),
        invariances=("offset", "rotation"),
    )
    yield EstimatorSpec(
        name="classifier",
        target="ibmon_estimators.classifier:Classifier",
        summary="H(Y) less the cross-entropy of a cross-fitted linear probe: a lower bound for many classes or units.",
        invariances=("scale", "offset"),
    )
    yield EstimatorSpec(
        name="ksg",
        target="ibmon_estimators.ksg:KSG",
        summary="Nearest neighbours: KSG 1 and 2 between continuous variables, Ross for labels, Frenzel-Pompe given a third.",
        kinds=("continuous", "labels", "identity"),
        operations=("entropy", "conditional", "pairwise"),
        invariances=("scale", "offset"),
        consistent=("gaussian", "continuous", "classes"),
    )
    yield EstimatorSpec(
        name="ross",
        target="ibmon_estimators.ross:Ross",
        summary="Nearest neighbours between a continuous variable and labels (Ross 2014), of the layer or unit by unit.",
        kinds=("labels", "identity"),
        operations=("pairwise",),
        invariances=("scale", "offset"),
        consistent=("classes",),
    )
    yield EstimatorSpec(
        name="discrete",
        target="ibmon_estimators.discrete:Discrete",
        summary="Plug-in information between labels, with the Miller-Madow correction as an option.",
        kinds=("labels", "identity"),
        x_kinds=("labels", "identity"),
        operations=("entropy", "conditional"),
        consistent=("discrete",),
    )
    yield EstimatorSpec(
        name="gaussian",
        target="ibmon_estimators.gaussian:Gaussian",
        summary="Information between variables that are taken to be jointly Gaussian: from covariances alone.",
        kinds=("continuous", "identity"),
        operations=("entropy", "conditional", "pairwise"),
        invariances=("scale", "offset", "rotation"),
        consistent=("gaussian",),
    )
    yield EstimatorSpec(
        name="copula",
        target="ibmon_estimators.copula:Copula",
        summary="Gaussian copula: Gaussian information of the ranks, whatever the marginals are (Ince et al. 2017).",
        kinds=("continuous", "identity"),
        operations=("conditional", "pairwise"),
        invariances=("scale", "offset", "monotone"),
        consistent=("gaussian",),
    )
    yield EstimatorSpec(
        name="renyi",
        target="ibmon_estimators.renyi:Renyi",
        summary="Matrix-based Renyi information of kernel matrices, in a unit of its own (Sanchez Giraldo et al. 2015).",
        kinds=("continuous", "labels", "identity"),
        operations=("entropy",),
        invariances=("offset", "rotation"),
        unit="Renyi bits",
    )
