"""``ibmon estimate``: information between the columns of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ibmon.records import DETAILS, UsageError

from .completion import complete_estimator

if TYPE_CHECKING:
    from ibmon.analysis.estimating import Operation, Question, Ready, Side
    from ibmon.records import Measurement


def add(app: typer.Typer) -> None:
    app.command("estimate")(estimate)


def estimate(
    file: Annotated[Path, typer.Argument(help="A file: .npz, .npy, .csv, .tsv or .parquet.", show_default=False)],
    x: Annotated[
        str, typer.Option("--x", help="Columns of X: a name, a comma list, a range as 0:3 by position.", show_default=False)
    ],
    y: Annotated[str | None, typer.Option("--y", help="Columns of Y, in the same way.", show_default=False)] = None,
    estimator: Annotated[
        list[str] | None,
        typer.Option(
            "-e",
            "--estimator",
            help="Estimator, as ksg:k=5; repeatable.",
            show_default="ksg; ross for labels; discrete where both are labels",
            autocompletion=complete_estimator,
        ),
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Y (X, with --entropy) is a label, as text and booleans are by themselves.")
    ] = False,
    given: Annotated[str | None, typer.Option("--given", help="Columns of Z, for I(X; Y | Z).", show_default=False)] = None,
    pairwise: Annotated[bool, typer.Option("--pairwise", help="Each column of X with each of Y, by themselves.")] = False,
    lag: Annotated[int, typer.Option("--lag", help="Rows by which Y is later than X, with --pairwise; below 0: earlier.")] = 0,
    entropy: Annotated[bool, typer.Option("--entropy", help="The entropy of X instead.")] = False,
    drop_missing: Annotated[bool, typer.Option("--drop-missing", help="Leave out rows without a value.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of what is random in an estimator.", min=0, max=2**63 - 1)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Estimate the mutual information of two variables, from the columns of a file, one row a sample.

    ibmon estimate data.csv --x height,weight --y species -e kde
    """
    operation = _operation(y, given, pairwise=pairwise, lag=lag, entropy=entropy)
    from ibmon.machine import let_threads_sleep

    let_threads_sleep()
    from ibmon.analysis.estimating import answer, check, question, ready
    from ibmon.registry import discover

    asked = question(file, operation=operation, x=x, y=y, given=given, labels=labels, lag=lag, drop_missing=drop_missing)
    registry = discover()
    chosen = [ready(registry, text) for text in estimator or [asked.usual]]
    for one in chosen:
        check(one, asked, registry)
    if asked.hint():
        typer.echo(f"ibmon: {asked.hint()}", err=True)
    answers = [(one, answer(one, asked, seed)) for one in chosen]
    if as_json:
        print(json.dumps(_as_json(file, asked, answers, seed), indent=1, ensure_ascii=False, default=str))
        return
    print(_facts(file, asked))
    if operation == "pairwise":
        _print_matrices(asked, answers)
    else:
        _print_table(asked, answers)


def _operation(y: str | None, given: str | None, *, pairwise: bool, lag: int, entropy: bool) -> Operation:
    if entropy and (y is not None or given is not None or pairwise):
        raise UsageError("--entropy is that of --x alone; leave out --y, --given and --pairwise.")
    if y is None and not entropy:
        raise UsageError("Say with --y which columns Y is, or with --entropy that the entropy of X is wanted.")
    if pairwise and given is not None:
        raise UsageError("--pairwise and --given do not go together.")
    if lag and not pairwise:
        raise UsageError("--lag needs --pairwise.")
    return "entropy" if entropy else "pairwise" if pairwise else "conditional" if given is not None else "information"


def _facts(file: Path, asked: Question) -> str:
    dropped = f", {asked.dropped} without a value left out" if asked.dropped else ""
    said = [f"{file.name}: {asked.x.rows} row{'s' if asked.x.rows > 1 else ''}{dropped}"]
    for role, side in _roles(asked).items():
        kind = "labels" if side.labels else f"{len(side.names)} columns" if len(side.names) > 1 else ""
        said.append(f"{role} = {side.name}{f' ({kind})' if kind else ''}")
    if asked.lag:
        rows = f"{abs(asked.lag)} row{'s' if abs(asked.lag) > 1 else ''}"
        said.append(f"y {rows} {'later' if asked.lag > 0 else 'earlier'}")
    return " · ".join(said)


