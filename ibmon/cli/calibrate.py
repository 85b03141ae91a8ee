"""``ibmon calibrate``: how much of what is measured is the estimator's parameter, or the number of samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from ibmon.records import IbmonError, UsageError

from .calibrate_report import (
    print_samples,
    print_sensitivity,
    print_variance,
    samples_json,
    save_curves,
    save_planes,
    sensitivity_json,
    variance_json,
)
from .completion import complete_estimator, complete_run
from .progress import progress
from .results import RunArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibmon.analysis.calibration import Calibration
    from ibmon.analysis.sample_size import SampleSize
    from ibmon.analysis.sensitivity import Sensitivity
    from ibmon.runs.directory import RunDirectory

EvaluationOption = Annotated[str | None, typer.Option("--evaluation", help="Evaluation set.", show_default="the first")]
EstimatorOption = Annotated[
    list[str] | None,
    typer.Option("-e", "--estimator", help="Estimator; repeatable.", show_default=False, autocompletion=complete_estimator),
]
AnalysisOption = Annotated[
    str, typer.Option("-a", "--analysis", help="The information plane, with its options as :channels=mean.")
]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help="Folder.", show_default="RUN/figures")]
FormatOption = Annotated[Literal["png", "svg", "pdf"], typer.Option("--format", help="Of the pictures.")]
SnapshotsOption = Annotated[
    int | None, typer.Option("--snapshots", help="At most so many, log-spaced.", min=1, show_default="all that were kept")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the random subsets.", min=0, max=2**31)]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


class _AllByDefault(TyperGroup):
    """``calibrate RUN`` is ``calibrate all RUN``: arguments that name no command are those of ``all``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        asks_help = bool(args) and args[0] in ctx.help_option_names
        return super().parse_args(ctx, args if asks_help or (args and args[0] in self.commands) else ["all", *args])


def add(app: typer.Typer) -> None:
    group = typer.Typer(
        cls=_AllByDefault,
        help="Check a run against the noise, the bin widths and the number of samples that it was measured with.",
        epilog="ibmon calibrate RUN · the same as ibmon calibrate all RUN",
        rich_markup_mode=None,
    )
    group.command("all")(everything)
    group.command("variance")(variance)
    group.command("sensitivity")(sensitivity)
    group.command("samples")(samples)
    app.add_typer(group, name="calibrate")


def everything(
    run: RunArgument = None,
    evaluation: EvaluationOption = None,
    snapshots: SnapshotsOption = None,
    output: OutputOption = None,
    format: FormatOption = "png",
    as_json: AsJson = False,
) -> None:
    """The variance, the sensitivity and the samples of a run, one after the other."""
    found = _run(run)
    folder = _folder(found, output)
    told: dict[str, Any] = {"run": found.id}
    calibrations = _calibrations(found, evaluation)
    told["variance"] = variance_json(calibrations)
    if not as_json:
        print_variance(calibrations)
        print()
    planes = _sensitivity(found, (), evaluation, snapshots)
    files = save_planes(planes, folder, format)
    told["sensitivity"] = sensitivity_json(planes, files)
    if not as_json:
        print_sensitivity(planes, files)
        print()
    sizes = _samples(found, (), evaluation, {})
    files = save_curves(sizes, folder, format)
    told["samples"] = samples_json(sizes, files)
    if as_json:
        print(json.dumps(told, indent=1))
    else:
        print_samples(sizes, files)


def variance(
    run: Annotated[
        str | None, typer.Argument(help="A run, for its labels.", show_default=False, autocompletion=complete_run)
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            "--classes", help="So many balanced classes instead of a run's labels.", min=2, max=4096, show_default=False
        ),
    ] = None,
    evaluation: EvaluationOption = None,
    tolerance: Annotated[float, typer.Option("--tolerance", help="Bits by which the lower bound may miss H(Y).")] = 0.05,
    precision: Annotated[float, typer.Option("--precision", help="Bits below which a bound cannot be told from H(Y).")] = 0.001,
    as_json: AsJson = False,
) -> None:
    """The largest noise of kde that leaves the information of one-hot labels: lower bound within a tolerance of H(Y).

    With the labels of a run, or of balanced classes; without both of 10.
    """
    if classes is not None and run is not None:
        raise UsageError("Name a run or --classes, not both.")
    if evaluation is not None and run is None:
        raise UsageError("--evaluation is of a run; name one.")
    if run is None:
        calibrations = {"": _calibrate([1] * (classes or 10), tolerance, precision)}
    else:
        calibrations = _calibrations(_run(run), evaluation, tolerance, precision)
    if as_json:
        print(json.dumps(variance_json(calibrations), indent=1))
    else:
        print_variance(calibrations)


