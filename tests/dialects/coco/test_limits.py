"""Every limit: at it, one past it, and what a client reads then."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.dialects.coco import wire
from tests.dialects.coco.wire import file_part
from tests.support.app import Server, running_server

LIMITS: dict[str, Any] = {
    "MAX_FILE_SIZE": "1000",
    "MAX_REQUEST_SIZE": "3000",
    "MAX_FILES": "3",
    "MAX_FORM_FIELDS": "2",
    "MAX_FORM_FIELD_SIZE": "600",
    "MAX_JSON_SIZE": "200",
    "MAX_IDS": "4",
    "MAX_PAGE_SIZE": "5",
    "MAX_QUERY_LENGTH": "6",
}
MIB = 1 << 20


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("limits"), elasticsearch_url, **LIMITS) as server:
        yield server


@pytest.fixture(autouse=True)
def _nothing_stays(small: Server) -> Iterator[None]:
    """What a limit refused leaves nothing: the tests here remove what was accepted."""
    yield
    for hit in small.hits("size=5"):
        assert small.delete(hit["_source"]["url"]).status_code == 200
    assert small.stored_files() == []
    assert small.hits() == []


def field(name: str, value: bytes) -> bytes:
    return wire.part(f'name="{name}"'.encode(), value)


def assert_refused(answer: wire.Answer, status: int, reason: str) -> None:
    assert answer.status == status, answer
    assert answer.body.startswith(b'{"error":{"reason":"'), answer
    assert reason.encode() in answer.body
    assert answer.body.endswith(f',"status":{status}}}\n'.encode())


def test_file_size(small: Server) -> None:
    assert wire.upload(small, file_part(b"a", b"x" * 1000)).status == 200
    assert_refused(wire.upload(small, file_part(b"a", b"x" * 1001)), 413, "at most 1000 bytes")


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_too_large_among_three_refuses_all(small: Server, position: int) -> None:
    parts = [file_part(b"a", b"x" * (1001 if n == position else 10)) for n in range(3)]
    assert_refused(wire.upload(small, *parts), 413, "File too large")
    assert small.stored_files() == []
    assert small.hits() == []


def test_one_wrong_name_among_three_refuses_all(small: Server) -> None:
    answer = wire.upload(small, file_part(b"a", b"x"), file_part(b"b", b"x"), file_part(b"..", b"x"))
    assert_refused(answer, 400, "Invalid file name")


@pytest.mark.parametrize("chunked", [False, True])
def test_request_size(small: Server, chunked: bool) -> None:
    def send(size: int) -> wire.Answer:
        body = wire.form(file_part(b"a", b"x" * 1000), file_part(b"b", b"x" * 1000), field("pad", b"x" * 500))
        # The rest after the last boundary belongs to the body, and to nothing else.
        body += b" " * (size - len(body))
        if not chunked:
            return wire.exchange(small, "POST", "/attachment/_upload", body, Content_Type=wire.FORM_TYPE)
        with wire.connect(small) as connection:
            head = wire.head(
                small, "POST", "/attachment/_upload", Content_Type=wire.FORM_TYPE, Transfer_Encoding="chunked"
            )
            connection.sendall(head + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
            return wire.receive(connection)

    assert send(3000).status == 200
    assert_refused(send(3001), 413, "Request too large: at most 3000 bytes")


def test_files(small: Server) -> None:
    assert wire.upload(small, *[file_part(b"a", b"x")] * 3).status == 200
    assert_refused(wire.upload(small, *[file_part(b"a", b"x")] * 4), 413, "at most 3")


def test_form_fields(small: Server) -> None:
    fields = [field(f"f{n}", b"x") for n in range(3)]
    assert wire.upload(small, *fields[:2], file_part(b"a", b"x")).status == 200
    assert_refused(wire.upload(small, *fields, file_part(b"a", b"x")), 400, "too many form fields: at most 2")


def test_form_field_size(small: Server) -> None:
    assert wire.upload(small, field("x", b"x" * 600), file_part(b"a", b"x")).status == 200
    answer = wire.upload(small, file_part(b"a", b"x"), field("x", b"x" * 601))
    assert_refused(answer, 400, "form field [x] is longer than 600 bytes")


def test_session(small: Server) -> None:
    for path, parts in (("/chat/{}/_upload", []), ("/attachment/_upload", ["session"])):
        for length, status in ((512, 200), (513, 400)):
            fields = [field("session", b"s" * length) for _ in parts]
            answer = wire.upload(small, *fields, file_part(b"a", b"x"), path=path.format("s" * length))
            assert answer.status == status
            assert (b"parameter [session]" in answer.body) == (status == 400)


def test_query_page_and_ids(small: Server) -> None:
    for query, refused in (("size=5", "size=6"), ("query=123456", "query=1234567")):
        assert small.get(f"/attachment/_search?{query}").status_code == 200
        assert small.get(f"/attachment/_search?{refused}").status_code == 400
    for path in ("/attachment/_search", "/attachment/_status"):
        assert small.post(path, json={"attachments": ["x"] * 4}).status_code == 200
        assert small.post(path, json={"attachments": ["x"] * 5}).status_code == 400
    assert small.get("/attachment/_status?attachments=a,b,c,d").status_code == 200
    assert small.get("/attachment/_status?attachments=a,b,c,d,e").status_code == 400


def test_json_size(small: Server) -> None:
    body = b'{"attachments":["x"]}'
    for size, status in ((200, 200), (201, 413)):
        answer = small.post("/attachment/_search", data=body.ljust(size))
        assert answer.status_code == status, answer.text


def test_too_large_is_said_before_the_body(small: Server) -> None:
    with wire.connect(small) as connection:
        connection.sendall(
            wire.head(small, "POST", "/attachment/_upload", Content_Type=wire.FORM_TYPE, Content_Length=10**15)
        )
        # Not one byte of the body has been sent.
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_curl_reads_the_refusal(small: Server, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    for expect in ("Expect: 100-continue", "Expect:"):
        done = subprocess.run(
            ["curl", "-sS", "-w", "%{http_code}", "-H", f"X-API-TOKEN: {small.token}", "-H", expect]
            + ["-F", f"files=@{path}", f"{small.url}/attachment/_upload"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == '{"error":{"reason":"Request too large: at most 3000 bytes"},"status":413}\n413'


@pytest.mark.parametrize("token", [None, "wrong"])
def test_python_reads_the_refusal(small: Server, token: str | None) -> None:
    with requests.Session() as session:
        for _ in range(2):
            answer = session.post(
                f"{small.url}/attachment/_upload",
                files={"files": ("large.bin", bytes(64 * MIB))},
                headers=small.headers(token),
                timeout=60,
            )
            assert answer.status_code == (401 if token else 413)
            assert answer.json()["status"] == answer.status_code
