"""``ibmon show``, ``ibmon export``, ``ibmon analyse``: what a run has measured."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ibmon.records import IbmonError, NotFoundError, UsageError

from .completion import complete_run

if TYPE_CHECKING:
    from ibmon.figures.figure import Figure
    from ibmon.runs.directory import RunDirectory
    from ibmon.runs.history import History

FORMATS = {"png", "svg", "pdf", "csv"}
RunArgument = Annotated[
    str | None,
    typer.Argument(
        help="A run: its path, id, name or part of the id; nothing: the latest.", show_default=False, autocompletion=complete_run
    ),
]
ReplicaOption = Annotated[
    str | None,
    typer.Option("--replica", help="One network, by its number, of a run that trains many at once.", show_default="all"),
]


LayoutOption = Annotated[
    Literal["auto", "overlay", "panels"],
    typer.Option("--layout", help="Compared runs: over each other, or each in a panel of its own.", show_default="auto"),
]


def add(app: typer.Typer) -> None:
    app.command("show")(show)
    app.command("export")(export)
    app.command("analyse")(analyse)


def show(
    run: RunArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything that was measured, as JSON.")] = False,
    replica: ReplicaOption = None,
) -> None:
    """Print a run: what was asked, how it went, the latest values and its figures as text."""
    import sys

    from ibmon.launch import resume_analysis
    from ibmon.runs.directory import find_run

    found = find_run(run)
    resume_analysis(found)
    whole = read_history(found)
    history = one_network(whole, replica)
    if as_json:
        print(json.dumps({**_as_json(found, history), "replica": replica}, indent=1))
        return
    count = len(whole.replicas)
    networks = f"{count} networks" if replica is None else f"network {replica} of {count}"
    summary(found, history, sys.stdout.isatty(), networks if count else "")


def export(
    run: RunArgument = None,
    figures: Annotated[
        list[str] | None, typer.Argument(help="Figures by name or glob; nothing: all.", show_default=False)
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder.", show_default="RUN/figures")] = None,
    format: Annotated[
        list[str] | None, typer.Option("--format", help="png, svg, pdf or csv; repeatable.", show_default="png")
    ] = None,
    colour: Annotated[
        Literal["series", "epoch", "position", "run"] | None,
        typer.Option("--colour", help="What colour means.", show_default="epoch in planes"),
    ] = None,
    layout: LayoutOption = "auto",
    colours: Annotated[
        Literal["default", "viridis", "cividis", "magma", "grey"], typer.Option("--colours", help="The colour map.")
    ] = "default",
    until: Annotated[int | None, typer.Option("--until", help="Only up to this step.", show_default=False)] = None,
    compare: Annotated[
        list[str] | None, typer.Option("--compare", help="Compare it with this run; up to three times.", show_default=False)
    ] = None,
    replica: ReplicaOption = None,
) -> None:
    """Write the figures of a run as files for a paper, or as CSV; with --compare those of several runs together."""
    from dataclasses import replace
    from fnmatch import fnmatchcase

    from ibmon.figures.figure import Table
    from ibmon.figures.image import PAGE, default_view, save
    from ibmon.figures.table import to_csv
    from ibmon.runs.directory import find_run

    unknown = set(format or ()) - FORMATS
    if unknown:
        raise UsageError(f"--format is one of {', '.join(sorted(FORMATS))}, not {', '.join(sorted(unknown))}.")
    if len(compare or ()) > 3:
        raise UsageError("Up to four runs can be compared: at most three --compare.")
    found = find_run(run)
    drawn, failed = _drawn([found, *(find_run(name) for name in compare or ())], replica)
    for failure in failed:
        typer.echo(f"ibmon: {failure}", err=True)
    chosen = [f for f in drawn if not figures or any(fnmatchcase(f.name, wish) for wish in figures)]
    if not chosen:
        there = ", ".join(f.name for f in drawn) or "none yet: nothing has been measured"
        raise NotFoundError(f"{found.id} has no such figure; there is {there}.")
    folder = output or found.figures
    if output is None and folder.is_symlink():
        raise IbmonError(f"{folder} is a link out of the run; say with -o where the figures should go.")
    folder.mkdir(parents=True, exist_ok=True)
    suffix = ("-compared" if compare else "") + replica_suffix(replica)
    for figure in chosen:
        for kind in format or ["png"]:
            path = folder / f"{_file_name(figure)}{suffix}.{kind}"
            if kind == "csv":
                path.write_text(to_csv(figure), encoding="utf-8")
            else:
                view = replace(default_view(figure, None if layout == "auto" else layout), until=until)
                width = PAGE if isinstance(figure, Table) else None
                save(figure, path, view if colour is None else replace(view, colour=colour), width=width, colours=colours)
            print(path)
    if failed:
        raise typer.Exit(1)


def _drawn(runs: list[RunDirectory], replica: str | None) -> tuple[list[Figure], list[str]]:
    """The figures of a run, or those that compare several, and what could not be drawn; of a single network of each."""
    from ibmon.figures.build import build_figures
    from ibmon.figures.compare import compared
    from ibmon.runs.directory import RunDirectory
    from ibmon.runs.log import printable

    built = {run.path.resolve(): build_figures(one_network(read_history(run), replica)) for run in runs}
    failed = [sentence for _, failures in built.values() for sentence in failures]
    if len(built) == 1:
        return next(iter(built.values()))[0], failed
    names = {path: RunDirectory(path).info().name or path.name for path in built}
    told = {path: name if list(names.values()).count(name) == 1 else f"{name} {path.name[-4:]}" for path, name in names.items()}
    return compared({printable(told[path], 40): [figures] for path, (figures, _) in built.items()}), failed


def analyse(
    run: RunArgument = None,
    estimator: Annotated[
        list[str] | None, typer.Option("-e", "--estimator", help="Estimator; repeatable.", show_default=False)
    ] = None,
    analysis: Annotated[
        list[str] | None, typer.Option("-a", "--analysis", help="Analysis; repeatable.", show_default=False)
    ] = None,
) -> None:
    """Measure the kept snapshots of a run again, with further estimators or analyses."""
    from ibmon.machine import let_threads_sleep
    from ibmon.runs.directory import find_run

    found = find_run(run)
    let_threads_sleep()
    from ibmon.analysis.loop import again

    snapshots, new, problems = again(found, estimator or [], analysis or [])
    for problem in problems:
        typer.echo(f"ibmon: {problem}", err=True)
    print(f"{found.id}: {new} new results on {snapshots} snapshots")
    if problems:
        raise typer.Exit(1)


def summary(run: RunDirectory, history: History, terminal: bool, networks: str = "") -> None:
    """The run on plain stdout: facts, notices, latest values, and the important figures; ``networks`` says of which networks."""
    import shutil

    from ibmon.figures.build import build_figures
    from ibmon.runs.directory import status

    now = status(run)
    info = history.run
    facts = [info.id + (f" ({info.name})" if info.name else ""), now.state + (f": {now.detail}" if now.detail else "")]
    if history.progress is not None:
        p = history.progress
        facts.append(f"step {p.step}" + (f", epoch {p.epoch:g} of {p.epochs}" if p.epochs and p.epoch is not None else ""))
        if p.overhead is not None:
            facts.append(f"monitor {100 * p.overhead:.1f} % of the training's time")
    facts += [networks] if networks else []
    facts.append(f"{history.measured} of {history.captured} snapshots measured, {len(history.dropped)} dropped")
    print(" · ".join(facts))
    if info.parameters:
        print("  " + ", ".join(f"{k}={v}" for k, v in info.parameters.items()))
    for notice in history.notices[-10:]:
        print(f"  {notice.level}: {notice.text}")
    if history.skipped:
        print(f"  warning: {history.skipped} lines of the logs could not be read")
    drawn, failed = build_figures(history)
    for failure in failed:
        print(f"  warning: {failure}")
    if not drawn:
        print("  no measurement yet")
        return
    from ibmon.figures.text import render

    columns, rows = shutil.get_terminal_size((100, 30))
    for figure in [f for f in drawn if f.important] or drawn[:1]:
        print()
        print(render(figure, min(columns, 110), min(max(rows - 6, 16), 28), terminal))


def read_history(run: RunDirectory) -> History:
    """Everything that the logs of a run say."""
    from ibmon.runs.reading import HistoryReader

    reader = HistoryReader(run)
    reader.poll()
    return reader.history()


def one_network(history: History, replica: str | None) -> History:
    """The history of the network that ``--replica`` names, or of all without it. Raises NotFoundError where there is none."""
    from ibmon.runs.history import of_replica

    if replica is None:
        return history
    return of_replica(history, next((known for known in history.replicas if str(known) == replica), replica))


def replica_suffix(replica: str | None) -> str:
    """What the file of a figure of a single network is named besides."""
    return f"-replica-{_bare(replica)}" if replica is not None else ""


def _as_json(run: RunDirectory, history: History) -> dict[str, Any]:
    import msgspec

    from ibmon.runs.directory import status

    now = status(run)

    def numbers(values: Any) -> Any:
        return [numbers(v) for v in values] if isinstance(values, list) else None if not math.isfinite(values) else values

    return {
        "run": msgspec.to_builtins(history.run),
        "path": str(run.path),
        "state": now.state,
        "detail": now.detail,
        "captured": history.captured,
        "measured": history.measured,
        "dropped": [msgspec.to_builtins(d) for d in history.dropped],
        "notices": [msgspec.to_builtins(n) for n in history.notices],
        "estimators": history.options,
        "series": [
            {
                "quantity": s.quantity,
                "unit": s.unit,
                "subject": dict(s.subject),
                "evaluation": s.evaluation,
                "estimator": s.estimator,
                "job": s.job,
                "axes": {k: list(v) for k, v in s.axes.items()},
                "step": s.step.tolist(),
                "epoch": numbers(s.epoch.tolist()),
                "value": numbers(s.value.tolist()),
                "lower": numbers(s.lower.tolist()),
                "upper": numbers(s.upper.tolist()),
                "flags": {k: v.tolist() for k, v in s.flags.items()},
                "details": {k: numbers(v.tolist()) for k, v in s.details.items()},
            }
            for s in (*history.series, *history.scalars.values())
        ],
    }


def _file_name(figure: Figure) -> str:
    """A figure's name comes from a plugin: only a bare name may become a file."""
    name = _bare(figure.name)
    if not name:
        raise IbmonError(f"The figure {figure.title!r} has no name that could be a file's.")
    return name


def _bare(text: str) -> str:
    """What of a text can be part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")
