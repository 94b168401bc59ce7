"""`POST /v1/embeddings`: OpenAI's own client, unmodified; curl; and what is refused, in OpenAI's shape."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import struct
import subprocess
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import openai
import pytest
import requests

from app.embeddings.contract import MOST_CHARACTERS, MOST_TEXTS
from tests.support.app import ROOT, Server, running_server
from tests.support.models import MODEL, patient_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    with patient_server(tmp_path_factory.mktemp("openai"), elasticsearch_url, WEB_WORKERS="2") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.make_token("read"), timeout=180) as made:
        yield made


def post(server: Server, body: Any, token: str | None = None, **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token or server.token}", "Content-Type": "application/json"}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(f"{server.url}/v1/embeddings", data=data, headers=headers, timeout=180, **options)


def error_of(answer: requests.Response, status: int) -> dict[str, Any]:
    """The error in an answer, which must have this status and OpenAI's shape and nothing else."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()) == {"error"}
    found: dict[str, Any] = answer.json()["error"]
    assert set(found) == {"message", "type", "param", "code"}
    assert found["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    return found


def test_the_client_of_openai(client: openai.OpenAI) -> None:
    """Which asks for base64 where its user does not say."""
    texts = ["a red car", "ein rotes Auto", "the annual report"]
    found = client.embeddings.create(model=MODEL, input=texts)
    assert [each.index for each in found.data] == [0, 1, 2]
    assert (found.object, found.model) == ("list", MODEL)
    assert {len(each.embedding) for each in found.data} == {512}
    assert found.usage.prompt_tokens == found.usage.total_tokens > 10
    one, same, other = (each.embedding for each in found.data)
    assert math.dist(one, same) < math.dist(one, other)
    plain = client.embeddings.create(model=MODEL, input=texts, encoding_format="float", dimensions=512, user="me")
    for first, second in zip(found.data, plain.data, strict=True):
        assert first.embedding == pytest.approx(second.embedding, abs=1e-6)


def test_the_clients_errors(server: Server, client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="model_not_found"):
        client.embeddings.create(model="text-embedding-3-small", input="x")
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model=MODEL, input="x", dimensions=256)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").embeddings.create(model=MODEL, input="x")
    with pytest.raises(openai.PermissionDeniedError, match="read"):
        client.with_options(api_key=server.make_token("search", "write")).embeddings.create(model=MODEL, input="x")


