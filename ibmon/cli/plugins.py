"""``ibmon plugins`` and ``ibmon recipes``: what is installed, where it came from, whether it holds, and how to begin one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ibmon.records import IbmonError, UsageError

from .completion import complete_estimator

if TYPE_CHECKING:
    from ibmon.signatures import Signature
    from ibmon.specs import EstimatorSpec
    from ibmon.testing import Result

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def add(app: typer.Typer) -> None:
    plugin_group = typer.Typer(
        help="List the plugins; check an estimator, or begin a plugin.", invoke_without_command=True, rich_markup_mode=None
    )
    plugin_group.callback()(plugins)
    plugin_group.command("check")(check)
    plugin_group.command("new")(new)
    app.add_typer(plugin_group, name="plugins")
    group = typer.Typer(help="List the recipes; show or copy one.", invoke_without_command=True, rich_markup_mode=None)
    group.callback()(recipes)
    group.command("show")(show)
    group.command("copy")(copy)
    app.add_typer(group, name="recipes")


def plugins(context: typer.Context, as_json: AsJson = False) -> None:
    """List every estimator, analysis and recipe, the distribution it comes from, and what failed to load and why.

    `check` holds an estimator to what it declares; `new` begins a plugin.
    """
    if context.invoked_subcommand is not None:
        return
    from ibmon.registry import discover

    registry = discover()
    if as_json:
        found = {
            kind: [
                {"name": name, "provider": str(c.provider), "target": c.spec.target, "summary": c.spec.summary}
                for name, c in known.items()
            ]
            for kind, known in registry.contributions.items()
        }
        failed = [{"plugin": f.plugin, "provider": str(f.provider), "error": f.error} for f in registry.failures]
        print(json.dumps({**found, "failures": failed}, indent=1, ensure_ascii=False))
    else:
        for kind, known in registry.contributions.items():
            print(kind)
            for name, contribution in known.items():
                print(f"  {name:20s} {contribution.provider!s:20s} {contribution.spec.summary}")
        for failure in registry.failures:
            typer.echo(f"failed: {failure.plugin} of {failure.provider}: {failure.error}", err=True)
    if registry.failures:
        raise typer.Exit(1)


def check(
    name: Annotated[str, typer.Argument(help="An estimator.", show_default=False, autocompletion=complete_estimator)],
    option: Annotated[
        list[str] | None, typer.Option("-o", "--option", help="Option of the estimator, as k=5; repeatable.", show_default=False)
    ] = None,
) -> None:
    """Hold an estimator to what it declares: runs every check that fits, prints each, and fails where one fails."""
    from ibmon.registry import discover
    from ibmon.signatures import Request

    registry = discover()
    spec = registry.estimator(name)
    request = Request.parse(f"{name}:{','.join(option)}" if option else name)
    options, canonical = request.resolve(spec.target)
    try:
        spec.load()(**options)
    except (ValueError, TypeError) as error:  # options out of their domain
        raise UsageError(str(error)) from error
    from ibmon.machine import let_threads_sleep

    let_threads_sleep()
    from ibmon.testing import check_estimator, check_names

    print(f"{canonical} of {registry.provider('estimators', name)}: it declares {_declared(spec)}", flush=True)
    width = max(map(len, check_names()))

    def tell(result: Result) -> None:
        print(
            f"  {result.status:8s}  {result.check:{width}s}  {(result.message or result.summary).replace('``', '')}", flush=True
        )
        if result.status == "failed" and result.message:
            print(f"  {'':8s}  {'':{width}s}  ({result.summary.replace('``', '')})", flush=True)

    report = check_estimator(spec, options=options, raising=False, each=tell)
    ran = len(report.results) - len(report.skipped)
    print(f"{ran} checks ran: {len(report.passed)} passed, {len(report.failed)} failed; {len(report.skipped)} do not apply")
    if report.failed:
        raise typer.Exit(1)


def _declared(spec: EstimatorSpec) -> str:
    parts = {
        "x": spec.x_kinds,
        "y": spec.kinds,
        "operations": spec.operations,
        "invariant to": spec.invariances,
        "consistent for": spec.consistent,
    }
    return "; ".join(f"{what} {', '.join(said)}" for what, said in parts.items() if said)


def new(
    name: Annotated[str, typer.Argument(help="A name for the distribution, as my-estimator.", show_default=False)],
    path: Annotated[Path | None, typer.Argument(help="Where: a new folder, or one to put it in.", show_default="NAME")] = None,
) -> None:
    """Write a small plugin to start from: an estimator that works, with its declaration and its tests."""
    from ibmon.registry import discover
    from ibmon.scaffold import estimator_name, write_package

    registry = discover()
    taken = registry.provider("estimators", estimator_name(name))
    if taken:
        raise UsageError(f"The estimator name {estimator_name(name)!r} is taken by {taken}; choose another.")
    folder = write_package(name, path)
    print(f"{folder}; install it with: pip install -e {folder}\nthen: ibmon plugins check {estimator_name(name)}")


def recipes(context: typer.Context, as_json: AsJson = False) -> None:
    """List the recipes; show or copy one."""
    if context.invoked_subcommand is not None:
        return
    from ibmon.registry import discover
    from ibmon.signatures import of_target

    known = discover().contributions["recipes"]
    if as_json:
        listed: list[dict[str, object]] = []
        for name, c in known.items():
            options = [asdict(o) for o in of_target(c.spec.target).options]
            listed.append({"name": name, "provider": str(c.provider), "summary": c.spec.summary, "options": options})
        print(json.dumps(listed, indent=1, ensure_ascii=False))
        return
    for name, contribution in known.items():
        print(f"{name:20s} {contribution.spec.summary}")


def show(name: Annotated[str, typer.Argument(help="A recipe.")]) -> None:
    """Show a recipe: what it does, its options, where its source lies."""
    signature = _signature(name)
    print(f"{name}: {signature.summary}\n{signature.source}\n")
    for option in signature.options:
        kind = "|".join(option.choices) or option.type
        default = "required" if option.required else f"default {option.default}"
        print(f"  --{option.name.replace('_', '-'):18s} {kind:12s} {option.help} ({default})")


def copy(
    name: Annotated[str, typer.Argument(help="A recipe.")],
    path: Annotated[Path | None, typer.Argument(help="A file or folder.", show_default="NAME.py")] = None,
) -> None:
    """Copy a recipe's source to edit; `ibmon watch ./NAME.py` then runs the copy."""
    source = _signature(name).source
    target = path or Path(f"{name.replace('-', '_')}.py")
    if target.is_dir():
        target = target / source.name
    if target.exists():
        raise IbmonError(f"{target} is there already; name another path.")
    try:
        target.write_bytes(source.read_bytes())
    except OSError as error:
        raise IbmonError(f"{target} cannot be written: {error.strerror}.") from error
    print(
        f"{target}; run it with: ibmon watch ./{target}"
        if not target.is_absolute()
        else f"{target}; run it with: ibmon watch {target}"
    )


def _signature(name: str) -> Signature:
    from ibmon.registry import discover
    from ibmon.signatures import of_target

    return of_target(discover().recipe(name).target)