def _roles(asked: Question) -> dict[str, Side]:
    return {role: side for role, side in (("x", asked.x), ("y", asked.y), ("z", asked.given)) if side is not None}


def _print_table(asked: Question, answers: list[tuple[Ready, Measurement]]) -> None:
    """A line for each estimator; a column only where one of them has something to put there."""
    units = {m.unit for _, m in answers}
    quantity = {"entropy": "H(x)", "information": "I(x; y)", "conditional": "I(x; y | z)"}[asked.operation]
    head = f"{quantity} [{units.pop()}]" if len(units) == 1 else quantity
    rows: list[dict[str, str]] = []
    for one, m in answers:
        row = {"estimator": one.name, head: _number(m.value), "unit": m.unit if head == quantity else ""}
        values: dict[str, Any] = {**m.details, "lower": m.lower, "upper": m.upper}
        if "raw" in values and _number(values["raw"]) == row[head]:
            del values["raw"]
        for name in ("raw", "error", "lower", "upper", "null", "p_value", "limit"):
            row[name.replace("_", "-")] = _number(values.get(name))
        rows.append({**row, "flags": ", ".join(name for name, raised in m.flags.items() if raised)})
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    _print_aligned([names, *([row[name] for name in names] for row in rows)], left=("estimator", "unit", "flags"))


def _print_matrices(asked: Question, answers: list[tuple[Ready, Measurement]]) -> None:
    """A matrix for each estimator, rows x and columns y, and the share of pairs that raise each flag."""
    import numpy as np

    assert asked.y is not None
    for one, m in answers:
        raised = {name: float(np.mean(flag)) for name, flag in m.flags.items() if np.any(flag)}
        flags = ", ".join(name if share == 1 else f"{name} ({100 * share:.0f} %)" for name, share in raised.items())
        print(f"\n{one.name} [{m.unit}]{f' · {flags}' if flags else ''}")
        cells = [[name, *(_number(v) for v in row)] for name, row in zip(asked.x.names, np.asarray(m.value), strict=True)]
        _print_aligned([["", *asked.y.names], *cells], left=("",))


def _print_aligned(rows: list[list[str]], left: tuple[str, ...]) -> None:
    """Rows below a heading; columns headed by one of ``left`` stand at the left, numbers at the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [c.ljust(w) if head in left else c.rjust(w) for head, c, w in zip(rows[0], row, widths, strict=True)]
        print("  ".join(cells).rstrip())


def _number(value: Any) -> str:
    return "" if value is None else f"{float(value):.4f}"


def _as_json(file: Path, asked: Question, answers: list[tuple[Ready, Measurement]], seed: int) -> dict[str, Any]:
    return {
        "file": str(file),
        "rows": asked.x.rows,
        "dropped": asked.dropped,
        "operation": asked.operation,
        "lag": asked.lag,
        "seed": seed,
        **{
            role: {"columns": list(side.names), "kind": "labels" if side.labels else "continuous", "dims": len(side.names)}
            for role, side in _roles(asked).items()
        },
        "estimates": [
            {
                "estimator": one.name,
                "provider": one.provider,
                "options": one.options,
                "x_kind": "labels" if asked.x.labels or "continuous" not in one.spec.x_kinds else "continuous",
                "unit": m.unit,
                "value": _plain(m.value),
                "lower": _plain(m.lower),
                "upper": _plain(m.upper),
                **{name: _plain(m.details.get(name)) for name in DETAILS},
                "flags": {name: _plain(raised) for name, raised in m.flags.items()},
            }
            for one, m in answers
        ],
    }


def _plain(value: Any) -> Any:
    """Numbers and nested lists of them; what is not finite is null."""
    import numpy as np

    def finite(values: Any) -> Any:
        if isinstance(values, list):
            return [finite(v) for v in values]
        return values if values is None or np.isfinite(values) else None

    return None if value is None else finite(np.asarray(value).tolist())
