"""Points in time: files that expire, of one tenant each, bounded."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.coordination.local import Local
from app.errors import PointMissing, TooManyPoints
from app.services.points_in_time import Point, PointsInTime

OPENED = datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.fixture
def points(tmp_path: Path) -> PointsInTime:
    return PointsInTime(Local(tmp_path).points_in_time, 2)


def test_a_point_is_found_by_its_tenant_alone(points: PointsInTime, tmp_path: Path) -> None:
    point = points.reserve("mine", 60)
    with pytest.raises(PointMissing):
        points.find("mine", point)
    points.keep("mine", point, Point("elastic", OPENED), 60)
    assert points.find("mine", point) == Point("elastic", OPENED)
    # Another process, or the same after a restart.
    assert PointsInTime(Local(tmp_path).points_in_time, 2).find("mine", point) == Point("elastic", OPENED)
    for tenant, named in (("other", point), ("mine", "x" * 43), ("mine", f"../mine/{point}"), ("mine", "")):
        with pytest.raises(PointMissing):
            points.find(tenant, named)
    points.remove("other", point)
    assert points.find("mine", point) == Point("elastic", OPENED)
    points.remove("mine", point)
    points.remove("mine", point)
    with pytest.raises(PointMissing):
        points.find("mine", point)
    # What comes late does not open it again.
    points.keep("mine", point, Point("elastic", OPENED), 60)
    with pytest.raises(PointMissing):
        points.find("mine", point)


def test_a_point_expires_and_makes_room(points: PointsInTime, tmp_path: Path) -> None:
    first, second = points.reserve("mine", 60), points.reserve("mine", 60)
    with pytest.raises(TooManyPoints):
        points.reserve("mine", 60)
    points.reserve("other", 60)
    points.keep("mine", first, Point("elastic", OPENED), 60)
    past = time.time() - 1
    os.utime((tmp_path / "points") / "mine" / first, (past, past))
    with pytest.raises(PointMissing):
        points.find("mine", first)
    points.keep("mine", second, Point("elastic", OPENED), 60)
    third = points.reserve("mine", 60)
    points.keep("mine", third, Point("new", OPENED), 60)
    assert [points.find("mine", each).elastic for each in (second, third)] == ["elastic", "new"]


def test_a_renewal_lives_longer(points: PointsInTime, tmp_path: Path) -> None:
    point = points.reserve("mine", 30)
    points.keep("mine", point, Point("elastic", OPENED), 30)
    points.keep("mine", point, Point("elastic", OPENED), 600)
    assert ((tmp_path / "points") / "mine" / point).stat().st_mtime > time.time() + 500
    points.keep("mine", point, Point("another", OPENED), 600)
    assert points.find("mine", point).elastic == "another"


@pytest.mark.parametrize("walk", ["", "words", '{"a": [1, "b c"], "d": null}'])
def test_a_point_keeps_what_a_walk_goes_on_with(points: PointsInTime, tmp_path: Path, walk: str) -> None:
    point = points.reserve("mine", 60)
    points.keep("mine", point, Point("elastic", OPENED, walk), 60)
    assert points.find("mine", point) == Point("elastic", OPENED, walk)
    if not walk:
        # As an earlier version kept it.
        assert (tmp_path / "points/mine" / point).read_bytes() == f"{OPENED.isoformat()} elastic".encode()


def test_what_an_earlier_version_kept_is_begun_anew(points: PointsInTime, tmp_path: Path) -> None:
    point = points.reserve("mine", 60)
    points.keep("mine", point, Point("elastic", OPENED), 60)
    path = tmp_path / "points/mine" / point
    until = path.stat().st_mtime
    path.write_bytes(b"elastic")
    os.utime(path, (until, until))
    with pytest.raises(PointMissing):
        points.find("mine", point)
