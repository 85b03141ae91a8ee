"""When a training changes: the kink of the loss, the fall of the gradients' signal-to-noise ratio, the turn of I(X;T).

The three events of the stochastic-gradient hypothesis (Shwartz-Ziv & Tishby 2017), each with an interval. Time is whatever the
caller counts in, steps or epochs, and is taken on a logarithmic scale. Equal input gives equal output: resampling is seeded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np

LEAST_SLOPE = 0.1
"""Slopes of the loss, in decades per decade of time, must differ by more to make a kink: a quarter of the loss over a decade."""
LEAST_FALL = 0.05
"""Bits that I(X;T) must fall by to turn."""
LEVEL = 0.9
"""Coverage of the intervals."""
CHANCE = 0.01
"""Share of resamples without the event that may look as much like it."""
FEWEST = 12
"""Points of a series below which nothing is said."""

KINK, CROSSING, BREAK, TURN = "kink of the loss", "SNR falls below 1", "break of the SNR", "turn of I(X;T)"

_RESAMPLES = 200
_SEED = 0


@dataclass(frozen=True, slots=True)
class Event:
    """What happened at ``at``, between ``lower`` and ``upper`` (NaN where it did not), and in ``detail`` how, or why not."""

    name: str
    at: float
    lower: float
    upper: float
    detail: str = ""

    @property
    def found(self) -> bool:
        """Whether it happened at all."""
        return math.isfinite(self.at)


def absent(name: str, why: str) -> Event:
    """The event that did not happen."""
    return Event(name, math.nan, math.nan, math.nan, why)


def coincide(a: Event, b: Event, span: tuple[float, float]) -> Literal["yes", "no", "cannot be told"]:
    """Whether the intervals of two events overlap.

    It cannot be told where one of them did not happen, or where an interval covers more than half of the training ``span``
    (first and last time, on the logarithmic scale): such an interval overlaps with nearly anything.
    """
    whole = math.log(span[1] / span[0]) if 0 < span[0] < span[1] else 0.0
    for event in (a, b):
        if not event.found or event.lower <= 0 or 2 * math.log(event.upper / event.lower) > whole:
            return "cannot be told"
    return "yes" if a.lower <= b.upper and b.lower <= a.upper else "no"


def over_networks(events: Sequence[Event]) -> Event:
    """The events ``(networks,)`` of networks trained alike as one: their median, and the interval from 10 to 90 % of them.

    It happened where it did in more than half of the networks.
    """
    found = [event for event in events if event.found]
    said = f"{len(found)} of {len(events)} networks"
    if 2 * len(found) <= len(events):
        return absent(events[0].name, f"in {said} only")
    lower, at, upper = np.percentile([event.at for event in found], (10, 50, 90)).tolist()
    return replace(found[0], at=at, lower=lower, upper=upper, detail=f"in {said}")


def pooled(at: np.ndarray, value: np.ndarray, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """A positive series ``(samples,)`` at positive times as at most ``points`` geometric means, evenly spread over log time.

    Without what is not finite or not positive; a shorter series keeps every point.
    """
    at, value = _usable(at, value)
    if len(at) <= points:
        return at, value
    t, y = np.log(at), np.log(value)
    place = np.minimum(((t - t.min()) / (np.ptp(t) or 1.0) * points).astype(np.intp), points - 1)
    many = np.bincount(place, minlength=points)
    means = [np.bincount(place, weights=w, minlength=points)[many > 0] / many[many > 0] for w in (t, y)]
    return np.exp(means[0]), np.exp(means[1])


def loss_kink(at: np.ndarray, loss: np.ndarray, *, least: float = LEAST_SLOPE) -> Event:
    """Where the slope of log loss over log time changes: a continuous broken stick, the knot with the least squares.

    ``at`` and ``loss`` ``(points,)``; long series are pooled first. The interval is that of the knots of moving-block
    bootstrap resamples of the residuals (Künsch 1989). There is no kink where the slopes differ by less than ``least``, nor
    where a straight line with resampled residuals gains as much from a knot in more than 1 % of them (sup-F, Andrews 1993).
    """
    at, loss = pooled(at, loss)
    if len(at) < FEWEST:
        return absent(KINK, f"fewer than {FEWEST} values of the loss")
    t, y = np.log(at), np.log(loss)
    knots = np.linspace(t[_edge(len(t)) - 1], t[-_edge(len(t))], 200)
    line = np.linalg.qr(np.stack([np.ones_like(t), t], axis=1))[0]
    hinge = np.maximum(t - knots[:, None], 0.0)
    bent = hinge - (hinge @ line) @ line.T
    unit = bent / np.linalg.norm(bent, axis=1, keepdims=True)  # each row: what its knot adds to a straight line
    flat = y - line @ (line.T @ y)
    best = int(((unit @ flat) ** 2).argmax())
    fit = unit[best] * (unit[best] @ flat)
    change = float(unit[best] @ flat / np.linalg.norm(bent[best]))
    before = float(np.polyfit(t, y - change * hinge[best], 1)[0])
    slopes = f"slope {before:+.2f} → {before + change:+.2f}"
    if abs(change) < least:
        return absent(KINK, f"{slopes}: they differ by less than {least:g}")
    noise = _resampled(flat - fit, 4)
    noise -= line @ (line.T @ noise)
    gain = _f((unit @ flat) ** 2, flat @ flat).max()
    chance = float((_f((unit @ noise) ** 2, (noise**2).sum(axis=0)).max(axis=0) >= gain).mean())
    if chance > CHANCE:
        return absent(KINK, f"no better than a straight line (p = {chance:.2f})")
    found = knots[((unit @ (fit[:, None] + noise)) ** 2).argmax(axis=0)]
    return _event(KINK, knots[best], found, slopes)


def snr_crossing(at: np.ndarray, snr: np.ndarray) -> Event:
    """The first fall of a signal-to-noise ratio ``(points,)`` below 1 that lasts for an octave: until twice the time.

    Between the snapshots on either side, interpolated on logarithmic scales; these are its interval.
    """
    at, snr = _usable(at, snr)
    if len(at) < FEWEST:
        return absent(CROSSING, f"fewer than {FEWEST} snapshots with signal and noise")
    below = snr < 1
    falls = np.flatnonzero(below[1:] & ~below[:-1]) + 1
    above = np.flatnonzero(~below)
    again = np.append(above, len(at))[np.searchsorted(above, falls)]
    lasting = falls[again > np.searchsorted(at, 2 * at[falls])]
    if len(lasting):
        i = int(lasting[0])
        high, low = math.log(snr[i - 1]), math.log(snr[i])
        where = math.log(at[i - 1]) + high / (high - low) * math.log(at[i] / at[i - 1])
        return Event(CROSSING, math.exp(where), float(at[i - 1]), float(at[i]), "between two snapshots")
    if not len(above):
        return absent(CROSSING, "below 1 from the first snapshot on")
    if len(above) == len(at):
        return absent(CROSSING, "stays above 1")
    if len(falls) and again[-1] == len(at):
        return absent(CROSSING, f"below 1 since {at[falls[-1]]:.4g}: not yet for an octave")
    return absent(CROSSING, "not below 1 for an octave")


def snr_break(at: np.ndarray, snr: np.ndarray) -> Event:
    """The one break of a log signal-to-noise ratio ``(points,)``, if it has one: where ``break_place`` has it.

    The interval is that of the breaks of two levels with block-resampled residuals, and the two snapshots of the break at
    least. There is none where one level with resampled residuals gains as much from two in more than 1 % of them.
    """
    found = break_place(at, snr)
    if not found.found:
        return found
    at, snr = pooled(at, snr)
    t, y = np.log(at), np.log(snr)
    before = at < found.at
    two = np.where(before, y[before].mean(), y[~before].mean())
    noise = _resampled(y - two, 3)
    chance = float((_level_gains(noise)[1].max(axis=0) >= _level_gains(y[:, None])[1].max()).mean())
    if chance > CHANCE:
        return absent(BREAK, f"no better than one level (p = {chance:.2f})")
    cuts, gains = _level_gains(two[:, None] + noise)
    middles = (t[cuts[gains.argmax(axis=0)] - 1] + t[cuts[gains.argmax(axis=0)]]) / 2
    wide = _event(BREAK, math.log(found.at), middles, found.detail)
    return replace(wide, lower=min(wide.lower, found.lower), upper=max(wide.upper, found.upper))


def break_place(at: np.ndarray, snr: np.ndarray) -> Event:
    """Where a log signal-to-noise ratio ``(points,)`` breaks best into two, without asking whether it breaks at all.

    A kernel change point (Gaussian kernel; Arlot, Celisse & Harchaoui 2019) between two snapshots, which are its interval.
    """
    import ruptures  # a second with scipy, and not needed for runs that are short

    at, snr = pooled(at, snr)  # a kernel's cost is the square of the points
    if len(at) < FEWEST:
        return absent(BREAK, f"fewer than {FEWEST} snapshots with signal and noise")
    y = np.log(snr)
    if np.ptp(y) < 1e-9:
        return absent(BREAK, "constant")
    ends: list[int] = ruptures.KernelCPD(kernel="rbf", min_size=_edge(len(y))).fit(y[:, None]).predict(n_bkps=1) or []
    b = ends[0]
    detail = f"SNR {math.exp(y[:b].mean()):.3g} → {math.exp(y[b:].mean()):.3g}"
    return Event(BREAK, math.sqrt(at[b - 1] * at[b]), float(at[b - 1]), float(at[b]), detail)


def information_turn(at: np.ndarray, value: np.ndarray, error: np.ndarray | None = None, *, least: float = LEAST_FALL) -> Event:
    """Where I(X;T) ``(points,)`` in bits stops rising and falls: its greatest value, where the last is lower beyond errors and
    by ``least`` at least.

    The interval reaches to the nearest snapshots that are lower than the maximum by more than the error of the difference,
    which is that of the greatest of many values (Bonferroni, 90 %). ``error`` ``(points,)`` are standard errors; none is
    taken as less than the scatter of the series (median absolute second difference), because training moves estimates more
    than sampling does.
    """
    kept = np.isfinite(at) & np.isfinite(value)
    at, value = at[kept], value[kept]
    if len(at) < FEWEST:
        return absent(TURN, f"fewer than {FEWEST} snapshots")
    scatter = 1.4826 * float(np.median(np.abs(np.diff(value, 2)))) / math.sqrt(6)
    errors = np.full(len(value), scatter) if error is None else np.fmax(error[kept], scatter)
    top = int(value.argmax())
    margin = NormalDist().inv_cdf(1 - (1 - LEVEL) / len(value)) * np.hypot(errors, errors[top]) + 1e-9
    outside = np.flatnonzero(value[top] - value > margin)
    fall = float(value[top] - value[-1])
    if fall <= max(margin[-1], least):
        why = f"within the error of {margin[-1]:.2g}" if margin[-1] > least else f"less than {least:g}"
        return absent(TURN, f"falls by {fall:.2g} bits: {why}")
    first, last = int(outside[outside < top].max(initial=-1)), int(outside[outside > top].min())
    detail = f"falls by {fall:.3g} bits" + (", no rise before" if first < 0 else "")
    return Event(TURN, float(at[top]), float(at[max(first, 0)]), float(at[last]), detail)


def _usable(at: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What has a logarithm: finite and positive, at positive times."""
    kept = np.isfinite(at) & np.isfinite(value) & (at > 0) & (value > 0)
    return at[kept], value[kept]


