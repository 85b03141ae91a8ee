"""How figures of the built-in analyses are named, so that those of different runs meet."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ibmon import Series


def named_set(evaluation: str) -> tuple[str, ...]:
    """What of an evaluation set goes into names and titles: nothing for the only one ("" or "all").

    Whether a run has other sets does not matter: a name that depended on that would be another one in another run.
    """
    return () if evaluation in ("", "all") else (evaluation,)


def ending(series: Series) -> str:
    """What a figure's name ends in: the evaluation set, the estimator and the options of the analysis; nothing by default."""
    analysis, _, estimator = series.job.partition("/")
    parts = (estimator, *named_set(series.evaluation), analysis.partition(":")[2])
    return "".join(f"-{slug(part)}" for part in parts if part)


def where(series: Series) -> str:
    """The evaluation set in a title: " on test", or nothing."""
    return "".join(f" on {one}" for one in named_set(series.evaluation))


def how(series: Series, *words: str) -> str:
    """A note: ``words``, then the estimator and the options of the analysis, where there are any."""
    analysis, _, estimator = series.job.partition("/")
    return "; ".join(part for part in (*words, estimator, analysis.partition(":")[2]) if part)


def named_parameters(series: Sequence[Series]) -> list[tuple[str, Series]]:
    """Series of parameters with their layer; with the parameter where a layer has several, as recurrent ones do."""
    layers = [s.subject.get("layer", "") for s in series]
    return [
        (f"{layer} {s.subject.get('parameter', '').removeprefix('weight_')}" if layers.count(layer) > 1 else layer, s)
        for layer, s in zip(layers, series, strict=True)
    ]


def slug(text: str) -> str:
    """A bare word for files and the command line; "all" for a text without a letter of one."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "all"
