"""``ibmon analyse``: the kept snapshots of runs measured again, by several processes or on a cluster."""

from __future__ import annotations

import shlex
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ibmon.records import IbmonError, UsageError

from .completion import complete_estimator, complete_launcher, complete_run
from .options import check_plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibmon.analysis.again import Asked, Work
    from ibmon.analysis.crew import Crew
    from ibmon.runs.directory import RunDirectory


def add(app: typer.Typer) -> None:
    app.command("analyse")(analyse)


def analyse(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Runs, each by its path, id, name or part of the id, and groups of runs.",
            show_default="the latest run",
            autocompletion=complete_run,
        ),
    ] = None,
    estimator: Annotated[
        list[str] | None,
        typer.Option(
            "-e",
            "--estimator",
            help="Estimator, as ksg:k=5; repeatable.",
            show_default="those of the run",
            autocompletion=complete_estimator,
        ),
    ] = None,
    analysis: Annotated[
        list[str] | None,
        typer.Option("-a", "--analysis", help="Analysis beside the default ones; repeatable.", show_default=False),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", help="Processes that measure at a time.", show_default="one for each core"),
    ] = None,
    on: Annotated[
        str,
        typer.Option(
            "--on",
            help="Hand the runs to a launcher, each as a job of its own, as slurm:partition=main,time=60.",
            show_default=False,
            autocompletion=complete_launcher,
        ),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is to be measured.")] = False,
) -> None:
    """Measure the kept snapshots of runs again, with further estimators or analyses.

    What has been measured is not measured again: the same command goes on where it ended.
    """
    from ibmon.machine import let_threads_sleep

    if jobs is not None and jobs < 1:
        raise UsageError("--jobs is at least 1.")
    check_plugins(estimator or [], analysis or [])
    runs = _runs(names or [])
    let_threads_sleep()
    from ibmon.analysis.again import Asked, lacking, taken

    asked = Asked(tuple(estimator or ()), tuple(analysis or ()))
    works, refused = _works(runs, lambda run: (lacking if dry_run or on else taken)(run, asked))
    for sentence in refused:
        typer.echo(f"ibmon: {sentence}", err=True)
    if dry_run:
        failed = _print_plan(works)
    elif on:
        failed = _submit(works, asked, jobs, on)
    else:
        failed = _measure(works, asked, jobs)
    if failed or refused:
        raise typer.Exit(1)


def _runs(names: Sequence[str]) -> list[RunDirectory]:
    """The runs of these names, each once; of a group those that count. Raises NotFoundError or IbmonError."""
    from ibmon.runs.directory import find_run
    from ibmon.sweeps.groups import counting, members

    found: dict[str, RunDirectory] = {}
    for name in names or (None,):
        there = members(name) if name is not None else []
        kept = [member.run for member in counting(there)] if there else [find_run(name)]
        if not kept:
            raise IbmonError(f"No run of {name} has finished; analyse single runs by naming them.")
        if there and len(kept) < len(there):
            words = f"of {len(there)} runs of {name} {len(kept)} count; the others are older ones alike, or have not finished."
            typer.echo(f"ibmon: {words}", err=True)
        found |= {str(run.path.resolve()): run for run in kept}
    return list(found.values())


def _works(runs: Sequence[RunDirectory], look: Callable[[RunDirectory], Work]) -> tuple[list[Work], list[str]]:
    """What the runs lack, and why some cannot be analysed. Raises UsageError, and IbmonError where there is only one run."""
    works: list[Work] = []
    refused: list[str] = []
    for run in runs:
        try:
            works.append(look(run))
        except UsageError:
            raise
        except IbmonError as error:
            if len(runs) == 1:
                raise
            refused.append(str(error))
    return works, refused


def _print_plan(works: Sequence[Work]) -> bool:
    """What there is to be measured of each run; returns whether something cannot be."""
    for work in works:
        print(f"{work.run.id}: {_to_come(work)}")
        for sentence in work.unmeasured:
            typer.echo(f"ibmon: {work.run.id}: {sentence}", err=True)
    if len(works) > 1:
        print(f"{len(works)} runs: {sum(work.results for work in works)} results to measure")
    return any(work.unmeasured for work in works)


def _measure(works: Sequence[Work], asked: Asked, jobs: int | None) -> bool:
    """Measure all that is lacking; returns whether something could not be. Exits with 130 when it is interrupted."""
    from ibmon.analysis.crew import Crew, Workers

    interruptions: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(name, lambda number, _: interruptions.append(number)) for name in signals]
    crew = Crew(works, asked, Workers.of(works, jobs))
    try:
        failed = _follow(crew, lambda: bool(interruptions))
    finally:
        crew.close()
        for name, handler in zip(signals, before, strict=True):
            signal.signal(name, handler)
    if interruptions:
        again = shlex.join(["ibmon", *sys.argv[1:]])
        typer.echo(f"ibmon: What has been measured is kept; go on with: {again}", err=True)
        raise typer.Exit(130)
    return failed


def _follow(crew: Crew, interrupted: Callable[[], bool]) -> bool:
    """Follow the crew to its end, with a bar on a terminal and a line a run; returns whether a run lacks something."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    ended: list[Work] = []
    failed = False
    with Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,
        speed_estimate_period=3600.0,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("measuring")
        under_way = True
        while under_way and not interrupted():
            under_way = crew.turn()
            bar.update(task, completed=sum(crew.done.values()), total=sum(crew.total.values()))
            for work in crew.finished():
                if console.is_terminal:
                    ended.append(work)  # beside the bar there is no place for lines
                else:
                    failed |= _print_outcome(work)
    for work in ended:
        failed |= _print_outcome(work)
    return failed


def _print_outcome(work: Work) -> bool:
    outcome = work.outcome()
    for problem in outcome.problems:
        typer.echo(f"ibmon: {work.run.id}: {problem}", err=True)
    print(f"{work.run.id}: {outcome.new} new results on {work.snapshots} snapshots", flush=True)
    return bool(outcome.problems)


def _submit(works: Sequence[Work], asked: Asked, jobs: int | None, on: str) -> bool:
    """Hand what is lacking to a launcher, a job for each run; returns whether something cannot be measured."""
    from ibmon.runs.processes import Again
    from ibmon.sweeps.requests import submit_again

    request = Again(run="", estimators=asked.estimators, analyses=asked.analyses, jobs=jobs)
    answer = submit_again(on, [work.run for work in works if work.items], request)
    for work in works:
        path = work.run.path.resolve()
        for sentence in work.unmeasured:
            typer.echo(f"ibmon: {work.run.id}: {sentence}", err=True)
        if path in answer.submitted:
            print(f"{work.run.id}: {_to_come(work)}, submitted to {on.partition(':')[0]} as {answer.submitted[path]}")
        elif path in answer.waiting:
            print(f"{work.run.id}: {_to_come(work)}, submitted before as {answer.waiting[path]}")
        else:
            print(f"{work.run.id}: {_to_come(work)}")
    return any(work.unmeasured for work in works)


def _to_come(work: Work) -> str:
    jobs = {job for item in work.items for job in item.jobs}
    if not jobs:
        return "nothing left to measure"
    return f"{work.results} results to measure (jobs: {len(jobs)}, snapshots: {len(work.items)} of {work.snapshots})"