def _event(name: str, at: float, found: np.ndarray, detail: str) -> Event:
    """An event at log time ``at``, with the interval of the log times ``found`` in resamples, which holds it."""
    lower, upper = np.percentile(found, (50 * (1 - LEVEL), 50 * (1 + LEVEL))).tolist()
    return Event(name, math.exp(at), math.exp(min(lower, at)), math.exp(max(upper, at)), detail)


def _f(gain: np.ndarray, total: np.ndarray | float) -> np.ndarray:
    """What a further term explains of a sum of squares of logarithms, in proportion to what it leaves beyond rounding."""
    return gain / np.maximum(total - gain, 1e-18)


def _edge(points: int) -> int:
    """The fewest points on either side of a change."""
    return max(3, points // 20)


def _level_gains(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits ``(splits,)`` and, of ``y`` ``(points, series)``, the gain of two levels over one, as in ``_f``."""
    n = len(y)
    centred = y - y.mean(axis=0)
    cuts = np.arange(_edge(n), n - _edge(n) + 1)
    sums = np.cumsum(centred, axis=0)[cuts - 1]
    return cuts, _f(sums**2 * (n / (cuts * (n - cuts)))[:, None], (centred**2).sum(axis=0))


def _resampled(residuals: np.ndarray, parameters: int) -> np.ndarray:
    """Moving-block resamples ``(points, resamples)`` of what a fit of so many parameters leaves.

    Blocks are as long as the residuals' autocorrelation asks (Carlstein 1986), which a fit makes seem less than it is. What
    the fit took of the noise is given back by the degrees of freedom of the effective number of points.
    """
    n = len(residuals)
    centred = residuals - residuals.mean()
    power = float(centred @ centred)
    rho = float(centred[1:] @ centred[:-1]) / power if power > 0 else 0.0
    rho = min(max(rho + (2 + 4 * rho) / n, 0.0), 0.97)
    effective = max(n * (1 - rho) / (1 + rho), 2.0 * parameters)
    length = min(max(round((2 * rho / (1 - rho**2)) ** (2 / 3) * n ** (1 / 3)), 1), n // 4)
    starts = np.random.default_rng(_SEED).integers(0, n - length + 1, (_RESAMPLES, -(-n // length)))
    places = (starts[:, :, None] + np.arange(length)).reshape(_RESAMPLES, -1)[:, :n]
    return math.sqrt(effective / (effective - parameters)) * centred[places.T]
