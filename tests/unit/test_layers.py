"""Who may import whom, and that every route says who may call it."""

import ast
from pathlib import Path

import pytest

from app.http.access import PUBLIC, required_scope
from app.settings import Settings
from app.tokens import SCOPES
from app.wiring import create_app

APP = Path(__file__).parents[2] / "app"

#: What no module of these folders may import, directly: its own storages' business.
FORBIDDEN = {
    "dialects": ("app.index", "app.blobs", "app.journal", "elasticsearch", "elastic_transport"),
    "http": ("app.index", "app.blobs.files", "app.blobs.filesystem", "app.journal", "app.dialects", "elasticsearch"),
    "search": ("app.index", "app.blobs", "app.store", "app.http", "app.dialects", "flask", "elasticsearch"),
    "index": ("app.store", "app.blobs", "app.http", "app.dialects", "flask"),
    "blobs": ("app.store", "app.index", "app.http", "app.dialects", "flask", "elasticsearch"),
}


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_no_layer_reaches_past_its_neighbour(layer: str) -> None:
    modules = sorted((APP / layer).rglob("*.py"))
    assert modules
    broken = [
        f"{path.relative_to(APP)} imports {name}"
        for path in modules
        for name in imported(path)
        if any(name == each or name.startswith(f"{each}.") for each in FORBIDDEN[layer])
    ]
    assert broken == []


def test_only_the_settings_read_the_environment() -> None:
    # `create_app` and the server's configuration hand the environment on, and who starts processes; nothing else sees it.
    readers = {str(path.relative_to(APP)) for path in APP.rglob("*.py") if "os.environ" in path.read_text()}
    starting = {"commands/serve.py", "commands/early_server.py", "embedded_node/node.py", "embedded_node/artifacts.py"}
    assert readers <= {"wiring.py", "server.py", "commands/common.py", *starting}


def test_every_route_says_who_may_call_it(tmp_path: Path) -> None:
    app = create_app(Settings(data=tmp_path))
    scopes = {rule.rule: required_scope(app.view_functions[rule.endpoint]) for rule in app.url_map.iter_rules()}
    assert set(scopes.values()) <= {*SCOPES, PUBLIC}
    assert {
        path for path, scope in scopes.items() if scope == PUBLIC and path.startswith(("/attachment", "/chat"))
    } == set()
    assert scopes["/attachment/<attachment_id>"] in ("read", "delete")
