"""What is computed on: activations, evaluation sets, snapshots, variables and estimates.

Shapes are written ``(..., samples, units)``: leading dimensions are a batch (replicas, timepoints, channels).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

IGNORED = -100
"""The target of a sample or token that has none, as the losses of torch have it."""
Forward = Callable[[torch.nn.Module, Any], Any]
"""``forward(model, inputs) -> outputs``, for models that are not simply called with their inputs."""


@dataclass(frozen=True, slots=True)
class Activation:
    """A tensor whose axes carry meaning, so that an analysis asks for what it needs.

    ``axes`` names every dimension of ``values``: ``("sample", "unit")``, ``("sample", "time", "unit")``,
    ``("sample", "channel", "height", "width")``, and ``"replica"`` in front for networks trained as one batched model.
    ``mask`` (boolean, over the first axes of ``values``) says which entries are data rather than padding.
    """

    values: Tensor
    axes: tuple[str, ...]
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != len(self.axes):
            raise ValueError(f"{len(self.axes)} axes {self.axes} do not describe values of shape {tuple(self.values.shape)}")
        if self.mask is not None and self.mask.shape != self.values.shape[: self.mask.ndim]:
            raise ValueError(f"a mask of shape {tuple(self.mask.shape)} does not fit values of shape {tuple(self.values.shape)}")

    def variable(self) -> Variable:
        """The activation as a continuous ``Variable`` ``(batch..., samples, units)``.

        ``replica`` and ``time`` become batch dimensions, in this order; all that remains is flattened into units.
        """
        batch = [a for a in ("replica", "time") if a in self.axes]
        rest = [a for a in self.axes if a not in (*batch, "sample")]
        order = [*batch, "sample", *rest]
        values = self.values.permute([self.axes.index(a) for a in order])
        values = values.reshape(*values.shape[: len(batch) + 1], -1)
        mask = None
        if self.mask is not None:
            axes = self.axes[: self.mask.ndim]
            mask = self.mask.permute([axes.index(a) for a in order if a in axes])
            missing = [i for i, a in enumerate([*batch, "sample"]) if a not in axes]
            for i in missing:
                mask = mask.unsqueeze(i)
            mask = mask.expand(values.shape[:-1])
        return Variable(values, "continuous", mask)

    def batch(self) -> tuple[str, ...]:
        """Names of the batch dimensions of ``variable()``."""
        return tuple(a for a in ("replica", "time") if a in self.axes)


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """The fixed data that snapshots are taken on.

    ``inputs`` is what the model is called with: a tensor ``(samples, ...)``, a tuple or dict of such tensors, or a loader that
    gives them in batches with their targets (``Monitor.watch`` draws fixed samples from it).
    ``targets`` gives labels by task, integers ``(samples,)`` or per token ``(samples, time)``, -100 where there is none.
    ``mask`` ``(samples, time)`` says which tokens are data; an ``attention_mask`` among the inputs does by itself.
    ``forward(model, inputs)`` replaces ``model(inputs)``; ``loss(outputs, targets)``, the mean over the samples it is given, is
    for probes that need one. ``vocabulary`` is the word that each integer of token inputs stands for: the first 2¹⁸ of them, and
    64 characters of each, are kept; ``classes`` are the names of a task's labels, by task, in the order of their integers, kept
    as the vocabulary is. ``whole``: the samples belong together, as the nodes of a graph do: they are passed to the model at
    once, all of them. Raises ValueError for classes that are not lists of names by task.
    """

    inputs: Any
    targets: Mapping[str, Tensor] | Tensor | None = None
    mask: Tensor | None = None
    forward: Forward | None = None
    loss: Callable[[Any, Mapping[str, Tensor]], Tensor] | None = None
    vocabulary: Sequence[str] | None = None
    classes: Mapping[str, Sequence[str]] | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        given: Any = {} if self.classes is None else self.classes
        if not isinstance(given, Mapping) or not all(isinstance(n, list | tuple) for n in given.values()):
            raise ValueError('classes are names of labels by task, as in {"pos": ("NOUN", "VERB")}')


@dataclass(frozen=True, slots=True)
class GradientStatistics:
    """Minibatch gradients of one parameter over a window: norms of their mean and of their standard deviation.

    ``mean`` = ‖⟨g⟩‖₂ and ``std`` = ‖STD(g)‖₂ (ddof 0) over ``count`` minibatches; ``norm`` = ‖W‖_F at the snapshot.
    ``size`` is the number of elements; ``nonfinite`` minibatches were counted, not averaged. ``population`` is how many
    minibatches there were to draw these from without replacement (those of an epoch), where known. For networks trained as
    one batched model ``mean``, ``std`` and ``norm`` are float64 tensors ``(replicas,)``.
    """

    mean: float | Tensor
    std: float | Tensor
    count: int
    norm: float | Tensor
    size: int
    nonfinite: int = 0
    population: int | None = None


@dataclass(frozen=True, slots=True)
class Reduced:
    """What was cut off a layer when it was captured: flags that its estimates carry, and which timepoints are left."""

    flags: tuple[str, ...] = ()
    timepoints: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The network after exactly ``step`` optimizer updates, on one evaluation set."""

    step: int
    epoch: float | None
    evaluation: str
    layers: Mapping[str, Activation] = field(default_factory=dict[str, Activation])
    identity: Tensor | None = None
    """Which of the distinct inputs each sample is ``(samples,)``: X, uniform on the evaluation set."""
    inputs: Activation | None = None
    outputs: Activation | None = None
    targets: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    gradients: Mapping[str, GradientStatistics] = field(default_factory=dict[str, GradientStatistics])
    probes: Mapping[str, Activation] = field(default_factory=dict[str, Activation])
    batch_size: int | None = None
    """Samples in a minibatch of the training, where known: what the gradient noise scale needs."""
    vocabulary: Sequence[str] | None = None
    """The word that each integer of ``inputs`` stands for, where they are tokens and it is known."""
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """What the integers of ``targets`` stand for, by task, where it is known."""
    reduced: Mapping[str, Reduced] = field(default_factory=dict[str, Reduced])
    """Layers that were cut down when they were captured."""


