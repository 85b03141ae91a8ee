"""Pictures of activations, untrained and newest. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ibmon import Figure, History, Image

from .moments import moment
from .naming import named_set, slug

UNITS = 1024
"""Units of a layer that are recorded at most."""
SIDE = 28
"""Pixels of a channel's longer side at least: smaller channels are enlarged by a whole factor."""
IN_A_ROW = 4
"""Channels beside each other, and those of a layer in the picture of all: more would be too small to see in a terminal."""
GAP = 3
"""Pixels between channels, twice as many between layers: in a terminal, which shrinks a picture, some of it is left."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A layer at one or two ``times``, named in words: ``greys`` ``(units,)`` or ``(channels, rows, columns)`` from 0 to 1.

    ``whites`` are the values that 1 stands for: the largest of the whole layer at that time.
    """

    name: str
    times: tuple[str, ...]
    greys: tuple[np.ndarray, ...]
    whites: tuple[float, ...]


def figures(history: History) -> list[Figure]:
    """For each job and evaluation set, the first and the newest snapshot: all layers in one picture, and each convolutional
    layer in a picture of its own."""
    found = history.select("activation", job="activations")
    jobs = list(dict.fromkeys(s.job for s in found))
    drawn: list[Figure] = []
    for job, evaluation in dict.fromkeys((s.job, s.evaluation) for s in found):
        sample = next(s.subject["sample"] for s in found if s.job == job)
        parts = ["activations", *named_set(evaluation), *([f"sample-{sample}"] if len(jobs) > 1 else [])]
        where = f"sample {sample}" + ("" if evaluation in ("", "all") else f" on {evaluation}")
        drawn += _of(history, job, evaluation, slug("-".join(parts)), where)
    return drawn


def _of(history: History, job: str, evaluation: str, name: str, where: str) -> list[Figure]:
    layers = _shown(history, "activation", job, evaluation)
    inputs = [replace(one, times=one.times[:1], greys=one.greys[:1]) for one in _shown(history, "input", job, evaluation)]
    images = [_one_layer(layer, name, where) for layer in layers if layer.greys[0].ndim == 3]
    return [_all_layers([*inputs, *layers], name, where), *images]


def _shown(history: History, quantity: str, job: str, evaluation: str) -> list[Shown]:
    """What a job has recorded, in its first and its newest snapshot."""
    layers: list[Shown] = []
    for values in history.select(quantity, evaluation=evaluation):
        if values.job != job:
            continue
        tops = [s for s in history.select(f"{quantity} maximum", evaluation=evaluation, **values.subject) if s.job == job]
        largest = {step: top for s in tops for step, top in zip(s.step.tolist(), s.value.tolist(), strict=True)}
        ends = [0, -1] if len(values.step) > 1 else [0]
        whites = tuple(largest.get(int(values.step[at]), float("nan")) for at in ends)
        layers.append(
            Shown(
                name=values.subject.get("layer", quantity),
                times=tuple(moment(int(values.step[at]), float(values.epoch[at])) for at in ends),
                greys=tuple(_greys(values.value[at], white) for at, white in zip(ends, whites, strict=True)),
                whites=whites,
            )
        )
    return layers


def _greys(values: np.ndarray, white: float) -> np.ndarray:
    """From 0 for 0 and below to 1 for ``white``; NaN stays NaN."""
    with np.errstate(over="ignore"):
        return np.clip(values / white, 0.0, 1.0) if white > 0 else np.where(np.isfinite(values), 0.0, np.nan)


