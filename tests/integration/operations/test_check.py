"""`scripts/serve --check`: what is in force, and whether a server could start on it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from app.settings import documented

ROOT = Path(__file__).parents[3]
NAMES = {name for name, _, _ in documented()}


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in NAMES}
    command = [str(ROOT / "scripts" / "serve"), "--check"]
    return subprocess.run(command, env={**inherited, **environment}, capture_output=True, text=True, timeout=120)


def test_every_setting_is_listed_with_where_it_is_from(tmp_path: Path) -> None:
    done = check(DATA=str(tmp_path / "data"), MAX_FILES="7", API_TOKEN="a-secret", ELASTICSEARCH_API_KEY="c2VjcmV0")
    assert done.returncode == 0, done.stderr
    rows = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert set(rows) == NAMES
    assert rows["MAX_FILES"].split() == ["7", "set"]
    assert rows["MAX_FILE_SIZE"].split() == ["512MiB", "default"]
    assert rows["API_TOKEN"].split() == ["***", "set"]
    assert rows["ELASTICSEARCH_API_KEY"].split() == ["***", "set"]
    assert rows["ELASTICSEARCH_PASSWORD"].split() == ["default"]
    assert rows["ELASTICSEARCH_URL"].strip() == "default: a node of its own"
    assert "a-secret" not in done.stdout + done.stderr
    assert not (tmp_path / "data").exists(), "it starts and makes nothing"


def test_what_is_wrong_is_named_without_the_secret() -> None:
    for environment, name in (
        ({"MAX_FILES": "none"}, "MAX_FILES"),
        ({"API_TOKEN": "t\u00f6ken"}, "API_TOKEN"),
        ({"ACCEL_REDIRECT": "attachments"}, "ACCEL_REDIRECT"),
        ({"FORWARDED_ALLOW_IPS": "proxy.example"}, "FORWARDED_ALLOW_IPS"),
        ({"METRICS_OPEN": "true"}, "METRICS_OPEN"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"ELASTICSEARCH_URL": "http://127.0.0.1:92000"}, "ELASTICSEARCH_URL"),
        ({"ELASTICSEARCH_API_KEY": "t\u00f6ken\n"}, "ELASTICSEARCH_API_KEY"),
    ):
        done = check(**environment)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith(f"{name}: ")
        assert "t\u00f6ken" not in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--port", "0"), 2, "is not a port from 1 to 65535"),
        (("--port", "65536"), 2, "is not a port from 1 to 65535"),
        (("--port", "-1"), 2, "is not a port from 1 to 65535"),
        (("--port", "9" * 5000), 2, "is not a port from 1 to 65535"),
        (("--data", "/dev/null"), 1, "can't start: The file could not be stored ([Errno 17] File exists: '/dev/null')"),
    ],
)
def test_options_that_no_server_can_start_with(options: tuple[str, ...], code: int, sentence: str) -> None:
    command = [str(ROOT / "scripts" / "serve"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
