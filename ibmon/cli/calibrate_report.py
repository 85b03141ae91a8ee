"""What ``ibmon calibrate`` prints, writes and gives to programs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import floor, isfinite, log10
from typing import TYPE_CHECKING, Any

from .sweep import print_table

if TYPE_CHECKING:
    from pathlib import Path

    from ibmon.analysis.calibration import Calibration
    from ibmon.analysis.sample_size import SampleSize
    from ibmon.analysis.sensitivity import Sensitivity


def print_variance(calibrations: Mapping[str, Calibration]) -> None:
    from ibmon.analysis.calibration import PUBLISHED

    for k, (task, c) in enumerate(calibrations.items()):
        if k:
            print()
        print(f"{f'{task}: ' if task else ''}{len(c.counts)} classes, one-hot · H(Y) {c.entropy:.4f} bits")
        print(f"rule: the largest variance whose lower bound of I(X;T) is within {c.tolerance:g} bit of H(Y)")
        own = f"kde:variance={_below(c.variance):g}"
        relative = f"kde:relative=true,variance={_below(c.relative):g}"
        print(f"  {own} · bounds {c.lower:.4f} to {c.upper:.4f} bits · closed form {c.closed_form:.5f}")
        print(f"  {relative} is the same noise, as a share of tr Cov of the one-hot labels")
        print()
        words = {
            PUBLISHED: "published for MNIST",
            c.variance: "the rule",
            c.matching: f"upper bound {c.precision:g} bit from H(Y)",
        }
        rows = [(f"{row.variance:.4g}", f"{row.lower:.4f}", f"{row.upper:.4f}", words.get(row.variance, "")) for row in c.table]
        print_table(("variance", "lower [bits]", "upper [bits]", ""), rows)
        print()
        print(
            f"To have H(Y) within the bounds determines no variance: the upper bound is within {c.precision:g} bit of H(Y)\n"
            f"for every one up to {c.matching:.4g}, and the lower bound is below it for all. How far below it may be does."
        )


def print_sensitivity(study: Sensitivity, files: Sequence[str]) -> None:
    from ibmon.analysis.sensitivity import FALL
    from ibmon.runs.log import printable

    where = printable(study.evaluation) or "the evaluation set"
    print(f"{len(study.steps)} snapshots on {where}, steps {study.steps[0]} to {study.steps[-1]}")
    rows = [
        (
            c.layer,
            c.setting,
            *(_number(bits) for bits in (c.first, c.highest, c.last, c.fall)),
            "yes" if c.falls else "no",
            "saturated" if c.saturated else "",
        )
        for c in study.courses
    ]
    print_table(("layer", "estimator", "first", "max", "last", "max − last", "falls", "at its max"), _once(rows))
    print(f"I(X;T) in bits; it falls where it ends more than {FALL:g} bit below its maximum:")
    for layer in dict.fromkeys(c.layer for c in study.courses):
        own = [c for c in study.courses if c.layer == layer]
        falls = sum(c.falls for c in own)
        how_many = f"all {falls}" if falls == len(own) else f"{falls or 'none'} of {len(own)}"
        print(f"  {layer}: under {how_many} settings")
    for path in files:
        print(path)


def print_samples(study: SampleSize, files: Sequence[str]) -> None:
    from ibmon.analysis.sample_size import STABLE_BITS, STABLE_SHARE
    from ibmon.runs.log import printable

    sizes = study.growths[0].sizes
    at = f"epoch {study.epoch:g}" if study.epoch is not None else f"step {study.step}"
    where = printable(study.evaluation) or "the evaluation set"
    print(f"{at} on {where} · {sizes[0]} to {sizes[-1]} samples, {study.draws} random subsets of each size")
    rows = [
        (
            g.layer,
            g.estimator,
            g.quantity + (f" {g.task}" if g.task else ""),
            _number(float(g.median[0])),
            _number(float(g.highest[0] - g.lowest[0])),
            _number(float(g.median[-1])),
            "not stable" if g.stable is None else str(g.stable),
            " ".join(g.flags),
        )
        for g in study.growths
    ]
    first, last = f"N = {sizes[0]}", f"N = {sizes[-1]}"
    print_table(("layer", "estimator", "quantity", first, "range", last, "stable from", "flags"), _once(rows))
    print(f"bits; stable: within {100 * STABLE_SHARE:g} % and {STABLE_BITS:g} bit of its value at all samples. I(X;T) ≤ log2 N.")
    for (layer, estimator), size in _verdicts(study).items():
        print(f"  {layer}, {estimator}: {'not stable' if size is None else f'stable from {size} samples'}")
    for path in files:
        print(path)


def _verdicts(study: SampleSize) -> dict[tuple[str, str], int | None]:
    pairs = dict.fromkeys((g.layer, g.estimator) for g in study.growths)
    return {(layer, estimator): study.stable(layer, estimator) for layer, estimator in pairs}


def _once(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Rows whose first cell is said once, at the first row that has it."""
    before = ["", *(row[0] for row in rows)]
    return [("" if row[0] == last else row[0], *row[1:]) for row, last in zip(rows, before, strict=False)]


