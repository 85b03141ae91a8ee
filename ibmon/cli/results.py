"""``ibmon show``: what a run has measured."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ibmon.records import UsageError

from .completion import complete_run

if TYPE_CHECKING:
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


def show(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="A run, as its path, id, name or part of the id; with --table a group, or several groups and runs.",
            show_default="the latest run",
            autocompletion=complete_run,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything that was measured, as JSON.")] = False,
    replica: ReplicaOption = None,
    table: Annotated[
        list[str] | None,
        typer.Option("--table", help="Only a table of these logged scalars, by name or glob; repeatable.", show_default=False),
    ] = None,
) -> None:
    """Print a run: what was asked, how it went, the latest values and its figures as text.

    With --table print what was logged: a row for each run, or for what varies in a group, as `ibmon compare` does.
    """
    import sys

    from ibmon.launch import resume_analysis
    from ibmon.runs.directory import find_run, settle

    from .remote import readable

    if table:
        if replica is not None:
            raise UsageError("--table prints what was logged of whole runs; leave out --replica.")
        _print_table(names or [find_run(None).id], table, as_json)
        return
    if names and len(names) > 1:
        raise UsageError("One run is shown; of several --table '*' prints what they logged, and `ibmon compare` the rest.")
    with readable([names[0] if names else None]) as (found,):
        resume_analysis(found)
        settle([found])
        whole = read_history(found)
        history = one_network(whole, replica)
        if as_json:
            print(json.dumps({**_as_json(found, history), "replica": replica}, indent=1))
            return
        count = len(whole.replicas)
        networks = f"{count} networks" if replica is None else f"network {replica} of {count}"
        summary(found, history, sys.stdout.isatty(), networks if count else "")


def _print_table(names: list[str], wanted: list[str], as_json: bool) -> None:
    from .compare import rows
    from .compare_table import print_scalars

    print_scalars(rows(names), wanted, None, as_json)


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
        unwatched = now.state == "finished" and history.watch is None
        print("  nothing was watched: the program told no ibmon.Monitor what" if unwatched else "  no measurement yet")
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
    return f"-replica-{bare(replica)}" if replica is not None else ""


def _as_json(run: RunDirectory, history: History) -> dict[str, Any]:
    import msgspec

    from ibmon.runs import processes
    from ibmon.runs.directory import status

    now = status(run)
    mirrored = processes.read(run, processes.Mirrored)

    def numbers(values: Any) -> Any:
        return [numbers(v) for v in values] if isinstance(values, list) else None if not math.isfinite(values) else values

    return {
        "run": msgspec.to_builtins(history.run),
        "path": str(run.path) if mirrored is None else mirrored.address,
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


def bare(text: str) -> str:
    """What of a text can be part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")
