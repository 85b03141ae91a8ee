"""What a series is, and how nodes are set at other moments."""

from __future__ import annotations

import pytest
import torch

from ibmon.flow import Series


def test_a_delayed_group_stands_where_it_is_about() -> None:
    time = torch.arange(10.0)
    some = Series.of(torch.stack([time, time + 3], -1), ["x", "forecast"], {"outputs": [1]})
    moved = some.delayed({"outputs": 3})
    assert moved.time == 7 and torch.equal(moved.values[..., 0], moved.values[..., 1])
    assert torch.equal(moved.values, some.delayed({"forecast": 3}).values)
    assert torch.equal(moved.values, some.delayed({"x": -3}).values)
    assert torch.equal(some.delayed({}).values, some.values)
    with pytest.raises(ValueError, match="nothing of 10"):
        some.delayed({"x": 10})
    with pytest.raises(ValueError, match="neither"):
        some.delayed({"y": 1})


@pytest.mark.parametrize(
    ("values", "names", "groups", "match"),
    [
        (torch.zeros(5, 1), None, {}, "two nodes"),
        (torch.zeros(5), None, {}, "trials, time, nodes"),
        (torch.zeros(5, 2), ["a", "a"], {}, "different names"),
        (torch.zeros(5, 2), ["a"], {}, "different names"),
        (torch.tensor([[0.0, 1.0], [0.0, torch.nan]]), ["a", "b"], {}, "'b'"),
        (torch.zeros(5, 2), ["a", "b"], {"x": [0], "y": [0, 1]}, "more than one group"),
        (torch.zeros(5, 2), ["a", "b"], {"x": [2]}, "nodes 0 to 1"),
        (torch.zeros(5, 2), ["a", "b"], {"x": []}, "nodes 0 to 1"),
    ],
)
def test_what_is_no_series_is_refused(
    values: torch.Tensor, names: list[str] | None, groups: dict[str, list[int]], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        Series.of(values, names, groups)


def test_whole_numbers_and_numbered_nodes_will_do() -> None:
    some = Series.of(torch.arange(12).reshape(4, 3), groups={"first": [0]})
    assert (some.trials, some.time, some.nodes) == (1, 4, 3)
    assert some.names == ("0", "1", "2")
    assert some.group_of(0) == "first" and some.group_of(1) == ""