Kind = Literal["continuous", "labels", "identity"]


@dataclass(frozen=True, slots=True)
class Variable:
    """A random variable as estimators take it.

    ``continuous``: ``values`` ``(..., samples, dims)``. ``labels``: integer ``values`` ``(..., samples)``.
    ``identity``: which of the distinct inputs a sample is, integer ``values`` ``(samples,)``: X uniform on the inputs.
    ``mask`` ``(..., samples)``: samples that are data; an estimate with a mask equals that of the compressed samples.
    """

    values: Tensor
    kind: Kind
    mask: Tensor | None = None

    @classmethod
    def continuous(cls, values: Tensor, mask: Tensor | None = None) -> Variable:
        """``values`` ``(..., samples, dims)``."""
        return cls(values, "continuous", mask)

    @classmethod
    def labels(cls, values: Tensor, mask: Tensor | None = None) -> Variable:
        """``values`` ``(..., samples)``, integers (any, also negative)."""
        return cls(values.long(), "labels", mask)

    @classmethod
    def identity(cls, inputs: Tensor | int) -> Variable:
        """The identity of the sample: a number of distinct samples, or inputs ``(samples, ...)`` whose equal rows are one."""
        if isinstance(inputs, int):
            return cls(torch.arange(inputs), "identity")
        rows = inputs.reshape(inputs.shape[0], -1)
        return cls(torch.unique(rows, dim=0, return_inverse=True)[1], "identity")

    @property
    def samples(self) -> int:
        return self.values.shape[-2 if self.kind == "continuous" else -1]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an estimator says. All tensors have the batch's shape (0-d without a batch) and are in ``unit``.

    - ``value``: what is shown, clipped to what is possible; ``raw``: the same before clipping, where the estimator clips.
    - ``lower``, ``upper``: bounds, where the estimator has them. ``error``: standard error of the value, where it has one.
    - ``null``: mean over permutations of the labels, what the estimator reads where there is nothing to read;
      ``p_value``: the share of permutations that reach the estimate, (1 + reached) / (1 + permutations).
    - ``limit``: what the value cannot exceed (log2 N, H(Y)), where the estimator knows it.
    - ``flags``: name -> boolean tensor, for what makes the number mean less than it seems: ``saturated``,
      ``label_saturated``, ``high_dimension``, ``few_samples``, ``ties``, ``deterministic``, ``constant``, ``nonfinite``,
      ``empty``, and whatever else an estimator has to confess.
    """

    value: Tensor
    unit: str = "bits"
    lower: Tensor | None = None
    upper: Tensor | None = None
    flags: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    limit: Tensor | None = None
    raw: Tensor | None = None
    error: Tensor | None = None
    null: Tensor | None = None
    p_value: Tensor | None = None


class Estimator(Protocol):
    """Mutual information of one variable with several others: a frozen dataclass whose fields are its options.

    The expensive part is shared between the ``ys``. Leading dimensions are a batch; masked samples are left out, as if the
    variable had been compressed. Runs on the device of ``x``, in chunks under a memory budget; never mutates its input or any
    global random state (``rng``, on the CPU, is the only source of randomness). ``EstimatorSpec`` declares what it can do, and
    ``ibmon.testing.check_estimator`` holds it to that.

    An estimator may have further operations, which its spec lists:

    - ``entropy(x, *, rng) -> Estimate`` of one variable;
    - ``conditional(x, y, z, *, rng) -> Estimate``: I(x; y | z);
    - ``pairwise(x, y, *, lag=0, rng) -> Estimate``: for x ``(..., samples, I)`` and y ``(..., samples, J)`` the value
      ``(..., I, J)`` holds I(x_i(t); y_j(t + lag)), each column a variable of its own and the samples in the order of time.
    """

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]: ...
