"""Uploads: what arrives whole is kept whole, and of everything else nothing stays."""

import base64
import hashlib
import json
import socket
import subprocess
from pathlib import Path

import pytest

from tests.dialects.coco import wire
from tests.dialects.coco.wire import file_part
from tests.support.app import Server, ServerFactory

pytestmark = pytest.mark.any_user

KIB = 1024


@pytest.mark.parametrize("path", ["/chat/routes/_upload", "/attachment/_upload"])
def test_both_routes(server: Server, path: str) -> None:
    data = {} if path.startswith("/chat") else {"session": "routes2"}
    answer = server.post(path, files=[("files", ("a.txt", b"one")), ("files", ("b.txt", b"two"))], data=data)
    assert answer.status_code == 200
    assert list(answer.json()) == ["acknowledged", "attachments"]
    ids = answer.json()["attachments"]
    assert ids == sorted(ids)
    assert [server.get(f"/attachment/{each}").content for each in ids] == [b"one", b"two"]
    hits = server.hits(f"session={data.get('session', 'routes')}&sort=created")
    assert [(hit["_id"], hit["_source"]["name"]) for hit in hits] == [(ids[0], "a.txt"), (ids[1], "b.txt")]


def test_without_a_session(server: Server) -> None:
    token = server.make_token(tenant="no-session")
    (attachment_id,) = server.upload(("a.txt", b"x"), token=token)
    (hit,) = server.hits(token=token)
    assert (hit["_id"], hit["_source"]["session"]) == (attachment_id, None)


def test_a_file_of_no_bytes_is_a_file(server: Server) -> None:
    empty, full = server.upload(("empty.bin", b""), ("full.bin", b"x"), session="empty")
    answer = server.get(f"/attachment/{empty}")
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "0")
    assert answer.headers["ETag"] == f'"{hashlib.sha256().hexdigest()}"'
    assert server.request("HEAD", f"/attachment/{empty}").headers["Content-Length"] == "0"
    assert {hit["_id"]: hit["_source"]["size"] for hit in server.hits("session=empty")} == {empty: 0, full: 1}


