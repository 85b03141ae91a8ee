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
        name="timepoints",
        target="ibmon_analyses.timepoints:Timepoints",
        figures="ibmon_analyses.timepoints_figures:figures",
        summary="Information of layers with a time axis at every timepoint: of inputs, labels and neighbouring states.",
        requires=("time",),
        kinds=("identity", "labels"),
    )
    yield AnalysisSpec(
        name="timepoints-continuous",
        target="ibmon_analyses.timepoints:Timepoints",
        figures="ibmon_analyses.timepoints_figures:continuous",
        summary="What `timepoints` measures between continuous variables, for estimators that take no labels (gaussian, copula).",
        requires=("time",),
        kinds=("identity", "continuous"),
        default=False,
    )
    yield AnalysisSpec(
        name="geometry",
        target="ibmon_analyses.geometry:Geometry",
        figures="ibmon_analyses.geometry_figures:figures",
        summary="Total variance, distances within and between classes, and saturation of every layer.",
        requires=("layers",),
        per_estimator=False,
    )
    yield AnalysisSpec(
        name="gradient-snr",
        target="ibmon_analyses.gradient_snr:GradientSNR",
        figures="ibmon_analyses.gradient_snr_figures:figures",
        summary="Mean, standard deviation and signal-to-noise ratio of minibatch gradients, layer by layer.",
        requires=("gradients|probe:frozen|probe:parallel",),
        per_estimator=False,
    )
    yield AnalysisSpec(
        name="loss-dynamics",
        target="ibmon_analyses.loss_dynamics:LossDynamics",
        figures="ibmon_analyses.loss_dynamics_figures:figures",
        summary="How single updates change the loss, and what gradient laws predict (runs with the probe `dynamics`).",
        requires=("probe:dynamics",),
        per_estimator=False,
    )
    yield AnalysisSpec(
        name="information-derivative",
        target="ibmon_analyses.information_derivative:InformationDerivative",
        figures="ibmon_analyses.information_derivative_figures:figures",
        summary="How fast the kernel bound of I(X;T) changes in an update, within and between classes (probe `change`).",
        requires=("probe:change",),
        per_estimator=False,
        default=False,
    )
    yield AnalysisSpec(
        name="activations",
        target="ibmon_analyses.activations:Activations",
        figures="ibmon_analyses.activations_figures:figures",
        summary="Pictures of what each layer makes of one example, before and after training.",
        per_estimator=False,
        default=False,
    )
    yield AnalysisSpec(
        name="flow",
        target="ibmon_analyses.flow:Flow",
        figures="ibmon_analyses.flow_figures:figures",
        summary="Information flow between inputs, hidden units and outputs of a recurrent network: has it a direction, layers?",
        requires=("time",),
        kinds=("continuous",),
        operations=("pairwise",),
        default=False,
    )
    yield AnalysisSpec(
        name="mean-activations",
        target="ibmon_analyses.mean_activations:MeanActivations",
        figures="ibmon_analyses.mean_activations_figures:figures",
        summary="Activations of layers with a time axis at every timepoint, averaged over samples and units.",
        requires=("time",),
        per_estimator=False,
    )
    yield AnalysisSpec(
        name="saliency",
        target="ibmon_analyses.saliency:Saliency",
        figures="ibmon_analyses.saliency_figures:figures",
        summary="How much each timepoint and each word moves the loss (runs with the probe `saliency`).",
        requires=("probe:saliency",),
        per_estimator=False,
    )
    yield AnalysisSpec(
        name="gates",
        target="ibmon_analyses.gates:Gates",
        figures="ibmon_analyses.gates_figures:figures",
        summary="Gates that tasks put on units: word by word, by class, and correlated between tasks (layers `gate.TASK`).",
        per_estimator=False,
    )
    yield AnalysisSpec(
        name="task-neurons",
        target="ibmon_analyses.task_neurons:TaskNeurons",
        figures="ibmon_analyses.task_neurons_figures:figures",
        summary="What single units of the layer `hidden` tell about each task and class (runs with `-e ross`).",
        requires=("layers", "targets"),
        kinds=("labels",),
        operations=("pairwise",),
    )
    yield AnalysisSpec(
        name="confusion",
        target="ibmon_analyses.confusion:Confusion",
        figures="ibmon_analyses.confusion_figures:figures",
        summary="Confusion matrix, precision, recall and F1 of every class, from `TASK.output` or the outputs of a classifier.",
        requires=("targets",),
        per_estimator=False,
        default=False,
    )
    yield AnalysisSpec(
        name="ablation",
        target="ibmon_analyses.ablation:Ablations",
        figures="ibmon_analyses.ablation_figures:figures",
        summary="Accuracy with and without the units that tell most about a task (runs with the probe `ablation`).",
        requires=("probe:ablation",),
        per_estimator=False,
    )
    yield AnalysisSpec(
        name="generalisation",
        target="ibmon_analyses.generalisation:Generalisation",
        figures="ibmon_analyses.generalisation_figures:figures",
        summary="The gap between training and validation against I(X;T) of a layer, and against its norm (a logged `... gap`).",
        per_estimator=False,
        default=False,
    )
