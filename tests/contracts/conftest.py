"""A coordination for each test of the contract."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.coordinations import COORDINATIONS, WITH_POWER, OnDevice, OnOneMachine


@pytest.fixture(params=COORDINATIONS)
def coordinated(request: pytest.FixtureRequest, tmp_path: Path) -> OnOneMachine:
    made: OnOneMachine = COORDINATIONS[request.param](tmp_path / "data")
    return made


@pytest.fixture(params=WITH_POWER)
def powered(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnDevice]:
    with contextlib.closing(WITH_POWER[request.param](tmp_path / "data")) as made:
        yield made
