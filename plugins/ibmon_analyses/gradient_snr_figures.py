"""Figures of the gradient statistics. No torch: this is what the terminal and the exports call."""

from __future__ import annotations

import numpy as np

from ibmon import Axis, Curves, Figure, History, Line, Reference, Series


def figures(history: History) -> list[Figure]:
    """SNR of every layer's weights with the floor of pure noise, and mean and standard deviation over ‖W‖, log–log."""
    snr = _weights(history, "gradient SNR")
    if not snr:
        return []
    x = Axis(label="epoch" if np.isfinite(snr[0].epoch).any() else "step", scale="log")
    counts = _weights(history, "gradient minibatches")
    k = counts[0].value.astype(float) if counts else np.empty(0)
    typical = int(np.median(k)) if len(k) else 0
    note = "weights"
    if typical:
        note += f"; {typical} minibatches a window; pure noise: the floor for independent minibatches"
    lines = [_line(s) for s in snr]
    if len(k):
        floor = np.divide(1.0, np.sqrt(k - 1), out=np.full(len(k), np.nan), where=k > 1)
        lines.append(Line(label="pure noise", x=_at(counts[0]), y=floor, step=counts[0].step, dashed=True))
    means, stds = _weights(history, "gradient mean"), _weights(history, "gradient std")
    norms = {_key(s): s for s in _weights(history, "weight norm")}
    pairs: list[Line] = []
    for group, (mean, std) in enumerate(zip(means, stds, strict=False)):
        norm = norms.get(_key(mean))
        if norm is None or norm.value.shape != mean.value.shape:
            continue
        pairs.append(_line(mean, norm, label=f"{mean.subject['layer']} mean", group=group))
        pairs.append(_line(std, norm, label=f"{std.subject['layer']} std", group=group, dashed=True, unnamed=True))
    return [
        Curves(
            name="gradient-snr",
            title="gradient SNR",
            screen="gradients",
            important=True,
            note=note,
            x=x,
            y=Axis(label="SNR = ‖mean g‖ / ‖std g‖", scale="log"),
            lines=tuple(lines),
            references=(Reference(axis="y", value=1.0, label="SNR = 1"),),
        ),
        Curves(
            name="gradient-norms",
            title="gradient mean (solid) and std (dashed)",
            screen="gradients",
            note=f"weights, divided by ‖W‖; {typical} minibatches a window",
            x=x,
            y=Axis(label="‖·‖ / ‖W‖", scale="log"),
            lines=tuple(pairs),
        ),
    ]


def _weights(history: History, quantity: str) -> list[Series]:
    """Series of weight matrices; every parameter where none is called weight."""
    found = history.select(quantity, job="gradient-snr")
    weights = [s for s in found if "weight" in s.subject.get("parameter", "")]
    return weights or found


def _key(series: Series) -> tuple[str, str]:
    return series.subject.get("layer", ""), series.subject.get("parameter", "")


def _line(series: Series, over: Series | None = None, **meaning: object) -> Line:
    values = series.value if over is None else series.value / over.value
    flat = values.reshape(len(values), -1)
    many = flat.shape[1] > 1 and len(flat) > 0
    options: dict[str, object] = {"label": series.subject.get("layer", series.label), **meaning}
    return Line(
        x=_at(series),
        y=np.median(flat, axis=1) if many else flat[:, 0],
        lower=np.percentile(flat, 10, axis=1) if many else None,
        upper=np.percentile(flat, 90, axis=1) if many else None,
        step=series.step,
        **options,  # type: ignore[arg-type]
    )


def _at(series: Series) -> np.ndarray:
    return series.epoch if np.isfinite(series.epoch).any() else series.step.astype(float)
