"""A file, an estimator by name, and the study of them: what ``ibmon flow`` asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ibmon.analysis.estimating import ready
from ibmon.analysis.jobs import Bound
from ibmon.records import IbmonError, UsageError
from ibmon.registry import discover
from ibmon.specs import EstimatorSpec

from .files import lags_of, read_series
from .significance import Tell, silent
from .studies import Study, study


@dataclass(frozen=True, slots=True)
class Answer:
    """The study of a file; ``note`` says with what, ``left_out`` names columns that hold no numbers."""

    study: Study
    estimator: str
    note: str
    left_out: tuple[str, ...]


def ask(
    file: Path,
    *,
    columns: str | None,
    groups: Sequence[str],
    estimator: str,
    lags: str,
    delays: Sequence[str],
    rows: str | None,
    power: float,
    surrogates: int,
    blocks: int,
    seed: int,
    tell: Tell = silent,
) -> Answer:
    """Read a file and study it; equal seeds give equal answers. Options are those of ``ibmon flow``.

    Raises NotFoundError, UsageError and IbmonError with a sentence that says what to do.
    """
    registry = discover()
    chosen = ready(registry, estimator)
    if "pairwise" not in chosen.spec.operations or "continuous" not in chosen.spec.kinds:
        known = [c.spec for c in registry.contributions["estimators"].values()]
        fit = [s.name for s in known if isinstance(s, EstimatorSpec) and "pairwise" in s.operations and "continuous" in s.kinds]
        raise UsageError(f"{chosen.spec.name} does not take pairs of columns of numbers; these do: {', '.join(fit) or 'none'}.")
    steps = lags_of(lags)
    read = read_series(file, columns=columns, groups=groups, rows=rows, delays=delays)
    rng = torch.Generator().manual_seed(seed)
    bound = Bound(chosen.estimator, rng)
    try:
        found = study(read.series, bound, steps, power=power, surrogates=surrogates, blocks=blocks, rng=rng, tell=tell)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except Exception as error:  # somebody else's plugin
        raise IbmonError(
            f"{chosen.name} ({chosen.provider}) failed: {type(error).__name__}: {error} (--debug shows where)"
        ) from error
    named = ", ".join(map(str, found.flows.lags))
    note = f"{chosen.name}, lag{'s' if len(found.flows.lags) > 1 else ''} {named}, {surrogates} surrogates"
    return Answer(found, chosen.name, note, read.left_out)
