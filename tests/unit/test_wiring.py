"""That the environment is read in one place, and that every route says who may call it. Who may import whom is held by
import-linter (setup.cfg), which sees imports and neither of these."""

from pathlib import Path

from app.auth.tokens import SCOPES
from app.settings import Settings
from app.web.access import PUBLIC, required_scope
from app.web.app import create_app

APP = Path(__file__).parents[2] / "app"


def test_only_the_settings_read_the_environment() -> None:
    # `create_app` and the server's configuration hand the environment on, and who starts processes; nothing else sees it.
    readers = {str(path.relative_to(APP)) for path in APP.rglob("*.py") if "os.environ" in path.read_text()}
    starting = {"commands/serve.py", "commands/early_server.py", "embedded_node/node.py", "embedded_node/artifacts.py"}
    assert readers <= {"web/app.py", "server/config.py", "commands/common.py", *starting}


def test_every_route_says_who_may_call_it(tmp_path: Path) -> None:
    app = create_app(Settings(data=tmp_path))
    scopes = {rule.rule: required_scope(app.view_functions[rule.endpoint]) for rule in app.url_map.iter_rules()}
    assert set(scopes.values()) <= {*SCOPES, PUBLIC}
    assert {
        path for path, scope in scopes.items() if scope == PUBLIC and path.startswith(("/attachment", "/chat"))
    } == set()
    assert scopes["/attachment/<attachment_id>"] in ("read", "delete")
