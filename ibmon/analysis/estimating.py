"""Information between columns of anyone's data: what ``ibmon estimate`` asks the estimators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ibmon.records import IbmonError, Measurement, UsageError
from ibmon.registry import Registry
from ibmon.signatures import Request, of_target
from ibmon.specs import EstimatorSpec
from ibmon.tensors import Variable

from .files import Column, open_table
from .jobs import Bound

Operation = Literal["information", "entropy", "conditional", "pairwise"]
FEW_VALUES = 20
"""Distinct whole numbers up to which a column is suspected to hold labels."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the variables: ``name`` is what was asked for, ``labels`` whether its columns are labels and no measurements."""

    name: str
    columns: tuple[Column, ...]
    labels: bool

    @property
    def rows(self) -> int:
        return len(self.columns[0].values)

    @property
    def names(self) -> tuple[str, ...]:
        """One name for each dimension."""
        return tuple(name for column in self.columns for name in column.names)

    def variable(self, *, labels: bool) -> Variable:
        """All columns together: labels (rows,), each combination of values one label, or continuous (rows, dims)."""
        if labels:
            return Variable.labels(torch.from_numpy(codes(self.columns)))
        values = np.concatenate([column.values for column in self.columns], axis=1)
        wanted = np.float32 if values.dtype == np.float32 else np.float64
        return Variable.continuous(torch.from_numpy(np.ascontiguousarray(values, dtype=wanted)))

    def singly(self) -> list[Side]:
        """Each dimension as a variable of its own."""
        return [
            Side(name, (Column(name, column.values[:, [i]], column.missing),), self.labels)
            for column in self.columns
            for i, name in enumerate(column.names)
        ]


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be estimated; ``dropped`` rows had missing values and were left out."""

    operation: Operation
    x: Side
    y: Side | None = None
    given: Side | None = None
    lag: int = 0
    dropped: int = 0

    @property
    def sides(self) -> tuple[Side, ...]:
        return tuple(side for side in (self.x, self.y, self.given) if side is not None)

    @property
    def usual(self) -> str:
        """The estimator for this when none is named."""
        discrete = self.x.labels and (self.y is None or self.y.labels)
        if discrete:
            return "discrete"
        return "ross" if self.y is not None and self.y.labels and self.operation != "conditional" else "ksg"

    def hint(self) -> str:
        """A sentence where y (x, of an entropy) looks like labels and was not said to be any; else empty."""
        side = self.y or self.x
        if side.labels or len(side.names) > 1:
            return ""
        values = side.columns[0].values
        if not (np.isfinite(values).all() and (values == np.floor(values)).all()):
            return ""
        distinct = len(np.unique(values))
        if not 1 < distinct <= min(FEW_VALUES, side.rows // 5):
            return ""
        return f"{side.name} holds {distinct} distinct whole numbers, taken as measurements; --labels takes them as labels."


def question(
    path: Path,
    *,
    operation: Operation,
    x: str,
    y: str | None = None,
    given: str | None = None,
    labels: bool = False,
    lag: int = 0,
    drop_missing: bool = False,
) -> Question:
    """Read the columns of a file. ``labels`` says that y (x, of an entropy) is a label; text and booleans are by themselves.

    Raises NotFoundError, UsageError and IbmonError with a sentence that says what to do.
    """
    table = open_table(path)
    asked = {"x": x, "y": y, "given": given}
    said = ("x" if operation == "entropy" else "y") if labels else ""
    sides: dict[str, Side] = {}
    for role, choice in asked.items():
        if choice is not None:
            columns = table.take(choice)
            sides[role] = Side(choice, columns, any(c.label for c in columns) or role == said)
    sizes = {len(column.values): column.name for side in sides.values() for column in side.columns}
    if len(sizes) > 1:
        raise UsageError(f"The columns differ in rows: {', '.join(f'{name} has {size}' for size, name in sizes.items())}.")
    missing = np.any([column.missing for side in sides.values() for column in side.columns], axis=0)
    dropped = int(missing.sum())
    if dropped and not drop_missing:
        raise UsageError(f"{dropped} of {len(missing)} rows have no value in {_where(sides)}; --drop-missing leaves them out.")
    if dropped and lag:
        raise UsageError("--lag needs every row: without some of them the others are no longer in the order of time.")
    if dropped == len(missing):
        raise IbmonError(f"No row of {path.name} has all values." if dropped else f"{path.name} has no rows.")
    if dropped:
        keep = ~missing
        sides = {role: Side(s.name, tuple(c.only(keep) for c in s.columns), s.labels) for role, s in sides.items()}
    return Question(operation, sides["x"], sides.get("y"), sides.get("given"), lag, dropped)


def _where(sides: dict[str, Side]) -> str:
    names = [column.name for side in sides.values() for column in side.columns if column.missing.any()]
    names = list(dict.fromkeys(names))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more columns" if len(names) > 5 else "")


def codes(columns: Sequence[Column]) -> NDArray[np.int64]:
    """Labels 0, 1, ... (rows,): rows have one label where all their values agree."""
    code = np.zeros(len(columns[0].values), dtype=np.int64)
    for column in columns:
        for values in column.values.T:
            found, inverse = np.unique(values, return_inverse=True)
            code = np.unique(code * len(found) + inverse.reshape(-1), return_inverse=True)[1].reshape(-1)
    return code


@dataclass(frozen=True, slots=True)
class Ready:
    """An estimator that was asked for: ``name`` with the options that were given, and all options that it has."""

    name: str
    spec: EstimatorSpec
    provider: str
    estimator: Any
    options: dict[str, Any]


def ready(registry: Registry, text: str) -> Ready:
    """The estimator that ``ksg:k=5`` names. Raises NotFoundError, UsageError and IbmonError."""
    request = Request.parse(text)
    spec = registry.estimator(request.name)
    provider = registry.provider("estimators", request.name)
    given, canonical = request.resolve(spec.target)
    try:
        estimator = spec.load()(**given)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error
    except Exception as error:  # somebody else's plugin
        raise _broken(canonical, provider, error) from error
    options = {o.name: getattr(estimator, o.name, given.get(o.name, o.default)) for o in of_target(spec.target).options}
    return Ready(canonical, spec, provider, estimator, options)


def check(chosen: Ready, asked: Question, registry: Registry) -> None:
    """Raise UsageError where the estimator does not do what is asked, or does not take such variables."""
    spec, x, y = chosen.spec, asked.x, asked.y
    if asked.operation != "information" and asked.operation not in spec.operations:
        known = [c.spec for c in registry.contributions["estimators"].values()]
        others = [s.name for s in known if isinstance(s, EstimatorSpec) and asked.operation in s.operations]
        words = {"entropy": "entropy", "conditional": "information given a third variable", "pairwise": "pairs of columns"}
        raise UsageError(f"{spec.name} estimates no {words[asked.operation]}; these do: {', '.join(others) or 'none'}.")
    if x.labels and "labels" not in spec.x_kinds:
        turn = " Exchange --x and --y." if y is not None and not y.labels else ""
        raise UsageError(f"{spec.name} takes measurements as x, and {x.name} holds labels.{turn}")
    if y is not None and not y.labels and "continuous" not in spec.kinds:
        raise UsageError(f"{spec.name} takes labels as y; say --labels if {y.name} holds labels, or choose another estimator.")
    if y is not None and y.labels and "labels" not in spec.kinds:
        raise UsageError(f"{spec.name} takes measurements as y, and {y.name} holds labels.")


def answer(chosen: Ready, asked: Question, seed: int) -> Measurement:
    """The estimate; for ``pairwise`` every array is (dims of x, dims of y). Equal seeds give equal answers.

    Raises UsageError where the estimator refuses with a ValueError, and IbmonError where it fails.
    """
    bound = Bound(chosen.estimator, torch.Generator().manual_seed(seed))
    discrete = "continuous" not in chosen.spec.x_kinds
    x, y = asked.x, asked.y
    # Continuous columns go together; labels that are compared column by column go one by one.
    pairs = asked.operation == "pairwise"
    xs = x.singly() if pairs and (x.labels or discrete) else [x]
    ys = [y] if y is None or not (pairs and y.labels) else y.singly()
    blocks = [[_block(chosen, bound, asked, a, b, discrete=discrete) for b in ys] for a in xs]
    return _joined(blocks)


def _block(chosen: Ready, bound: Bound, asked: Question, x: Side, y: Side | None, *, discrete: bool) -> Measurement:
    given = asked.given
    shape = (len(x.names), len(y.names)) if y is not None and asked.operation == "pairwise" else ()
    try:
        a = x.variable(labels=x.labels or discrete)
        if y is None:
            estimate = bound.entropy(a)
        elif given is not None:
            estimate = bound.conditional(a, y.variable(labels=y.labels), given.variable(labels=given.labels or discrete))
        elif shape:
            estimate = bound.pairwise(a, y.variable(labels=y.labels), lag=asked.lag)
        else:
            (estimate,) = bound(a, [y.variable(labels=y.labels)])
        measured = Measurement.of(estimate, asked.operation, estimator=chosen.name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except Exception as error:  # somebody else's plugin
        raise _broken(chosen.name, chosen.provider, error) from error

    def shaped(part: Any) -> Any:
        if np.size(part) not in (1, prod(shape)):
            raise IbmonError(f"{chosen.name} ({chosen.provider}) gave values of shape {np.shape(part)}, not {shape}.")
        return np.broadcast_to(part, shape) if np.size(part) == 1 else np.reshape(part, shape)

    return replace(
        measured,
        value=shaped(measured.value),
        lower=None if measured.lower is None else shaped(measured.lower),
        upper=None if measured.upper is None else shaped(measured.upper),
        flags={name: shaped(raised) for name, raised in measured.flags.items()},
        details={name: shaped(detail) for name, detail in measured.details.items()},
    )


def _joined(blocks: list[list[Measurement]]) -> Measurement:
    """Blocks of a matrix as one; what not all of them say is left out."""
    everything = [m for row in blocks for m in row]
    if len(everything) == 1:
        return everything[0]

    def join(part: Callable[[Measurement], Any]) -> Any:
        return None if any(part(m) is None for m in everything) else np.block([[part(m) for m in row] for row in blocks])

    flags = {name: join(lambda m, name=name: m.flags.get(name)) for name in everything[0].flags}
    details = {name: join(lambda m, name=name: m.details.get(name)) for name in everything[0].details}
    return replace(
        everything[0],
        value=join(lambda m: m.value),
        lower=join(lambda m: m.lower),
        upper=join(lambda m: m.upper),
        flags={name: raised for name, raised in flags.items() if raised is not None},
        details={name: detail for name, detail in details.items() if detail is not None},
    )


def _broken(name: str, provider: str, error: Exception) -> IbmonError:
    return IbmonError(f"{name} ({provider}) failed: {type(error).__name__}: {error} (--debug shows where)")
