"""What is drawn of the analysis `flow`, and when which of the five questions is answered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ibmon import Curves, Graph, Heatmap, Histogram, Measurement, Plane, Table
from ibmon.analysis.values import logged
from ibmon.figures.build import build_figures
from ibmon.figures.figure import Figure
from ibmon.figures.table import to_csv
from ibmon.figures.text import render
from ibmon.records import Result
from ibmon.runs.directory import RunDirectory
from ibmon.runs.history import History, thin
from ibmon_recipes.temperature import train
from support import history_of, written

NODES = ["input", "hidden 0", "hidden 1", "hidden 2", "output"]
ALIGNMENTS = ("target", "step", "stages")
DRAWN = {
    "answers",
    "levels",
    "levels-first",
    "edges",
    "graph",
    "order",
    "groups",
    "strength",
    "incoherence",
    "units",
    "information",
    "correlation",
}


def said(
    *,
    share: tuple[float, float, float] = (0.9, 0.8, 1.0),
    p: float = 0.02,
    medians: Sequence[float] = (0, 1, 2),
    recorded: Sequence[float] = (0, 1, 2),
    chance: float = 0.01,
    layers: float = 0.5,
    r: float = 0.8,
    about: float = 1.0,
    nodes: Sequence[str] = NODES,
) -> list[Measurement]:
    """What the analysis measures of one network; ``share`` is the expected order and its interval, ``recorded`` the medians of
    the groups as recorded, ``chance`` the p-value of their order then."""

    def one(quantity: str, value: Any, unit: str = "", **more: Any) -> Measurement:
        return Measurement(quantity=quantity, value=value, unit=unit, estimator="copula", **more)

    count, target = len(nodes), {"alignment": "target"}
    net = np.subtract.outer(np.arange(count, dtype=float), np.arange(count)).T
    pairs: dict[str, Any] = {"axes": {"source": nodes, "target": nodes}, "subject": target}
    by_lag: dict[str, Any] = {"axes": {"lag": [1], "source": nodes, "target": nodes}, "subject": target}
    scores = {**by_lag, "subject": {**target, "method": "normal scores"}}
    found = [
        one("net flow", net, "bits", **pairs, details={"p_value": np.full((count, count), 0.04)}),
        one("instantaneous information", np.ones((count, count)), "bits", **pairs),
        one("delayed information", np.full((1, count, count), 2.0), "bits", **by_lag),
        one("transfer entropy", np.full((1, count, count), 0.3), "bits", **scores),
        one("strength", 9.0, "bits", subject=target, details={"p_value": p, "null": 3.0}),
        one("strength by chance", 3.0, "bits", subject=target, lower=2.0, upper=4.0),
        one("incoherence by chance", 0.8, subject=target, lower=0.7, upper=0.9),
        one("I(h;X)", np.array([1.0, 2.0, 3.0]) * about, "bits", axes={"unit": [0, 1, 2]}),
        one("I(h;Y)", np.array([0.1, 0.2, 0.4]) * about, "bits", axes={"unit": [0, 1, 2]}, subject={"Y": "outputs"}),
        one("correlation", r, subject={"Y": "outputs", "method": "pearson"}, details={"p_value": 0.01 if abs(r) > 0.5 else 0.6}),
        one("correlation", r, subject={"Y": "outputs", "method": "spearman"}, details={"p_value": 0.2}),
        one("forecast error", 1 / about),
    ]
    height = np.linspace(0, 2, count)
    for alignment in ALIGNMENTS:
        subject = {"alignment": alignment}
        sides = {"lower": share[1], "upper": share[2]} if alignment == "target" else {}
        found += [
            one("level", height, axes={"node": nodes}, subject=subject),
            one(
                "expected order", share[0], subject=subject, details={"p_value": chance if alignment == "step" else 0.01}, **sides
            ),
            one("incoherence", 0.3, subject=subject),
            one("layers", 2.0, subject=subject, details={"p_value": layers}),
            one("layer", np.array([0, 0, 0, 1, 1])[:count], axes={"node": nodes}, subject=subject),
        ]
        for group, median in zip(("input", "hidden", "output"), recorded if alignment == "step" else medians, strict=True):
            found.append(one("group level", median, subject={**subject, "group": group}))
    return found


def history(*networks: list[Measurement], first: int = 0, job: str = "flow/copula") -> History:
    """Of a run whose snapshots say this, the untrained network first."""
    lines = [
        Result(
            segment=1,
            seq=k,
            job=job,
            step=10 * k + first,
            epoch=float(k) if k + first else None,
            evaluation="all",
            values=[logged(m, Path("unused"), "unused") for m in found],
        )
        for k, found in enumerate(networks)
    ]
    return history_of(written(lines, role="analyst", run=written([])))


def drawn(found: History) -> dict[str, Figure]:
    figures, failures = build_figures(found)
    assert not failures
    return {figure.name: figure for figure in figures if figure.screen == "flow"}


def answer(question: str, *networks: list[Measurement], first: int = 0) -> tuple[str, str]:
    """The word, and why."""
    table = drawn(history(*networks, first=first))["flow-answers-copula"]
    assert isinstance(table, Table)
    (row,) = [row for row in table.rows if row[0] == question]
    return row[1], row[-1]


UNTRAINED = said(share=(0.5, 0.4, 0.6))


def test_a_direction_is_one_that_alignments_agree_on_and_the_untrained_network_has_not() -> None:
    ask = "direction?"
    assert answer(ask, UNTRAINED, said()) == (
        "yes",
        "pairs in order; input < hidden < output; untrained 0.40–0.60, now 0.80–1.00",
    )
    word, why = answer(ask, UNTRAINED, said(share=(0.55, 0.45, 0.65)))
    assert word == "no" and "as untrained" in why
    word, why = answer(ask, UNTRAINED, said(recorded=(1, 2, 0)))
    assert word == "cannot be told" and why.endswith("but not for sure by step")
    word, why = answer(ask, UNTRAINED, said(chance=0.3))
    assert word == "cannot be told" and why.endswith("but not for sure by step")
    word, why = answer(ask, UNTRAINED, said(p=0.2))
    assert word == "cannot be told" and "exchanged moments" in why
    word, why = answer(ask, UNTRAINED, said(medians=(1, 1, np.nan)))
    assert word == "cannot be told" and "not apart" in why
    assert answer(ask, said())[0] == "cannot be told", "an untrained network alone"
    assert answer(ask, UNTRAINED, said(), first=5)[0] == "cannot be told", "the untrained network was not measured"
    reversed_order = said(medians=(2, 1, 0), recorded=(2, 1, 0), share=(0.05, 0.0, 0.1))
    assert answer(ask, UNTRAINED, reversed_order)[1].startswith("pairs in order; output < hidden < input")


def test_layers_are_shown_where_all_alignments_have_them_twice() -> None:
    ask = "layers?"
    assert answer(ask, UNTRAINED, said(layers=0.01), said(layers=0.02))[0] == "yes"
    assert "snapshot before" in answer(ask, UNTRAINED, said(), said(layers=0.02))[1]
    assert answer(ask, UNTRAINED, said(layers=0.01), said())[0] == "cannot be told"
    assert "no direction" in answer(ask, UNTRAINED, said(layers=0.01), said(layers=0.01, p=0.3))[1]
    assert "too few" in answer(ask, UNTRAINED, said(layers=np.nan))[1]


def test_only_a_trade_of_one_for_the_other_shows_a_bottleneck() -> None:
    words = {r: answer("bottleneck?", UNTRAINED, said(r=r))[0] for r in (0.8, 0.1, -0.1, -0.8)}
    assert words == {0.8: "cannot be told", 0.1: "cannot be told", -0.1: "cannot be told", -0.8: "yes"}


def test_information_tells_learning_where_it_moves_with_the_error() -> None:
    rng = np.random.default_rng(0)
    moving = np.exp(rng.normal(size=12))
    word, why = answer("I(h;Y) tells?", *(said(about=a) for a in moving))
    assert word == "yes" and "rises when the forecast error falls" in why
    still = [said(about=a) for a in moving]
    for k, network in enumerate(still):
        network[11] = replace(network[11], value=float(np.exp(rng.normal())) + k)
    assert answer("I(h;Y) tells?", *still)[0] == "cannot be told"
    assert "fewer than 8" in answer("I(h;X) tells?", UNTRAINED, said())[1]


def test_everything_is_drawn_in_the_terminal_and_as_numbers() -> None:
    figures = drawn(history(UNTRAINED, said(layers=0.02), said(layers=0.01)))
    assert set(figures) == {f"flow-{name}-copula" for name in DRAWN} | {"flow-copula"}
    for figure in figures.values():
        assert render(figure, 80, 20, colour=False) and to_csv(figure)
    newest, first = figures["flow-levels-copula"], figures["flow-levels-first-copula"]
    assert isinstance(newest, Histogram) and isinstance(first, Histogram)
    assert newest.labels == ("input", "hidden", "output") and newest.counts.sum(1).tolist() == [1, 3, 1]
    assert newest.title.endswith("epoch 2") and first.title.endswith("untrained")
    assert np.array_equal(newest.edges, first.edges)
    assert [cut.value for cut in newest.references] == [1.25] and first.references == ()
    matrix, edges = figures["flow-copula"], figures["flow-edges-copula"]
    assert isinstance(matrix, Heatmap) and matrix.row_labels == tuple(NODES)
    assert isinstance(edges, Table)
    assert edges.rows[0] == ("input", "output", "4.0000", "2.0000", "1.0000", "0.3000", "0.04") and len(edges.rows) == 10
    order, strength, units = (figures[f"flow-{name}-copula"] for name in ("order", "strength", "units"))
    assert isinstance(order, Curves) and [line.lower is not None for line in order.lines] == [True, False, False]
    assert isinstance(strength, Curves) and strength.lines[1].upper is not None and strength.lines[1].upper.tolist() == [4, 4, 4]
    assert isinstance(units, Plane) and [len(t.x) for t in units.trajectories] == [1, 1, 1] and "r = +0.80" in units.note
    assert [name for name, figure in figures.items() if figure.important] == [
        "flow-answers-copula",
        "flow-levels-copula",
        "flow-graph-copula",
    ]
    graph = figures["flow-graph-copula"]
    assert isinstance(graph, Graph) and graph.nodes == tuple(NODES) and graph.groups == ("input", *["hidden"] * 3, "output")
    assert graph.level.tolist() == [0, 0.5, 1, 1.5, 2] and len(graph.weights) == 10, "all pairs, upwards"
    assert graph.note.startswith("epoch 2; outputs at their target time; copula; 10 net flows")


def test_dashed_lines_of_groups_are_named_as_such() -> None:
    groups = drawn(history(UNTRAINED, said()))["flow-groups-copula"]
    assert isinstance(groups, Curves)
    solid = "solid: outputs at their target time"
    others = "as recorded, groups a step after each other (readout and CSV tell which)"
    assert groups.note == f"{solid}; dashed: {others}; copula"
    assert [line.dashed for line in groups.lines] == [False] * 3 + [True] * 6
    assert len({line.label for line in groups.lines}) == 9
    two, one = ([m for m in said() if m.subject.get("alignment") not in left] for left in (("stages",), ("stages", "step")))
    assert drawn(history(two, two))["flow-groups-copula"].note == f"{solid}; dashed: as recorded; copula"
    assert drawn(history(one, one))["flow-groups-copula"].note == f"{solid}; copula"


def test_back_in_time_the_newest_is_the_network_of_then() -> None:
    found = history(UNTRAINED, said(), said())
    before = drawn(replace(found, series=tuple(thin(s, 0) for s in found.series)))
    table = before["flow-answers-copula"]
    assert isinstance(table, Table) and table.columns == ("question", "answer", "untrained (p)", "number; why")
    assert "flow-levels-first-copula" not in before


def test_estimators_and_options_have_figures_of_their_own() -> None:
    assert "flow-edges-copula-lags-3" in drawn(history(UNTRAINED, job="flow:lags=3/copula"))


def test_names_that_would_disturb_a_terminal_do_not() -> None:
    evil = ["input", "hidden \x1b[31m0", "hidden ]8;;\n", "hidden " + 300 * "x", "output"]
    for figure in drawn(history(UNTRAINED, said(nodes=evil))).values():
        assert not {"\x1b", "\x07"} & set(render(figure, 100, 30, colour=False))


def test_drawing_loads_no_torch() -> None:
    code = "import sys, ibmon_analyses.flow_figures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_run_of_the_recipe_answers_its_questions(measured: Callable[..., RunDirectory], tmp_path: Path) -> None:
    hours = np.random.default_rng(0).standard_normal(2500).cumsum() / 8 + 10 * np.sin(np.arange(2500) * 2 * np.pi / 24)
    table = tmp_path / "station.csv"
    table.write_text("\n".join(["level", *map(repr, hours.tolist()), ""]), encoding="utf-8")
    options: dict[str, Any] = {"csv": str(table), "column": "level", "horizon": 3, "hidden": 6, "streams": 4, "bptt": 24}
    found = history_of(measured(lambda monitor: train(monitor, **options, epochs=3, eval_hours=300)))
    assert not found.disabled and not [n for n in found.notices if n.level == "error"]
    figures = drawn(found)
    assert {f"flow-{name}-copula-test" for name in DRAWN} <= set(figures)
    answers = figures["flow-answers-copula-test"]
    assert isinstance(answers, Table) and len(answers.rows) == 6
    assert {row[1] for row in answers.rows} <= {"yes", "no", "cannot be told"}
    (target,) = found.select("net flow", job="flow")
    assert target.subject == {"alignment": "target"} and len(target.step) == 4
    (error,) = found.select("forecast error", job="flow")
    assert error.value[-1] < error.value[0]


@pytest.mark.parametrize("missing", ["forecast error", "correlation", "layers", "expected order", "transfer entropy", "strength"])
def test_a_quantity_that_cannot_be_read_costs_its_own_figures_alone(missing: str) -> None:
    found = history(UNTRAINED, said())
    assert "flow-copula" in drawn(replace(found, series=tuple(s for s in found.series if s.quantity != missing)))
