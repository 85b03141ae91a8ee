"""``ibmon flow``: which way information flows between the columns of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ibmon.records import UsageError

from .completion import complete_estimator
from .progress import progress

if TYPE_CHECKING:
    from ibmon.flow.series import Series
    from ibmon.flow.studies import Study

_MOST_EDGES = 10


def add(app: typer.Typer) -> None:
    app.command("flow")(flow)


def flow(
    file: Annotated[
        Path,
        typer.Argument(
            help="A file: .npz, .npy, .csv, .tsv or .parquet; rows are moments in order, columns are nodes.", show_default=False
        ),
    ],
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            help="The nodes: a name, a comma list, a range as 0:3 by position.",
            show_default="those of --groups, else all numbers",
        ),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--groups", help="A group of nodes, as inputs=a,b; repeatable, in the order that is expected.", show_default=False
        ),
    ] = None,
    estimator: Annotated[
        str,
        typer.Option("-e", "--estimator", help="Estimator with pairs of columns, as ksg:k=5.", autocompletion=complete_estimator),
    ] = "copula",
    lags: Annotated[str, typer.Option("--lags", help="Rows between earlier and later: 1, 1:6 for 1 to 5, or 1,2,4.")] = "1",
    delay: Annotated[
        list[str] | None,
        typer.Option("--delay", help="A group or node set later by so many rows, as outputs=6; repeatable.", show_default=False),
    ] = None,
    rows: Annotated[str | None, typer.Option("--rows", help="Only these rows, as 0:5000.", show_default="all")] = None,
    power: Annotated[float, typer.Option("--power", help="Of the net flow that weighs the levels; 1 weighs by bits.")] = 2,
    surrogates: Annotated[int, typer.Option("--surrogates", help="Of each test.", min=19, max=100_000)] = 199,
    blocks: Annotated[int, typer.Option("--blocks", help="Pieces of the series, each longer than its memory.", min=2)] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Of the surrogates.", min=0, max=2**63 - 1)] = 0,
    save_figures: Annotated[
        Path | None, typer.Option("--save-figures", help="Write the figures into this folder.", show_default=False)
    ] = None,
    format: Annotated[Literal["png", "svg", "pdf"], typer.Option("--format", help="Of the pictures.")] = "png",
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Which way information flows between the columns of a file: their order, the strongest edges, and what that proves.

    ibmon flow states.npz --groups inputs=x --groups hidden=h --groups outputs=y --lags 1:6
    """
    from ibmon.machine import let_threads_sleep

    let_threads_sleep()
    from ibmon.flow.asking import ask

    with progress("surrogates") as tell:
        found = ask(
            file,
            columns=columns,
            groups=groups or (),
            estimator=estimator,
            lags=lags,
            delays=delay or (),
            rows=rows,
            power=power,
            surrogates=surrogates,
            blocks=blocks,
            seed=seed,
            tell=tell,
        )
    if found.left_out:
        typer.echo(f"ibmon: left out, because they hold no numbers: {', '.join(found.left_out)}", err=True)
    files = _save(found.study, found.note, save_figures, format) if save_figures is not None else []
    if as_json:
        asked = {
            "file": str(file),
            "estimator": found.estimator,
            "power": power,
            "surrogates": surrogates,
            "seed": seed,
            "figures": files,
        }
        print(json.dumps(asked | _as_json(found.study), indent=1, ensure_ascii=False))
        return
    _print(file, found.study, found.note)
    for path in files:
        print(path)


def _save(study: Study, note: str, folder: Path, format: str) -> list[str]:
    """Every figure as a picture and as CSV."""
    from ibmon.figures.figure import Table
    from ibmon.figures.image import COLUMN, PAGE, save
    from ibmon.figures.table import to_csv
    from ibmon.flow.figures import study_figures

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made a folder: {error.strerror}.") from error
    files: list[str] = []
    for figure in study_figures(study, note):
        picture, table = (folder / f"{figure.name}.{ending}" for ending in (format, "csv"))
        save(figure, picture, width=PAGE if isinstance(figure, Table) else COLUMN)
        table.write_text(to_csv(figure), encoding="utf-8")
        files += [str(picture), str(table)]
    return files


