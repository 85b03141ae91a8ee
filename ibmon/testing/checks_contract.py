"""Checks of what an estimate is made of, and of whether the declaration is true."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any, get_args

import torch

from ibmon import signatures
from ibmon.records import IbmonError
from ibmon.tensors import Estimate, Kind, Variable

from . import cases
from .check import Check, converges_for, reachable, takes
from .subject import COMPANIONS, NotApplicable, Subject, chosen, identical, raw, require, same, with_values

_KINDS = get_args(Kind)
_OPERATIONS = ("entropy", "conditional", "pairwise")
_INVARIANCES = ("scale", "offset", "rotation", "monotone")
_CONSISTENT = ("gaussian", "continuous", "classes", "discrete")


def declaration(subject: Subject) -> None:
    """The declaration uses words that ibmon knows, and what it declares consistent its kinds allow."""
    spec = subject.spec
    known = {"kinds": _KINDS, "x_kinds": _KINDS, "operations": _OPERATIONS}
    for name, words in {**known, "invariances": _INVARIANCES, "consistent": _CONSISTENT}.items():
        strange = set(getattr(spec, name)) - set(words)
        require(not strange, f"{name} has {', '.join(sorted(strange))}; there is {', '.join(words)}")
    require(spec.kinds and spec.x_kinds, "kinds and x_kinds name no kind of variable")
    for distribution in spec.consistent:
        require(reachable(spec, distribution), f"consistent for {distribution}, which its kinds do not allow")
    require(spec.unit and spec.memory > 0, "unit is empty, or memory not positive")


def options(subject: Subject) -> None:
    """The estimator is a frozen dataclass whose fields are options with literal defaults, read without importing it."""
    kind = type(subject.estimator)
    require(dataclasses.is_dataclass(kind), f"{kind.__name__} is no dataclass")
    require(kind.__dataclass_params__.frozen, f"{kind.__name__} is not frozen: @dataclass(frozen=True)")
    try:
        found = {option.name: option for option in signatures.of_target(subject.spec.target).options}
    except IbmonError as error:
        raise AssertionError(str(error)) from None
    for field in dataclasses.fields(kind):
        require(field.name in found, f"the option {field.name} cannot be read from the source")
        option = found[field.name]
        require(not option.required, f"the option {field.name} has no default")
        require(option.default == field.default, f"the default of {field.name} reads {option.default}, and is {field.default}")


def pickles(subject: Subject) -> None:
    """The declaration and the estimator survive pickling, and equal themselves afterwards."""
    for thing in (subject.spec, subject.estimator):
        require(pickle.loads(pickle.dumps(thing)) == thing, f"{thing} does not equal its pickled copy")


def one_estimate_per_y(subject: Subject) -> None:
    """A call gives a tuple with one estimate for each y, in their order, and none for none."""
    for x, ys in subject.examples():
        ys = [*ys, cases.example(subject.spec.kinds[0], part=7, seed=5)]
        found: Any = subject.call(x, ys)
        require(isinstance(found, tuple), f"a call gives a {type(found).__name__}, not a tuple")
        require(len(found) == len(ys), f"a call with {len(ys)} ys gives {len(found)} estimates")
        require(all(isinstance(estimate, Estimate) for estimate in found), "what a call gives are not all estimates")
        backward = subject.call(x, ys[::-1])
        for i, y in enumerate(ys):
            same(backward[-1 - i], found[i], f"y number {i} ({y.kind}) with the ys reversed", spread=subject.spread(x, y))
        require(subject.call(x, []) == (), "a call without ys gives something other than an empty tuple")


def unit(subject: Subject) -> None:
    """Estimates are in the unit that is declared."""
    for x, ys in subject.examples():
        for estimate in subject.call(x, ys):
            require(estimate.unit == subject.spec.unit, f"gives {estimate.unit} and declares {subject.spec.unit}")


def shapes(subject: Subject) -> None:
    """Value, companions and flags are tensors of the batch's shape: floating, and flags boolean."""
    for batch in ((), (2, 3), (1,)):
        for x, ys in subject.examples(batch):
            for y, estimate in zip(ys, subject.call(x, ys), strict=True):
                well_formed(estimate, batch, f"{x.kind} x, {y.kind} y")