def sensitivity(
    run: RunArgument = None,
    estimator: EstimatorOption = None,
    analysis: AnalysisOption = "information-plane",
    evaluation: EvaluationOption = None,
    snapshots: SnapshotsOption = None,
    output: OutputOption = None,
    format: FormatOption = "png",
    as_json: AsJson = False,
) -> None:
    """The information plane of kept snapshots under other bin widths and noises, and where I(X;T) ends below its maximum.

    Without -e: a quarter, the same and four times the run's bin width; a tenth, the same and ten times its noise, absolute
    and relative. Nothing is added to what the run has measured.
    """
    found = _run(run)
    folder = _folder(found, output)
    study = _sensitivity(found, estimator or (), evaluation, snapshots, analysis)
    files = save_planes(study, folder, format)
    if as_json:
        print(json.dumps({"run": found.id, **sensitivity_json(study, files)}, indent=1))
    else:
        print_sensitivity(study, files)


def samples(
    run: RunArgument = None,
    estimator: EstimatorOption = None,
    analysis: AnalysisOption = "information-plane",
    evaluation: EvaluationOption = None,
    smallest: Annotated[int, typer.Option("--smallest", help="Samples to begin with.", min=2)] = 100,
    points: Annotated[int, typer.Option("--points", help="Sizes up to all samples, log-spaced.", min=2, max=100)] = 7,
    draws: Annotated[int, typer.Option("--draws", help="Random subsets of each size.", min=1, max=1000)] = 5,
    seed: SeedOption = 0,
    output: OutputOption = None,
    format: FormatOption = "png",
    as_json: AsJson = False,
) -> None:
    """I(X;T) and I(T;Y) of the newest kept snapshot against the number of samples, and from which number they are stable.

    With the run's own estimators unless -e names others.
    """
    found = _run(run)
    folder = _folder(found, output)
    asked = {"smallest": smallest, "points": points, "draws": draws, "seed": seed}
    study = _samples(found, estimator or (), evaluation, asked, analysis)
    files = save_curves(study, folder, format)
    if as_json:
        print(json.dumps({"run": found.id, **samples_json(study, files)}, indent=1))
    else:
        print_samples(study, files)


def _run(name: str | None) -> RunDirectory:
    from ibmon.machine import let_threads_sleep
    from ibmon.runs.directory import find_run

    let_threads_sleep()
    return find_run(name)


def _folder(run: RunDirectory, output: Path | None) -> Path:
    """Where the figures go. Raises IbmonError where that is a link out of the run."""
    if output is None and run.figures.is_symlink():
        raise IbmonError(f"{run.figures} is a link out of the run; say with -o where the figures should go.")
    return output or run.figures


def _calibrate(counts: Sequence[int], tolerance: float, precision: float) -> Calibration:
    from ibmon.machine import let_threads_sleep

    let_threads_sleep()
    from ibmon.analysis.calibration import calibrate
    from ibmon.registry import discover

    return calibrate(discover(), counts, tolerance=tolerance, precision=precision)


def _calibrations(
    run: RunDirectory, evaluation: str | None, tolerance: float = 0.05, precision: float = 0.001
) -> dict[str, Calibration]:
    """The rule for the labels of each task of a run; of a single one without its name."""
    from ibmon.analysis.calibration import label_counts
    from ibmon.runs.log import printable

    tasks = label_counts(run, evaluation)
    return {
        printable(task, 60) if len(tasks) > 1 else "": _calibrate(counts, tolerance, precision) for task, counts in tasks.items()
    }


def _sensitivity(
    run: RunDirectory,
    estimators: Sequence[str],
    evaluation: str | None,
    snapshots: int | None,
    analysis: str = "information-plane",
) -> Sensitivity:
    from ibmon.analysis.sensitivity import sensitivity
    from ibmon.registry import discover

    with progress("planes") as tell:
        return sensitivity(discover(), run, estimators, analysis=analysis, evaluation=evaluation, snapshots=snapshots, tell=tell)


def _samples(
    run: RunDirectory,
    estimators: Sequence[str],
    evaluation: str | None,
    asked: Mapping[str, int],
    analysis: str = "information-plane",
) -> SampleSize:
    from ibmon.analysis.sample_size import sample_size
    from ibmon.registry import discover

    with progress("samples") as tell:
        return sample_size(discover(), run, estimators, analysis=analysis, evaluation=evaluation, **asked, tell=tell)
