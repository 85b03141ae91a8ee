"""Figures of the gradient statistics. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ibmon import Axis, Curves, Figure, History, Line, Reference, Series

from .finite import percentiles
from .hypothesis_figures import panel
from .naming import named_parameters

_SAID = {
    "": "",
    "frozen": "minibatches swept at fixed weights",
    "parallel": "over networks that see one minibatch each and have diverged: the mean mixes different weights",
}
"""What a protocol is, where the title alone would not say it."""


def figures(history: History) -> list[Figure]:
    """For every protocol: SNR of each layer's weights with the level of pure noise, mean and standard deviation over ‖W‖, the
    gradient noise scale and ‖W‖; the training's own gradients first. Then the panel of the stochastic-gradient hypothesis."""
    found = [s for s in history.select("gradient SNR", job="gradient-snr") if not np.isnan(s.value).all()]
    protocols = list(dict.fromkeys(s.subject.get("protocol", "") for s in found))
    drawn: list[Figure] = []
    for number, protocol in enumerate(sorted(protocols, key=bool)):
        drawn += _of(history, protocol, important=number == 0)
    return [*drawn, *panel(history)]


def _of(history: History, protocol: str, *, important: bool) -> list[Figure]:
    def weights(quantity: str) -> list[Series]:
        """Series of weight matrices; every parameter where none is called weight."""
        own = [s for s in history.select(quantity, job="gradient-snr") if s.subject.get("protocol", "") == protocol]
        return [s for s in own if "weight" in s.subject.get("parameter", "")] or own

    snr, counts = weights("gradient SNR"), weights("gradient minibatches")
    suffix, title = (f"-{protocol}", f" ({protocol})") if protocol else ("", "")
    x = Axis(label="epoch" if np.isfinite(snr[0].epoch).any() else "step", scale="log")
    typical = int(np.median(counts[0].value)) if counts and len(counts[0].value) else 0
    counted = "networks" if protocol == "parallel" else "minibatches"
    notes = ["weights", f"{typical} {counted} a window" if typical else "", _SAID.get(protocol, "")]
    note = "; ".join(part for part in notes if part)

    def curves(name: str, what: str, y: str, lines: Sequence[Line]) -> Curves:
        return Curves(
            name=name + suffix,
            title=what + title,
            screen="gradients",
            note=note,
            x=x,
            y=Axis(label=y, scale="log"),
            lines=tuple(lines),
        )

    names = {_key(s): name for name, s in named_parameters(snr)}

    def line(s: Series, over: Series | None = None, says: str = "", **meaning: Any) -> Line:
        return _line(s, over, label=names.get(_key(s), s.label) + says, **meaning)

    norms = {_key(s): s for s in weights("weight norm")}
    pairs: list[Line] = []
    for group, (mean, std) in enumerate(zip(weights("gradient mean"), weights("gradient std"), strict=False)):
        norm = norms.get(_key(mean))
        if norm is None or norm.value.shape != mean.value.shape:
            continue
        pairs.append(line(mean, norm, " mean", group=group))
        pairs.append(line(std, norm, " std", group=group, dashed=True, unnamed=True))
    floor, floor_note = _floor(snr[0])
    ratio = curves("gradient-snr", "gradient SNR", "SNR = ‖mean g‖ / ‖std g‖", [*(line(s) for s in snr), *floor])
    one = Reference(axis="y", value=1.0, label="SNR = 1")
    drawn: list[Figure] = [
        replace(ratio, important=important, note="; ".join(filter(None, (note, floor_note))), references=(one,)),
        curves("gradient-norms", "gradient mean (solid) and std (dashed)", "‖·‖ / ‖W‖", pairs),
    ]
    scales = weights("gradient noise scale")
    if scales:
        lines = [line(s) for s in scales]
        drawn.append(curves("gradient-noise-scale", "gradient noise scale", "noise scale tr Σ / ‖μ‖² [samples]", lines))
    if norms:
        drawn.append(curves("weight-norms", "norms of the weights", "‖W‖", [line(s) for s in norms.values()]))
    return drawn


def _floor(snr: Series) -> tuple[list[Line], str]:
    """What pure noise reads in as many minibatches, as a dashed line, and how that is meant."""
    null = snr.details.get("null")
    if null is None or not len(null):
        return [], ""
    flat = null.reshape(len(null), -1)[:, 0]
    if not (flat > 0).any():
        return [], "every minibatch of an epoch was read: pure noise adds up to the full gradient and has no level"
    level = np.where(flat > 0, flat, np.nan)
    line = Line(label="pure noise", x=_at(snr), y=level, step=snr.step, dashed=True)
    return [line], "pure noise: what as many minibatches without signal read"


def _key(series: Series) -> tuple[str, str]:
    return series.subject.get("layer", ""), series.subject.get("parameter", "")


def _line(series: Series, over: Series | None = None, *, label: str, **meaning: Any) -> Line:
    with np.errstate(divide="ignore", invalid="ignore"):
        values = series.value if over is None else series.value / over.value
    flat = values.reshape(len(values), -1)
    many = flat.shape[1] > 1 and len(flat) > 0
    low, middle, high = percentiles(flat, (10, 50, 90))
    return Line(
        label=label,
        x=_at(series),
        y=middle if many else flat[:, 0],
        lower=low if many else None,
        upper=high if many else None,
        step=series.step,
        **meaning,
    )


def _at(series: Series) -> np.ndarray:
    return series.epoch if np.isfinite(series.epoch).any() else series.step.astype(float)
