"""The stochastic-gradient hypothesis on one axis (Shwartz-Ziv & Tishby 2017): do kink, fall of the SNR and turn coincide?

No torch: this is what the terminal and the exports call. Rebuilt with every measurement, so what has been found is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce

import numpy as np

from ibmon import Axis, Curves, Figure, History, Line, Reference, Series, Table

from . import events
from .events import Event
from .naming import named_parameters

_MOST_LAYERS = 5
"""Layers whose turn is drawn: those that fall most."""
_Loss = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True)
class _Clock:
    """Steps as the axis has them: epochs where the training has them, else steps. ``span`` is where the training is known."""

    unit: str
    rate: float
    span: tuple[float, float]

    def at(self, step: np.ndarray) -> np.ndarray:
        """Times ``(points,)``; the untrained network half a step before the first, because the axis is logarithmic."""
        positive = step[step > 0]
        return self.rate * np.where(step > 0, step, positive.min() / 2 if len(positive) else 0.5)


@dataclass(frozen=True, slots=True)
class _Found:
    """An event and whose: the layer, and the estimator where it is one of an estimate."""

    event: Event
    layer: str = ""
    estimator: str = ""
    fall: float = 0.0
    series: Series | None = None


def panel(history: History) -> list[Figure]:
    """Loss, SNR and I(X;T) with the three events and their intervals on one axis, and a table of all events.

    Nothing before 12 snapshots have gradients. Of several protocols the training's own gradients are taken.
    """
    snr = _gradients(history)
    if not snr or len(snr[0].step) < events.FEWEST:
        return []
    clock = _clock(snr)
    loss = _loss(history, clock)
    kink = _kink(loss)
    median = _over_layers(snr)
    crossings = [_Found(_crossing(clock, s), label) for label, s in (("median", median), *named_parameters(snr))]
    breaks = [_Found(_break(clock, s), label) for label, s in (("median", median), *named_parameters(snr))]
    turns = list(_turns(history, clock))
    rows = [_Found(kink), *crossings, *breaks, *turns]
    return [
        _curves(clock, loss, kink, median, _fall(crossings[0], breaks[0], clock, median), turns),
        Table(
            name="stochastic-gradient-events",
            title="events of the stochastic-gradient hypothesis",
            screen="gradients",
            note="coincide: the 90 % intervals overlap; it cannot be told where one is missing or spans half of the training",
            columns=("event", "layer", clock.unit, "90 % interval", "coincides with the kink", "how"),
            rows=tuple(_row(found, kink, clock) for found in rows),
        ),
    ]


def _fall(crossing: _Found, broken: _Found, clock: _Clock, snr: Series) -> _Found:
    """What is drawn as the fall of the SNR: that below 1, else a break to a lower level."""
    if crossing.event.found or not broken.event.found:
        return crossing
    after = clock.at(snr.step) > broken.event.at
    value = _middle(snr.value)
    return broken if np.nanmedian(value[after]) < np.nanmedian(value[~after]) else crossing


def fall_of_snr(history: History) -> tuple[Event, np.ndarray, str] | None:
    """The fall of the gradients' SNR below 1, the SNR ``(points,)``, each as the median over layers, and the unit of time.

    None where no gradients are measured.
    """
    snr = _gradients(history)
    if not snr:
        return None
    clock, median = _clock(snr), _over_layers(snr)
    return _crossing(clock, median), _middle(median.value), clock.unit


def kink_in(history: History, series: Series) -> tuple[Event, np.ndarray]:
    """The kink of the loss, and when the points of a series are in the time that it is told in ``(points,)``."""
    clock = _clock([series])
    return _kink(_loss(history, clock)), clock.at(series.step)


def _row(found: _Found, kink: Event, clock: _Clock) -> tuple[str, ...]:
    event = found.event
    name = f"{event.name}, {found.estimator}" if found.estimator else event.name
    interval = f"{_number(event.lower)}–{_number(event.upper)}" if event.found else "–"
    verdict = "" if event is kink else events.coincide(event, kink, clock.span)
    return name, found.layer, _number(event.at) if event.found else "–", interval, verdict, event.detail


def _curves(clock: _Clock, loss: _Loss | None, kink: Event, snr: Series, fall: _Found, turns: Sequence[_Found]) -> Curves:
    """The panel: curves scaled to 0–1, events as vertical lines, their intervals as bars above 1."""
    lines: list[Line] = []
    if loss is not None:
        at, value = loss
        lines.append(Line(label="loss", x=at, y=_scaled(np.log(value)), step=_steps(clock, at), group=0))
    lines.append(Line(label="SNR", x=clock.at(snr.step), y=_scaled(_log(_middle(snr.value))), step=snr.step, group=1))
    estimator = turns[0].estimator if turns else ""
    own = [t for t in turns if t.estimator == estimator]
    turning = sorted((t for t in own if t.event.found), key=lambda t: t.fall)[-_MOST_LAYERS:]
    drawn = [t for t in own if t in turning] or own[len(own) // 2 : len(own) // 2 + 1]
    for t in drawn:
        if (s := t.series) is not None:
            x, y = clock.at(s.step), _scaled(_middle(s.value))
            lines.append(Line(label=f"I(X;T) {t.layer}", x=x, y=y, step=s.step, group=2, estimator=s.estimator))
    bars = [("kink", kink, 0), (fall.event.name, fall.event, 1), *((f"turn of I(X;T) {t.layer}", t.event, 2) for t in drawn)]
    for row, (label, event, group) in enumerate((bar for bar in bars if bar[1].found), start=1):
        lines.append(_bar(clock, f"{label}, 90 %", event, 1 + 0.07 * row, group))
    middle = sorted(turning, key=lambda t: t.event.at)[len(turning) // 2].event if turning else None
    marks = [("kink", kink), ("SNR < 1" if fall.event.name == events.CROSSING else "SNR breaks", fall.event)]
    marks += [("I turns", middle)] if middle is not None else []
    return Curves(
        name="stochastic-gradient-hypothesis",
        title="stochastic-gradient hypothesis",
        screen="gradients",
        note="; ".join(_said(clock, kink, fall.event, own, len(turning))),
        x=Axis(label=clock.unit, scale="log"),
        y=Axis(label="scaled to its own range", limits=(-0.15, None)),  # below 0 the references have their labels
        lines=tuple(lines),
        references=_references([(label, event.at) for label, event in marks if event.found], clock.span),
    )


def _bar(clock: _Clock, label: str, event: Event, height: float, group: int) -> Line:
    """An interval, with a notch where the event is; there once training is beyond it."""
    x = np.array([event.lower, event.at, event.at, event.at, event.upper])
    y = height + np.array([0.0, 0.0, 0.04, 0.0, 0.0])
    step = np.full(len(x), _steps(clock, x).max())
    return Line(label=label, x=x, y=y, step=step, group=group, unnamed=True)


def _references(marks: Sequence[tuple[str, float]], span: tuple[float, float]) -> tuple[Reference, ...]:
    """Vertical lines; where one is so near to another that their names would cover each other, the first has both names."""
    whole = math.log(span[1] / span[0])
    named: list[tuple[float, list[str]]] = []
    holder: list[str] = []
    for at, label in sorted((at, label) for label, at in marks):
        near = bool(named) and math.log(at / named[-1][0]) < 0.02 * len(label) * whole
        holder = holder if near else []
        holder.append(label)
        named.append((at, [] if near else holder))
    return tuple(Reference(axis="x", value=at, label=", ".join(names)) for at, names in named)


def _said(clock: _Clock, kink: Event, fall: Event, turns: Sequence[_Found], drawn: int) -> Iterator[str]:
    """The verdict in words."""
    yield f"kink at {clock.unit} {_span(kink)}" if kink.found else f"no kink of the loss ({kink.detail})"
    yield _verdict(fall.name, fall, kink, clock) if fall.found else f"no fall of the SNR ({fall.detail})"
    turned = [t for t in turns if t.event.found]
    if len(turned) == 1:
        yield _verdict(f"I(X;T) of layer {turned[0].layer} turns", turned[0].event, kink, clock)
    elif turned:
        verdicts = [events.coincide(t.event, kink, clock.span) for t in turned]
        counts = ", ".join(f"{word} {verdicts.count(word)}" for word in ("yes", "no", "cannot be told") if word in verdicts)
        yield f"I(X;T) turns in {len(turned)} of {len(turns)} layers (coincides with the kink: {counts})"
        if drawn < len(turned):
            yield f"drawn are the {drawn} that fall most"
    elif turns:
        yield "I(X;T) of no layer turns"
    if turns:
        yield turns[0].estimator
    yield "loss and SNR on logarithmic scales; SNR: median over layers; bars: 90 % intervals"


def _verdict(what: str, event: Event, kink: Event, clock: _Clock) -> str:
    word = events.coincide(event, kink, clock.span)
    said = {"yes": "coincide", "no": "do not coincide", "cannot be told": "whether they coincide cannot be told"}[word]
    return f"{what} at {_span(event)}: {said}"


def _span(event: Event) -> str:
    return f"{_number(event.at)} ({_number(event.lower)}–{_number(event.upper)})"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _scaled(value: np.ndarray) -> np.ndarray:
    """Values ``(points,)`` as parts of their own range; a constant is in the middle."""
    known = value[np.isfinite(value)]
    if not len(known) or np.ptp(known) == 0:
        return np.where(np.isfinite(value), 0.5, np.nan)
    return (np.where(np.isfinite(value), value, np.nan) - known.min()) / np.ptp(known)


def _log(value: np.ndarray) -> np.ndarray:
    return np.log(np.where(value > 0, value, np.nan))


def _steps(clock: _Clock, at: np.ndarray) -> np.ndarray:
    """The steps of times ``(points,)``."""
    return np.rint(at / clock.rate).astype(np.int64)


def _gradients(history: History) -> list[Series]:
    """SNR of every layer's weights (every parameter where none is called weight), of the training's own gradients if there."""
    found = [s for s in history.select("gradient SNR", job="gradient-snr") if not np.isnan(s.value).all()]
    protocols = [s.subject.get("protocol", "epoch") for s in found]
    chosen = "epoch" if "epoch" in protocols else next(iter(protocols), "")
    found = [s for s, protocol in zip(found, protocols, strict=True) if protocol == chosen]
    return [s for s in found if "weight" in s.subject.get("parameter", "")] or found


def _clock(snr: Sequence[Series]) -> _Clock:
    steps, epochs = (np.concatenate([getattr(s, name) for s in snr]) for name in ("step", "epoch"))
    trained = steps > 0
    known = np.isfinite(epochs) & (epochs > 0) & trained
    rate = float(np.median(epochs[known] / steps[known])) if known.any() else 1.0
    first, last = (rate * float(end(steps[trained])) if trained.any() else 1.0 for end in (np.min, np.max))
    return _Clock("epoch" if known.any() else "step", rate, (first, last))


def _loss(history: History, clock: _Clock) -> _Loss | None:
    """The loss on the whole training set where it is logged, else that of the minibatches, pooled: times and values."""
    found = [history.scalars[name] for name in ("train/loss", "training/loss") if name in history.scalars]
    chosen = next((s for s in found if len(s.step) >= events.FEWEST), None)
    return None if chosen is None else events.pooled(clock.at(chosen.step), chosen.value)


def _over_layers(snr: Sequence[Series]) -> Series:
    """The median over layers, at the steps that all have, of every network ``(points, networks)``."""
    steps = reduce(np.intersect1d, [s.step for s in snr])
    values = [_networks(s, s.value)[np.searchsorted(s.step, steps)] for s in snr]
    shared = [v for v in values if v.shape == values[0].shape]
    return replace(snr[0], step=steps, value=np.median(shared, axis=0))


def _networks(series: Series, value: np.ndarray) -> np.ndarray:
    """Values ``(points, networks)``: the median over every other axis, such as that of timepoints."""
    names = list(series.axes)
    if value.ndim < 2 or len(names) != value.ndim - 1:
        return value.reshape(len(value), -1)
    if "replica" not in names:
        return np.median(value.reshape(len(value), -1), axis=1)[:, None]
    moved = np.moveaxis(value, 1 + names.index("replica"), 1)
    return np.median(moved.reshape(*moved.shape[:2], -1), axis=2)


def _middle(value: np.ndarray) -> np.ndarray:
    return np.median(value.reshape(len(value), -1), axis=1)


def _kink(loss: _Loss | None) -> Event:
    if loss is None:
        return events.absent(events.KINK, "no loss is logged")
    return _kept(events.loss_kink, *(column.tobytes() for column in loss))


def _crossing(clock: _Clock, snr: Series) -> Event:
    return _of_networks(events.snr_crossing, clock.at(snr.step), _networks(snr, snr.value))


def _break(clock: _Clock, snr: Series) -> Event:
    """Whether there is one is asked of the median network, and then every network where."""
    at, value = clock.at(snr.step), _networks(snr, snr.value)
    event = _of_networks(events.snr_break, at, np.median(value, axis=1)[:, None])
    return _of_networks(events.break_place, at, value) if event.found and value.shape[1] > 1 else event


def _turns(history: History, clock: _Clock) -> Iterator[_Found]:
    """Of every layer and estimator on the evaluation set that was measured first, where I(X;T) can be told at all."""
    found = history.select("I(X;T)", job="information-plane")
    for s in [s for s in found if s.evaluation == found[0].evaluation]:
        if "deterministic" in s.flags and s.flags["deterministic"].all():
            continue
        value = _networks(s, s.value)
        error = _networks(s, s.details["error"]) if "error" in s.details else None
        event = _of_networks(events.information_turn, clock.at(s.step), value, error)
        middle = _middle(value)
        top = int(np.nan_to_num(middle, nan=-np.inf).argmax())
        if event.found and "saturated" in s.flags and s.flags["saturated"][top].mean() > 0.5:
            event = events.absent(events.TURN, "saturated where it is greatest: the number is that of the samples")
        options = s.job.partition("/")[0].partition(":")[2]
        estimator = f"{s.estimator} ({options})" if options else s.estimator
        yield _Found(event, s.label, estimator, float(middle[top] - middle[-1]), replace(s, value=value))


def _of_networks(detect: Callable[..., Event], at: np.ndarray, value: np.ndarray, error: np.ndarray | None = None) -> Event:
    """The event of ``value`` ``(points, networks)``: of the only network, or over all of them."""
    found = [
        _kept(detect, at.tobytes(), value[:, k].tobytes(), *([] if error is None else [error[:, k].tobytes()]))
        for k in range(value.shape[1])
    ]
    return found[0] if len(found) == 1 else events.over_networks(found)


@lru_cache(maxsize=4096)
def _kept(detect: Callable[..., Event], *columns: bytes) -> Event:
    """What a detection finds in arrays of numbers; the same arrays come again with every measurement of something else."""
    return detect(*(np.frombuffer(column) for column in columns))
