"""``ibmon data``: what data sets there are, where they lie, and getting them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ibmon.records import IbmonError, NotFoundError

if TYPE_CHECKING:
    from ibmon.data import Availability


def complete_data_set(incomplete: str) -> list[str]:
    from ibmon.data.catalogue import DATA_SETS

    return [one.name for one in DATA_SETS if one.name.startswith(incomplete)]


def add(app: typer.Typer) -> None:
    group = typer.Typer(
        help="List the data sets; get one, or say where it lies.", invoke_without_command=True, rich_markup_mode=None
    )
    group.callback()(data)
    group.command("get")(get)
    group.command("path")(path)
    app.add_typer(group, name="data")


def data(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="As JSON, with files and URLs.")] = False
) -> None:
    """List the data sets: how large, whether in $IBMON_DATA (folder) or in the cache, and on what terms.

    `get` downloads; `path` says where one lies.
    """
    if context.invoked_subcommand is not None:
        return
    from ibmon.data import available

    known = available()
    if as_json:
        print(json.dumps([_as_json(one) for one in known], indent=1, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ibmon.runs.listing import size_words

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("data set", no_wrap=True)
    table.add_column("what")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("where", no_wrap=True)
    table.add_column("terms")
    for one in known:
        size = _bytes(one)
        where = one.state if one.state != "absent" or one.data_set.download else "by hand"
        cells = (one.data_set.name, one.data_set.what, "?" if size is None else size_words(size), where, one.data_set.terms)
        table.add_row(*(Text(cell) for cell in cells))
    Console(highlight=False).print(table)


def get(
    names: Annotated[
        list[str], typer.Argument(help="Data sets.", metavar="NAME...", show_default=False, autocompletion=complete_data_set)
    ],
) -> None:
    """Download data sets, or say where they are."""
    from ibmon.data import fetch
    from ibmon.data.catalogue import data_set
    from ibmon.data.store import availability

    places = {"folder": "there already, in $IBMON_DATA", "cache": "there already, in the cache", "absent": "downloaded"}
    wanted = [data_set(name) for name in dict.fromkeys(names)]
    failed = False
    for one in wanted:
        before = availability(one).state
        try:
            print(f"{one.name}: {fetch(one.name)} ({places[before]})", flush=True)
        except IbmonError as error:
            failed = True
            typer.echo(f"ibmon: {error}", err=True)
    if failed:
        raise typer.Exit(1)


def path(
    name: Annotated[str, typer.Argument(help="A data set.", show_default=False, autocompletion=complete_data_set)],
) -> None:
    """Say where a data set lies; downloads nothing."""
    from ibmon.data.catalogue import data_set
    from ibmon.data.store import availability, verified

    there = availability(data_set(name))
    if there.state == "absent":
        raise NotFoundError(f"{name} is not here yet; get it with: ibmon data get {name}")
    print(verified(there)[0].parent)


def _bytes(one: Availability) -> int | None:
    """What its files take, or will take; None where nobody said and nothing is here."""
    if one.folder is not None:
        return sum((one.folder / file.name).stat().st_size for file in one.files)
    sizes = [file.bytes for file in one.data_set.download or one.data_set.files]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _as_json(one: Availability) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **asdict(one.data_set),
        "source": one.data_set.source,
        "state": one.state,
        "path": None if one.folder is None else str(one.folder),
        "bytes": _bytes(one),
    }
