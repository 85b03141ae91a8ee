"""``ibmon compare``: the runs of a group by what varies, or several groups and runs, laid over each other."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ibmon.records import IbmonError, NotFoundError, UsageError

from .compare_table import print_scalars
from .results import FORMATS, LayoutOption, ReplicaOption, one_network, read_history, replica_suffix
from .sweep import Laid, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ibmon.figures.figure import Figure, Layout, Table
    from ibmon.sweeps.groups import Member

MOST = 4
"""Runs, or pooled groups of them, that are laid over each other."""


def add(app: typer.Typer) -> None:
    app.command("compare")(compare)


def compare(
    names: Annotated[list[str], typer.Argument(help="A group, by what varies in it; or several groups and runs.")],
    by: Annotated[
        list[str] | None,
        typer.Option("--by", help="Part the group by this option alone; repeatable.", show_default="all that vary"),
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", help="Only runs with lr=1e-3; repeatable.", show_default=False)
    ] = None,
    figures: Annotated[
        list[str] | None, typer.Option("--figures", help="Figures by name or glob; repeatable.", show_default="all")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the figures into this folder.", show_default=False)
    ] = None,
    format: Annotated[
        list[str] | None, typer.Option("--format", help="png, svg, pdf or csv; repeatable.", show_default="png")
    ] = None,
    layout: LayoutOption = "auto",
    table: Annotated[
        list[str] | None,
        typer.Option("--table", help="Only a table of these logged scalars, by name or glob; repeatable.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    replica: ReplicaOption = None,
) -> None:
    """Lay runs over each other or side by side, seeds pooled as their median, and print what they differ in.

    A group is parted by the options that vary in it, the seed apart; --by and --where choose. Of runs alike the newest
    finished one counts.
    """
    unknown = set(format or ()) - FORMATS
    if unknown:
        raise UsageError(f"--format is one of {', '.join(sorted(FORMATS))}, not {', '.join(sorted(unknown))}.")
    if table and (figures or format or replica):
        raise UsageError("--table prints what was logged of whole runs; leave out --figures, --format and --replica.")
    parts = _one_group(names[0], by or [], where or []) if len(names) == 1 else _several(names, by or [], where or [])
    if table:
        print_scalars(parts, table, output, as_json)
        return
    built, failed = _built(parts, figures or [], replica)
    for failure in failed:
        typer.echo(f"ibmon: {failure}", err=True)
    drawn, differing = _compared(built)
    if len(parts) > MOST:
        typer.echo(f"ibmon: {_too_many(parts, len(names))}", err=True)
    files: list[str] = []
    if output is not None:
        how = None if layout == "auto" else layout
        files = _written(drawn, differing, output, format or ["png"], replica_suffix(replica), how)
    if as_json:
        print(json.dumps({**_as_json(parts, differing, files), "replica": replica}, indent=1))
    else:
        _print(parts, differing, files)
    if failed:
        raise typer.Exit(1)


def rows(names: Sequence[str]) -> dict[str, list[Member]]:
    """The rows of a table of these: a group by what varies in it, or groups, each pooled, and runs; a single run is one."""
    from ibmon.runs.directory import find_run
    from ibmon.runs.log import printable
    from ibmon.sweeps.groups import member_of

    if len(names) > 1:
        return _several(names, [], [])
    found = _group(names[0])
    if found is not None:
        return _parted(names[0], found, [], [])
    run = find_run(names[0])
    info = run.info()
    return {printable(info.name or info.id, 60): [member_of(run, info)]}


def _one_group(name: str, by: Sequence[str], where: Sequence[str]) -> dict[str, list[Member]]:
    """The runs of a group that count, by what varies."""
    found = _group(name)
    if found is None:
        raise UsageError(f"{name} is one run; name another run or group to compare it with, or a group. {_groups_there()}")
    return _parted(name, found, by, where)


def _parted(name: str, found: Sequence[Member], by: Sequence[str], where: Sequence[str]) -> dict[str, list[Member]]:
    from ibmon.runs.log import printable
    from ibmon.sweeps.groups import parted, selected

    return {printable(words, 60) or printable(name, 60): each for words, each in parted(selected(found, where), by).items()}


def _several(names: Sequence[str], by: Sequence[str], where: Sequence[str]) -> dict[str, list[Member]]:
    """Groups, each pooled, and runs, by their names."""
    from ibmon.runs.directory import find_run
    from ibmon.runs.log import printable
    from ibmon.sweeps.groups import member_of, selected

    if by:
        raise UsageError("--by parts one group; of several each is pooled. Use --where to choose from them.")
    parts: dict[str, list[Member]] = {}
    for name in names:
        found = _group(name)
        if found is not None:
            parts[printable(name, 60)] = selected(found, where)
            continue
        run = find_run(name)
        info = run.info()
        words = printable(info.name or info.id, 60)
        parts[f"{words} {info.id[-4:]}" if words in parts else words] = [member_of(run, info)]
    if len(parts) < 2:
        raise UsageError("These are one and the same; name another to compare it with.")
    return parts


def _group(name: str) -> list[Member] | None:
    """The runs of a group that count; None for the name of a run. Raises NotFoundError where it is neither."""
    from ibmon.runs.directory import find_run
    from ibmon.sweeps.groups import counting, members

    there = members(name)
    if not there:
        try:
            find_run(name)
        except NotFoundError:
            raise NotFoundError(f"There is no group or run {name!r}; {_groups_there()}") from None
        return None
    kept = counting(there)
    counted = {m.run for m in kept}
    left = Counter("older than one alike" if m.state == "finished" else m.state for m in there if m.run not in counted)
    words = ", ".join(f"{count} {state}" for state, count in left.items())
    if not kept:
        raise IbmonError(f"No run of {name} has finished: {words}; compare single runs by naming them.")
    if left:
        typer.echo(f"ibmon: of {len(there)} runs of {name} {len(kept)} count; left out: {words}.", err=True)
    return kept


def _groups_there() -> str:
    from ibmon.sweeps.groups import group_names

    names = group_names()
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (
        f"the groups are {', '.join(names[:10])}{more}." if names else "no run belongs to a group yet; `ibmon sweep` makes them."
    )


def _too_many(parts: Mapping[str, Sequence[Member]], names: int) -> str:
    from ibmon.sweeps.groups import varying

    what = f"At most {MOST} are laid over each other, and these are {len(parts)}"
    vary = varying([member for each in parts.values() for member in each])
    if names > 1 or not vary:
        return f"{what}: name fewer."
    return f"{what}: choose with --by or --where from {', '.join(vary)}, as --by {vary[0]}."


def _built(
    parts: Mapping[str, Sequence[Member]], wanted: Sequence[str], replica: str | None
) -> tuple[dict[str, list[list[Figure]]], list[str]]:
    """The figures of every run, or of a network of each, and what could not be drawn.

    Raises NotFoundError where none is of a name that is wanted, or a run does not have the network.
    """
    from fnmatch import fnmatchcase

    from ibmon.figures.build import build_figures

    built: dict[str, list[list[Figure]]] = {}
    failed: list[str] = []
    there: dict[str, None] = {}
    for name, each in parts.items():
        built[name] = []
        for member in each:
            drawn, failures = build_figures(one_network(read_history(member.run), replica))
            failed += failures
            there.update(dict.fromkeys(figure.name for figure in drawn))
            built[name].append([f for f in drawn if not wanted or any(fnmatchcase(f.name, wish) for wish in wanted)])
    if not any(figure for runs in built.values() for figure in runs):
        raise NotFoundError(f"There is no such figure; there is {', '.join(there) or 'none yet: nothing has been measured'}.")
    return built, list(dict.fromkeys(failed))


def _compared(built: Mapping[str, Sequence[Sequence[Figure]]]) -> tuple[list[Figure], Table | None]:
    """The figures laid over each other, none of too many, and the table of what differs."""
    from ibmon.figures.compare import overlay, pooled
    from ibmon.figures.differences import differences

    named = {name: pooled(runs, name) for name, runs in built.items()}
    return overlay(named) if len(named) <= MOST else [], differences(named)


def _written(
    figures: Sequence[Figure], table: Table | None, folder: Path, formats: Sequence[str], suffix: str, layout: Layout | None
) -> list[str]:
    """Write the figures, and the table as CSV: as a picture it would be too small to read. Says where."""
    from ibmon.figures.image import default_view, save
    from ibmon.figures.table import to_csv

    folder.mkdir(parents=True, exist_ok=True)
    files: list[str] = []
    for figure in figures:
        # The name comes from a plugin: only a bare name may become a file.
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", figure.name).strip(".-") or "figure"
        for kind in formats:
            path = folder / f"{name}-compared{suffix}.{kind}"
            if kind == "csv":
                path.write_text(to_csv(figure), encoding="utf-8")
            else:
                save(figure, path, default_view(figure, layout))
            files.append(str(path))
    if table is not None:
        path = folder / f"differences-compared{suffix}.csv"
        path.write_text(to_csv(table), encoding="utf-8")
        files.append(str(path))
    return files


def _print(parts: Mapping[str, Sequence[Member]], table: Table | None, files: Sequence[str]) -> None:
    for name, each in parts.items():
        print(f"{name}: {len(each)} run{'s' if len(each) > 1 else ''}, {each[0].run.id}{' ...' if len(each) > 1 else ''}")
    if len(parts) == 1:
        print("There is nothing to compare it with; -o writes its figures, pooled.")
    elif table is not None:
        print()
        print_table(table.columns, table.rows, lambda: _row_by_row(table, len(parts)))
        print(table.note)
    for path in files:
        print(path)


def _row_by_row(table: Table, count: int) -> Laid:
    """The table of ``count`` runs that differ with a row for each of them, and no longer a column."""
    first, last = 2 + count, 1 + 2 * count
    columns = ("quantity", "series", "run", "newest", f"− {table.columns[2]}", *table.columns[last:])
    rows: list[tuple[str, ...]] = []
    for row in table.rows:
        apart = ("", *row[first:last])
        for k, value in enumerate(row[2:first]):
            about, tail = (row[:2], row[last:]) if k == 0 else (("", ""), ("",) * len(row[last:]))
            rows.append((*about, table.columns[2 + k], value, apart[k], *tail))
    return columns, rows


def _as_json(parts: Mapping[str, Sequence[Member]], table: Table | None, files: Sequence[str]) -> dict[str, Any]:
    return {
        "compared": [{"name": name, "runs": [member.run.id for member in each]} for name, each in parts.items()],
        "differences": [dict(zip(table.columns, row, strict=True)) for row in table.rows] if table is not None else [],
        "note": table.note if table is not None else "",
        "files": list(files),
    }