def _all_layers(rows: Sequence[Shown], name: str, where: str) -> Image:
    """From the input to the output, top to bottom; the times beside each other."""
    times = max((row.times for row in rows), key=len)
    maps = [row.greys[0] for row in rows if row.greys[0].ndim == 3]
    side = max([SIDE, *(length for grey in maps for length in grey.shape[1:])])
    width = IN_A_ROW * (side + GAP) - GAP
    panels = [[_panel(grey, side, width) for grey in row.greys] for row in rows]
    tops = _starts([len(row[0]) for row in panels], 2 * GAP)
    lefts = _starts([width] * len(times), 2 * GAP)
    cut = any(len(row.greys[0]) > (IN_A_ROW if row.greys[0].ndim == 3 else UNITS - 1) for row in rows)
    some = f"; the first {IN_A_ROW} channels or {UNITS} units of larger layers" if cut else ""
    return Image(
        name=name,
        title=f"activations of {where}",
        screen="activations",
        note=f"white: the layer's largest value at that time, black: 0 and below{some}",
        values=_sheet((top, lefts[k], panel) for top, row in zip(tops, panels, strict=True) for k, panel in enumerate(row)),
        limits=(0.0, 1.0),
        row_captions=tuple((top, _named(row.name)) for top, row in zip(tops, rows, strict=True)),
        column_captions=tuple(zip(lefts, times, strict=True)),
    )


def _one_layer(layer: Shown, name: str, where: str) -> Image:
    """Its channels beside each other, the times below each other; after four channels the next four."""
    channels, *lengths = layer.greys[0].shape
    side = max(SIDE, *lengths)
    blocks = [range(k, min(k + IN_A_ROW, channels)) for k in range(0, channels, IN_A_ROW)]
    bands = [_maps(grey[list(block)], side) for block in blocks for grey in layer.greys]
    tops = _starts([len(band) for band in bands], GAP)
    several = len(blocks) > 1
    texts = [(f"{b[0]}–{b[-1]} " if several else "") + moment for b in blocks for moment in layer.times]
    pitch = (bands[0].shape[1] + GAP) // len(blocks[0])
    whites = ", ".join(f"{white:.3g} {moment}" for white, moment in zip(layer.whites, layer.times, strict=True))
    return Image(
        name=f"{name}-{slug(layer.name)}",
        title=f"channels of {_named(layer.name)}, {where}",
        screen="activations",
        note=f"white: the layer's largest value ({whites}), black: 0 and below",
        values=_sheet((top, 0, band) for top, band in zip(tops, bands, strict=True)),
        limits=(0.0, 1.0),
        row_captions=tuple(zip(tops, texts, strict=True)),
        column_captions=() if several else tuple((k * pitch, f"{k}") for k in range(channels)),
    )


def _named(layer: str) -> str:
    return f"layer {layer}" if layer.isdigit() else layer


def _panel(grey: np.ndarray, side: int, width: int) -> np.ndarray:
    return _maps(grey[:IN_A_ROW], side) if grey.ndim == 3 else _strip(grey, width, side // 2)


def _maps(channels: np.ndarray, side: int) -> np.ndarray:
    """Channels ``(channels, rows, columns)`` beside each other, each as large as goes into a square of ``side`` pixels."""
    factor = max(1, side // max(channels.shape[1:]))
    lefts = _starts([factor * channels.shape[2]] * len(channels), GAP)
    return _sheet((0, left, _enlarged(channel, factor)) for left, channel in zip(lefts, channels, strict=True))


def _strip(units: np.ndarray, width: int, height: int) -> np.ndarray:
    """Units ``(units,)`` as cells in rows: the arrangement whose cells are largest within ``width`` × ``height`` pixels."""
    count = len(units)
    rows = max(range(1, height + 1), key=lambda rows: (min(width // -(-count // rows), height // rows), -rows))
    in_a_row = -(-count // rows)
    cells = np.full(rows * in_a_row, np.nan)
    cells[:count] = units
    return _enlarged(cells.reshape(rows, in_a_row), max(1, min(width // in_a_row, height // rows)))


def _enlarged(picture: np.ndarray, factor: int) -> np.ndarray:
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _starts(lengths: Sequence[int], gap: int) -> list[int]:
    """Where parts of these lengths begin that follow each other with a gap between them."""
    return [sum(lengths[:k]) + k * gap for k in range(len(lengths))]


def _sheet(parts: Iterable[tuple[int, int, np.ndarray]]) -> np.ndarray:
    """Pictures at their places (top, left, picture) on a sheet that is NaN elsewhere."""
    parts = list(parts)
    height, width = (max(part[axis] + part[2].shape[axis] for part in parts) for axis in (0, 1))
    sheet = np.full((height, width), np.nan)
    for top, left, picture in parts:
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet
