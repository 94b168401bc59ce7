"""A dialect is a module and a line: the one that docs/dialects.md prints is put in, and is like the others."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from tests.support.app import ROOT, Server, running_server
from tests.support.multipart import Form, Part
from tests.support.speakers import SPEAKERS, Speaker

ACME = Speaker(
    dialect="acme",
    upload_path="/acme/files",
    unknown_path="/acme/no-such-route",
    token_headers=lambda token: {"Authorization": f"Bearer {token}"},
    body=lambda name, content: Form((Part("file", content, name),)),
    id_of=lambda answer: str(answer["id"]),
    error=lambda status, texts: {"problem": texts[0]},
)
# What app/web/dialects/__init__.py and the server's command line say, for a module that is not in the package.
WIRING = """
import acme
import app.web.dialects

{line}
from app.web.app import create_app
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """A server with the module and the line of the page, and nothing else."""
    page = (ROOT / "docs" / "dialects.md").read_text()
    line, module = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    line = re.sub(r"\b(?!acme\b)(\w+)\.dialect\b", r"app.web.dialects.\1.dialect", "app.web.dialects." + line)
    folder: Path = tmp_path_factory.mktemp("fifth")
    (folder / "acme.py").write_text(module)
    (folder / "fifth.py").write_text(WIRING.format(line=line))
    path = os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))
    with running_server(folder, elasticsearch_url, application="fifth:create_app()", PYTHONPATH=path) as running:
        yield running


def test_one_store(server: Server) -> None:
    attachment_id = ACME.stored(server, b"plan.txt", b"a plan")
    (hit,) = server.hits("query=plan&_source=dialect")
    assert (hit["_id"], hit["_source"]["dialect"]) == (attachment_id, "acme")
    assert server.get(f"/attachment/{attachment_id}").content == b"a plan"


def test_tokens_and_errors_in_its_own_shape(server: Server) -> None:
    expired = server.make_token(expires=datetime.now(UTC) - timedelta(seconds=1))
    before = server.stored_files()
    for token in ("", "wrong", expired):
        ACME.message(ACME.upload(server, b"a.txt", b"text", token), 401)
    ACME.message(ACME.upload(server, b"a.txt", b"text", server.make_token("read")), 403)
    ACME.message(ACME.upload(server, b"..", b"text"), 400)
    ACME.message(ACME.send(server, Form(())), 400)
    ACME.message(requests.post(server.url + ACME.unknown_path, timeout=60), 404)
    wrong = requests.put(server.url + ACME.upload_path, timeout=60)
    ACME.message(wrong, 405)
    assert "POST" in wrong.headers["Allow"]
    assert server.stored_files() == before


def test_another_dialects_route_is_unknown_below_its_prefix(server: Server) -> None:
    """Patterns of other dialects must not reach into a new one, nor its errors into theirs."""
    for speaker in SPEAKERS:
        speaker.message(requests.get(server.url + speaker.unknown_path, headers=speaker.shown(server), timeout=60), 404)
    ACME.message(requests.get(f"{server.url}/acme", headers=server.headers(), timeout=60), 404)


def test_described(server: Server) -> None:
    document = requests.get(f"{server.url}/openapi.json", timeout=60).json()
    operation = document["paths"]["/acme/files"]["post"]
    assert operation["x-required-scope"] == "write"
    assert operation["security"] == [{"acme": []}]
    assert document["components"]["securitySchemes"]["acme"] == {"type": "http", "scheme": "bearer"}
    assert {"200", "400", "401", "403", "408", "413", "500", "503", "507"} <= set(operation["responses"])
    shape = operation["responses"]["503"]["content"]["application/json"]["schema"]
    assert shape["required"] == ["problem"]
