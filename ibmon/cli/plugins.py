"""``ibmon plugins`` and ``ibmon recipes``: what is installed, and where it came from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ibmon.records import IbmonError

if TYPE_CHECKING:
    from ibmon.signatures import Signature

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def add(app: typer.Typer) -> None:
    app.command("plugins")(plugins)
    group = typer.Typer(help="List the recipes; show or copy one.", invoke_without_command=True, rich_markup_mode=None)
    group.callback()(recipes)
    group.command("show")(show)
    group.command("copy")(copy)
    app.add_typer(group, name="recipes")


def plugins(as_json: AsJson = False) -> None:
    """List every estimator, analysis and recipe, the distribution it comes from, and what failed to load and why."""
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
