"""``ibmon watch`` and ``ibmon run``: start a training, or look at one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from ibmon.records import IbmonError, UsageError

from .completion import complete_estimator, complete_recipe, complete_target

if TYPE_CHECKING:
    from ibmon.records import RunInfo
    from ibmon.runs.directory import RunDirectory
    from ibmon.signatures import Option, Signature
    from ibmon.tui.app import Wishes
    from ibmon.tui.look import Shade

    from .target import Target

Asked = dict[str, Any]


def add(app: typer.Typer, arguments: list[str]) -> None:
    """Register ``watch`` and ``run`` with the options of the recipe that the arguments name."""
    command = next((a for a in arguments if not a.startswith("-")), None)
    signature: Signature | None = None
    if command in ("watch", "run"):
        signature = _signature(arguments[arguments.index(command) + 1 :])
    for name, function in (("watch", _watch), ("run", _run)):
        words = inspect.getdoc(function) or ""
        if signature is not None and command == name:
            words += f"\n\n{signature.summary}"
        app.command(name, help=words)(_with_options(function, signature if command == name else None))


def _signature(arguments: list[str]) -> Signature | None:
    """The recipe's signature, where the arguments name one; errors are left to the command itself."""
    from .target import resolve

    name = _positional(arguments)
    if name is None:
        return None
    try:
        return resolve(name).signature
    except IbmonError:
        if "--help" in arguments or "-h" in arguments:
            return None
        raise


def _positional(arguments: list[str]) -> str | None:
    """The first argument that is neither an option nor an option's value."""
    valued = {name for function in (_asked, _watch) for p in _parameters(function) for name in _names_of_valued(p)}
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument == "--":
            return None
        elif argument.startswith("-"):
            skip = argument in valued
        else:
            return argument
    return None


def _names_of_valued(parameter: inspect.Parameter) -> tuple[str, ...]:
    kind, *information = get_args(parameter.annotation) or (None,)
    # Inside Annotated, Typer keeps the first name of an option where a default would stand.
    declared = [name for info in information for name in (info.default, *(info.param_decls or ()))]
    return () if kind is bool else tuple(name for name in declared if isinstance(name, str))


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    given = ("asked", "options")
    return [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name not in given]


def _with_options(function: Callable[..., None], signature: Signature | None) -> Callable[..., None]:
    """The command with ibmon's own options (``asked``) and the recipe's (``options``) among its parameters."""
    own, common = _parameters(function), _parameters(_asked)
    recipe = [] if signature is None else [_parameter(o) for o in signature.options]

    def command(**given: Any) -> None:
        options = {p.name.removeprefix("recipe_"): given.pop(p.name) for p in recipe}
        asked = _asked(**{p.name: given.pop(p.name) for p in common})
        function(**given, asked=asked, options=options)

    everything = [*own, *common, *recipe]
    command.__signature__ = inspect.Signature([p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in everything])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in everything}
    command.__name__ = function.__name__.lstrip("_")
    return command


def _parameter(option: Option) -> inspect.Parameter:
    kind: Any = {"int": int, "float": float, "str": str, "bool": bool}[option.type]
    if option.choices:
        kind = Literal[option.choices]  # type: ignore[valid-type]
    if option.optional or option.default is None:
        kind = kind | None
    flag = f"--{option.name.replace('_', '-')}"
    names = [f"{flag}/--no-{flag.removeprefix('--')}"] if option.type == "bool" else [flag]
    info = typer.Option(*names, help=option.help, rich_help_panel="Recipe")
    default = inspect.Parameter.empty if option.required else option.default
    return inspect.Parameter(
        f"recipe_{option.name}", inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )


