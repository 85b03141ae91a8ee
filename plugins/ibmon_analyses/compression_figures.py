"""Tables of what can be claimed of compression. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ibmon import Figure, History, Series, Table

from .compression import Drop, Surrogate, controls, drop_of, surrogate, verdict
from .naming import named_set, slug

_ANALYSIS = "information-plane"


def verdicts(history: History) -> list[Figure]:
    """For each evaluation set two tables: "compression", a verdict for each layer, and "compression-drops", what it rests on.

    Of I(X;T) in bits as the information plane measures it, of the layer as a whole, without estimates that are ``deterministic``;
    of layers with a time axis the last timepoint.
    """
    judged = [s for s in history.select("I(X;T)", job=_ANALYSIS) if _is_judged(s)]
    sets = list(dict.fromkeys(s.evaluation for s in judged))
    return [f for name in sets for f in _of(history, [s for s in judged if s.evaluation == name])]


def _is_judged(series: Series) -> bool:
    """Not the mean over channels, which is no information of the layer, nor what an infinite information is clipped to."""
    deterministic = series.flags.get("deterministic")
    return (
        series.unit == "bits"
        and len(series.step) > 0
        and set(series.subject) == {"layer"}
        and "channels=mean" not in series.job.partition("/")[0]
        and (deterministic is None or not deterministic.all())
    )


def _of(history: History, series: Sequence[Series]) -> Iterator[Table]:
    surrogates = {s.estimator: surrogate(s.estimator, history.options.get(s.estimator, {})) for s in series}
    layers: dict[str, dict[Surrogate, Drop]] = {}
    for s in series:
        # Two variants of the analysis with one estimator say the same of I(X;T): the first is taken.
        drops = layers.setdefault(_label(s), {})
        if surrogates[s.estimator] not in drops:
            drops[surrogates[s.estimator]] = _drop(s)
    evaluation = series[0].evaluation
    named = named_set(evaluation)
    end, where = "".join(f"-{slug(name)}" for name in named), "".join(f" on {name}" for name in named)
    yield Table(
        name=f"compression{end}",
        title=f"compression of I(X;T){where}",
        screen="plane",
        note=_note(list(surrogates.values()), kept=history.run.keep_snapshots),
        columns=("layer", "verdict", "because"),
        rows=tuple((layer, *verdict(drops)) for layer, drops in layers.items()),
    )
    several = any(d.networks > 1 for drops in layers.values() for d in drops.values())
    head = ("found in", "drop", "error", "10–90 %") if several else ("found", "drop", "error")
    unit = "epoch" if _in_epochs(series[0]) else "step"
    yield Table(
        name=f"compression-drops{end}",
        title=f"drops of I(X;T) in bits{where}",
        screen="plane",
        note=f"{'medians; ' if several else ''}drop = max − last, found where above its error; SP: sample propagation",
        columns=("layer", "estimator", *head, "first", "max", unit, "last"),
        rows=tuple((layer, s.label, *_cells(d, several)) for layer, drops in layers.items() for s, d in drops.items()),
    )


def _label(series: Series) -> str:
    """The layer, and which of its timepoints is judged, as the information plane names it."""
    times = series.axes.get("time", ())
    return series.subject["layer"] + (f" t{times[-1]}" if len(times) > 1 else "")


def _drop(series: Series) -> Drop:
    # The last timepoint is the one that has seen the whole input.
    index = tuple(-1 if name == "time" else slice(None) for name in series.axes)

    def networks(values: np.ndarray) -> np.ndarray:
        return values[(slice(None), *index)].reshape(len(values), -1)

    errors, saturated = series.details.get("error"), series.flags.get("saturated")
    return drop_of(
        networks(series.value),
        series.epoch if _in_epochs(series) else series.step.astype(float),
        errors=None if errors is None else networks(errors),
        saturated=None if saturated is None else networks(saturated),
    )


def _cells(d: Drop, several: bool) -> tuple[str, ...]:
    found = f"{d.counted}/{d.networks}" if d.networks > 1 and d.counts is not None else d.found
    at = _said(d.at, ".0f" if d.at >= 10 else ".2g")
    spread = [f"{_said(d.low, '.1f')}–{_said(d.high, '.1f')}"] if several else []
    return found, _said(d.drop), _said(d.error), *spread, _said(d.first), _said(d.highest), at, _said(d.last)


def _said(value: float, how: str = ".2f") -> str:
    return format(value, how) if np.isfinite(value) else "–"


def _note(surrogates: Sequence[Surrogate], *, kept: bool) -> str:
    """Which controls were not run, and what runs them."""
    missing = [control.name for control in controls(surrogates) if not control.groups]
    if not missing:
        return "drops beyond their error under sample propagation, a relative noise and a sweep"
    requests = {
        "SP": f"sample-propagation{_variance(surrogates)}",
        "relative noise": "kde:relative=true",
        "sweep": _further(surrogates),
    }
    command = " ".join(f"-e {requests[name]}" for name in missing)
    return f"{'ibmon analyse RUN' if kept else 'run again with'} {command} (adds {', '.join(missing)})"


def _variance(surrogates: Sequence[Surrogate]) -> str:
    """The fixed noise of the KDE of the run, so that the two can be laid side by side."""
    fixed = (s.parameter for s in surrogates if s.kind == "kde" and s.convention == "fixed" and s.parameter is not None)
    return next((f":variance={variance:g}" for variance in fixed), "")


def _further(surrogates: Sequence[Surrogate]) -> str:
    """A second value of the first parameter of the run that can be swept."""
    for s in surrogates:
        if s.parameter is not None and s.kind == "binning":
            return f"binning:{s.convention}={2 * s.parameter:g}{',range=observed' if s.convention == 'bins' else ''}"
    for s in surrogates:
        if s.parameter is not None and s.kind == "kde":
            return f"kde:{'relative=true,' if s.convention == 'relative' else ''}variance={s.parameter / 4:g}"
    return "binning -e binning:width=0.14"


def _in_epochs(series: Series) -> bool:
    return bool(np.isfinite(series.epoch).any())
