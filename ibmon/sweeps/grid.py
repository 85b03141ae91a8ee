"""A grid: every combination of the values that the options of a recipe are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from ibmon.records import UsageError
from ibmon.signatures import Scalar, Signature

Axes = Mapping[str, Mapping[Scalar, str]]
"""For each option that varies its values, in order, and how each was written."""


@dataclass(frozen=True, slots=True)
class Combination:
    """One run of a grid: every option of its recipe, and in its name those that vary."""

    name: str
    parameters: Mapping[str, Scalar]


def axes(signature: Signature, recipe: str, settings: Sequence[str], seeds: str = "") -> Axes:
    """What varies: ``lr=1e-3,1e-4`` each, and the seeds last. Raises UsageError for what the recipe does not take."""
    written: dict[str, list[str]] = {}
    for setting in settings:
        name, equals, values = setting.partition("=")
        name = name.strip().replace("-", "_")
        if not name or not equals:
            raise UsageError(f"{setting!r} is not of the form option=value,value.")
        if name in written:
            raise UsageError(f"--set names {name} twice; put all of its values behind one, separated by commas.")
        written[name] = [value.strip() for value in values.split(",")]
    if seeds:
        if "seed" in written:
            raise UsageError("The seeds are said twice; use either --seeds or --set seed=.")
        written["seed"] = [str(seed) for seed in seed_numbers(seeds)]
    return {name: _values(signature, recipe, name, texts) for name, texts in written.items()}


def _values(signature: Signature, recipe: str, name: str, texts: Sequence[str]) -> dict[Scalar, str]:
    values: dict[Scalar, str] = {}
    for text in texts:
        values.setdefault(signature.convert(name, text, recipe), text)
    return values


def seed_numbers(text: str) -> list[int]:
    """``0:5`` and ``5`` are the seeds 0 to 4, ``0,3,7`` those three. Raises UsageError."""
    try:
        if "," in text:
            found = [int(part) for part in text.split(",")]
        else:
            first, colon, end = text.partition(":")
            found = list(range(int(first), int(end)) if colon else range(int(first)))
    except ValueError:
        found = []
    if not found:
        raise UsageError(f"{text!r} are no seeds; say 0:5 or 5 for the seeds 0 to 4, or 0,3,7.")
    return found


def combinations(axes: Axes, fixed: Mapping[str, Scalar]) -> list[Combination]:
    """Every combination of the values once, the last axis innermost; ``fixed`` are the other options."""
    told = [name for name, values in axes.items() if len(values) > 1] or list(axes)
    grid = product(*(values.items() for values in axes.values()))
    return [
        Combination(
            name=" ".join(f"{name}={text}" for name, (_, text) in zip(axes, chosen, strict=True) if name in told),
            parameters={**fixed, **{name: value for name, (value, _) in zip(axes, chosen, strict=True)}},
        )
        for chosen in grid
    ]