def _print(file: Path, study: Study, note: str) -> None:
    from ibmon.flow.figures import edge_rows, edges_table

    series, found = study.series, study.direction
    print(f"{file.name}: {series.time} rows, {series.nodes} nodes · {note}\n")
    _aligned(
        [
            ["node", *(["group"] if series.groups else []), "level", "90 % of halves", "outflow [bits]", "entropy [bits]"],
            *_nodes(study),
        ]
    )
    print(f"\nincoherence {found.incoherence:.3f} (0: one level at a time, 1: no order), by outflow τ = {study.agreement:.2f}\n")
    _aligned([list(edges_table(()).columns), *edge_rows(study, _MOST_EDGES)])
    raised = {n: float(flag.double().mean()) for n, flag in study.flows.flags.items() if bool(flag.any()) and n not in _USUAL}
    print()
    for subject, sentence in study.verdicts().items():
        print(f"{subject:9} {sentence}")
    if raised:
        print(f"{'flags':9} {', '.join(f'{name} ({100 * share:.0f} % of pairs)' for name, share in raised.items())}")


_USUAL = {"deterministic", "saturated"}
"""Flags that a node has with itself."""


def _nodes(study: Study) -> list[list[str]]:
    """A row of text for each node, the source first."""
    series = study.series
    rows: list[list[str]] = []
    for i in study.levels.height.nan_to_num(float("inf")).argsort(stable=True).tolist():
        between = f"{float(study.order.lower[i]):.2f} – {float(study.order.upper[i]):.2f}"
        numbers = [
            f"{float(study.levels.height[i]):.3f}",
            between,
            f"{float(study.outflow[i]):.4f}",
            f"{float(study.entropy[i]):.3f}",
        ]
        rows.append([series.names[i], *([series.group_of(i)] if series.groups else []), *numbers])
    return rows


def _aligned(rows: list[list[str]]) -> None:
    """Rows below a heading, words at the left and numbers at the right."""
    left = {"node", "group", "from", "to"}
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [c.ljust(w) if head in left else c.rjust(w) for head, c, w in zip(rows[0], row, widths, strict=True)]
        print("  ".join(cells).rstrip())


def _as_json(study: Study) -> dict[str, Any]:
    series: Series = study.series
    found, groups = study.direction, study.groups
    return {
        "rows": study.flows.rows,
        "lags": list(study.flows.lags),
        "nodes": list(series.names),
        "groups": {name: list(nodes) for name, nodes in series.groups.items()},
        "levels": _plain(study.levels.height),
        "component": _plain(study.levels.component),
        "outflow": _plain(study.outflow),
        "entropy": _plain(study.entropy),
        "incoherence": _plain(study.levels.incoherence),
        "direction": {
            "strength": found.strength,
            "p_value": found.p_value,
            "p_incoherence": found.p_incoherence,
            "blocks": found.blocks,
        },
        "order": {"before": _plain(study.order.before), "lower": _plain(study.order.lower), "upper": _plain(study.order.upper)},
        "group_order": None
        if groups is None
        else {
            "fraction": _number(groups.fraction),
            "p_value": _number(groups.p_value),
            "between": {f"{a} < {b}": _number(share) for (a, b), share in groups.between.items()},
            "medians": {name: _number(median) for name, median in groups.medians.items()},
        },
        "layers": {"count": study.layers.count, "layer": _plain(study.layers.layer), "p_value": _number(study.layers.p_value)},
        "verdicts": study.verdicts(),
        "tdmi": _plain(study.flows.tdmi),
        "instantaneous": _plain(study.flows.instantaneous),
        "net": _plain(study.flows.net),
        "transfer_entropy": _plain(study.transfer),
        "p_net": _plain(found.pair_p_all),
        "p_dependence": _plain(study.dependence.p_all),
        "flags": {name: _plain(raised) for name, raised in study.flows.flags.items()},
    }


def _plain(values: Any) -> Any:
    """A tensor as numbers and nested lists of them."""

    def finite(value: Any) -> Any:
        return [finite(v) for v in value] if isinstance(value, list) else _number(value)

    return finite(values.tolist())


def _number(value: Any) -> Any:
    """What is not finite is null."""
    return value if isinstance(value, (bool, int)) or abs(value) < float("inf") else None
