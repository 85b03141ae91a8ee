"""``ibmon sweep``: every combination of some values as a run of its own, all in one group."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ibmon.records import UsageError

from .completion import complete_launcher, complete_recipe
from .options import Asked, add_command, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    from rich.console import Console
    from rich.table import Table

    from ibmon.runs.directory import RunDirectory
    from ibmon.signatures import Scalar, Signature
    from ibmon.sweeps.grid import Combination
    from ibmon.sweeps.groups import Member
    from ibmon.sweeps.runner import Outcome, Sweep, Task

    from .target import Target

_UNFOLDED = 10_000
"""Columns that no table needs."""
Laid = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Columns and rows of a table."""


def add(app: typer.Typer, arguments: list[str]) -> None:
    """Register ``sweep`` with the options of the recipe that the arguments name."""
    add_command(app, _sweep, arguments, needed=False)


def _sweep(
    target: Annotated[str, typer.Argument(help="A recipe, or a .py file with one.", autocompletion=complete_recipe)],
    seeds: Annotated[
        str, typer.Option("--seeds", help="Seeds, innermost: 0:5 or 5 for 0 to 4, or 0,3,7.", show_default=False)
    ] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Values of an option of the recipe, as lr=1e-3,1e-4; repeatable.", show_default=False),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            help="Runs at a time; several share the cores, unless OMP_NUM_THREADS says how many threads each has.",
            show_default="1, on a cluster all",
        ),
    ] = None,
    on: Annotated[
        str,
        typer.Option("--on", help="What starts them: local, or slurm:partition=main,time=60.", autocompletion=complete_launcher),
    ] = "local",
    wait: Annotated[bool, typer.Option("--wait", help="Follow runs that a cluster has queued to their ends.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be run.")] = False,
    *,
    asked: Asked,
    options: Asked,
) -> None:
    """Run every combination of values and seeds, as one group of runs that `ibmon compare` lays over each other.

    The same command with --group goes on where it ended: what has finished is kept, what failed or was stopped is run again.
    """
    from ibmon.launch import new_id
    from ibmon.schedules import DEFAULT
    from ibmon.sweeps.groups import members
    from ibmon.sweeps.queues import Queues, as_queued, chosen, start, submit
    from ibmon.sweeps.runner import Sweep, planned

    from .target import resolve

    found = resolve(target)
    grid = _grid(found, settings or [], seeds, options)
    check(asked)
    if jobs is not None and jobs < 1:
        raise UsageError("--jobs is at least 1.")
    launcher = chosen(on)
    group, schedule = asked["group"] or new_id(found.name), asked["schedule"] or str(DEFAULT)
    own = {**asked, "group": group, "schedule": schedule}
    queues = Queues()

    def plan() -> list[Task]:
        return planned(grid, as_queued(members(group), queues), found.name, found.target)

    tasks = plan()
    if dry_run:
        _print_plan(tasks)
        return
    console = _console()
    console.print(f"{len(grid)} runs of {found.name} in the group {group}, {_count(tasks, 'keep')} of them finished before")
    if not asked["schedule"]:
        console.print(f"Snapshots are taken at {schedule} in every run: pooled is what all have in common.")
    if launcher.spec.queues:
        runs = [_make(found, own, task.combination) for task in tasks if task.action == "start"]
        _print_submitted(submit(launcher, runs, jobs), launcher.spec.name, group)
        if not wait:
            return
        tasks = plan()
    elif jobs is not None and jobs > 1:
        _share_cores(jobs)
    sweep = Sweep(tasks, jobs or 1, lambda combination: start(launcher, _make(found, own, combination)), queues)
    interruptions = _follow(sweep, len(grid), console)
    tasks = plan()
    _print_summary(tasks, sweep.outcomes, group)
    if interruptions:
        left = "The runs under way go on in the background" if interruptions > 1 else "Nothing is lost"
        console.print(f"{left}; go on with:\n{_again(group)}", soft_wrap=True)
        raise typer.Exit(130)
    raise typer.Exit(0 if _count(tasks, "keep") == len(tasks) else 1)


def _grid(found: Target, settings: list[str], seeds: str, options: Asked) -> list[Combination]:
    """Every combination that is asked for. Raises UsageError."""
    from ibmon.sweeps.grid import axes, combinations

    if found.run is not None or found.address is not None:
        raise UsageError(f"{found.name} is a run already; sweep takes a recipe.")
    if found.signature is None:
        raise UsageError(f"{found.name} is a script: only the options of a recipe can be swept (def train(monitor, *, lr=...)).")
    varied = axes(found.signature, found.name, settings, seeds)
    if not varied:
        raise UsageError(f"Nothing varies; say --seeds 0:5, or --set with one of {_names(found.signature)}.")
    missing = [o.name for o in found.signature.options if o.required and options[o.name] is None and o.name not in varied]
    if missing:
        raise UsageError(f"{found.name} needs a value for {', '.join(missing)}; give it as an option or with --set.")
    fixed: dict[str, Scalar] = options
    return combinations(varied, fixed)


