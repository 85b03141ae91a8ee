"""Layers that are cut down when they are captured, and what their estimates say of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import ibmon
from ibmon.capture.reducing import reduced
from ibmon.records import UsageError
from ibmon.reductions import Reduction, parse
from ibmon.runs.directory import RunDirectory
from support import history_of

Measured = Callable[..., RunDirectory]


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["units", "projection"]))
@settings(max_examples=40)
def test_a_layer_has_no_more_units_than_asked_for(units: int, kept: int, how: str) -> None:
    values = torch.randn(3, 5, units)
    cut, mask, said = reduced("layer", values, None, Reduction(**{how: kept}))
    assert cut.shape == (3, 5, min(units, kept)) and mask is None
    assert bool(said.flags) == (kept < units)
    if not said.flags:
        assert torch.equal(cut, values)


def test_sampled_units_are_units_of_the_layer_and_always_the_same() -> None:
    values = torch.arange(50.0).expand(4, 50)
    first, again = (reduced("h", values, None, Reduction(units=7))[0] for _ in range(2))
    assert torch.equal(first, again)
    assert len(set(first[0].tolist())) == 7
    assert not torch.equal(reduced("g", values, None, Reduction(units=7))[0], first)


def test_a_projection_keeps_distances() -> None:
    values = torch.randn(40, 3000)
    cut, _, said = reduced("h", values, None, Reduction(projection=500))
    assert said.flags == ("projected",)
    ratio = torch.pdist(cut) / torch.pdist(values)
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    assert ratio.std() == pytest.approx((1 / (2 * 500)) ** 0.5, rel=0.3)


def test_channels_and_places_become_units() -> None:
    cut, _, said = reduced("conv", torch.randn(6, 4, 5, 5), None, Reduction(units=9))
    assert cut.shape == (6, 9) and said.flags == ("sampled_units",)
    whole, _, said = reduced("conv", torch.randn(6, 1, 3, 3), None, Reduction(units=9))
    assert whole.shape == (6, 1, 3, 3) and not said.flags


def test_timepoints_are_spread_with_their_mask() -> None:
    values = torch.arange(10.0)[None, :, None].expand(2, 10, 3)
    mask = torch.arange(10) < torch.tensor([[10], [4]])
    cut, kept, said = reduced("h", values, mask, Reduction(timepoints=4))
    assert said.timepoints == (0, 3, 6, 9)
    assert cut[0, :, 0].tolist() == [0, 3, 6, 9]
    assert kept is not None and kept.tolist() == [[True] * 4, [True, True, False, False]]


def test_reductions_are_read_from_text() -> None:
    assert parse("") == Reduction() and not parse("")
    assert parse("projection=64, timepoints=8") == Reduction(projection=64, timepoints=8)
    assert parse(str(Reduction(units=5, timepoints=3))) == Reduction(units=5, timepoints=3)
    for wrong in ("units", "units=x", "layers=3", "units=-1", "timepoints=1", "units=3,projection=4"):
        with pytest.raises(UsageError):
            parse(wrong)


def test_estimates_of_layers_that_were_cut_down_say_so(measured: Measured) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide = nn.Sequential(nn.Linear(8, 64), nn.Tanh())
            self.narrow = nn.Sequential(nn.Linear(64, 3), nn.Tanh())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.narrow(self.wide(x).mean(1))

    model = Model()
    x, y = torch.randn(60, 12, 8), torch.arange(60 * 12).reshape(60, 12) % 3

    def train(monitor: ibmon.Monitor) -> None:
        monitor.watch(model, evaluation=ibmon.EvaluationSet(x, y), layers=["wide", "narrow"], estimators=["binning"])

    history = history_of(measured(train, reduce="projection=5,timepoints=4"))
    flags: dict[str, set[str]] = {}
    times: set[Any] = set()
    for series in history.series:
        layer = series.subject.get("layer")
        if layer is not None:
            flags.setdefault(layer, set()).update(f for f in series.flags if f in ("projected", "sampled_timepoints"))
        if series.quantity == "I(H_t;Y)":
            times.update(series.axes["time"])
    assert flags["wide"] == {"projected", "sampled_timepoints"}
    assert not flags["narrow"]
    assert times == {0, 4, 7, 11}
    assert not [s for s in history.series if s.quantity.startswith("I(H_t;H_")]
