"""A door that is called in a folder where somebody else left modules imports none of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_user

ROOT = Path(__file__).parents[3]
#: Of the standard library, of what the product stands on, and of its own.
MODULES = (
    *("argparse", "contextlib", "json", "sitecustomize", "usercustomize", "venv", "ensurepip", "pip"),
    *("gunicorn", "flask", "elasticsearch", "jpype", "pypdfium2", "pytest"),
    *("app", "serve", "embedded_node", "early_server", "benchmarks"),
)


@pytest.mark.parametrize(
    "command",
    [
        ["scripts/serve", "--check"],
        ["scripts/store", "--help"],
        ["scripts/index", "--help"],
        ["scripts/token", "--help"],
        ["scripts/elasticsearch", "--help"],
        ["benchmarks/run", "--help"],
    ],
    ids=lambda command: command[0],
)
def test_nothing_is_imported_from_where_a_door_is_called(command: list[str], tmp_path: Path) -> None:
    loaded = tmp_path / "loaded"
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text(f"open({str(loaded)!r}, 'a').write({name!r} + ' ')\n")
    # As a user has it, who does not call through another door.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(ROOT / command[0]), *command[1:]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert not loaded.exists(), loaded.read_text()
    assert done.returncode == 0, done.stderr
