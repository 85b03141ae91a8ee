"""``ibmon export``: figures, tables of every number and event files, for papers and other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ibmon.records import IbmonError, NotFoundError, UsageError

from .results import FORMATS, LayoutOption, ReplicaOption, RunArgument, bare, one_network, read_history, replica_suffix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibmon.figures.figure import Figure
    from ibmon.runs.directory import RunDirectory
    from ibmon.runs.history import History

MOST = 4
"""Runs that are laid over each other."""


def add(app: typer.Typer) -> None:
    app.command("export")(export)


def export(
    run: RunArgument = None,
    figures: Annotated[
        list[str] | None, typer.Argument(help="Figures by name or glob; nothing: all.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder.", show_default="RUN/figures, RUN/tensorboard")
    ] = None,
    format: Annotated[
        list[str] | None, typer.Option("--format", help="Of figures: png, svg, pdf or csv; repeatable.", show_default="png")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Instead, every number as a row of this table: a .csv, .json or .parquet.", show_default=False
        ),
    ] = None,
    to: Annotated[
        Literal["tensorboard"] | None, typer.Option("--to", help="Instead, scalars and figures as event files.")
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
        list[str] | None,
        typer.Option("--compare", help="Together with this run; repeatable, for figures up to three times.", show_default=False),
    ] = None,
    replica: ReplicaOption = None,
) -> None:
    """Write the figures of a run as files for a paper, or as CSV; with --compare those of several runs together.

    ibmon export --data run.parquet · ibmon export --to tensorboard -o logs
    """
    from .remote import is_copy, readable

    unknown = set(format or ()) - FORMATS
    if unknown:
        raise UsageError(
            f"--format is one of {', '.join(sorted(FORMATS))}, not {', '.join(sorted(unknown))}; "
            "all that was measured is written by --data FILE, as .csv, .json or .parquet."
        )
    drawing = bool(format or colour or layout != "auto" or colours != "default")
    if data is not None and (figures or output or to or drawing):
        raise UsageError("--data writes one table; leave out -o, --to and what chooses and draws figures.")
    if to is not None and drawing:
        raise UsageError(
            "--to tensorboard draws figures in their usual way; leave out --format, --layout, --colour and --colours."
        )
    with readable([run, *(compare or ())]) as runs:
        if output is None and data is None and is_copy(runs[0]):
            raise UsageError("Say with -o where the files of a run on another host should go.")
        if data is not None:
            _write_table(runs, replica, until, data)
            return
        if to is not None:
            _write_events(runs, figures or (), replica, until, output)
            return
        if len(runs) > MOST:
            raise UsageError("Up to four runs can be compared: at most three --compare.")
        from dataclasses import replace

        from ibmon.figures.image import default_view, save

        def draw(figure: Figure, path: Path) -> None:
            view = replace(default_view(figure, None if layout == "auto" else layout), until=until)
            save(figure, path, view if colour is None else replace(view, colour=colour), colours=colours)

        suffix = ("-compared" if compare else "") + replica_suffix(replica)
        _write_figures(runs, figures or (), replica, output, suffix, format or ["png"], draw)


def _write_figures(
    runs: Sequence[RunDirectory],
    wanted: Sequence[str],
    replica: str | None,
    output: Path | None,
    suffix: str,
    formats: Sequence[str],
    draw: Callable[[Figure, Path], None],
) -> None:
    from ibmon.figures.table import to_csv

    drawn, failed = _drawn(runs, replica)
    _say(failed)
    chosen = _chosen(drawn, wanted)
    if not chosen:
        raise _none_of(drawn, runs[0])
    folder = _folder(output, runs[0].figures)
    folder.mkdir(parents=True, exist_ok=True)
    for figure in chosen:
        for kind in formats:
            path = folder / f"{_file_name(figure)}{suffix}.{kind}"
            if kind == "csv":
                path.write_text(to_csv(figure), encoding="utf-8")
            else:
                draw(figure, path)
            print(path)
    if failed:
        raise typer.Exit(1)


def _write_table(runs: Sequence[RunDirectory], replica: str | None, until: int | None, path: Path) -> None:
    from ibmon.exports.tables import save_table

    rows = save_table([_history(run, replica, until) for run in _distinct(runs)], path)
    print(f"{path}: {rows} rows")


def _write_events(
    runs: Sequence[RunDirectory], wanted: Sequence[str], replica: str | None, until: int | None, output: Path | None
) -> None:
    """A folder for each run, which TensorBoard shows as a run of its own."""
    from ibmon.exports.events import save_events
    from ibmon.figures.build import build_figures

    failed: list[str] = []
    folder = _folder(output, runs[0].path / "tensorboard")
    for run in _distinct(runs):
        history = _history(run, replica, until)
        drawn, failures = build_figures(history)
        failed += failures
        chosen = _chosen(drawn, wanted)
        if wanted and not chosen:
            raise _none_of(drawn, run)
        place = folder / f"{run.id}{replica_suffix(replica)}"
        events = save_events(history, chosen, place)
        print(f"{place}: {events} events")
    _say(failed)
    if failed:
        raise typer.Exit(1)


def _history(run: RunDirectory, replica: str | None, until: int | None) -> History:
    from ibmon.runs.history import up_to

    history = one_network(read_history(run), replica)
    return history if until is None else up_to(history, until)


def _distinct(runs: Sequence[RunDirectory]) -> list[RunDirectory]:
    """A run that is named twice counts once."""
    return list({run.path.resolve(): run for run in runs}.values())


def _drawn(runs: Sequence[RunDirectory], replica: str | None) -> tuple[list[Figure], list[str]]:
    """The figures of a run, or those that compare several, and what could not be drawn; of a single network of each."""
    from ibmon.figures.build import build_figures
    from ibmon.figures.compare import compared
    from ibmon.runs.log import printable

    distinct = _distinct(runs)
    built = [build_figures(one_network(read_history(run), replica)) for run in distinct]
    failed = [sentence for _, failures in built for sentence in failures]
    if len(built) == 1:
        return built[0][0], failed
    names = [run.info().name or run.path.name for run in distinct]
    told = [name if names.count(name) == 1 else f"{name} {run.path.name[-4:]}" for name, run in zip(names, distinct, strict=True)]
    return compared({printable(name, 40): [figures] for name, (figures, _) in zip(told, built, strict=True)}), failed


def _chosen(drawn: Sequence[Figure], wanted: Sequence[str]) -> list[Figure]:
    from fnmatch import fnmatchcase

    return [f for f in drawn if not wanted or any(fnmatchcase(f.name, wish) for wish in wanted)]


def _none_of(drawn: Sequence[Figure], run: RunDirectory) -> NotFoundError:
    there = ", ".join(f.name for f in drawn) or "none yet: nothing has been measured"
    return NotFoundError(f"{run.id} has no such figure; there is {there}.")


def _folder(output: Path | None, own: Path) -> Path:
    """Where to write. Raises IbmonError where the run's own folder would lead out of the run."""
    if output is None and own.is_symlink():
        raise IbmonError(f"{own} is a link out of the run; say with -o where it should go.")
    return output or own


def _say(failed: Sequence[str]) -> None:
    for failure in failed:
        typer.echo(f"ibmon: {failure}", err=True)


def _file_name(figure: Figure) -> str:
    """A figure's name comes from a plugin: only a bare name may become a file."""
    name = bare(figure.name)
    if not name:
        raise IbmonError(f"The figure {figure.title!r} has no name that could be a file's.")
    return name