def save_planes(study: Sensitivity, folder: Path, format: str) -> list[str]:
    """A picture for each task with a panel for each setting, and every point of them as CSV."""
    from ibmon.analysis.sensitivity import at_newest, panel
    from ibmon.figures.image import save_side_by_side
    from ibmon.figures.table import to_csv

    folder.mkdir(parents=True, exist_ok=True)
    files: list[str] = []
    for title, planes in study.planes.items():
        name = "sensitivity" if len(study.planes) == 1 else f"sensitivity-{_bare(title)}"
        picture, table = folder / f"{name}.{format}", folder / f"{name}.csv"
        save_side_by_side({panel(setting): at_newest(plane) for setting, plane in planes.items()}, picture)
        first = next(iter(planes.values()))
        together = replace(first, trajectories=tuple(t for plane in planes.values() for t in plane.trajectories))
        table.write_text(to_csv(together), encoding="utf-8")
        files += [str(picture), str(table)]
    return files


def save_curves(study: SampleSize, folder: Path, format: str) -> list[str]:
    """A picture for each quantity and task with a panel for each estimator, and every point of them as CSV."""
    from ibmon.analysis.sample_size import curves
    from ibmon.figures.image import save_side_by_side
    from ibmon.figures.table import to_csv

    folder.mkdir(parents=True, exist_ok=True)
    files: list[str] = []
    for name, figures in curves(study).items():
        picture, table = (folder / f"sample-size-{_bare(name)}.{ending}" for ending in (format, "csv"))
        save_side_by_side(figures, picture)
        first = next(iter(figures.values()))
        together = replace(first, lines=tuple(line for figure in figures.values() for line in figure.lines if line.estimator))
        table.write_text(to_csv(together), encoding="utf-8")
        files += [str(picture), str(table)]
    return files


def _bare(text: str) -> str:
    """Titles and tasks come from plugins and runs: only a bare name may become a file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-") or "figure"


def _below(value: float, digits: int = 3) -> float:
    """The value rounded down to so many digits: a variance that is rounded up would break the rule."""
    unit = 10.0 ** (floor(log10(value)) - digits + 1)
    return floor(value / unit) * unit


def _number(value: float) -> str:
    return f"{value:.3f}" if isfinite(value) else "–"


def _plain(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def variance_json(calibrations: Mapping[str, Calibration]) -> list[dict[str, Any]]:
    return [{"task": task, **asdict(calibration)} for task, calibration in calibrations.items()]


def sensitivity_json(study: Sensitivity, files: Sequence[str]) -> dict[str, Any]:
    courses = [
        {
            "layer": c.layer,
            "estimator": c.setting,
            **{name: _plain(bits) for name, bits in (("first", c.first), ("max", c.highest), ("last", c.last), ("fall", c.fall))},
            "falls": c.falls,
            "saturated": c.saturated,
        }
        for c in study.courses
    ]
    return {"evaluation": study.evaluation, "steps": list(study.steps), "courses": courses, "files": list(files)}


def samples_json(study: SampleSize, files: Sequence[str]) -> dict[str, Any]:
    return {
        "step": study.step,
        "epoch": study.epoch,
        "evaluation": study.evaluation,
        "draws": study.draws,
        "growths": [
            {
                **{name: getattr(g, name) for name in ("quantity", "layer", "task", "estimator", "stable")},
                "samples": g.sizes.tolist(),
                **{part: [_plain(v) for v in getattr(g, part).tolist()] for part in ("median", "lowest", "highest")},
                "flags": list(g.flags),
            }
            for g in study.growths
        ],
        "layers": [
            {"layer": layer, "estimator": estimator, "stable": size} for (layer, estimator), size in _verdicts(study).items()
        ],
        "files": list(files),
    }