def test_a_body_in_chunks_needs_no_length(server: Server, tmp_path: Path) -> None:
    content = bytes(range(256)) * 12_000
    path = tmp_path / "chunked.bin"
    path.write_bytes(content)
    done = subprocess.run(
        ["curl", "-sS", "-H", f"X-API-TOKEN: {server.token}", "-H", "Transfer-Encoding: chunked"]
        + ["-F", f"files=@{path}", f"{server.url}/chat/chunked/_upload"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert done.startswith('{"acknowledged":true')
    (hit,) = server.hits("session=chunked")
    assert server.get(hit["_source"]["url"]).content == content


def test_an_upload_that_breaks_leaves_nothing(start_server: ServerFactory) -> None:
    server = start_server()
    with wire.connect(server) as connection:
        connection.sendall(
            wire.head(server, "POST", "/chat/s/_upload", Content_Type=wire.FORM_TYPE, Transfer_Encoding="chunked")
        )
        start = file_part(b"a", b"x" * 1000)[:-2]
        connection.sendall(f"{len(start):x}\r\n".encode() + start + b"\r\nzz\r\n")
        answer = wire.receive(connection)
    assert answer.status == 400, answer
    assert server.stored_files() == []
    _cut_off(server)


def _cut_off(server: Server) -> None:
    body = wire.form(file_part(b"cut.bin", b"c" * 400 * KIB), file_part(b"second.bin", b"d" * 400 * KIB))
    for share in (0, 1, 50, 99):
        for reset in (False, True):
            with wire.connect(server) as connection:
                connection.sendall(
                    wire.head(
                        server, "POST", "/chat/cut/_upload", Content_Type=wire.FORM_TYPE, Content_Length=len(body)
                    )
                )
                connection.sendall(body[: len(body) * share // 100])
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                else:
                    connection.shutdown(socket.SHUT_WR)
                    answer = wire.receive(connection)
                    assert answer.status == 400, (share, answer)
                    assert b'{"error":{"reason":' in answer.body
        wire.eventually(lambda: server.stored_files() == [])
        assert server.hits() == []
    # The same body whole is kept: what was refused was refused for its end alone.
    answer = wire.exchange(server, "POST", "/chat/cut/_upload", body, Content_Type=wire.FORM_TYPE)
    assert answer.status == 200
    assert len(server.hits("session=cut")) == 2


FILE = b'name="files"; filename="a.bin"'
CONTENT = bytes(range(256)) * 4096


@pytest.mark.parametrize(
    ("encoding", "sent", "kept"),
    [
        (b"binary", CONTENT, CONTENT),
        (b"8BIT", CONTENT, CONTENT),
        (b" 7bit ", b"plain", b"plain"),
        (b"base64", base64.b64encode(CONTENT), CONTENT),
        (b"Base64", base64.encodebytes(CONTENT).replace(b"\n", b"\r\n"), CONTENT),
        (b"base64", base64.b64encode(CONTENT + b"x"), CONTENT + b"x"),
        (b"base64", b"", b""),
        (b"base64", b"aGVsbG8", None),
        (b"base64", b"aGVs!bG8=", None),
        (b"base64", b"aGVsbG8=aGVs", None),
        (b"quoted-printable", b"h=C3=A4llo", None),
        (b"gzip", b"x", None),
    ],
)
def test_what_a_part_is_encoded_with_is_decoded_or_refused(
    server: Server, encoding: bytes, sent: bytes, kept: bytes | None
) -> None:
    before = server.stored_files()
    part = wire.part(FILE, sent, b"Content-Transfer-Encoding: " + encoding)
    answer = wire.upload(server, part)
    if kept is None:
        assert answer.status == 400, answer
        assert b'{"error":{"reason":"' in answer.body
        assert server.stored_files() == before
        return
    assert answer.status == 200, answer
    assert server.get(f"/attachment/{json.loads(answer.body)['attachments'][0]}").content == kept


def test_a_field_is_decoded_too(server: Server) -> None:
    session = wire.part(b'name="session"', base64.b64encode(b"encoded"), b"Content-Transfer-Encoding: base64")
    body = wire.form(session, wire.part(FILE, b"x"))
    assert wire.exchange(server, "POST", "/attachment/_upload", body, Content_Type=wire.FORM_TYPE).status == 200
    assert len(server.hits("session=encoded")) == 1


def test_an_input_without_a_file_is_no_file(server: Server) -> None:
    """A browser sends an empty name and no bytes for it."""
    empty = wire.part(b'name="files"; filename=""', b"")
    body = wire.form(empty, wire.part(FILE, b"x"), wire.part(b'name="session"', b"one of two"), empty)
    assert wire.exchange(server, "POST", "/attachment/_upload", body, Content_Type=wire.FORM_TYPE).status == 200
    assert len(server.hits("session=one of two")) == 1
    answer = wire.exchange(server, "POST", "/attachment/_upload", wire.form(empty), Content_Type=wire.FORM_TYPE)
    assert (answer.status, b"No files uploaded" in answer.body) == (400, True)


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"", wire.FORM_TYPE, "Failed to parse multipart form"),
        (b"x", "text/plain", "Failed to parse multipart form"),
        (b"x", "multipart/form-data", "Failed to parse multipart form"),
        (b"x", "multipart/form-data; boundary=", "Failed to parse multipart form"),
        (b"no form at all", wire.FORM_TYPE, "Failed to parse multipart form"),
        (file_part(b"a", b"x"), wire.FORM_TYPE, "Failed to parse multipart form"),
        (wire.form(), wire.FORM_TYPE, "No files uploaded"),
        (wire.form(wire.part(b'name="session"', b"s")), wire.FORM_TYPE, "No files uploaded"),
        (wire.form(wire.part(b'name="files"', b"no file")), wire.FORM_TYPE, "No files uploaded"),
        (wire.form(file_part(b"a", b"x", field=b"file")), wire.FORM_TYPE, "unexpected file field [file]"),
        (wire.form(wire.part(b'name="session"', b"\xff"), file_part(b"a", b"x")), wire.FORM_TYPE, "not UTF-8"),
    ],
)
def test_what_is_no_upload(server: Server, body: bytes, content_type: str, reason: str) -> None:
    answer = wire.exchange(server, "POST", "/attachment/_upload", body, Content_Type=content_type)
    assert answer.status == 400, answer
    assert reason.encode() in answer.body
    assert answer.body.endswith(b',"status":400}\n')


def test_a_session_sent_twice_is_refused(server: Server) -> None:
    parts = [wire.part(b'name="session"', b"a"), wire.part(b'name="session"', b"b"), file_part(b"a", b"x")]
    answer = wire.upload(server, *parts)
    assert answer.status == 400
    assert b"[session]" in answer.body


def test_the_media_type_is_what_the_content_says(server: Server) -> None:
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(40)
    body = [("files", ("x.html", png, "text/html")), ("files", ("y.png", b"<html><script>", "image/png"))]
    ids = server.post("/attachment/_upload", files=body).json()["attachments"]
    first, second = (server.get(f"/attachment/{each}").headers for each in ids)
    assert first["Content-Type"] == "image/png"
    assert first["Content-Disposition"].startswith("inline;")
    assert second["Content-Type"].startswith("text/html")
    assert second["Content-Disposition"].startswith("attachment;")
    for headers in (first, second):
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
