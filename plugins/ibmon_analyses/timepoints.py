"""Information of layers with a time axis at each timepoint: about the whole input, the label, the input now, the states beside.

The planes of recurrent networks: I(X;H_t) and I(X_t;H_t) against I(H_t;Y), and I(H_t;H_{t−1}) against I(H_t;H_{t+1}), after
Baker et al., "Information Bottleneck for Multi-Task LSTMs" (equation 2, figures 1, 2, 4 and 6), with what padding makes of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor

from ibmon import Activation, Estimate, Measurement, Snapshot, Variable

from .information_plane import Estimator, labels_of
from .timepoints_states import States, identities, inputs_of, predicted_by_padding, states_of

_CAP = 0.95
"""Share of log2 N_t from which an estimate is at its cap: every sample is told from every other."""


@dataclass(frozen=True, slots=True)
class Timepoints:
    """Measures, in bits, of every layer with axes sample and time, over the axis time (and replica, in front of it):

    - "I(X;H_t)", X the identity of the sample, so the whole sequence; and "I(H_t;Y)" for every task, labels of a sample or of
      its tokens, where the estimator takes labels.
    - "I(X_t;H_t)" where the inputs have a time axis, or a column for each timepoint. X_t is continuous for estimators that take
      a continuous y (ksg, renyi, gaussian, copula), unless the inputs are integers or hold at most √N distinct rows: for those
      and for all other estimators (binning, kde, ...) X_t is which of the distinct rows, or which token, the input is at t.
    - "I(H_t;H_{t-1})" and "I(H_t;H_{t+1})". Each pair of neighbours is measured once and is read from both its ends: the later
      as the estimator sees it; the earlier as it is for estimators that take a continuous y, and for others the identity of
      its cell after floor(h / ``width``), as with the paper's histograms. ``width=0`` leaves the latter out.
    - "samples": N_t, how many samples are data at t. Every ``limit`` is at most log2 N_t, and an estimate within 5 % of log2 N_t
      is flagged ``saturated``.

    ``padding="masked"`` leaves out what the mask of the layer does not call data. ``"as-data"`` counts it, as the paper does, and
    measures beside it, where all padding is in front, "I(X;H_t) predicted by padding" (``predicted_by_padding``).
    With ``equal`` every timepoint has the same number of samples, the least N_t that is at least ``least``; timepoints with fewer
    are left out. The samples are the same ones in all snapshots, and at all timepoints as far as they are data there.
    ``last`` takes only so many of the last timepoints (0: all), ``every`` every so many of them, counted from the last.
    Raises ValueError for options out of their domain.
    """

    padding: Literal["masked", "as-data"] = "masked"
    equal: bool = False
    least: int = 50
    last: int = 0
    every: int = 1
    width: float = 0.07

    def __post_init__(self) -> None:
        if self.padding not in ("masked", "as-data"):
            raise ValueError(f"timepoints: padding must be masked or as-data, not {self.padding}")
        for name, lowest in (("least", 1), ("last", 0), ("every", 1), ("width", 0)):
            if not getattr(self, name) >= lowest:
                raise ValueError(f"timepoints: {name} must be {lowest} or more, not {getattr(self, name)}")

    def measure(self, snapshot: Snapshot, estimators: Mapping[str, Estimator]) -> Iterator[Measurement]:
        """Yields the quantities of the class with subject layer (and task, where there are several)."""
        layers = {k: a for k, a in snapshot.layers.items() if {"sample", "time"} <= set(a.axes)}
        kinds = {name: _kinds(estimator) for name, estimator in estimators.items()} if layers else {}
        for layer, activation in layers.items():
            length = activation.values.shape[activation.axes.index("time")]
            moments = list(range(length))[-self.last or None :][:: -self.every][::-1]
            states = states_of(activation, moments, masked=self.padding == "masked", least=self.least if self.equal else None)
            places = {name: list(range(states.values.shape[i])) for i, name in enumerate(activation.batch())}
            cut = snapshot.reduced.get(layer)
            left = cut.timepoints if cut is not None else None  # those that were captured, where not all were
            axes = {**places, "time": moments if left is None else [left[t] for t in moments]}
            yield Measurement(quantity="samples", unit="", value=states.count.cpu().numpy(), subject={"layer": layer}, axes=axes)
            if self.padding == "as-data":
                yield from _predicted(snapshot, layer, activation, moments)
            for name, estimator in estimators.items():
                found = self._estimates(snapshot, activation, moments, states, estimator, kinds[name], left)
                for quantity, subject, estimate in found:
                    yield Measurement.of(estimate, quantity, subject={"layer": layer, **subject}, axes=axes, estimator=name)

    def _estimates(
        self,
        snapshot: Snapshot,
        activation: Activation,
        moments: Sequence[int],
        states: States,
        estimator: Estimator,
        kinds: frozenset[str],
        left: Sequence[int] | None,
    ) -> Iterator[tuple[str, dict[str, str], Estimate]]:
        """Quantity, further subject and estimate: one call of the estimator for the states, and one for pairs of neighbours.

        Where only the timepoints ``left`` of a longer sequence were captured, none has a neighbour.
        """
        asked: list[tuple[str, dict[str, str], Variable]] = [("I(X;H_t)", {}, _identity(snapshot, states))]
        for task, labels in snapshot.targets.items():
            fitting = labels if left is None or labels.ndim < 2 else labels[:, list(left)]
            found = labels_of(fitting, activation) if "labels" in kinds else None
            if found is not None:
                y = found
                if found.values.ndim > 1:
                    given = None if found.mask is None else found.mask[list(moments)]
                    y = Variable.labels(states.labels(found.values[list(moments)]), given)
                asked.append(("I(H_t;Y)", {"task": task} if len(snapshot.targets) > 1 else {}, y))
        inputs = inputs_of(snapshot.inputs, activation) if left is None else None
        if inputs is not None and (now := _input_now(inputs[list(moments)], states, kinds)) is not None:
            asked.append(("I(X_t;H_t)", {}, now))
        for (quantity, subject, _), estimate in zip(asked, estimator(states.variable(), [y for *_, y in asked]), strict=True):
            yield quantity, subject, _capped(estimate, states.count)
        if left is None:
            yield from self._between(activation, moments, estimator, kinds)

    def _between(
        self, activation: Activation, moments: Sequence[int], estimator: Estimator, kinds: frozenset[str]
    ) -> Iterator[tuple[str, dict[str, str], Estimate]]:
        length = activation.values.shape[activation.axes.index("time")]
        later = sorted({s for t in moments for s in (t, t + 1) if 0 < s < length})
        if not later or not ("continuous" in kinds or ("labels" in kinds and self.width > 0)):
            return
        masked = self.padding == "masked"
        before, after = (states_of(activation, at, masked=masked) for at in ([t - 1 for t in later], later))
        pairs = after.only(before.mask, self.least if self.equal else None)
        rows = pairs.rows(before.values)
        if "continuous" in kinds:
            y = Variable.continuous(rows)
        else:
            y = Variable.labels(identities((rows / rows.new_tensor(self.width)).floor()))
        estimate = _capped(estimator(pairs.variable(), [y])[0], pairs.count)
        place = {t: i for i, t in enumerate(later)}
        for quantity, offset in (("I(H_t;H_{t-1})", 0), ("I(H_t;H_{t+1})", 1)):
            yield quantity, {}, _taken(estimate, [place.get(t + offset) for t in moments])


def _kinds(estimator: Estimator) -> frozenset[str]:
    """Kinds of y that an estimator takes beside the identity: it refuses others with a ValueError, whatever the numbers are."""
    x = Variable.continuous(torch.arange(8.0)[:, None])
    offered = (Variable.labels(torch.arange(8) % 2), x)
    taken: set[str] = set()
    for y in offered:
        try:
            estimator(x, [y])
        except ValueError:
            continue
        taken.add(y.kind)
    return frozenset(taken)


def _identity(snapshot: Snapshot, states: States) -> Variable:
    samples, device = states.mask.shape[-1], states.values.device
    known = snapshot.identity
    return Variable((known if known is not None and len(known) == samples else torch.arange(samples)).to(device), "identity")


def _input_now(inputs: Tensor, states: States, kinds: frozenset[str]) -> Variable | None:
    """X_t of ``inputs`` (time, samples, units) as the kind of variable that the estimator takes; None where it takes none."""
    discrete = not inputs.is_floating_point()
    if not discrete:
        there = states.mask.flatten(0, -3).any(0) if states.mask.ndim > 2 else states.mask
        rows = inputs[there]
        discrete = len(rows) > 0 and int(identities(rows).max() + 1) ** 2 <= inputs.shape[1]
    if "continuous" in kinds and not discrete:
        return Variable.continuous(states.rows(inputs))
    if "labels" not in kinds:
        return None
    data = states.rows(inputs)
    whole = inputs.shape[-1] == 1 and not inputs.is_floating_point()
    return Variable.labels(data[..., 0] if whole else identities(data))


def _predicted(snapshot: Snapshot, layer: str, activation: Activation, moments: Sequence[int]) -> Iterator[Measurement]:
    """The curve of padding alone, where there is a mask of padding in front, the same for all replicas."""
    mask = activation.variable().mask
    if mask is None:
        return
    each = mask.reshape(-1, *mask.shape[-2:])
    mask = each[0]
    if bool((each != mask).any()) or bool((mask[:-1] & ~mask[1:]).any()):
        return
    samples = mask.shape[-1]
    known = snapshot.identity
    identity = known if known is not None and len(known) == samples else torch.arange(samples)
    value = predicted_by_padding(identity.to(mask.device), mask)[list(moments)].cpu().numpy()
    yield Measurement(
        quantity="I(X;H_t) predicted by padding", value=value, subject={"layer": layer}, axes={"time": list(moments)}
    )


def _capped(estimate: Estimate, count: Tensor) -> Estimate:
    """With log2 of the ``count`` of samples (of the batch's shape) as the limit, unless there is a lower one, and as a flag."""
    cap = count.double().log2().masked_fill(count == 0, torch.nan)
    limit = cap if estimate.limit is None else torch.minimum(estimate.limit.double(), cap)
    at_cap = (estimate.value >= _CAP * cap) & (count > 1)
    saturated = at_cap | estimate.flags.get("saturated", torch.zeros_like(at_cap))
    return replace(estimate, limit=limit, flags={**estimate.flags, "saturated": saturated})


def _taken(estimate: Estimate, places: Sequence[int | None]) -> Estimate:
    """The estimate at ``places`` of its last dimension; where there is none it is NaN and flagged ``empty``."""
    device = estimate.value.device
    index = torch.tensor([place or 0 for place in places], device=device)
    missing = torch.tensor([place is None for place in places], device=device)
    every = {field.name: getattr(estimate, field.name) for field in fields(estimate)}
    taken = {
        name: part.index_select(-1, index).masked_fill(missing, torch.nan)
        for name, part in every.items()
        if isinstance(part, Tensor)
    }
    flags = {name: raised.index_select(-1, index) & ~missing for name, raised in estimate.flags.items()}
    flags["empty"] = missing | flags.get("empty", torch.zeros_like(missing))
    return replace(estimate, **taken, flags=flags)
