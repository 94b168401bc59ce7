"""scripts/elasticsearch, as people run it."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DOOR = Path(__file__).resolve().parents[3] / "scripts" / "elasticsearch"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_runs_until_a_signal(tmp_path: Path, request_json: Callable[..., Any], number: int) -> None:
    with subprocess.Popen(
        [DOOR, "--port", "0", "--data", "data here", "-E", "cluster.name=by-hand"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as door:
        assert door.stdout is not None
        url = next(word for word in door.stdout.readline().replace(",", "").split() if word.startswith("http"))
        assert request_json(f"{url}/_cluster/health")["cluster_name"] == "by-hand"
        assert (tmp_path / "data here" / "index").is_dir()

        door.send_signal(number)
        assert door.wait(120) == 0


def test_setting_without_a_value_is_a_wrong_argument(tmp_path: Path) -> None:
    done = subprocess.run([DOOR, "-E", "cluster.name"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "'cluster.name' is not key=value" in done.stderr
