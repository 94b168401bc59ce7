"""The description names every route, and nothing else."""

import pytest
import requests
from flask import Flask

from app.auth.tokens import SCOPES
from app.settings import Settings
from app.web.access import PUBLIC, required_scope
from app.web.app import create_app
from app.web.describe import operation_of
from app.web.openapi.document import path_of
from tests.support.app import Server


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return create_app(Settings(data=tmp_path_factory.mktemp("data")))


def test_every_route_is_described(app: Flask) -> None:
    undescribed = [name for name, view in app.view_functions.items() if operation_of(view) is None]
    assert undescribed == []


def test_the_document_has_the_routes_of_the_url_map(app: Flask, server: Server) -> None:
    document = requests.get(f"{server.url}/openapi.json", timeout=60).json()
    described = {
        (path, method)
        for path, item in document["paths"].items()
        for method in item
        if method != "head"  # described only where it says something of its own
    }
    routes = {
        (path_of(rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == routes
    assert document["openapi"] == "3.1.0"


def test_operations_name_their_scope_and_have_unique_ids(app: Flask, server: Server) -> None:
    document = requests.get(f"{server.url}/openapi.json", timeout=60).json()
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    scopes = {required_scope(view) for view in app.view_functions.values()} - {PUBLIC}
    assert {operation.get("x-required-scope") for operation in operations} - {None} == scopes
    assert scopes <= set(SCOPES)
    for operation in operations:
        assert ("x-required-scope" in operation) == ("security" in operation)
        if "security" in operation:
            assert {"401", "403"} <= set(operation["responses"])


def test_a_websocket_is_a_get_that_may_be_answered_with_101(server: Server) -> None:
    """OpenAPI has no word for WebSockets: the two rules of the path, with the handshake and without, are one operation."""
    document = requests.get(f"{server.url}/openapi.json", timeout=60).json()
    item = document["paths"]["/api/v2/chats/{chat}/git/watch"]
    assert list(item) == ["get"]
    assert {"101", "400", "401", "403", "404", "426", "503"} <= set(item["get"]["responses"])
    assert "content" not in item["get"]["responses"]["101"]


def test_metrics_may_ask_for_a_token(server: Server) -> None:
    document = requests.get(f"{server.url}/openapi.json", timeout=60).json()
    assert {"200", "401", "403"} <= set(document["paths"]["/metrics"]["get"]["responses"])


def test_the_page_loads_nothing_from_elsewhere(server: Server) -> None:
    page = requests.get(f"{server.url}/openapi", timeout=60)
    assert page.status_code == 200
    assert "http" not in page.text.replace("<!doctype html>", "").replace("<html", "").replace("</html", "")
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"].split("style-src")[0]
    for asset in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        assert requests.get(f"{server.url}/openapi/{asset}", timeout=60).status_code == 200
    assert requests.get(f"{server.url}/openapi/..%2f..%2fapp.py", timeout=60).status_code == 404
