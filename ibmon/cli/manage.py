"""``ibmon runs``, ``stop``, ``rename``, ``gc`` and ``doctor``: what is there, and keeping it in order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ibmon.records import IbmonError, NotFoundError

from .results import RunArgument

if TYPE_CHECKING:
    from ibmon.runs.directory import RunDirectory

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def add(app: typer.Typer) -> None:
    app.command("runs")(runs)
    app.command("stop")(stop)
    app.command("rename")(rename)
    app.command("gc")(gc)
    app.command("doctor")(doctor)


def runs(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the runs, newest first."""
    from ibmon.runs.directory import find_runs, runs_root, settle
    from ibmon.runs.listing import age, differing, size_words

    found = find_runs()
    settle(found)
    rows = [row for run in found if (row := _row(run)) is not None]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    if not rows:
        print(f"There is no run in {runs_root()} yet; start one with: ibmon watch tishby")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("run", "state", "recipe", "parameters that differ", "age", "size"):
        table.add_column(heading, overflow="fold")
    differ = differing((row["recipe"], row["parameters"]) for row in rows)
    for row in rows:
        said = " ".join(f"{k}={v}" for k, v in row["parameters"].items() if k in differ)
        name = f"{row['id']} ({row['name']})" if row["name"] else row["id"]
        cells = (name, _standing(row), row["recipe"], said, age(row["created"]), size_words(row["bytes"]))
        table.add_row(*(Text(cell) for cell in cells))
    Console(highlight=False).print(table)


def _standing(row: dict[str, Any]) -> str:
    """The state, with what is known of a run that waits or is elsewhere."""
    told = row["detail"] and row["state"] in ("queued", "starting", "live")
    return f"{row['state']} ({row['detail']})" if told else row["state"]


def _row(run: RunDirectory) -> dict[str, Any] | None:
    from ibmon.runs.directory import status
    from ibmon.runs.listing import size_of
    from ibmon.runs.log import printable

    try:
        info = run.info()
        now = status(run, info)
    except IbmonError:
        return None
    return {
        "id": run.id,
        "name": printable(info.name),
        "path": str(run.path.resolve()),
        "state": now.state,
        "detail": now.detail,
        "recipe": printable(info.recipe),
        "parameters": {printable(k): printable(v) if isinstance(v, str) else v for k, v in info.parameters.items()},
        "group": printable(info.group),
        "created": info.created,
        "bytes": size_of(run.path),
    }


def stop(run: RunArgument = None) -> None:
    """Ask a training to stop after its current step; the last network is still measured."""
    from ibmon.launch import stop as ask
    from ibmon.runs.directory import find_run, settled, status

    found = find_run(run)
    now = settled(found)
    if now.state == "queued":
        from ibmon.sweeps.queues import Queues

        queued = now.detail
        if Queues().holds(found, now):
            ask(found)
            print(f"{found.id} stops as soon as it begins; it still waits as {queued}")
            return
        now = status(found)
    if now.over:
        raise IbmonError(f"{found.id} is not running: it is {now.state}.")
    ask(found)
    print(f"{found.id} stops after its current step")


def rename(
    run: Annotated[str, typer.Argument(help="A run.")], name: Annotated[str, typer.Argument(help="Its new name.")]
) -> None:
    """Give a run a name; the directory keeps its own."""
    from ibmon.runs.directory import find_run
    from ibmon.runs.listing import rename as give_name

    found = find_run(run)
    give_name(found, name)
    print(f"{found.id} is now called {name!r}")


def gc(yes: Yes = False) -> None:
    """Clear away: snapshots left over of dead runs, and runs that never measured anything. Asks first."""
    import shutil

    from ibmon.runs.directory import delete, find_runs, settle, status
    from ibmon.runs.listing import size_of, size_words
    from ibmon.runs.log import LogReader

    found, runs = False, find_runs()
    settle(runs)
    for run in runs:
        now = status(run)
        if not now.over or now.analysing:
            continue
        if not any(next(LogReader(p).read(2**20), None) for p in run.logs("analyst")):
            found = True
            if yes or typer.confirm(f"{run.id} measured nothing and is over; delete it ({size_words(size_of(run.path))})?"):
                delete(run)
                print(f"deleted {run.id}")
            continue
        for spool in run.spools():
            if spool.is_dir() and any(spool.iterdir()):
                found = True
                words = f"{run.id} is over and left {size_words(size_of(spool))} of snapshots that were not measured; delete them"
                if yes or typer.confirm(f"{words}? (ibmon show {run.id} measures them)"):
                    shutil.rmtree(spool)
                    print(f"cleared the spool of {run.id}")
    if not found:
        print("Nothing to clear away.")


def doctor() -> None:
    """Say what this machine offers: torch, CUDA, the terminal's colours, room for snapshots."""
    import os
    import shutil
    import sys
    from importlib.metadata import version

    import ibmon
    from ibmon.machine import torch_facts
    from ibmon.runs.directory import runs_root
    from ibmon.runs.mounts import default_bound, file_system, is_network

    print(f"ibmon {ibmon.__version__}, Python {sys.version.split()[0]}, {sys.platform}, {os.cpu_count()} cores")
    for fact in torch_facts():
        print(fact)
    print(f"textual {version('textual')}, plotext {version('plotext')}, matplotlib {version('matplotlib')}")
    depth = "no colour (NO_COLOR)" if os.environ.get("NO_COLOR") else _depth()
    size = shutil.get_terminal_size()
    term = os.environ.get("TERM", "not set")
    print(f"terminal: TERM={term}, {depth}, {size.columns}×{size.lines}, encoding {sys.stdout.encoding}")
    root = runs_root()
    place = root if root.exists() else root.parent if root.parent.exists() else root.resolve().parents[0]
    free = shutil.disk_usage(place).free
    kind = file_system(place) or "unknown file system"
    print(f"runs: {root.resolve()} ({kind}), {free / 1e9:.1f} GB free, {'' if os.access(place, os.W_OK) else 'not '}writable")
    where = "in the run directory" if not is_network(place) else "on a local scratch folder (this is a network file system)"
    print(f"spool: {where}, at most {default_bound(place) / 1e6:.0f} MB")
    if not os.access(place, os.W_OK):
        raise NotFoundError(f"{root} cannot be written; set IBMON_RUNS to a folder you can write to.")


def _depth() -> str:
    import os

    if os.environ.get("COLORTERM", "") in ("truecolor", "24bit"):
        return "true colour"
    return "256 colours" if "256" in os.environ.get("TERM", "") else "16 colours"
