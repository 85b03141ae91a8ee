"""How much of large layers is captured: fewer units, projections of them, fewer timepoints. No torch: the commands check it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ibmon.records import UsageError


@dataclass(frozen=True, slots=True)
class Reduction:
    """What is captured of layers that are larger; 0 means all of it.

    ``units``: a sample of so many units, always the same ones. ``projection``: so many random projections of all units, with
    independent normal weights of variance 1 / projection, which keep distances between samples to about √(2 / projection) of
    themselves (Johnson & Lindenstrauss 1984); what binning and kernel estimators see of the layer is then not its own grid or
    space. ``timepoints``: so many of the timepoints, evenly spaced, the first and the last among them. Estimates of such a layer
    carry the flags ``sampled_units``, ``projected`` and ``sampled_timepoints``; of sampled units they are no more than the
    layer's own information. Raises UsageError for negative numbers, for one timepoint, and for units beside a projection.
    """

    units: int = 0
    projection: int = 0
    timepoints: int = 0

    def __post_init__(self) -> None:
        if min(self.units, self.projection, self.timepoints) < 0 or self.timepoints == 1:
            raise UsageError("A reduction has 0 or more units and projections, and 0 or at least 2 timepoints.")
        if self.units and self.projection:
            raise UsageError("A reduction takes units or projections, not both.")

    def __bool__(self) -> bool:
        return bool(self.units or self.projection or self.timepoints)

    def __str__(self) -> str:
        return ",".join(f"{f.name}={getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name))


def parse(text: str) -> Reduction:
    """``units=512``, ``projection=64,timepoints=32``; nothing is no reduction. Raises UsageError."""
    known = {f.name for f in fields(Reduction)}
    given: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name.strip() not in known or not value.strip().isdecimal():
            raise UsageError(f"{text!r} is no reduction; say units=512, projection=64 or timepoints=32, several with commas.")
        given[name.strip()] = int(value)
    return Reduction(**given)