TargetArgument = Annotated[
    str | None,
    typer.Argument(
        help="A recipe, a .py file (recipe or script), a run; nothing: the latest run.",
        show_default=False,
        autocompletion=complete_target,
    ),
]
Arguments = Annotated[list[str] | None, typer.Argument(help="Arguments of a script, behind --.", show_default=False)]
Estimators = Annotated[
    list[str] | None,
    typer.Option(
        "-e",
        "--estimator",
        help="Estimator, as binning:width=0.07; repeatable.",
        show_default=False,
        autocompletion=complete_estimator,
    ),
]
Analyses = Annotated[
    list[str] | None, typer.Option("-a", "--analysis", help="Analysis beside the default ones; repeatable.", show_default=False)
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda[:N].")]
ScheduleText = Annotated[
    str, typer.Option("--schedule", help="When: log:40, every:10epochs, every:100steps, at:1,10,100.", show_default="log-spaced")
]
Name = Annotated[str, typer.Option("--name", help="A name for the run.", show_default=False)]
Group = Annotated[str, typer.Option("--group", help="A group of runs, such as seeds.", show_default=False)]
Note = Annotated[str, typer.Option("--note", help="A note to yourself.", show_default=False)]
Lossless = Annotated[bool, typer.Option("--lossless", help="Wait for the analysis rather than drop a snapshot.")]
Keep = Annotated[bool, typer.Option("--keep-snapshots", help="Keep the activations, to be analysed again later.")]
Budget = Annotated[float, typer.Option("--budget", help="Share of the training's time the default schedule may cost.")]
MaxSamples = Annotated[int, typer.Option("--max-samples", help="Most samples of an evaluation set.")]
SpoolBytes = Annotated[
    int | None, typer.Option("--spool-bytes", help="Most bytes of waiting snapshots.", show_default="1 GB or 10 %")
]
AnalystDevice = Annotated[str, typer.Option("--analyst-device", help="Where to estimate: cpu or cuda.")]


def _asked(
    estimator: Estimators = None,
    analysis: Analyses = None,
    device: Device = "auto",
    schedule: ScheduleText = "",
    name: Name = "",
    group: Group = "",
    note: Note = "",
    lossless: Lossless = False,
    keep_snapshots: Keep = False,
    budget: Budget = 0.03,
    max_samples: MaxSamples = 10_000,
    spool_bytes: SpoolBytes = None,
    analyst_device: AnalystDevice = "cpu",
) -> Asked:
    """What ``watch`` and ``run`` both take, as the fields of ``run.json``."""
    given = locals()
    return {"estimators": given.pop("estimator") or [], "analyses": given.pop("analysis") or [], **given}


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
    wishes = _wishes(read_only, screen, compare, theme, ascii, low_bandwidth)
    found = resolve(target)
    if once and found.run is None:
        raise UsageError("--once prints a run that exists; use `ibmon run` to train without a screen.")
    run = found.run
    if run is None:
        run = _start(found, asked, options, arguments or [])
    else:
        if options or arguments or asked != _asked():
            raise UsageError("A run that exists takes no options of a training; name a recipe to start a new one.")
        if not (read_only or once):
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
    target: Annotated[str, typer.Argument(help="A recipe, or a .py file (recipe or script).", autocompletion=complete_recipe)],
    arguments: Arguments = None,
    *,
    asked: Asked,
    options: Asked,
) -> None:
    """Train and measure without a screen: progress while it runs, the figures at the end; exits as the training did."""
    from .target import resolve

    found = resolve(target)
    if found.run is not None:
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
    _check(asked)
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


def _check(asked: Asked) -> None:
    """Refuse, before anything starts, what could only fail later. Raises IbmonError."""
    from ibmon.registry import discover
    from ibmon.signatures import Request

    registry = discover()
    for kind, texts in (("estimator", asked["estimators"]), ("analysis", asked["analyses"])):
        for text in texts:
            request = Request.parse(text)
            spec = registry.estimator(request.name) if kind == "estimator" else registry.analysis(request.name)
            request.resolve(spec.target)
    analyses = [*(a.name for a in registry.analyses() if a.default), *asked["analyses"]]
    for text in asked["estimators"]:
        unusable = registry.unusable(registry.estimator(Request.parse(text).name), analyses)
        if unusable:
            raise UsageError(unusable)
    if asked["schedule"]:
        from ibmon.schedules import parse

        parse(asked["schedule"])
    if asked["device"] not in ("auto", "cpu", "cuda") and not asked["device"].startswith("cuda:"):
        raise UsageError(f"--device is auto, cpu or cuda[:N], not {asked['device']!r}.")
    if asked["analyst_device"] not in ("cpu", "cuda"):
        raise UsageError(f"--analyst-device is cpu or cuda, not {asked['analyst_device']!r}.")
    if asked["max_samples"] < 1:
        raise UsageError("--max-samples is at least 1.")
    if not 0 < asked["budget"] <= 1:
        raise UsageError("--budget is a share between 0 and 1, such as 0.03.")


def _resume(run: RunDirectory) -> None:
    """Snapshots that a dead analyst left are measured while one looks."""
    import contextlib

    from ibmon.launch import resume_analysis

    with contextlib.suppress(OSError):
        resume_analysis(run)
