"""The five questions of "Analyzing information in RNNs", each with an answer, what it rests on, and a p-value. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from ibmon import History, Series

from .hypothesis_figures import fall_of_snr

LEVEL = 0.05
"""p-value up to which something is taken to be shown."""
_FEWEST = 8
"""Snapshots from which on it is asked what goes together through training."""
_LOSSES = ("validation/loss", "train/loss", "training/loss")

Word = Literal["yes", "no", "cannot be told"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one job of the analysis measured on one evaluation set, all of it at the same steps."""

    history: History
    job: str
    evaluation: str

    def all(self, quantity: str, **subject: str) -> list[Series]:
        found = self.history.select(quantity, evaluation=self.evaluation, **subject)
        return [series for series in found if series.job == self.job]

    def one(self, quantity: str, **subject: str) -> Series | None:
        return next(iter(self.all(quantity, **subject)), None)

    def standing(self, alignment: str, row: int) -> tuple[str, ...]:
        """The groups in the order of their median levels, equal or unknown ones apart: () then."""
        medians = {s.subject["group"]: float(s.value[row]) for s in self.all("group level", alignment=alignment)}
        rising = sorted(medians, key=lambda group: medians[group])
        return tuple(rising) if all(medians[a] < medians[b] for a, b in pairwise(rising)) else ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on the newest network; ``number`` (``what`` it is) and ``p`` are of the first and of the newest one, NaN where
    there is none."""

    question: str
    word: Word
    what: str
    number: tuple[float, float]
    p: tuple[float, float]
    why: str


def answers(measured: Measured) -> list[Answer]:
    """The answers to the five questions; the fourth is asked of I(h;X) and of I(h;Y)."""
    found = [_direction(measured), _layers(measured), _bottleneck(measured)]
    found += [_indicator(measured, quantity) for quantity in ("I(h;X)", "I(h;Y)")]
    return [answer for answer in (*found, _phases(measured.history)) if answer is not None]


def _direction(measured: Measured) -> Answer | None:
    """Yes where the flow is not reversible, all alignments order the groups alike and more than groups drawn at random, and pairs
    of nodes stand in that order more often, or less, than in the untrained network; no where they stand as there."""
    share, strength = measured.one("expected order"), measured.one("strength")
    if share is None or strength is None:
        return None
    asked = share.subject["alignment"]
    order = measured.standing(asked, -1)
    doubted = [
        s.subject["alignment"]
        for s in measured.all("expected order")
        if measured.standing(s.subject["alignment"], -1) != order or not s.details["p_value"][-1] <= LEVEL
    ]
    p = _ends(strength.details["p_value"])
    said = " < ".join(order)
    apart = share.lower[0] > share.upper[-1] or share.upper[0] < share.lower[-1]
    interval = f"{share.lower[0]:.2f}–{share.upper[0]:.2f}, now {share.lower[-1]:.2f}–{share.upper[-1]:.2f}"
    word: Word = "cannot be told"
    if not p[1] <= LEVEL:
        why = "exchanged moments have as much net flow"
    elif not said:
        why = "median levels of the groups are not apart"
    elif doubted:
        why = f"{said}, but not for sure by {' and '.join(doubted)}"
    elif share.step[0] > 0 or len(share.step) < 2:
        why = f"{said}; not compared with the untrained network"
    elif not np.isfinite([share.lower[[0, -1]], share.upper[[0, -1]]]).all():
        why = f"{said}; how sure the order is cannot be said"
    else:
        word, why = ("yes", f"{said}; untrained {interval}") if apart else ("no", f"{said}, as untrained: {interval}")
    return Answer("direction?", word, "pairs in order", _ends(share.value), p, why)


def layered(measured: Measured) -> tuple[np.ndarray, np.ndarray]:
    """At which points layers are shown, and the largest p-value of all alignments, both (points,).

    They are where the flow has a direction and levels are clustered in every alignment, there and at the point before: of the
    many points of a training some are by chance.
    """
    strength, each = measured.one("strength"), measured.all("layers")
    if strength is None or not each:
        return np.empty(0, bool), np.empty(0)
    largest = np.max([s.details["p_value"] for s in each], axis=0)
    clustered = largest <= LEVEL
    return clustered & np.append(clustered[:1], clustered[:-1]) & (strength.details["p_value"] <= LEVEL), largest


def _layers(measured: Measured) -> Answer | None:
    count, strength = measured.one("layers"), measured.one("strength")
    if strength is None or count is None:
        return None
    shown, largest = layered(measured)
    p = _ends(largest)
    word: Word = "yes" if shown[-1] else "cannot be told"
    if shown[-1]:
        why = "levels cluster more than levels at random"
    elif not strength.details["p_value"][-1] <= LEVEL:
        why = "levels mean nothing where there is no direction"
    elif p[1] <= LEVEL:
        why = "levels cluster, but did not at the snapshot before"
    else:
        why = "levels may be spread at random" if np.isfinite(p[1]) else "too few levels"
    return Answer("layers?", word, "clusters", _ends(count.value), p, why)


def _bottleneck(measured: Measured) -> Answer | None:
    """A trade of X for Y over the units. That those which say more of X say more of Y proves nothing either way."""
    found = measured.one("correlation", method="pearson")
    if found is None:
        return None
    r, p = _ends(found.value), _ends(found.details["p_value"])
    word: Word = "cannot be told"
    if not p[1] <= LEVEL:
        why = "over units I(h;X) says nothing of I(h;Y)"
    elif r[1] < 0:
        word, why = "yes", "units that say less of X say more of Y"
    else:
        why = "units say more, or less, of both: no proof either way"
    return Answer("bottleneck?", word, "correlation", r, p, why)


def _indicator(measured: Measured, quantity: str) -> Answer | None:
    """Whether the mean over the units moves with the error from snapshot to snapshot: what both do over the whole of training
    would go together whatever they were."""
    found = measured.one(quantity)
    if found is None:
        return None
    mean = found.value.mean(1)
    r, p, what = _with_error(measured, found, mean)
    question, number = f"{quantity} tells?", "mean [bits]"
    word: Word = "cannot be told"
    if not np.isfinite(r):
        return Answer(question, word, number, _ends(mean), (np.nan, np.nan), what)
    if p <= LEVEL:
        word, why = "yes", f"{'falls' if r > 0 else 'rises'} when the {what} falls"
    else:
        why = f"does not move with the {what}"
    return Answer(question, word, number, _ends(mean), (np.nan, p), f"{why} (ρ of changes {r:+.2f})")


def _with_error(measured: Measured, found: Series, mean: np.ndarray) -> tuple[float, float, str]:
    """Spearman's ρ of the changes of ``mean`` (points,) and of the logarithm of the error, its p-value, and what the error is;
    NaN, NaN and the reason where it cannot be had."""
    from scipy.stats import spearmanr  # half a second, and only where there are figures of this analysis

    own = measured.one("forecast error")
    logged = next((measured.history.scalars[name] for name in _LOSSES if name in measured.history.scalars), None)
    if own is not None:
        error, what = own.value, "forecast error"
    elif logged is not None and len(logged.step):
        place = np.searchsorted(logged.step, found.step, side="right") - 1
        error, what = np.where(place >= 0, logged.value[place], np.nan), "loss"
    else:
        return np.nan, np.nan, "no error is known"
    known = np.isfinite(error) & (error > 0) & np.isfinite(mean)
    a, b = np.diff(mean[known]), np.diff(np.log(error[known]))
    if len(a) + 1 < _FEWEST:
        return np.nan, np.nan, f"fewer than {_FEWEST} snapshots"
    if not (np.ptp(a) > 0 and np.ptp(b) > 0):
        return np.nan, np.nan, "one of them does not change"
    tested: Any = spearmanr(a, b)
    return float(tested.statistic), float(tested.pvalue), what


def _phases(history: History) -> Answer | None:
    """Drift and diffusion of the gradients, as the analysis ``gradient-snr`` has them."""
    fall = fall_of_snr(history)
    if fall is None:
        return None
    event, snr, unit = fall
    where = f"falls below 1 at {unit} {event.at:.3g} ({event.lower:.3g}–{event.upper:.3g})"
    word, why = ("yes", where) if event.found else ("cannot be told", event.detail)
    return Answer("two phases?", word, "gradient SNR", _ends(snr), (np.nan, np.nan), why)


def _ends(value: np.ndarray | Sequence[float]) -> tuple[float, float]:
    return float(value[0]), float(value[-1])
