"""Whether a layer compresses: the drop of I(X;T) under several estimators, and what can be claimed of it. No torch.

I(X;T) of a deterministic layer is that of a surrogate, and a drop of one surrogate is a fact about it (Saxe et al. 2018; Goldfeld
et al., ICML 2019). Compression is claimed of a layer only where the drop exceeds its error and survives three controls: sample
propagation under a fixed noise, a noise relative to the layer's variance, and a change of the parameter (docs/compression.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

FLOOR = 0.05
"""Bits that a drop must exceed in any case."""
CHANCE = 0.05
"""Probability that scatter alone makes the largest of all snapshots exceed the last by more than the error."""
FEWEST = 8
"""Snapshots below which nothing is said: the scatter would be that of fewer than four differences."""
SHARE = 0.9
"""Share of the networks of a batched model whose own drop must count."""
_MAD = 1.4826
"""Standard deviation of a normal variable, in its median absolute deviations."""
_SHORT = {"sample-propagation": "SP"}  # as Goldfeld et al. call it
_BINS = {"width": "", "edges": " edges", "quantile": " quantiles", "bins": " bins"}
"""Options of the binning that say what its cells are, and the words behind their value."""
_IRRELEVANT = ("backend", "draws", "dtype", "permutations")
"""Options that change the cost of I(X;T), or nothing of it."""

Option = bool | int | float | str | None
"""A value of an option of an estimator, as the run records it."""
Verdict = Literal["supported", "not supported", "cannot be told"]


@dataclass(frozen=True, slots=True)
class Surrogate:
    """What an estimator of I(X;T) replaces the layer by: the ``kind`` of estimator, its ``convention``, and the parameter of it.

    ``convention`` is ``fixed`` or ``relative`` for a noise, and ``width``, ``edges``, ``quantile`` or ``bins`` for binning. The
    kind is empty for what is none of binning, KDE and sample propagation: that is shown, and decides nothing.
    """

    label: str
    kind: Literal["binning", "kde", "sample-propagation", ""] = ""
    convention: str = ""
    parameter: float | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """I(X;T) of a layer in its first and its last snapshot and where it is largest, in bits; medians over the networks.

    ``drop`` = highest − last of each network, ``low`` and ``high`` what 10 and 90 % of the networks stay below; ``error`` is what
    a drop must exceed, and ``counted`` of ``networks`` do. ``counts`` is the finding, None where nothing can be told; ``found``
    says it in a word or two.
    """

    first: float
    highest: float
    at: float
    last: float
    drop: float
    low: float
    high: float
    error: float
    counted: int
    networks: int
    counts: bool | None
    found: str


@dataclass(frozen=True, slots=True)
class Control:
    """What a claim has to survive: ``needed`` surrogates of one of the ``groups`` must show the drop. No group: not run."""

    name: str
    groups: tuple[tuple[Surrogate, ...], ...]
    needed: int = 1


def surrogate(estimator: str, options: Mapping[str, Option]) -> Surrogate:
    """What an estimator does, from its name ("kde:relative=true,variance=0.1") and all of its options as the run records them."""
    name, _, text = estimator.partition(":")
    said = {key: value for key, _, value in (part.partition("=") for part in text.split(",") if part)}
    values: dict[str, Option] = {**said, **options}
    if name == "binning":
        asked = [key for key in _BINS if key != "bins" and values.get(key) not in (None, "none")]
        convention = asked[0] if asked else "bins" if values.get("range") == "observed" else "width"
        used, before, after = {convention, "range"}, "", _BINS[convention]
        parameter = _number(values.get(convention))
    elif name in ("kde", "sample-propagation"):
        convention = "relative" if values.get("relative") in (True, "true") else "fixed"
        used, before, after = {"relative", "variance"}, "rel " if convention == "relative" else "", ""
        parameter = _number(values.get("variance"))
    else:
        return Surrogate(estimator)
    if parameter is None:
        return Surrogate(estimator, name, convention)
    others = [f"{key}={value}" for key, value in said.items() if key not in used and key not in _IRRELEVANT]
    label = " ".join([_SHORT.get(name, name), f"{before}{parameter:g}{after}", *others])
    return Surrogate(label, name, convention, parameter)


def drop_of(values: np.ndarray, at: np.ndarray, *, errors: np.ndarray | None = None, saturated: np.ndarray | None = None) -> Drop:
    """The drop from the largest to the last of ``values`` (snapshots, networks), in bits; ``at`` (snapshots,) says when.

    It counts in a network where it exceeds the error, which is z σ and at least .05 bit. σ is the standard deviation of the
    difference of two snapshots: 1.48 MAD of the differences of neighbours in the later half (a steady trend there cancels), or
    that of the estimator's standard ``errors`` at the two snapshots, where it is larger. The maximum is picked among n
    snapshots, so that z is the normal quantile at 1 − .05 / n.

    Nothing can be told of a network that is ``saturated`` at either snapshot, not finite, or nowhere above its error, nor from
    fewer than 8 snapshots. It counts as a whole when it does in 90 % of the networks.
    """
    known = np.isfinite(values)
    rows = known.any(axis=1)
    if not rows.any():
        return Drop(*(np.nan,) * 8, counted=0, networks=values.shape[1], counts=None, found="not finite")
    values, at, known = values[rows], at[rows], known[rows]
    flagged = np.zeros(values.shape, bool) if saturated is None else saturated[rows]
    finite, each = known.all(axis=0), np.arange(values.shape[1])
    top = np.where(known, values, -np.inf).argmax(axis=0)
    highest, last = values[top, each], values[-1]
    error = _error(values, top, None if errors is None else errors[rows])
    full = flagged[top, each] | flagged[-1]
    silent = highest <= error
    unclear = ~finite | full | silent
    counted = ~unclear & (highest - last > error)
    if len(values) < FEWEST:
        counts, found = None, "few snapshots"
    elif counted.mean() >= SHARE:
        counts, found = True, "drop"
    elif (counted | unclear).mean() >= SHARE:
        why = {"not finite": ~finite, "saturated": full, "below error": silent}
        counts, found = None, max(why, key=lambda reason: why[reason].sum())
    else:
        counts, found = False, "no drop"

    def middle(of_networks: np.ndarray, percent: float = 50) -> float:
        return float(np.percentile(of_networks[finite], percent)) if finite.any() else np.nan

    return Drop(
        first=middle(values[0]),
        highest=middle(highest),
        at=middle(at[top]),
        last=middle(last),
        drop=middle(highest - last),
        low=middle(highest - last, 10),
        high=middle(highest - last, 90),
        error=middle(error),
        counted=int(counted.sum()),
        networks=len(each),
        counts=counts,
        found=found,
    )


def controls(surrogates: Iterable[Surrogate]) -> tuple[Control, ...]:
    """The three controls, each with what of the ``surrogates`` serves it.

    A sweep changes one parameter and nothing else: two bin widths, or two variances that are both fixed or both relative.
    """
    every = list(surrogates)
    propagated = tuple(s for s in every if s.kind == "sample-propagation" and s.convention == "fixed")
    relative = tuple(s for s in every if s.convention == "relative")
    families: dict[tuple[str, str], dict[float, Surrogate]] = {}
    for s in every:
        if s.kind in ("binning", "kde") and s.parameter is not None:
            families.setdefault((s.kind, s.convention), {}).setdefault(s.parameter, s)
    swept = tuple(tuple(family.values()) for family in families.values() if len(family) > 1)
    return (
        Control("SP", (propagated,) if propagated else ()),
        Control("relative noise", (relative,) if relative else ()),
        Control("sweep", swept, needed=2),
    )


def verdict(drops: Mapping[Surrogate, Drop]) -> tuple[Verdict, str]:
    """What can be claimed of a layer, and because of what.

    One estimator without a drop is enough against the claim; all three controls are needed for it.
    """
    deciding = {s: d for s, d in drops.items() if s.kind}
    against = [s.label for s, d in deciding.items() if d.counts is False]
    if against:
        return "not supported", f"no drop: {', '.join(against)}"
    if all(d.counts is None for d in deciding.values()):
        return "cannot be told", ", ".join(dict.fromkeys(d.found for d in deciding.values())) or "no estimator that decides"
    needed = controls(deciding)
    missing = [control.name for control in needed if not control.groups]
    gaps = [f"not run: {', '.join(missing)}"] if missing else []
    gaps += [gap for control in needed if control.groups and (gap := _gap(control, deciding))]
    if gaps:
        return "cannot be told", "; ".join(gaps)
    seen = [d.drop for d in deciding.values() if d.counts]
    of = str(len(seen)) if len(seen) == len(deciding) else f"{len(seen)} of {len(deciding)}"
    return "supported", f"{min(seen):.2f}–{max(seen):.2f} bits under {of} estimators"


def _gap(control: Control, drops: Mapping[Surrogate, Drop]) -> str:
    """Why a control that was run does not support the claim; empty where it does."""
    if any(sum(bool(drops[s].counts) for s in group) >= control.needed for group in control.groups):
        return ""
    unclear = [s for group in control.groups for s in group if drops[s].counts is None]
    return f"{drops[unclear[0]].found}: {', '.join(s.label for s in unclear)}"


def _error(values: np.ndarray, top: np.ndarray, errors: np.ndarray | None) -> np.ndarray:
    """What the drop of each network must exceed (networks,); ``top`` (networks,) is where it is largest."""
    late = np.diff(values[-(len(values) // 2 + 1) :], axis=0)
    scatter = np.zeros(values.shape[1])
    if len(late):
        scatter = _MAD * np.median(np.abs(late - np.median(late, axis=0)), axis=0)
    if errors is not None:
        scatter = np.fmax(scatter, np.hypot(errors[top, np.arange(len(top))], errors[-1]))
    return np.maximum(FLOOR, NormalDist().inv_cdf(1 - CHANCE / len(values)) * scatter)


def _number(value: Option) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None
