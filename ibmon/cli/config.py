"""``ibmon config``: what can be set for good."""

from __future__ import annotations

import typer


def add(app: typer.Typer) -> None:
    app.command("config")(config)


def config() -> None:
    """Print a configuration file with every setting and key, and say where yours lies.

    Begin with: `ibmon config > ~/.config/ibmon/config.toml`
    """
    from ibmon.tui.settings import example, load, path

    load()
    typer.echo(f"ibmon: your configuration is {path()}" + ("" if path().exists() else ", which does not exist yet"), err=True)
    print(example(), end="")
