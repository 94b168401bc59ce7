"""EMBEDDINGS=URL: vectors of another server. A second instance of this one, and a server whose answers are wrong."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.embeddings.checked import Checked
from app.embeddings.contract import ModelId
from app.embeddings.remote import MOST_DIMENSIONS, Remote, read
from app.errors import EmbeddingsUnavailable, InvalidSetting
from app.settings import Settings
from tests.support.app import Server, running_server
from tests.support.models import MODEL, await_that, embed, patient_server


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """The server that has the model."""
    with patient_server(tmp_path_factory.mktemp("behind"), elasticsearch_url, WEB_WORKERS="1") as running:
        yield running


def asking(behind: Server, **more: Any) -> Checked:
    given = {
        "embeddings": f"{behind.url}/v1",
        "embeddings_model": MODEL,
        "embeddings_key": behind.make_token("read"),
        **more,
    }
    settings = Settings(**given)
    return Checked(Remote(settings), 60, 120)


def test_the_same_vectors_in_batches(behind: Server) -> None:
    texts = [f"text number {number}, of some length" for number in range(11)]
    expected = [each["embedding"] for each in embed(behind, texts).json()["data"]]
    embeddings = asking(behind, embeddings_batch=4)
    found = embeddings.passages(texts, "a")
    assert found.model == ModelId(MODEL, "", 512) == embeddings.model()
    assert found.tokens is not None
    assert found.tokens > 11
    for one, other in zip(found.vectors, expected, strict=True):
        assert list(one) == pytest.approx(other, abs=1e-5)
    assert embeddings.state().missing is None


def test_the_model_is_learned_at_first_use(behind: Server) -> None:
    assert asking(behind).model() == ModelId(MODEL, "", 512)


def test_a_second_instance_gives_them_on(behind: Server, tmp_path: Path, elasticsearch_url: str) -> None:
    """Which starts no process itself, and has the key of a file."""
    token = behind.make_token("read", name="to-revoke")
    key = tmp_path / "key"
    key.write_text(f"{token}\n")
    with running_server(
        tmp_path,
        elasticsearch_url,
        EMBEDDINGS=f"{behind.url}/v1",
        EMBEDDINGS_MODEL=MODEL,
        EMBEDDINGS_KEY_FILE=str(key),
        EMBEDDINGS_TIMEOUT="120",
        LOG_LEVEL="debug",
    ) as front:
        found = embed(front, ["the same", "text"]).json()
        assert found["model"] == MODEL
        for one, other in zip(found["data"], embed(behind, ["the same", "text"]).json()["data"], strict=True):
            assert one["embedding"] == pytest.approx(other["embedding"], abs=1e-6)
        assert found["usage"]["total_tokens"] > 2
        # The server behind refuses the key from now on.
        behind.tokens.revoke("to-revoke")
        refused = embed(front, ["refused"])
        assert (refused.status_code, "key" in refused.json()["error"]["message"]) == (503, True)
        assert front.get("/health").status_code == 200
        front.stop()
        assert token not in front.log.read_text()


def test_who_refuses(behind: Server) -> None:
    for more, why in (
        ({"embeddings_key": "wrong"}, "key"),
        ({"embeddings_key": None}, "key"),
        ({"embeddings_model": "another"}, "no such model"),
        ({"embeddings": behind.url}, "no such model"),
    ):
        embeddings = asking(behind, **more)
        with pytest.raises(EmbeddingsUnavailable, match=why):
            embeddings.queries(["x"], "a")
        assert why in (embeddings.state().missing or "")


def test_while_it_is_away(behind: Server) -> None:
    embeddings = asking(behind)
    impatient = Checked(embeddings._source, 1.0, 120)
    first = embeddings.queries(["x"], "a")
    behind.stop()
    with pytest.raises(EmbeddingsUnavailable):
        impatient.queries(["x"], "a")
    assert impatient.state().missing is not None
    behind.start()
    await_that(lambda: vectors_of(embeddings) is not None)
    # The kept connection is at its end, and nobody notices.
    assert embeddings.queries(["x"], "a") == first
    assert embeddings.state().missing is None


def vectors_of(embeddings: Checked) -> object:
    with contextlib.suppress(EmbeddingsUnavailable):
        return embeddings.queries(["x"], "a")
    return None


def test_stopped_it_keeps_nobody(behind: Server) -> None:
    embeddings = asking(behind)
    assert embeddings.queries(["x"], "a")
    impatient = Checked(embeddings._source, 0.3, 0.3)
    for pid in behind.worker_pids():
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddingsUnavailable, match="in time"):
            impatient.queries(["x"], "a")
    finally:
        for pid in behind.worker_pids():
            os.kill(pid, signal.SIGCONT)
    assert embeddings.queries(["x"], "a")


# A server whose answers are wrong

Answer = Callable[[int], tuple[int, dict[str, str], bytes]]


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server at that URL; what it was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append({"path": self.path, "headers": dict(self.headers), "body": json.loads(body)})
            status, headers, content = answer(len(asked))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", asked
        finally:
            server.shutdown()
            thread.join()


def good(vectors: list[list[float]], **more: Any) -> bytes:
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data, "model": "m", **more}).encode()


def at(url: str, seconds: float = 30, **more: Any) -> Checked:
    return Checked(Remote(Settings(embeddings=url, embeddings_model="m", **more)), seconds, seconds)


def test_what_is_sent() -> None:
    with answering(lambda _: (200, {}, good([[3, 4]]))) as (url, asked):
        found = at(url, embeddings_key="the-key").queries(["ä text"], "a")
    assert [list(each) for each in found.vectors] == [[pytest.approx(0.6), pytest.approx(0.8)]]
    assert (found.model, found.tokens) == (ModelId("m", "", 2), None)
    (request,) = asked
    assert request["path"] == "/v1/embeddings"
    assert request["body"] == {"model": "m", "input": ["ä text"], "encoding_format": "float"}
    assert request["headers"]["Authorization"] == "Bearer the-key"
    assert request["headers"]["Accept-Encoding"] == "identity"


def test_order_is_by_index() -> None:
    data = [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [1, 0]}]
    content = json.dumps({"data": data, "usage": {"prompt_tokens": 7}}).encode()
    vectors, tokens = read(content, 2)
    assert ([list(each) for each in vectors], tokens) == ([[1, 0], [0, 1]], 7)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no JSON",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"null",
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": [1]}',
        b'{"data": [{"index": 0}]}',
        b'{"data": [{"embedding": [1]}]}',
        b'{"data": [{"index": [], "embedding": [1]}]}',
        b'{"data": [{"index": "0", "embedding": [1]}]}',
        b'{"data": [{"index": 1, "embedding": [1]}]}',
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}',
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1]}]}',
        b'{"data": [{"index": 0, "embedding": []}]}',
        b'{"data": [{"index": 0, "embedding": null}]}',
        b'{"data": [{"index": 0, "embedding": ["1"]}]}',
        b'{"data": [{"index": 0, "embedding": [[1]]}]}',
        b'{"data": [{"index": 0, "embedding": [NaN, 1]}]}',
        b'{"data": [{"index": 0, "embedding": [Infinity, 1]}]}',
        b'{"data": [{"index": 0, "embedding": [1e300, 1]}]}',
        b'{"data": [{"index": 0, "embedding": [1%s]}]}' % (b"0" * 400),
        b'{"data": [{"index": 0, "embedding": [0, 0]}]}',
        json.dumps({"data": [{"index": 0, "embedding": [1] * (MOST_DIMENSIONS + 1)}]}).encode(),
    ],
    ids=lambda content: repr(content[:50]),
)
def test_no_vectors(content: bytes) -> None:
    with pytest.raises(EmbeddingsUnavailable):
        read(content, 1)


def test_vectors_of_several_sizes() -> None:
    with pytest.raises(EmbeddingsUnavailable):
        read(good([[1, 0], [1, 0, 0]]), 2)


def test_vectors_of_another_size_than_before() -> None:
    answers = [good([[1, 0]]), good([[1, 0, 0]]), good([[0, 1]])]
    with answering(lambda number: (200, {}, answers[number - 1])) as (url, _):
        embeddings = at(url)
        assert embeddings.queries(["x"], "a")
        with pytest.raises(EmbeddingsUnavailable, match="another size"):
            embeddings.queries(["x"], "a")
        assert embeddings.queries(["x"], "a").model.dimensions == 2


def test_no_redirect_is_followed() -> None:
    with answering(lambda _: (200, {}, good([[1]]))) as (other, unasked):
        for status in (301, 302, 303, 307, 308):
            moved = (status, {"Location": f"{other}/embeddings"}, b"")
            with (
                answering(lambda _, moved=moved: moved) as (url, asked),  # type: ignore[misc]
                pytest.raises(EmbeddingsUnavailable, match="redirect"),
            ):
                at(url, embeddings_key="k").queries(["x"], "a")
            assert len(asked) == 1
    assert unasked == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_it_is_asked_again(status: int) -> None:
    refused = (status, {"Retry-After": "1"} if status == 429 else {}, b"later")
    with answering(lambda number: refused if number < 3 else (200, {}, good([[1]]))) as (url, asked):
        embeddings = at(url)
        assert embeddings.queries(["x"], "a").vectors
        assert len(asked) == 3
        assert embeddings.state().missing is None


def test_it_is_not_asked_before_it_wants() -> None:
    """And whoever would not wait so long is refused at once, as long as that."""
    with answering(lambda _: (503, {"Retry-After": "200"}, b"")) as (url, asked):
        embeddings = at(url)
        began = time.monotonic()
        for _ in range(3):
            with pytest.raises(EmbeddingsUnavailable) as raised:
                embeddings.queries(["x"], "a")
            assert 0 < (raised.value.retry_after or 0) <= 200
        assert time.monotonic() - began < 100
        assert len(asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 204, 206])
def test_what_is_refused_is_not_asked_again(status: int) -> None:
    with answering(lambda _: (status, {}, b"")) as (url, asked):
        with pytest.raises(EmbeddingsUnavailable):
            at(url).queries(["x"], "a")
        assert len(asked) == 1


def test_an_answer_without_end_is_not_read_to_it() -> None:
    huge = b" " * (64 * 1024 * 1024)
    with answering(lambda _: (200, {}, huge)) as (url, asked):
        with pytest.raises(EmbeddingsUnavailable, match="more than was asked"):
            at(url).queries(["x"], "a")
        assert len(asked) == 1


def test_an_answer_that_is_packed_is_not_unpacked() -> None:
    packed = gzip.compress(good([[1]]))
    with (
        answering(lambda _: (200, {"Content-Encoding": "gzip"}, packed)) as (url, _),
        pytest.raises(EmbeddingsUnavailable, match="no vectors"),
    ):
        at(url).queries(["x"], "a")


def test_nobody_there() -> None:
    with pytest.raises(EmbeddingsUnavailable, match="reached"):
        at("http://127.0.0.1:9/v1", seconds=120).queries(["x"], "a")


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"EMBEDDINGS": "on"}, "EMBEDDINGS"),
        ({"EMBEDDINGS": ""}, "EMBEDDINGS"),
        ({"EMBEDDINGS": "ftp://x/v1", "EMBEDDINGS_MODEL": "m"}, "EMBEDDINGS"),
        ({"EMBEDDINGS": "http://user:pass@x/v1", "EMBEDDINGS_MODEL": "m"}, "EMBEDDINGS"),
        ({"EMBEDDINGS": "http://x/v1"}, "EMBEDDINGS_MODEL"),
        ({"EMBEDDINGS_KEY": "a\nb"}, "EMBEDDINGS_KEY"),
        ({"EMBEDDINGS_KEY": "a", "EMBEDDINGS_KEY_FILE": "/dev/null"}, "EMBEDDINGS_KEY_FILE"),
        ({"EMBEDDINGS_KEY_FILE": "/dev/null"}, "EMBEDDINGS_KEY_FILE"),
        ({"EMBEDDINGS_KEY_FILE": "/nonexistent"}, "EMBEDDINGS_KEY_FILE"),
        ({"EMBEDDINGS_CA_CERTS": "/dev/null"}, "EMBEDDINGS_CA_CERTS"),
        ({"EMBEDDINGS_BATCH": "0"}, "EMBEDDINGS_BATCH"),
    ],
    ids=str,
)
def test_settings_that_cant_be_right(environ: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidSetting, match=named) as raised:
        Settings.from_environ(environ)
    assert "pass" not in str(raised.value)


def test_the_key_is_not_shown() -> None:
    assert "the-key" not in repr(Settings(embeddings_key="the-key"))
    assert math.isfinite(Settings().embeddings_timeout)
