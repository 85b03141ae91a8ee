"""``ibmon watch`` and ``ibmon run``: start a training, or look at one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ibmon.records import UsageError

from .completion import complete_recipe, complete_target
from .options import Asked, add_command, check, common

if TYPE_CHECKING:
    from ibmon.records import RunInfo
    from ibmon.runs.directory import RunDirectory
    from ibmon.tui.app import Wishes
    from ibmon.tui.look import Shade

    from .target import Target


def add(app: typer.Typer, arguments: list[str]) -> None:
    """Register ``watch`` and ``run`` with the options of the recipe that the arguments name."""
    for function in (_watch, _run):
        add_command(app, function, arguments)


TargetArgument = Annotated[
    str | None,
    typer.Argument(
        help="A recipe, a .py file (recipe or script), a run, also HOST:PATH, or behind -- a command; nothing: the latest run.",
        show_default=False,
        autocompletion=complete_target,
    ),
]
Arguments = Annotated[list[str] | None, typer.Argument(help="Arguments of a script or command, behind --.", show_default=False)]


def _watch(
    target: TargetArgument = None,
    arguments: Arguments = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Only look: no stop, no snapshot, no export.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Print one frame of the screen and exit.")] = False,
    screen: Annotated[str, typer.Option("--screen", help="The first screen: plane, gradients ...", show_default=False)] = "",
    compare: Annotated[
        list[str] | None, typer.Option("--compare", help="Lay this run over it; up to three times.", show_default=False)
    ] = None,
    theme: Annotated[
        Literal["dark", "light", "contrast"] | None,
        typer.Option("--theme", help="Colours of the screen.", show_default="as the terminal says"),
    ] = None,
    ascii: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters only.")] = False,
    low_bandwidth: Annotated[bool, typer.Option("--low-bandwidth", help="Fewer updates and colours, for a slow line.")] = False,
    *,
    asked: Asked,
    options: Asked,
) -> None:
    """Train in the background and watch it live; or watch a run that exists.

    Closing the terminal harms nothing: `ibmon watch` attaches again.
    """
    import sys

    from .target import resolve

    if not (once or sys.stdout.isatty()):
        raise UsageError("watch needs a terminal; use `ibmon run` without one, or `ibmon show` for a finished run.")
    found = resolve(target, arguments or ())
    exists = found.run is not None or found.address is not None
    if exists and (options or arguments or asked != common()):
        raise UsageError("A run that exists takes no options of a training; name a recipe to start a new one.")
    if found.address is not None:
        from .remote import watch

        wishes = _wishes(True, screen, None, theme, ascii, low_bandwidth)
        raise typer.Exit(watch(found.address, wishes, compare or (), once=once))
    if once and not exists:
        raise UsageError("--once prints a run that exists; use `ibmon run` to train without a screen.")
    if read_only and not exists:
        raise UsageError("--read-only looks at a run that exists; leave it out to train.")
    wishes = _wishes(read_only, screen, compare, theme, ascii, low_bandwidth)
    run = found.run
    if run is None:
        run = _start(found, asked, options, arguments or [])
    elif not (read_only or once):
        _resume(run)
    if once:
        from ibmon.tui.once import print_frame

        raise typer.Exit(print_frame(run, wishes))
    from ibmon.tui.app import run as show

    raise typer.Exit(show(run, wishes))


def _wishes(
    read_only: bool, screen: str, compare: list[str] | None, theme: Shade | None, ascii: bool, low_bandwidth: bool
) -> Wishes:
    """What the command line asks for, over what the configuration file does. Raises IbmonError before anything starts."""
    from ibmon.runs.directory import find_run
    from ibmon.tui.app import Wishes
    from ibmon.tui.settings import load

    if len(compare or ()) > 3:
        raise UsageError("Up to four runs can be compared: at most three --compare.")
    settings = load()
    return Wishes(
        read_only=read_only,
        ascii=ascii or settings.ascii,
        low_bandwidth=low_bandwidth or settings.low_bandwidth,
        screen=screen or None,
        theme=theme or settings.theme,
        colours=settings.colours,
        keys=settings.keys,
        compared=tuple(find_run(name) for name in compare or ()),
    )


def _run(
    target: Annotated[str, typer.Argument(help="A recipe, a .py file, or behind -- a command.", autocompletion=complete_recipe)],
    arguments: Arguments = None,
    *,
    asked: Asked,
    options: Asked,
) -> None:
    """Train and measure without a screen: progress while it runs, the figures at the end; exits as the training did."""
    from .target import resolve

    found = resolve(target, arguments or ())
    if found.run is not None or found.address is not None:
        raise UsageError(f"{target} is a run already; look at it with: ibmon watch {target}")
    run = _start(found, asked, options, arguments or [])
    from .headless import follow

    raise typer.Exit(follow(run))


def _start(found: Target, asked: Asked, options: Asked, arguments: list[str]) -> RunDirectory:
    """Check what was asked, make the run directory and start the processes."""
    from ibmon.launch import describe_run, start
    from ibmon.runs.directory import create

    if found.signature is not None and arguments:
        raise UsageError(
            f"{found.name} is a recipe and takes options, not arguments; `ibmon watch {found.name} --help` lists them."
        )
    check(asked)
    seed = options.get("seed")
    info: RunInfo = describe_run(
        recipe=found.name,
        target=found.target,
        parameters=options,
        arguments=arguments,
        seed=seed if isinstance(seed, int) else None,
        **asked,
    )
    run = create(info)
    start(run)
    return run


def _resume(run: RunDirectory) -> None:
    """Snapshots that a dead analyst left are measured while one looks."""
    import contextlib

    from ibmon.launch import resume_analysis

    with contextlib.suppress(OSError):
        resume_analysis(run)
