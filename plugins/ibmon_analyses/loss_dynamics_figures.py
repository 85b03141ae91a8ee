"""Figures of the loss dynamics. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ibmon import Axis, Curves, Figure, History, Line, Series, Table, log_times

from .hypothesis_figures import kink_in

LAWS = ("flow law", "gradient · update", "trapezoid")
_SCREEN = "gradients"


def figures(history: History) -> list[Figure]:
    """The decrease of the loss in single updates beside what three laws predict, how well they do in each phase, and what the
    layers contribute."""
    found = history.select("loss change", job="loss-dynamics")
    if not found:
        return []
    change = found[0]
    laws = {law: s for law in LAWS for s in history.select(law, job="loss-dynamics")[:1]}
    return [_decrease(change, laws), _fits(history, change, laws), _shares(history)]


def _decrease(change: Series, laws: dict[str, Series]) -> Curves:
    lines = [Line(label="measured", x=_at(change), y=_falling(change.value), step=change.step)]
    lines += [Line(label=law, x=_at(s), y=_falling(s.value), step=s.step, flags=_flags(s)) for law, s in laws.items()]
    notes = ["loss on the whole training set, one update at a time; gaps: updates in which it rose"]
    if "flow law" in laws and laws["flow law"].flags.get("not_sgd", np.zeros(1, np.bool_)).any():
        notes.append("the flow law −lr ‖∇L‖² is that of plain SGD, which this is not")
    return Curves(
        name="loss-dynamics",
        title="decrease of the loss in an update",
        screen=_SCREEN,
        note="; ".join(notes),
        x=Axis(label=_unit(change), scale="log"),
        y=Axis(label="−ΔL", scale="log"),
        lines=tuple(lines),
    )


def _fits(history: History, change: Series, laws: dict[str, Series]) -> Table:
    rows: list[tuple[str, ...]] = []
    for name, keep in phases(history, change):
        for law, series in laws.items():
            measured, predicted = _paired(change, series, keep)
            if len(measured) < 3:
                continue
            slope, r2 = fit(predicted, measured)
            missed = float(np.mean(np.abs(predicted - measured) > 0.1 * np.abs(measured)))
            rows.append((name, law, f"{len(measured)}", f"{slope:.3g}", f"{r2:.3f}", f"{100 * missed:.0f} %"))
    return Table(
        name="loss-dynamics-fits",
        title="what predicts the change of the loss",
        screen=_SCREEN,
        note="slope of measured on predicted through the origin (1 is right); R² of the prediction as it is, without a fit; "
        "off: updates whose prediction is off by more than a tenth",
        columns=("phase", "law", "updates", "slope", "R²", "off"),
        rows=tuple(rows),
    )


def fit(predicted: np.ndarray, measured: np.ndarray) -> tuple[float, float]:
    """Slope of ``measured`` on ``predicted`` through the origin, and R² of the prediction itself: 1 − Σ(m − p)² / Σ(m − m̄)²,
    which is negative where the mean would have been better. Both ``(updates,)``, finite."""
    square, spread = float(predicted @ predicted), float(np.square(measured - measured.mean()).sum())
    slope = float(predicted @ measured) / square if square > 0 else float("nan")
    r2 = 1.0 - float(np.square(measured - predicted).sum()) / spread if spread > 0 else float("nan")
    return slope, r2


def phases(history: History, change: Series) -> list[tuple[str, np.ndarray]]:
    """Names of the phases and which points of a series lie in them: before and after the kink of the loss, where it has one."""
    kink, at = kink_in(history, change)
    if not kink.found:
        return [("all", np.ones(len(at), np.bool_))]
    return [("before the kink", at < kink.at), ("after it", at >= kink.at)]


def _shares(history: History) -> Curves:
    """What each layer contributes to the trapezoid, weights and biases apart."""
    shares = history.select("loss share", job="loss-dynamics")
    totals = {s.job: s for s in history.select("trapezoid", job="loss-dynamics")}
    watched = [layer.name for layer in history.watch.layers] if history.watch is not None else []
    layers = list(dict.fromkeys(_layer(s, watched) for s in shares))
    lines: list[Line] = []
    for s in sorted(shares, key=lambda s: layers.index(_layer(s, watched))):
        total = totals.get(s.job)
        if total is None or not np.array_equal(total.step, s.step):
            continue
        part = np.divide(s.value, total.value, out=np.full(len(s.value), np.nan), where=total.value != 0)
        layer, parameter = _layer(s, watched), s.subject.get("parameter", "")
        lines.append(
            Line(
                label=f"{layer} {parameter}",
                x=_at(s),
                y=part,
                step=s.step,
                group=layers.index(layer),
                dashed="bias" in parameter,
                unnamed="bias" in parameter,
            )
        )
    return Curves(
        name="loss-shares",
        title="shares of the layers in the change of the loss",
        screen=_SCREEN,
        note="of the trapezoid ½(∇L₀ + ∇L₁)·Δθ; weights solid, biases dashed",
        x=Axis(label=_unit(shares[0]) if shares else "step", scale="log"),
        y=Axis(label="share", limits=(0.0, 1.0)),
        lines=tuple(lines),
    )


def _layer(series: Series, watched: Sequence[str]) -> str:
    """The longest watched layer that the parameter lies in; else its module."""
    module = series.subject.get("layer", "")
    inside = [name for name in watched if module == name or module.startswith(name + ".")]
    return max(inside, key=len, default=module)


def _paired(change: Series, law: Series, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measured and predicted changes of the updates that have both and are kept."""
    _, one, other = np.intersect1d(change.step, law.step, return_indices=True)
    measured, predicted = change.value[one], law.value[other]
    known = np.isfinite(measured) & np.isfinite(predicted) & keep[one]
    return measured[known], predicted[known]


def _falling(values: np.ndarray) -> np.ndarray:
    """−ΔL where the loss fell; NaN where it rose."""
    return np.where(values < 0, -values, np.nan)


def _flags(series: Series) -> tuple[tuple[str, ...], ...]:
    raised = [[name for name, flag in series.flags.items() if flag[k]] for k in range(len(series.step))]
    return tuple(tuple(names) for names in raised)


def _unit(series: Series) -> str:
    return "epoch" if np.isfinite(series.epoch).any() else "step"


def _at(series: Series) -> np.ndarray:
    """Epochs where the training has them, else steps; the first update is drawn half a step on."""
    at = series.epoch if np.isfinite(series.epoch).any() else series.step.astype(float)
    return log_times(at)