def well_formed(estimate: Any, shape: tuple[int, ...], what: str) -> None:
    """Require types and shapes of everything in an estimate."""
    require(isinstance(estimate, Estimate), f"{what}: gives a {type(estimate).__name__}, not an Estimate")
    for name in ("value", *COMPANIONS):
        tensor: Any = getattr(estimate, name)
        if tensor is None:
            require(name != "value", f"{what}: there is no value")
            continue
        require(isinstance(tensor, torch.Tensor), f"{what}: {name} is a {type(tensor).__name__}, not a tensor")
        require(tensor.shape == shape, f"{what}: {name} has shape {tuple(tensor.shape)} for a batch of {shape}")
        require(tensor.dtype in (torch.float32, torch.float64), f"{what}: {name} is {tensor.dtype}, not float64 or float32")
    for name, flag in estimate.flags.items():
        require(isinstance(flag, torch.Tensor) and flag.dtype == torch.bool, f"{what}: the flag {name} is no boolean tensor")
        require(flag.shape == shape, f"{what}: the flag {name} has shape {tuple(flag.shape)} for a batch of {shape}")


def ranges(subject: Subject) -> None:
    """On good data the value is finite, not negative and within its limit, and neither ``empty`` nor ``nonfinite``."""
    for batch in ((), (2, 3)):
        for x, ys in subject.examples(batch):
            for y, estimate in zip(ys, subject.call(x, ys), strict=True):
                what = f"{x.kind} x, {y.kind} y"
                require(estimate.value.isfinite().all(), f"{what}: the value {estimate.value.tolist()} is not finite")
                require((estimate.value >= 0).all(), f"{what}: the value {estimate.value.tolist()} is negative")
                if estimate.limit is not None:
                    beyond = (estimate.value - estimate.limit).max()
                    require(beyond <= 1e-9, f"{what}: the value exceeds its limit by {float(beyond):.3g}")
                if estimate.error is not None:
                    require((estimate.error >= 0).all(), f"{what}: the error {estimate.error.tolist()} is negative or NaN")
                for name in ("empty", "nonfinite"):
                    flag = estimate.flags.get(name)
                    require(flag is None or not flag.any(), f"{what}: good data are flagged {name}")


def bounds(subject: Subject) -> None:
    """Bounds are given exactly where they are declared, and hold the value between them."""
    for x, ys in subject.examples((2,)):
        for y, estimate in zip(ys, subject.call(x, ys), strict=True):
            what = f"{x.kind} x, {y.kind} y"
            for name in ("lower", "upper"):
                given = getattr(estimate, name) is not None
                said = f"{what}: {name} is {'given' if given else 'missing'}"
                require(given == subject.spec.bounds, f"{said}, and bounds={subject.spec.bounds} is declared")
            if estimate.lower is not None and estimate.upper is not None:
                inside = (estimate.lower <= estimate.value + 1e-9) & (estimate.value <= estimate.upper + 1e-9)
                require(inside.all(), f"{what}: {estimate.lower} ≤ {estimate.value} ≤ {estimate.upper} does not hold")


def raw_is_the_value_before_clipping(subject: Subject) -> None:
    """``raw``, where it is given, equals the value wherever it lies between 0 and the limit, and is clipped to it elsewhere."""
    given = False
    for x, ys in subject.examples((2, 3)):
        for y, estimate in zip(ys, subject.call(x, ys), strict=True):
            if estimate.raw is None:
                continue
            given = True
            wanted = estimate.raw.clamp(min=0)
            if estimate.limit is not None:
                wanted = torch.minimum(wanted, estimate.limit.to(wanted.dtype))
            difference = (estimate.value - wanted).abs().max()
            require(difference <= 1e-9, f"{x.kind} x, {y.kind} y: value and clipped raw differ by {float(difference):.3g}")
    if not given:
        raise NotApplicable("gives no raw")


def raw_falls_below_zero(subject: Subject) -> None:
    """On independent data ``raw`` is negative now and then: a clipped one is biased, and hides its scatter.

    200 data sets of 40 samples. Only for estimators that converge for continuous variables or classes: their errors have
    either sign, while a plug-in entropy is never negative.
    """
    for distribution, classes in (("continuous", 0), ("classes", 2)):
        if distribution not in subject.spec.consistent:
            continue
        case = cases.independent(samples=40, replicas=200, classes=classes)
        estimate = subject.one(case.x, case.y)
        if estimate.raw is None and not (estimate.value == 0).any():
            raise NotApplicable("does not clip its values")
        least = float(raw(estimate).min())
        require(least < 0, f"{case.name}: the least of 200 estimates before clipping is {least:.4g}")


def dependence(subject: Subject) -> None:
    """A y that goes with x is told from the same y shuffled: the estimate is larger."""
    order = torch.randperm(200, generator=cases.generator(3))
    for kind in (k for k in subject.spec.x_kinds if k != "identity"):
        x = cases.example(kind, samples=200, units=1)
        for y_kind in (k for k in subject.spec.kinds if k != "identity"):
            first = x.values[..., 0] if kind == "continuous" else x.values.double()
            values = first if y_kind == "continuous" else first > first.median() - 1e-6
            y = with_values(cases.example(y_kind), values.double()[:, None] if y_kind == "continuous" else values.long())
            with_x, shuffled = subject.one(x, y), subject.one(x, chosen(y, order))
            said = f"{float(with_x.value):.4g} with x, {float(shuffled.value):.4g} shuffled"
            require(with_x.value > shuffled.value, f"{kind} x, {y_kind} y: {said}")


