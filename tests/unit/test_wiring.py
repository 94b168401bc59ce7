"""That the environment is read in one place, that every route says who may call it, and that nothing of a request stays
behind. Who may import whom is held by import-linter (setup.cfg), which sees imports and none of these."""

from pathlib import Path

from werkzeug.test import EnvironBuilder

from app import processing
from app.auth.tokens import NOBODY, SCOPES
from app.processing import MOST_STEPS
from app.settings import Settings
from app.web.access import PUBLIC, required_scope, tenant
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


def test_a_thread_keeps_nothing_of_a_request_that_is_answered(tmp_path: Path) -> None:
    app = create_app(Settings(data=tmp_path, api_token="secret"))
    client = app.test_client()
    known, unknown = {"X-API-TOKEN": "secret"}, {"X-API-TOKEN": "another"}
    assert client.head("/attachment/d4s0000000000000000g", headers=known).status_code == 404
    assert client.get("/attachment/d4s0000000000000000g", headers=unknown).status_code == 401
    assert client.get("/health/live").status_code == 200
    assert client.get("/no/such/route").status_code == 404
    # Steps are counted for a request alone; its connection, too, is then nobody's.
    processing.spend(2 * MOST_STEPS)


def test_a_thread_keeps_nothing_of_a_request_whose_body_has_not_arrived(tmp_path: Path) -> None:
    app = create_app(Settings(data=tmp_path, api_token="secret"))
    for token, whose in (("secret", "default"), ("another", None)):
        environ = EnvironBuilder("/attachment/_upload", method="POST", headers=[("X-API-TOKEN", token)]).get_environ()
        assert app.admits(environ) == whose  # type: ignore[attr-defined]
        processing.spend(2 * MOST_STEPS)


def test_a_route_knows_whose_request_it_serves(tmp_path: Path) -> None:
    """The second of two requests of one thread does not have the first one's token."""
    app = create_app(Settings(data=tmp_path, api_token="secret"))
    client = app.test_client()
    assert client.get("/attachment/_status?attachments=", headers={"X-API-TOKEN": "secret"}).status_code == 200
    assert client.get("/attachment/_status?attachments=").status_code == 401
    with app.test_request_context("/health/live"):
        assert tenant() == NOBODY