def _names(signature: Signature) -> str:
    return ", ".join(option.name for option in signature.options)


def _make(found: Target, asked: Asked, combination: Combination) -> RunDirectory:
    """Make the run directory of a combination. Raises IbmonError."""
    from ibmon.launch import describe_run
    from ibmon.runs.directory import create

    seed = combination.parameters.get("seed")
    own = {**asked, "name": f"{asked['name']} {combination.name}".strip()}
    info = describe_run(
        recipe=found.name,
        target=found.target,
        id=_new_id(found.name),
        parameters=dict(combination.parameters),
        seed=seed if isinstance(seed, int) else None,
        **own,
    )
    return create(info)


def _new_id(recipe: str) -> str:
    """An id that no run has yet: over a large grid the four random digits do repeat."""
    from ibmon.runs.directory import new_id, runs_root

    while (runs_root() / (id := new_id(recipe))).exists():
        pass
    return id


def _share_cores(jobs: int) -> None:
    """Give every trainer its part of the cores: each takes all of them otherwise, and they wait for each other."""
    from ibmon.machine import cores

    threads = str(max(1, cores() // jobs))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, threads)


def _follow(sweep: Sweep, total: int, console: Console) -> int:
    """Follow the sweep to its end; returns how often it was interrupted.

    The first Ctrl-C or SIGTERM asks what is under way to stop and starts no more; the second leaves it alone in the background.
    """
    interruptions = 0

    def interrupt(*_: int | FrameType | None) -> None:
        nonlocal interruptions
        interruptions += 1

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    from .sweep_board import Board

    stopping = False
    with Board(sweep, total, console) as board:
        while interruptions < 2:
            if interruptions and not stopping:
                stopping = True
                sweep.stop()
                console.print("Stopping what is under way after its step (again: leave it running in the background) ...")
            under_way = sweep.turn()
            board.show()
            if not under_way:
                break
            time.sleep(0.25)
    return interruptions


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False)


def _count(tasks: Iterable[Task], action: str) -> int:
    return sum(task.action == action for task in tasks)


def _again(group: str) -> str:
    """The command that goes on where this one ended."""
    named = any(argument.partition("=")[0] == "--group" for argument in sys.argv)
    return shlex.join(["ibmon", *sys.argv[1:], *(() if named else ("--group", group))])


def _print_submitted(jobs: Sequence[str], launcher: str, group: str) -> None:
    """The jobs, how to watch their runs, and how to go on."""
    if jobs:
        named = jobs[0] if len(jobs) == 1 else f"{jobs[0]} to {jobs[-1]}"
        print(f"{group}: {len(jobs)} runs submitted to {launcher} as {named}")
    else:
        print(f"{group}: nothing to submit; all runs have finished or are under way")
    print(f"watch them: ibmon runs, ibmon watch RUN\ncompare them: ibmon compare {shlex.quote(group)}")
    print(f"go on, with those that failed once more: {_again(group)}")


def _print_plan(tasks: Sequence[Task]) -> None:
    """What would be done about each combination."""
    rows = [(task.combination.name, _intention(task), ", ".join(map(_known, task.earlier))) for task in tasks]
    print_table(("run", "what is done", "does not count"), rows)
    started, waited, kept = (_count(tasks, action) for action in ("start", "wait", "keep"))
    print(f"{len(tasks)} runs: {started} to start, {waited} to wait for, {kept} finished")


def _intention(task: Task) -> str:
    if task.member is None:
        return "start" if not task.earlier else "start again"
    return f"{'wait for' if task.action == 'wait' else 'finished:'} {task.member.run.id}"


def _known(member: Member) -> str:
    return f"{member.run.id} ({member.state})"


def _print_summary(tasks: Sequence[Task], outcomes: Sequence[Outcome], group: str) -> None:
    """How many runs have finished, what became of the others, and which do not count."""
    print(f"{group}: {_count(tasks, 'keep')} of {len(tasks)} runs finished")
    for outcome in outcomes:
        if outcome.problem:
            run = f" ({outcome.member.run.id})" if outcome.member else ""
            print(f"  {outcome.combination.name}: {outcome.problem}{run}")
    superseded = [_known(member) for task in tasks if task.action == "keep" for member in task.earlier]
    if superseded:
        print(f"  of several runs alike the newest finished one counts, and not {', '.join(superseded)}")
    if _count(tasks, "keep"):
        print(f"compare them: ibmon compare {shlex.quote(group)}")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], narrow: Callable[[], Laid] | None = None) -> None:
    """A table on standard output, folded to the terminal; elsewhere every row is one line. Empty columns are left out.

    ``narrow`` lays it out anew where the terminal has too few columns.
    """
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _UNFOLDED)
    table = _table(columns, list(rows))
    unfolded = console.options.update(max_width=_UNFOLDED)
    if narrow is not None and console.measure(table, options=unfolded).maximum > console.width:
        table = _table(*narrow())
    console.print(table)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    kept = [k for k in range(len(columns)) if any(row[k] for row in rows)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for k in kept:
        table.add_column(Text(columns[k]), overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[k]) for k in kept))
    return table