def kinds(subject: Subject) -> None:
    """Declared kinds of variable are taken, others refused with a ValueError of one sentence."""
    accepted = {kind: cases.example(kind, samples=60) for kind in subject.spec.x_kinds}
    for kind in _KINDS:
        y = cases.example(kind, part=1, samples=60)
        x = accepted.get(kind, cases.example(kind, samples=60))
        for x_of, given in accepted.items():
            if kind in subject.spec.kinds:
                subject.one(given, y)
            else:
                _refused(subject, given, y, f"{x_of} x with {kind} y, which is not declared")
        if kind not in accepted:
            _refused(subject, x, cases.example(subject.spec.kinds[0], part=1, samples=60), f"{kind} x, which is not declared")


def misfits(subject: Subject) -> None:
    """A y of another number of samples is refused with a ValueError of one sentence."""
    for x, _ in subject.examples(samples=60):
        for kind in subject.spec.kinds:
            for samples in (59, 61):
                y = cases.example(kind, part=1, samples=samples)
                _refused(subject, x, y, f"{x.kind} x of 60 samples with {kind} y of {samples}")


def _refused(subject: Subject, x: Variable, y: Variable, what: str) -> None:
    try:
        subject.one(x, y)
    except ValueError as error:
        require(str(error) and "\n" not in str(error), f"{what}: the ValueError says {str(error)!r}, not one sentence")
        return
    except Exception as error:
        raise AssertionError(f"{what} raises {type(error).__name__}, not ValueError: {error}") from error
    raise AssertionError(f"{what} is not refused")


def operations(subject: Subject) -> None:
    """The declared operations exist, and no others."""
    for name in _OPERATIONS:
        has = callable(getattr(subject.estimator, name, None))
        declared = name in subject.spec.operations
        require(has == declared, f"{name} is {'there' if has else 'missing'}, and {'' if declared else 'not '}declared")


def null(subject: Subject) -> None:
    """``null`` is what the estimator reads for shuffled labels, and ``p_value`` lies in (0, 1] and falls with dependence.

    Against eight shuffles made here: it may differ by six of their standard deviations.
    """
    x, y = next(subject.examples(samples=150))[0], cases.example("labels", part=1, samples=150)
    estimate = subject.one(x, y)
    if estimate.null is None:
        require(estimate.p_value is None, "p_value is given without null")
        raise NotApplicable("gives no null")
    orders = [torch.randperm(150, generator=cases.generator(i)) for i in range(8)]
    shuffled = [subject.one(x, chosen(y, order)) for order in orders]
    read = torch.stack([raw(e).double() for e in shuffled])
    require(estimate.null.isfinite().all(), f"null is {estimate.null.tolist()}")
    difference, allowed = abs(float(estimate.null) - float(read.mean())), 6 * float(read.std()) + 1e-6
    said = f"null is {float(estimate.null):.4g}, and the mean over shuffles {float(read.mean()):.4g}"
    require(difference <= allowed, f"{said}, which may differ by {allowed:.2g}")
    if estimate.p_value is not None:
        every = [e.p_value for e in (estimate, *shuffled) if e.p_value is not None]
        require(all(0 < float(p) <= 1 for p in every), f"p_value is not within (0, 1]: {[float(p) for p in every]}")
        least = min(float(p) for p in every)
        require(float(estimate.p_value) <= least, f"p_value is {float(estimate.p_value):.3g} for y and {least:.3g} for a shuffle")


def same_seed(subject: Subject) -> None:
    """The same seed gives the same bits, in everything that an estimate carries."""
    for x, ys in subject.examples((2,)):
        for y, first, second in zip(ys, subject.call(x, ys, 3), subject.call(x, ys, 3), strict=True):
            for name in ("value", *COMPANIONS):
                require(identical(getattr(first, name), getattr(second, name)), f"{x.kind} x, {y.kind} y: {name} differs")
            same(first, second, f"{x.kind} x, {y.kind} y")


CHECKS = (
    Check(declaration),
    Check(options),
    Check(pickles),
    Check(operations),
    Check(kinds),
    Check(misfits),
    Check(one_estimate_per_y),
    Check(unit),
    Check(shapes),
    Check(ranges),
    Check(bounds),
    Check(raw_is_the_value_before_clipping),
    Check(raw_falls_below_zero, (converges_for("continuous", "classes"),)),
    Check(dependence, (takes("labels", "continuous"),)),
    Check(null, (takes("labels"),)),
    Check(same_seed),
)