@pytest.mark.needs("curl")
def test_curl_as_the_page_prints_it(server: Server) -> None:
    page = (ROOT / "docs" / "dialects.md").read_text()
    (section,) = re.findall(r"^## OpenAI\n(.*?)^## ", page, re.DOTALL | re.MULTILINE)
    (command,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    environment = {**os.environ, "URL": server.url, "TOKEN": server.token, "no_proxy": "*"}
    done = subprocess.run(
        ["sh", "-ec", command], env=environment, capture_output=True, text=True, timeout=180, check=True
    )
    answer = json.loads(done.stdout)
    assert [len(each["embedding"]) for each in answer["data"]] == [512, 512]


def test_both_forms_are_one_vector(server: Server) -> None:
    plain = post(server, {"model": MODEL, "input": "a text"}).json()["data"][0]["embedding"]
    packed = post(server, {"model": MODEL, "input": ["a text"], "encoding_format": "base64"}).json()["data"][0]
    assert list(struct.unpack("<512f", base64.b64decode(packed["embedding"]))) == plain
    assert packed["object"] == "embedding"
    assert math.isclose(math.hypot(*plain), 1, abs_tol=1e-5)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_request"),
        (b"{", "invalid_request"),
        (b"[]", "invalid_request"),
        (b"\xff\xfe", "invalid_request"),
        (b"[" * 50_000, "invalid_request"),
        ({"model": MODEL}, "invalid_parameter"),
        ({"input": "x"}, "invalid_parameter"),
        ({"model": 1, "input": "x"}, "invalid_parameter"),
        ({"model": MODEL, "input": None}, "invalid_parameter"),
        ({"model": MODEL, "input": []}, "invalid_parameter"),
        ({"model": MODEL, "input": {"text": "x"}}, "invalid_parameter"),
        ({"model": MODEL, "input": [1, 2, 3]}, "invalid_parameter"),
        ({"model": MODEL, "input": [[1, 2], [3]]}, "invalid_parameter"),
        ({"model": MODEL, "input": ["x", 1]}, "invalid_parameter"),
        ({"model": MODEL, "input": "x", "dimensions": 511}, "invalid_parameter"),
        ({"model": MODEL, "input": "x", "dimensions": True}, "invalid_parameter"),
        ({"model": MODEL, "input": "x", "dimensions": "512"}, "invalid_parameter"),
        ({"model": MODEL, "input": "x", "encoding_format": "int8"}, "invalid_parameter"),
        ({"model": MODEL, "input": "x", "encoding_format": []}, "invalid_parameter"),
        ({"model": MODEL, "input": "x", "user": 1}, "invalid_parameter"),
        ({"model": MODEL, "input": "x", "tenant": "another"}, "invalid_parameter"),
        ({"model": MODEL, "input": ""}, "text_refused"),
        ({"model": MODEL, "input": ["x", ""]}, "text_refused"),
        (b'{"model": "%s", "input": "\\ud800"}' % MODEL.encode(), "text_refused"),
        ({"model": MODEL, "input": "x" * 80_000}, "text_too_long"),
        ({"model": MODEL, "input": "x" * (MOST_CHARACTERS + 1)}, "text_too_long"),
        ({"model": MODEL, "input": "\ufdfa" * 200}, "text_too_long"),
        ({"model": MODEL, "input": ["x"] * (MOST_TEXTS["passages"] + 1)}, "too_many_texts"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_refused(server: Server, body: Any, code: str) -> None:
    assert error_of(post(server, body), 400)["code"] == code


def test_the_parameter_is_named(server: Server) -> None:
    assert error_of(post(server, {"model": MODEL, "input": []}), 400)["param"] == "input"
    assert error_of(post(server, {"model": MODEL, "input": ""}), 400)["param"] is None


@pytest.mark.parametrize("name", ["", "gpt", MODEL.upper(), "x" * 10_000, "\0"], ids=lambda name: repr(name[:20]))
def test_another_model(server: Server, name: str) -> None:
    error = error_of(post(server, {"model": name, "input": "x"}), 404)
    assert (error["code"], MODEL in error["message"]) == ("model_not_found", True)


def test_a_body_of_ten_megabytes_is_not_read(server: Server) -> None:
    body = json.dumps({"model": MODEL, "input": ["x" * 2000] * 5000}).encode()
    assert len(body) > 10_000_000
    assert error_of(post(server, body), 413)["code"] == "request_too_large"


def test_texts_with_nul_and_other_scripts(server: Server) -> None:
    texts = ["\0", "a\0b", "😀" * 100, "السلام عليكم", "\u202etxt.exe", "ﷺ"]
    answer = post(server, {"model": MODEL, "input": texts})
    assert answer.status_code == 200
    assert len(answer.json()["data"]) == len(texts)


def test_unknown_paths_and_methods(server: Server) -> None:
    shown = {"Authorization": f"Bearer {server.token}"}
    for path in ("/v1", "/v1/", "/v1/models", "/v1/embeddings/x", "/v1/chat/completions"):
        assert error_of(requests.get(server.url + path, headers=shown, timeout=60), 404)
    answer = requests.get(f"{server.url}/v1/embeddings", headers=shown, timeout=60)
    assert error_of(answer, 405)
    assert "POST" in answer.headers["Allow"]


def test_who_may(server: Server) -> None:
    answer = requests.post(f"{server.url}/v1/embeddings", json={"model": MODEL, "input": "x"}, timeout=60)
    assert error_of(answer, 401)["code"] == "unauthenticated"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert error_of(post(server, {"model": MODEL, "input": "x"}, server.make_token("admin")), 403)
    # A token in another dialect's header is none.
    other = requests.post(f"{server.url}/v1/embeddings", json={}, headers={"X-API-TOKEN": server.token}, timeout=60)
    assert error_of(other, 401)


def test_off(server: Server, tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> None:
    with running_server(tmp_path_factory.mktemp("off"), elasticsearch_url, WEB_WORKERS="1") as off:
        assert error_of(post(off, {"model": MODEL, "input": "x"}), 404)["code"] == "embeddings_off"
        with openai.OpenAI(base_url=f"{off.url}/v1", api_key=off.token) as client, pytest.raises(openai.NotFoundError):
            client.embeddings.create(model=MODEL, input="x")


def test_described(server: Server) -> None:
    document = requests.get(f"{server.url}/openapi.json", timeout=60).json()
    operation = document["paths"]["/v1/embeddings"]["post"]
    for body, status in (({"model": MODEL, "input": ["x", "y"]}, 200), ({"model": MODEL, "input": []}, 400)):
        schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
        jsonschema_rs.validate(schema, post(server, body).json())
    assert operation["x-required-scope"] == "read"
    assert {"200", "400", "401", "403", "404", "413", "503"} <= set(operation["responses"])
    assert "embeddings_unavailable" in operation["responses"]["503"]["description"]
