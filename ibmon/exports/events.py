"""What was measured and logged, and the figures, as event files for TensorBoard; through tensorboard alone, without torch."""

from __future__ import annotations

from importlib import import_module
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from ibmon.figures.image import png
from ibmon.records import IbmonError
from ibmon.runs.tidy import all_series

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ibmon.figures.figure import Figure
    from ibmon.runs.history import History, Series

_SUFFIX = ".ibmon"
"""What the name of an event file ends in, so that a later export replaces it and nothing else."""


def save_events(history: History, figures: Sequence[Figure], folder: Path) -> int:
    """Write the scalars of a run and its figures, as they are at its last step, into ``folder``; returns the number of events.

    A measurement over axes is the median over them, and its tag says so. Tags go by job, quantity, subject and evaluation set;
    values that are not finite are left out. All events bear the time at which the run was made: histories count in steps.
    An earlier export in the folder is replaced. Raises IbmonError without tensorboard, OSError.
    """
    try:
        files = import_module("tensorboard.summary.writer.event_file_writer")
        event = import_module("tensorboard.compat.proto.event_pb2").Event
        summary = import_module("tensorboard.compat.proto.summary_pb2").Summary
    except ImportError:
        raise IbmonError(
            "Event files are written by tensorboard, which is not installed: pip install 'ibmon[tensorboard]'"
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    earlier = list(folder.glob(f"events.out.tfevents.*{_SUFFIX}"))
    made = history.run.created
    count = 0

    def add(step: int, **value: Any) -> None:
        nonlocal count
        writer.add_event(event(wall_time=made, step=step, summary=summary(value=[summary.Value(**value)])))
        count += 1

    writer = files.EventFileWriter(str(folder), max_queue_size=1000, filename_suffix=_SUFFIX)
    try:
        for tag, series in _tagged(all_series(history)):
            for step, value in zip(series.step.tolist(), _medians(series.value).tolist(), strict=True):
                if isfinite(value):
                    add(step, tag=tag, simple_value=value)
        last = max((int(series.step[-1]) for series in all_series(history) if len(series.step)), default=0)
        for figure in figures:
            picture = png(figure)
            width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
            image = summary.Image(encoded_image_string=picture, width=width, height=height, colorspace=4)
            add(last, tag=figure.name, image=image)
    finally:
        writer.close()
    for path in earlier:
        path.unlink(missing_ok=True)
    return count


def _tagged(every: Sequence[Series]) -> Iterator[tuple[str, Series]]:
    """Each series with a tag of its own; TensorBoard groups tags by what stands before the first slash."""
    seen: dict[str, int] = {}
    for series in every:
        over = f"median over {', '.join(series.axes)}" if series.axes else ""
        tag = "/".join(part for part in (series.job, series.quantity, *series.subject.values(), series.evaluation, over) if part)
        seen[tag] = seen.get(tag, 0) + 1
        yield (tag if seen[tag] == 1 else f"{tag}/{seen[tag]}"), series


def _medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of what is finite, point by point; NaN where nothing is."""
    flat = values.reshape(len(values), -1) if values.size else np.full((len(values), 1), np.nan)
    flat = np.where(np.isfinite(flat), flat, np.nan)
    there = ~np.isnan(flat).all(axis=1)
    medians = np.full(len(values), np.nan)
    medians[there] = np.nanmedian(flat[there], axis=1)
    return medians
