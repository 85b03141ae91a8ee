"""Figures of saliency, on a screen of its own. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ibmon import Axis, Curves, Figure, History, Line, Passage, Series, Table

from .moments import ends
from .naming import ending, where

_SCREEN = "saliency"
_NORM = "‖∂L/∂e‖"
_ROWS = 30
"""Words in the table."""


def figures(history: History) -> list[Figure]:
    """For each job and evaluation set the saliency over timepoints, the recorded samples word by word, and the words with the
    largest mean: of the untrained and of the newest network."""
    found = history.select("saliency", job=_SCREEN)
    return [figure for series in found for figure in _of(history, series)]


def _of(history: History, over_time: Series) -> Iterator[Figure]:
    options = over_time.job.partition(":")[2]
    end, of, said = ending(over_time), where(over_time), f"; {options}" if options else ""

    def select(quantity: str) -> list[Series]:
        return [s for s in history.select(quantity, evaluation=over_time.evaluation) if s.job == over_time.job]

    yield _curves(over_time, select("samples"), f"saliency{end}", of, said)
    for words in select("saliency of words"):
        yield _passage(words, f"saliency-sample-{words.subject['sample']}{end}", of, said)
    by_word, occurrences = select("saliency by word"), select("occurrences")
    if by_word and occurrences:
        yield _table(by_word[-1], occurrences[-1], f"saliency-words{end}", of, said)


def _curves(series: Series, samples: list[Series], name: str, of: str, said: str) -> Curves:
    x = np.asarray(series.axes["time"], np.float64)
    beside = {"samples": samples[0].value[-1]} if samples else {}  # the same at every step
    return Curves(
        name=name,
        title=f"saliency at each timepoint{of}",
        screen=_SCREEN,
        note=f"mean over the samples, with their 10–90 %{said}",
        x=Axis(label="timepoint"),
        y=Axis(label=_NORM, limits=(0.0, None)),
        lines=tuple(
            Line(
                label=moment,
                x=x,
                y=series.value[row],
                lower=series.lower[row],
                upper=series.upper[row],
                flags=_flags(series, row),
                details=beside,
            )
            for row, moment in ends(series)
        ),
    )


def _flags(series: Series, row: int) -> tuple[tuple[str, ...], ...]:
    """The names of the flags that are raised, at each timepoint."""
    places = range(series.value.shape[1])
    return tuple(tuple(name for name, raised in series.flags.items() if raised[row, place]) for place in places)


def _passage(series: Series, name: str, of: str, said: str) -> Passage:
    labels = ", ".join(f"{kind} {label}" for kind, label in series.subject.items() if kind != "sample")
    shown = ends(series)
    return Passage(
        name=name,
        title=f"saliency of sample {series.subject['sample']}{f' ({labels})' if labels else ''}{of}",
        screen=_SCREEN,
        note=f"gradient of the loss by each embedding{said}",
        words=tuple(str(word) for word in series.axes["word"]),
        values=series.value[[row for row, _ in shown]],
        labels=tuple(moment for _, moment in shown),
        value_label=_NORM,
        limits=(0.0, None),
    )


def _table(series: Series, occurrences: Series, name: str, of: str, said: str) -> Table:
    shown = ends(series)
    newest = series.value[-1]
    order = np.argsort(np.where(np.isfinite(newest), -newest, np.inf), kind="stable")[:_ROWS]
    words = series.axes["word"]
    return Table(
        name=name,
        title=f"words of the largest saliency{of}",
        screen=_SCREEN,
        note=f"mean of {_NORM} over the occurrences of a word{said}",
        columns=("word", "occurrences", *(moment for _, moment in shown)),
        rows=tuple(
            (str(words[k]), f"{occurrences.value[-1][k]:.0f}", *(f"{series.value[row][k]:.4g}" for row, _ in shown))
            for k in order.tolist()
        ),
    )
