"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from . import analyse, calibrate, compare, config, data, estimate, export, flow, manage, plugins, results, sweep, training


def build(arguments: list[str]) -> typer.Typer:
    """The application. ``watch`` and ``run`` take the options of the recipe that the arguments name."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Watch, live in the terminal, what a neural network learns in terms of information.",
        epilog="ibmon watch tishby · trains in the background and shows the information plane as it forms",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback(invoke_without_command=True)
    def root(
        version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
        debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    ) -> None:
        if version:
            import ibmon

            print(f"ibmon {ibmon.__version__}")
            raise typer.Exit

    training.add(app, arguments)
    sweep.add(app, arguments)
    compare.add(app)
    results.add(app)
    analyse.add(app)
    export.add(app)
    estimate.add(app)
    flow.add(app)
    calibrate.add(app)
    manage.add(app)
    plugins.add(app)
    data.add(app)
    config.add(app)
    return app
