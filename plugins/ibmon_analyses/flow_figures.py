"""Figures of the information flow between the nodes of a network, on a screen of their own. No torch: the terminal calls this."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ibmon import Axis, Curves, Figure, Graph, Histogram, History, Line, Plane, Reference, Series, Table, Trajectory
from ibmon.flow.figures import flow_graph, flow_matrix, levels_histogram

from .flow_answers import Answer, Measured, answers, layered
from .moments import ends, training
from .naming import ending, how, where

_SCREEN = "flow"
_EDGES = 20
_GROUPS = ("input", "hidden", "output")
_ALIGNED = {"target": "outputs at their target time", "step": "as recorded", "stages": "groups a step after each other"}


def figures(history: History) -> list[Figure]:
    """For each evaluation set and estimator: the five answers; the levels of the nodes, untrained and newest; the net flow in
    their order, its strongest edges as a graph and as a table; through training, how far the order is the expected one, where
    the groups stand, how strong and how coherent the flow is beside what exchanged moments give; and what hidden units say of
    inputs and targets."""
    found = history.select("net flow", job=_SCREEN)
    return [figure for net in found for figure in _of(Measured(history, net.job, net.evaluation), net)]


def _of(measured: Measured, net: Series) -> Iterator[Figure]:
    asked = net.subject["alignment"]
    (_, newest) = ends(net)[-1]
    note = how(net, _ALIGNED[asked])
    yield _answers(measured, net)
    levels = measured.one("level", alignment=asked)
    if levels is None:
        return
    names = tuple(str(name) for name in levels.axes["node"])
    yield from _histograms(measured, levels, names, note)
    yield _graph(net, levels, names, how(net, newest, _ALIGNED[asked]))
    matrix = flow_matrix(
        net.value[-1], levels.value[-1], names, name=f"flow{ending(net)}", note=how(net, newest, _ALIGNED[asked])
    )
    yield replace(matrix, title=f"{matrix.title}{where(net)}")
    yield _edges(measured, net, names, how(net, newest, _ALIGNED[asked]))
    yield from _orders(measured, net)
    yield from _strength(measured, net, note)
    yield from _units(measured, net)


def _answers(measured: Measured, net: Series) -> Table:
    moments = [name for _, name in ends(net)]

    def row(answer: Answer) -> tuple[str, ...]:
        both = [f"{n:.3g} ({p:.1g})" if np.isfinite(p) else _number(n) for n, p in zip(answer.number, answer.p, strict=True)]
        return (answer.question, answer.word, *both[-len(moments) :], f"{answer.what}; {answer.why}")

    return Table(
        name=f"flow-answers{ending(net)}",
        title=f"the five questions{where(net)}",
        screen=_SCREEN,
        important=True,
        note=how(net, "a direction is no cause: what drives nodes one after another gives one, too"),
        columns=("question", "answer", *(f"{moment} (p)" for moment in moments), "number; why"),
        rows=tuple(row(answer) for answer in answers(measured)),
    )


def _histograms(measured: Measured, levels: Series, names: Sequence[str], note: str) -> Iterator[Histogram]:
    """The levels of the newest network, and those of the first, of the same width."""
    groups = _grouped(names)
    shown = ends(levels)
    both = levels.value[[row for row, _ in shown]]
    highest = float(both[np.isfinite(both)].max(initial=0))
    for row, moment in reversed(shown):
        last = (row, moment) == shown[-1]
        drawn = levels_histogram(levels.value[row], groups, highest=highest, note=note)
        yield replace(
            drawn,
            name=f"flow-levels{'' if last else '-first'}{ending(levels)}",
            title=f"{drawn.title}, {moment}{where(levels)}",
            important=last,
            references=_cuts(measured, levels, row),
        )


def _cuts(measured: Measured, levels: Series, row: int) -> tuple[Reference, ...]:
    """Halfway between neighbouring layers, where layers are shown."""
    asked = levels.subject["alignment"]
    layer, count, (shown, _) = measured.one("layer", alignment=asked), measured.one("layers", alignment=asked), layered(measured)
    if layer is None or count is None or not shown[row : row + 1].any():
        return ()
    apart = [levels.value[row][layer.value[row] == k] for k in range(int(count.value[row]))]
    return tuple(Reference(axis="x", value=float(low.max() + high.min()) / 2) for low, high in pairwise(apart))


def _graph(net: Series, levels: Series, names: Sequence[str], note: str) -> Graph:
    """The newest network; the note begins with what moment that is."""
    drawn = flow_graph(
        net.value[-1],
        levels.value[-1],
        names,
        _grouped(names),
        net.details["p_value"][-1],
        name=f"flow-graph{ending(net)}",
        note=note,
    )
    return replace(drawn, title=f"{drawn.title}{where(net)}")


def _grouped(names: Sequence[str]) -> dict[str, list[int]]:
    """The nodes of each group, which their names begin with."""
    return {group: [i for i, name in enumerate(names) if name.partition(" ")[0] == group] for group in _GROUPS}


def _edges(measured: Measured, net: Series, names: Sequence[str], note: str) -> Table:
    flow, p = net.value[-1], net.details["p_value"][-1]
    transfer = measured.one("transfer entropy")
    beside = (measured.one("delayed information"), measured.one("instantaneous information"), transfer)
    bits = [np.full_like(flow, np.nan) if s is None else s.value[-1].reshape(-1, *flow.shape).mean(0) for s in beside]
    method = "" if transfer is None else f"; transfer entropy by {transfer.subject['method']}"
    strongest = np.argsort(-flow, axis=None, kind="stable")[:_EDGES]
    pairs = [divmod(int(k), len(names)) for k in strongest if flow.flat[k] > 0]
    return Table(
        name=f"flow-edges{ending(net)}",
        title=f"the strongest net flows{where(net)}",
        screen=_SCREEN,
        note=f"{note}; p over all pairs together{method}",
        columns=("from", "to", "net [bits]", "delayed [bits]", "at once [bits]", "transfer [bits]", "p"),
        rows=tuple(
            (names[i], names[j], *(f"{matrix[i, j]:.4f}" for matrix in (flow, *bits)), _p(float(p[i, j]))) for i, j in pairs
        ),
    )


def _orders(measured: Measured, net: Series) -> Iterator[Curves]:
    """How far the groups stand in the expected order, and where, for each alignment; the first is that which was asked for."""
    x, at = training(net)
    shares = measured.all("expected order")
    yield Curves(
        name=f"flow-order{ending(net)}",
        title=f"pairs in the order input < hidden < output{where(net)}",
        screen=_SCREEN,
        note=how(net, "by alignment; band: 90 % of random halves of the data"),
        x=x,
        y=Axis(label="share of pairs", limits=(0.0, 1.0)),
        lines=tuple(
            _line(s, at, s.value, _ALIGNED[s.subject["alignment"]], group=k, banded=bool(np.isfinite(s.lower).any()))
            for k, s in enumerate(shares)
        ),
        references=(Reference(axis="y", value=0.5, label="by chance"),),
    )
    asked, levels = net.subject["alignment"], measured.all("group level")
    others = [_ALIGNED[a] for a in dict.fromkeys(s.subject["alignment"] for s in levels) if a != asked]
    dashed = f"dashed: {', '.join(others)}" + (" (readout and CSV tell which)" if len(others) > 1 else "")
    yield Curves(
        name=f"flow-groups{ending(net)}",
        title=f"median level of each group{where(net)}",
        screen=_SCREEN,
        note=how(net, f"solid: {_ALIGNED[asked]}", *([dashed] if others else [])),
        x=x,
        y=Axis(label="trophic level"),
        lines=tuple(
            _line(
                s,
                at,
                s.value,
                s.subject["group"]
                if s.subject["alignment"] == asked
                else f"{s.subject['group']}, {_ALIGNED[s.subject['alignment']]}",
                group=_GROUPS.index(s.subject["group"]),
                dashed=s.subject["alignment"] != asked,
                unnamed=s.subject["alignment"] != asked,
            )
            for s in levels
        ),
    )


def _strength(measured: Measured, net: Series, note: str) -> Iterator[Curves]:
    """The strength of the flow and the incoherence of the levels beside what exchanged moments give."""
    x, at = training(net)
    shown = (
        ("strength", "flow-strength", "strength of the net flow", Axis(label="Σ|net flow| [bits]", scale="log")),
        ("incoherence", "flow-incoherence", "incoherence of the levels", Axis(label="incoherence", limits=(0.0, None))),
    )
    for quantity, name, title, y in shown:
        own = measured.one(quantity, alignment=net.subject["alignment"])
        chance = measured.one(f"{quantity} by chance")
        if own is not None and chance is not None:
            yield Curves(
                name=f"{name}{ending(net)}",
                title=f"{title}{where(net)}",
                screen=_SCREEN,
                note=f"{note}; band: 90 % of surrogates with moments exchanged in blocks",
                x=x,
                y=y,
                lines=(
                    _line(own, at, own.value, quantity, group=0),
                    _line(chance, at, chance.value, "exchanged moments", group=1, banded=True),
                ),
            )


def _units(measured: Measured, net: Series) -> Iterator[Figure]:
    """What hidden units say of X and of Y: each unit, their means and their correlation through training."""
    x_of, y_of = measured.one("I(h;X)"), measured.one("I(h;Y)")
    pearson, spearman = (measured.one("correlation", method=method) for method in ("pearson", "spearman"))
    if x_of is None or y_of is None or pearson is None or spearman is None:
        return
    axis, at = training(x_of)
    p = _p(float(pearson.details["p_value"][-1]))
    said = f"r = {pearson.value[-1]:+.2f}, p = {p}, ρ = {spearman.value[-1]:+.2f} over the units"
    about = f"Y: {'the outputs' if y_of.subject['Y'] == 'outputs' else 'what the outputs are about'}"
    newest = slice(-1, None)
    yield Plane(
        name=f"flow-units{ending(net)}",
        title=f"what hidden units say of inputs and targets{where(net)}",
        screen=_SCREEN,
        note=how(net, ends(x_of)[-1][1], said, about),
        single=True,
        x=Axis(label="I(h;X) [bits]"),
        y=Axis(label="I(h;Y) [bits]"),
        trajectories=tuple(
            Trajectory(
                label=f"hidden {unit}",
                x=x_of.value[newest, k],
                y=y_of.value[newest, k],
                step=x_of.step[newest],
                epoch=x_of.epoch[newest],
                estimator=x_of.estimator,
                group=0,
            )
            for k, unit in enumerate(x_of.axes["unit"])
        ),
    )
    yield Curves(
        name=f"flow-information{ending(net)}",
        title=f"information of hidden units through training{where(net)}",
        screen=_SCREEN,
        note=how(net, "mean over the units, with their 10–90 %", about),
        x=axis,
        y=Axis(label="information [bits]", limits=(0.0, None)),
        lines=tuple(_over_units(s, at, k) for k, s in enumerate((x_of, y_of))),
    )
    yield Curves(
        name=f"flow-correlation{ending(net)}",
        title=f"I(h;X) against I(h;Y) over hidden units{where(net)}",
        screen=_SCREEN,
        note=how(net, about),
        x=axis,
        y=Axis(label="correlation", limits=(-1.0, 1.0)),
        lines=(_line(pearson, at, pearson.value, "Pearson", group=0), _line(spearman, at, spearman.value, "Spearman", group=1)),
        references=(Reference(axis="y", value=0.0),),
    )


def _over_units(series: Series, at: np.ndarray, group: int) -> Line:
    lower, upper = np.percentile(series.value, (10, 90), axis=1)
    mean = series.value.mean(1)
    return Line(label=f"mean {series.quantity}", x=at, y=mean, lower=lower, upper=upper, step=series.step, group=group)


def _line(
    series: Series,
    at: np.ndarray,
    value: np.ndarray,
    label: str,
    *,
    group: int,
    banded: bool = False,
    dashed: bool = False,
    unnamed: bool = False,
) -> Line:
    return Line(
        label=label,
        x=at,
        y=value,
        lower=series.lower if banded else None,
        upper=series.upper if banded else None,
        step=series.step,
        estimator=series.estimator,
        details=series.details,
        group=group,
        dashed=dashed,
        unnamed=unnamed,
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "–"


def _p(value: float) -> str:
    return f"{value:.2g}" if np.isfinite(value) else "–"
