"""Fixtures of the estimators' tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The folder of values that other people's published estimators gave on fixed inputs."""
    folder = Path(os.environ.get("IBMON_ORACLE") or Path(__file__).parents[3] / "shared" / "oracle")
    if not folder.is_dir():
        pytest.skip(f"no reference values in {folder}; IBMON_ORACLE names the folder that has them")
    return folder
