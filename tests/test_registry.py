from __future__ import annotations

import json
from pathlib import Path

import pytest

from ibmon.records import NotFoundError
from ibmon.registry import discover
from support import ibmon


def test_built_in_plugins_come_from_ibmon() -> None:
    registry = discover()
    assert {"binning", "kde"} <= registry.contributions["estimators"].keys()
    assert {"information-plane", "gradient-snr"} <= registry.contributions["analyses"].keys()
    assert registry.provider("estimators", "kde").startswith("ibmon ")
    assert not registry.failures


def test_a_third_party_plugin_is_found_with_its_provenance(toy_plugin: Path) -> None:
    registry = discover()
    assert registry.provider("estimators", "toy") == "ibmon-toy 0.3"
    assert registry.estimator("toy").load().__name__ == "Toy"


def test_broken_plugins_are_reported_and_everything_else_works(broken_plugin: Path) -> None:
    registry = discover()
    errors = {failure.plugin: failure.error for failure in registry.failures}
    assert errors["broken"].startswith("ModuleNotFoundError")
    assert "ibmon_estimator" in errors["typo"]
    assert "already taken by ibmon" in errors["binning"]
    assert registry.estimator("binning").target == "ibmon_estimators.binning:Binning"
    assert {str(failure.provider) for failure in registry.failures} == {"ibmon-broken 0.1"}


def test_ibmon_plugins_restricts_what_loads(toy_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBMON_PLUGINS", "ibmon")
    assert "toy" not in discover().contributions["estimators"]
    monkeypatch.setenv("IBMON_PLUGINS", "ibmon-toy")
    assert set(discover().contributions["estimators"]) == {"toy"}


def test_an_unknown_name_suggests_a_near_one() -> None:
    with pytest.raises(NotFoundError, match="did you mean 'binning'"):
        discover().estimator("bining")


def test_the_command_lists_plugins_and_fails_when_one_failed(toy_plugin: Path, broken_plugin: Path) -> None:
    told = ibmon("plugins", "--json")
    found = json.loads(told.stdout)
    assert told.returncode == 1
    assert {"toy", "binning"} <= {e["name"] for e in found["estimators"]}
    assert {f["plugin"] for f in found["failures"]} == {"broken", "typo", "binning"}
    plain = ibmon("plugins", IBMON_PLUGINS="ibmon")
    assert plain.returncode == 0
    assert "toy" not in plain.stdout
