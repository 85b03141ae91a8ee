"""What ``watch``, ``run`` and ``sweep`` take alike: ibmon's own options of a training, and those of the recipe that is named."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from ibmon.records import IbmonError, UsageError

from .completion import complete_estimator

if TYPE_CHECKING:
    from ibmon.signatures import Option, Signature

Asked = dict[str, Any]


def add_command(app: typer.Typer, function: Callable[..., None], arguments: list[str], *, needed: bool = True) -> None:
    """Register a function as a command with the options of the recipe that the arguments name.

    With ``needed`` the recipe's options without a default have to be given.
    """
    name = function.__name__.lstrip("_")
    words = inspect.getdoc(function) or ""
    signature: Signature | None = None
    if next((a for a in arguments if not a.startswith("-")), None) == name:
        signature = _signature(function, arguments[arguments.index(name) + 1 :])
    if signature is not None:
        words += f"\n\n{signature.summary}"
        if not needed:
            signature = replace(signature, options=tuple(replace(o, required=False) for o in signature.options))
    app.command(name, help=words)(_with_options(function, signature))


def _signature(function: Callable[..., None], arguments: list[str]) -> Signature | None:
    """The recipe's signature, where the arguments name one; errors are left to the command itself."""
    from .target import resolve

    name = _positional(function, arguments)
    if name is None:
        return None
    try:
        return resolve(name).signature
    except IbmonError:
        if "--help" in arguments or "-h" in arguments:
            return None
        raise


def _positional(command: Callable[..., None], arguments: list[str]) -> str | None:
    """The first argument that is neither an option nor an option's value."""
    valued = {name for function in (common, command) for p in _parameters(function) for name in _names_of_valued(p)}
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
    own, shared = _parameters(function), _parameters(common)
    recipe = [] if signature is None else [_parameter(o) for o in signature.options]

    def command(**given: Any) -> None:
        options = {p.name.removeprefix("recipe_"): given.pop(p.name) for p in recipe}
        asked = common(**{p.name: given.pop(p.name) for p in shared})
        function(**given, asked=asked, options=options)

    everything = [*own, *shared, *recipe]
    command.__signature__ = inspect.Signature([p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in everything])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in everything}
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
Reduce = Annotated[
    str,
    typer.Option("--reduce", help="Of large layers capture units=512, projection=64, timepoints=32.", show_default="all of it"),
]
SpoolBytes = Annotated[
    int | None, typer.Option("--spool-bytes", help="Most bytes of waiting snapshots.", show_default="1 GB or 10 %")
]
AnalystDevice = Annotated[str, typer.Option("--analyst-device", help="Where to estimate: cpu or cuda.")]


def common(
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
    reduce: Reduce = "",
    spool_bytes: SpoolBytes = None,
    analyst_device: AnalystDevice = "cpu",
) -> Asked:
    """What all of them take, as the fields of ``run.json``."""
    given = locals()
    return {"estimators": given.pop("estimator") or [], "analyses": given.pop("analysis") or [], **given}


def check(asked: Asked) -> None:
    """Refuse, before anything starts, what could only fail later. Raises IbmonError."""
    check_plugins(asked["estimators"], asked["analyses"])
    if asked["schedule"]:
        from ibmon.schedules import parse

        parse(asked["schedule"])
    if asked["device"] not in ("auto", "cpu", "cuda") and not asked["device"].startswith("cuda:"):
        raise UsageError(f"--device is auto, cpu or cuda[:N], not {asked['device']!r}.")
    if asked["analyst_device"] not in ("cpu", "cuda"):
        raise UsageError(f"--analyst-device is cpu or cuda, not {asked['analyst_device']!r}.")
    if asked["reduce"]:
        from ibmon.reductions import parse as reduction

        reduction(asked["reduce"])
    if asked["max_samples"] < 1:
        raise UsageError("--max-samples is at least 1.")
    if not 0 < asked["budget"] <= 1:
        raise UsageError("--budget is a share between 0 and 1, such as 0.03.")


def check_plugins(estimators: Sequence[str], analyses: Sequence[str]) -> None:
    """Refuse estimators and analyses that are not there, have no such options, or do not fit each other. Raises IbmonError."""
    from ibmon.registry import discover
    from ibmon.signatures import Request

    registry = discover()
    for kind, texts in (("estimator", estimators), ("analysis", analyses)):
        for text in texts:
            request = Request.parse(text)
            spec = registry.estimator(request.name) if kind == "estimator" else registry.analysis(request.name)
            request.resolve(spec.target)
    wanted = [*(a.name for a in registry.analyses() if a.default), *analyses]
    for text in estimators:
        unusable = registry.unusable(registry.estimator(Request.parse(text).name), wanted)
        if unusable:
            raise UsageError(unusable)
