"""Behind nginx, with the configuration that is shipped: streaming both ways, downloads by nginx, its limits."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import yaml
from websockets.sync.client import connect
from websockets.typing import Origin

from app.server import config as gunicorn
from app.settings import Settings
from tests.dialects.coder.client import CHATS, chat
from tests.dialects.coder.watching import Watcher, repository
from tests.support.app import ROOT, Server, running_server
from tests.support.proxy import CONFIGURATION, running_nginx

pytestmark = pytest.mark.needs("nginx")

MIB = 1024**2


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[tuple[Server, str]]:
    """A server that hands downloads over, and the URL of the nginx in front of it."""
    folder = tmp_path_factory.mktemp("behind")
    workspaces = (folder / "workspaces").resolve()
    workspaces.mkdir()
    with (
        running_server(
            folder,
            elasticsearch_url,
            ACCEL_REDIRECT="/_attachments/",
            MAX_REQUEST_SIZE="110MiB",
            MAX_FILE_SIZE="110MiB",
            WORKSPACE_ROOT=str(workspaces),
            # So that whatever the server would believe a proxy, it would believe whoever asks here.
            FORWARDED_ALLOW_IPS="127.0.0.1",
        ) as server,
        running_nginx(folder, server.port, server.data / "attachments") as url,
    ):
        yield server, url


def upload(behind: tuple[Server, str], name: str, content: bytes) -> str:
    server, url = behind
    answer = requests.post(
        f"{url}/attachment/_upload", files=[("files", (name, content))], headers=server.headers(), timeout=120
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["attachments"][0])


def fetch(behind: tuple[Server, str], attachment_id: str, **headers: str) -> requests.Response:
    server, url = behind
    return requests.get(f"{url}/attachment/{attachment_id}", headers={**server.headers(), **headers}, timeout=120)


def test_a_hundred_megabytes_there_and_back(behind: tuple[Server, str]) -> None:
    content = os.urandom(MIB) * 100
    attachment_id = upload(behind, "large.bin", content)
    answer = fetch(behind, attachment_id)
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(content).digest()
    # nginx sent it: had the store, its tag for the connection would not be nginx's.
    assert answer.headers["Server"] == "nginx"


def test_the_answer_is_what_the_store_alone_would_say(behind: tuple[Server, str]) -> None:
    server, _ = behind
    attachment_id = upload(behind, "n\u00e4ive name.txt", b"0123456789")
    answer = fetch(behind, attachment_id, **{"X-Request-Id": "through-nginx"})
    assert answer.content == b"0123456789"
    # The store answers HEAD itself, so that has every header as it is without nginx.
    alone = requests.head(f"{server.url}/attachment/{attachment_id}", headers=server.headers(), timeout=60)
    for name in (
        "Accept-Ranges",
        "Cache-Control",
        "Content-Disposition",
        "Content-Length",
        "Content-Security-Policy",
        "Content-Type",
        "ETag",
        "Last-Modified",
        "Referrer-Policy",
        "X-Content-Type-Options",
    ):
        assert answer.headers[name] == alone.headers[name], name
    assert answer.headers["X-Request-Id"] == "through-nginx"
    assert "X-Accel-Redirect" not in answer.headers
    assert fetch(behind, upload(behind, "empty", b"")).content == b""


def test_ranges_and_conditions(behind: tuple[Server, str]) -> None:
    attachment_id = upload(behind, "digits.txt", b"0123456789")
    whole = fetch(behind, attachment_id)
    tag, modified = whole.headers["ETag"], whole.headers["Last-Modified"]

    def said(**headers: str) -> tuple[int, bytes, str | None]:
        answer = fetch(behind, attachment_id, **{name.replace("_", "-"): value for name, value in headers.items()})
        return answer.status_code, answer.content, answer.headers.get("Content-Range")

    assert said(Range="bytes=2-4") == (206, b"234", "bytes 2-4/10")
    assert said(Range="bytes=-3") == (206, b"789", "bytes 7-9/10")
    assert said(Range="bytes=8-") == (206, b"89", "bytes 8-9/10")
    assert said(Range="bytes=0-0,5-5") == (200, b"0123456789", None)
    assert said(Range="bytes=10-")[::2] == (416, "bytes */10")
    assert said(Range="bytes=2-4", If_Range=tag) == (206, b"234", "bytes 2-4/10")
    assert said(Range="bytes=2-4", If_Range=modified) == (206, b"234", "bytes 2-4/10")
    assert said(Range="bytes=2-4", If_Range='"another"') == (200, b"0123456789", None)
    assert said(Range="bytes=2-4", If_Range=f"W/{tag}") == (200, b"0123456789", None)
    assert said(If_None_Match=tag)[:2] == (304, b"")
    assert said(If_None_Match='"another"') == (200, b"0123456789", None)
    assert said(If_Modified_Since=modified)[:2] == (304, b"")
    assert said(Range="bytes=2-4", If_Match='"another"')[0] == 412
    assert fetch(behind, attachment_id, Range="bytes=2-4").headers["ETag"] == tag


def test_the_files_are_nobodys_but_through_the_store(behind: tuple[Server, str]) -> None:
    server, url = behind
    attachment_id = upload(behind, "a.txt", b"x")
    (path,) = server.data.glob(f"attachments/*/{attachment_id}.bytes")
    relative = path.relative_to(server.data / "attachments")
    assert requests.get(f"{url}/_attachments/{relative}", headers=server.headers(), timeout=60).status_code == 404
    assert requests.get(f"{url}/attachment/{attachment_id}", timeout=60).status_code == 401


def test_too_large_is_said_by_the_store_and_far_too_large_by_nginx(behind: tuple[Server, str]) -> None:
    server, url = behind
    answer = requests.post(
        f"{url}/attachment/_upload", files=[("files", ("a", bytes(111 * MIB)))], headers=server.headers(), timeout=60
    )
    assert (answer.status_code, answer.json()["status"]) == (413, 413)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.putrequest("POST", "/attachment/_upload")
    connection.putheader("Content-Length", str(2 * 1024 * MIB))
    connection.endheaders()
    refused = connection.getresponse()
    assert refused.status == 413
    assert refused.read()
    connection.close()


@pytest.mark.needs("git")
def test_git_watch_gets_through(behind: tuple[Server, str]) -> None:
    server, url = behind
    folder = Path(server.environment["WORKSPACE_ROOT"]) / "default" / "watched"
    repo = repository(folder / "repo", readme="first\n")
    chat_id = chat(server, workspace="watched")["id"]
    # The store compares the origin with the host: nginx must hand both on as they are.
    with connect(
        f"{url.replace('http', 'ws', 1)}{CHATS}/{chat_id}/git/watch",
        additional_headers={"Coder-Session-Token": server.token},
        origin=Origin(url),
        proxy=None,
        open_timeout=60,
    ) as socket:
        client = Watcher(socket)
        client.until(lambda: list(client.known) == [str(repo)])
        (repo / "readme").write_text("second\n")
        client.until(lambda: "+second" in client.diff(repo))
        # And the other way.
        client.send({"type": "nonsense"})
        client.until(lambda: client.messages[-1] == {"type": "error", "message": "unknown message type"})


#: What is to stand in for a second request: within what the first one's head says is its body, or that it has none.
INNER = "{inner}"
#: Ways in which two servers in a row may disagree about where a request ends: head fields after Host, and the body. `{n}`:
#: bytes of the inner request; `{x}`: the same in hexadecimal digits.
DISAGREEMENTS = {
    "length, then chunked": ("Content-Length: {more}\r\nTransfer-Encoding: chunked", "0\r\n\r\n{inner}"),
    "chunked, then length": ("Transfer-Encoding: chunked\r\nContent-Length: 4", "{x}\r\n{inner}\r\n0\r\n\r\n"),
    "two equal lengths": ("Content-Length: {n}\r\nContent-Length: {n}", INNER),
    "two lengths, the first short": ("Content-Length: 0\r\nContent-Length: {n}", INNER),
    "two lengths, the first long": ("Content-Length: {n}\r\nContent-Length: 0", INNER),
    "a list of lengths": ("Content-Length: {n}, {n}", INNER),
    "a signed length": ("Content-Length: +{n}", INNER),
    "a hexadecimal length": ("Content-Length: 0x{x}", INNER),
    "a blank before the colon of the length": ("Content-Length : {n}", INNER),
    "a blank before the colon of chunked": (
        "Transfer-Encoding : chunked\r\nContent-Length: {more}",
        "0\r\n\r\n{inner}",
    ),
    "a folded length": ("Content-Length:\r\n {n}", INNER),
    "folded chunked": ("Content-Length: {more}\r\nTransfer-Encoding:\r\n chunked", "0\r\n\r\n{inner}"),
    "a fold that hides a field": ("X-A: b\r\n Content-Length: 0\r\nContent-Length: {n}", INNER),
    "unknown coding": ("Content-Length: {more}\r\nTransfer-Encoding: xchunked", "0\r\n\r\n{inner}"),
    "chunked not last": ("Content-Length: {more}\r\nTransfer-Encoding: chunked, identity", "0\r\n\r\n{inner}"),
    "chunked after a vertical tab": ("Content-Length: {more}\r\nTransfer-Encoding: \x0bchunked", "0\r\n\r\n{inner}"),
    "chunked with an underscore": ("Content-Length: {more}\r\nTransfer_Encoding: chunked", "0\r\n\r\n{inner}"),
    "bare line feeds in the head": ("X-A: b\nContent-Length: {n}", INNER),
    "a bare carriage return": ("X-A: b\rContent-Length: 0\r\nContent-Length: {n}", INNER),
    "NUL in the head": ("X-A: b\0\r\nContent-Length: {n}", INNER),
    "a chunk size with 0x": ("Transfer-Encoding: chunked", "0x{x}\r\n{inner}\r\n0\r\n\r\n"),
    "an extension with a line feed": ("Transfer-Encoding: chunked", "{x};a\nb\r\n{inner}\r\n0\r\n\r\n"),
    "chunks that end in line feeds": ("Transfer-Encoding: chunked", "{x}\n{inner}\n0\n\n"),
    "a request in the trailers": ("Transfer-Encoding: chunked", "1\r\nx\r\n0\r\nX-A: b\r\n{inner}"),
    "chunked beside an upgrade": ("Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: {n}", INNER),
}


def logged(server: Server) -> list[str]:
    """The ids of the requests that the store has answered."""
    # Without one that is still being written.
    found = [json.loads(line) for line in server.log.read_text().split("\n")[:-1]]
    return [each["request_id"] for each in found if each["event"] == "request"]


def test_no_second_request_is_smuggled_to_the_store(behind: tuple[Server, str]) -> None:
    """Behind nginx a body is a body, however its length is told: what stands in it deletes nothing."""
    server, url = behind
    address = ("127.0.0.1", urlsplit(url).port)
    ids = [upload(behind, "smuggled.txt", b"x") for _ in range(len(DISAGREEMENTS) + 1)]

    def head(request_line: str, request_id: str, *fields: str) -> str:
        given = (f"Host: {url.removeprefix('http://')}", f"X-API-TOKEN: {server.token}", f"X-Request-Id: {request_id}")
        return "\r\n".join((f"{request_line} HTTP/1.1", *given, *fields)) + "\r\n\r\n"

    with contextlib.ExitStack() as stack:
        opened = []
        for number, (fields, body) in enumerate(DISAGREEMENTS.values()):
            inner = head(f"DELETE /attachment/{ids[number]}", f"inner-{number}")
            told = {"n": len(inner), "x": f"{len(inner):x}", "more": len(inner) + 5, "inner": inner}
            outer = head("POST /attachment/_search", f"outer-{number}", fields.format(**told)) + body.format(**told)
            opened.append(stack.enter_context(socket.create_connection(address, 90)))
            opened[-1].sendall(outer.encode("latin-1"))
        # One after the other, as everybody may: this is seen, so that the others would be.
        allowed = stack.enter_context(socket.create_connection(address, 90))
        last = head(f"DELETE /attachment/{ids[-1]}", "second", "Connection: close")
        allowed.sendall((head("GET /health/live", "first") + last).encode())
        answers = [each.recv(65536)[:12].decode() for each in opened]
        while allowed.recv(65536):
            pass
    assert {answer[:9] for answer in answers} == {"HTTP/1.1 "}, dict(zip(DISAGREEMENTS, answers, strict=True))
    # Whoever comes next on a connection to the store gets an answer of their own.
    for number in range(20):
        answer = requests.get(f"{url}/health/live", headers={"X-Request-Id": f"next-{number}"}, timeout=30)
        assert (answer.status_code, answer.headers["X-Request-Id"]) == (200, f"next-{number}")
    deadline = time.monotonic() + 90
    while not {"first", "second", "next-19"} <= set(logged(server)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    seen = logged(server)
    assert [each for each in seen if each.startswith("inner-")] == []
    assert all(seen.count(f"outer-{number}") <= 1 for number in range(len(DISAGREEMENTS)))
    left = [server.get(f"/attachment/{each}").status_code for each in ids]
    assert left == [200] * len(DISAGREEMENTS) + [404]


def chunks(body: str) -> str:
    """To a route that reads it."""
    fields = ("X-API-TOKEN: {token}", "Content-Type: application/json", "Transfer-Encoding: chunked")
    return live(*fields, line="POST /attachment/_status HTTP/1.1") + body


def live(*fields: str, line: str = "GET /health/live HTTP/1.1", host: str = "Host: x") -> str:
    return "\r\n".join([line, *([host] if host else []), *fields, "", ""])


#: Requests that servers read in more than one way: refused by the store and by nginx, with one answer and an end.
REFUSED = {
    "a length that begins with a zero": live("Content-Length: 00"),
    "a length of twenty digits": live("Content-Length: 99999999999999999999"),
    "a length with a sign": live("Content-Length: +0"),
    "no length": live("Content-Length:"),
    "two lengths": live("Content-Length: 0", "Content-Length: 0"),
    "lengths in one field": live("Content-Length: 0, 0"),
    "identity, then chunked": live("Transfer-Encoding: identity, chunked") + "0\r\n\r\n",
    "chunked after a tab": live("Transfer-Encoding:\tchunked") + "0\r\n\r\n",
    "chunked with a parameter": live("Transfer-Encoding: chunked;a=b") + "0\r\n\r\n",
    "chunked twice": live("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n",
    "no coding": live("Transfer-Encoding:") + "0\r\n\r\n",
    "chunked and a length": live("Transfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n",
    "chunks in the older version": live("Transfer-Encoding: chunked", line="GET /health/live HTTP/1.0") + "0\r\n\r\n",
    "a folded field": live("X-A: b", " c"),
    "a carriage return alone": live("X-A: b\rc"),
    "a chunk size that no body has": chunks("ffffffffffffffff0\r\n"),
    "a chunk size with 0x": chunks("0x0\r\n\r\n"),
    "a negative chunk size": chunks("-0\r\n\r\n"),
    "a chunk longer than its size": chunks("1\r\nab\r\n0\r\n\r\n"),
    "a host in the target": live(line="GET http://evil.example/health/live HTTP/1.1"),
    "the same host in the target": live(line="GET http://x/health/live HTTP/1.1"),
    "a fragment": live(line="GET /health/live#a HTTP/1.1"),
    "an asterisk": live(line="OPTIONS * HTTP/1.1"),
    "a tunnel": live(line="CONNECT x:80 HTTP/1.1"),
    "a method in small letters": live(line="get /health/live HTTP/1.1"),
    "a tab in the request line": live(line="GET\t/health/live HTTP/1.1"),
    "version 1.2": live(line="GET /health/live HTTP/1.2"),
    "version 2.0": live(line="PRI * HTTP/2.0"),
    "version 0.9": "GET /health/live\r\n\r\n",
    "no host": live(host=""),
    "two hosts": live("Host: y"),
}
#: The same for what both take in one way, each with the path and answer that it comes to; and why that is right.
TAKEN = {
    # Names of codings are the same in large letters (RFC 9112, 7).
    "chunked in large letters": (live("Transfer-Encoding: CHUNKED") + "0\r\n\r\n", 200),
    # Such fields are dropped by both, so they are nobody's.
    "a length with an underscore": (live("Content_Length: 7"), 200),
    "SCRIPT_NAME": (live("SCRIPT_NAME: /x", line="GET /x/health/live HTTP/1.1"), 404),
    "PATH_INFO": (live("PATH_INFO: /metrics"), 200),
    # Nobody here knows the protocol, so nobody follows (RFC 9110, 7.8): the next request is one of HTTP/1.1.
    "an upgrade to HTTP/2": (live("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA"), 200),
}
#: What the store refuses and nginx takes, as it may (RFC 9112, 2.2 and 7.1): it reads the request alone and makes another
#: of it, at which `test_nginx_passes_on_what_it_read_in_a_form_of_its_own` looks. So there is no second reading.
NORMALIZED = {
    "lines that end in line feeds": live().replace("\r\n", "\n"),
    "one line that ends in a line feed": live("X-A: b\nX-C: d"),
    "a line feed that ends the head": "GET /health/live HTTP/1.1\r\nHost: x\r\n\n",
    "a line feed before chunked": live("X-A: b\nTransfer-Encoding: chunked") + "0\r\n\r\n",
    "empty lines before the request": "\r\n\r\n" + live(),
    "a line feed before the request": "\n" + live(),
    "chunks that end in line feeds": chunks("1\na\n0\n\n"),
    "a blank after a chunk size": chunks("1 \r\na\r\n0\r\n\r\n"),
    "an extension with a line feed": chunks("1;a\na\r\n0\r\n\r\n"),
    "a length in the trailers": chunks("1\r\na\r\n0\r\nContent-Length: 9\r\n\r\n"),
}


def statuses(port: int | None, request: str, token: str = "") -> list[int]:
    """Of all answers to a request and a next one, behind which the connection ends."""
    request = request.replace("{token}", token)
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall((request + live("Connection: close")).encode("latin-1"))
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                received += piece
    found = [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d\d\d) ", received)]
    # To a request of version 0.9 nginx answers without a status.
    return found or [int(each) for each in re.findall(rb"<title>(\d\d\d) ", received)]


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused(behind: tuple[Server, str], name: str) -> None:
    server, url = behind
    for port in (server.port, urlsplit(url).port):
        (status,) = statuses(port, REFUSED[name], server.token)
        assert status in (400, 501)


@pytest.mark.parametrize("name", TAKEN)
def test_what_both_read_in_one_way(behind: tuple[Server, str], name: str) -> None:
    server, url = behind
    request, status = TAKEN[name]
    for port in (server.port, urlsplit(url).port):
        assert statuses(port, request) == [status, 200]


@pytest.mark.parametrize("name", NORMALIZED)
def test_what_nginx_alone_reads(behind: tuple[Server, str], name: str) -> None:
    server, url = behind
    assert statuses(server.port, NORMALIZED[name], server.token) == [400]
    # The body of some is no JSON.
    first, second = statuses(urlsplit(url).port, NORMALIZED[name], server.token)
    assert (first in (200, 400), second) == (True, 200)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[bytes]]]:
    """The URL of an nginx, and what it passes on: to a server that ends each connection after a moment."""
    passed_on: list[bytes] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(0.5)
                    received = b""
                    with contextlib.suppress(TimeoutError):
                        while piece := connection.recv(65536):
                            received += piece
                    passed_on.append(received)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    folder = tmp_path_factory.mktemp("upstream")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        with running_nginx(folder, listener.getsockname()[1], folder) as url:
            yield url, passed_on


@pytest.mark.parametrize("name", NORMALIZED)
def test_nginx_passes_on_what_it_read_in_a_form_of_its_own(upstream: tuple[str, list[bytes]], name: str) -> None:
    url, passed_on = upstream
    passed_on.clear()
    assert statuses(urlsplit(url).port, NORMALIZED[name]) == [200, 200]
    first, second = passed_on
    head, _, body = first.partition(b"\r\n\r\n")
    assert second.startswith(b"GET /health/live HTTP/1.1\r\n")
    # Lines as they should be, and at most one of them says where the body ends.
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert re.match(rb"(GET /health/live|POST /attachment/_status) HTTP/1\.1\r\n", head)
    framed = [line for line in head.lower().split(b"\r\n") if line.startswith((b"content-length", b"transfer-"))]
    assert (framed, body) in (
        ([], b""),
        ([b"content-length: 0"], b""),
        ([b"content-length: 1"], b"a"),
        ([b"transfer-encoding: chunked"], b"0\r\n\r\n"),
        ([b"transfer-encoding: chunked"], b"1\r\na\r\n0\r\n\r\n"),
    )


def directive(name: str) -> str:
    """The value of a directive that the configuration has once."""
    (value,) = re.findall(rf"^\s*{name} ([^;]+);", CONFIGURATION.read_text(), re.MULTILINE)
    return str(value)


def amount(name: str) -> int:
    """Bytes or seconds of a directive."""
    number, unit = re.fullmatch(r"(\d+)([kms]?)", directive(name)).groups()  # type: ignore[union-attr]
    return int(number) * {"": 1, "s": 1, "k": 1024, "m": MIB}[unit]


def test_the_numbers_fit_the_settings() -> None:
    settings = Settings()
    # A little more, so that the store says itself what is too large.
    assert 0 < amount("client_max_body_size") - settings.max_request_size <= 2 * MIB
    count, size = directive("large_client_header_buffers").split()
    assert settings.max_head_size == int(count) * int(size.removesuffix("k")) * 1024
    timeouts = re.findall(r"keepalive_timeout (\d+)s;", CONFIGURATION.read_text())
    assert [int(each) < gunicorn.keepalive for each in timeouts] == [True]
    # The fewest workers that there are when nobody sets how many.
    assert amount("keepalive") < settings.web_threads * 2
    assert amount("proxy_read_timeout") > settings.elasticsearch_timeout
    assert amount("client_body_timeout") > settings.transfer_window
    assert amount("client_header_timeout") > settings.head_timeout
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    prefix = compose["store"]["environment"]["ACCEL_REDIRECT"]
    assert (
        f"location {prefix} {{\n            internal;\n            alias /data/attachments/;"
        in CONFIGURATION.read_text()
    )
    assert directive("listen") == compose["nginx"]["ports"][0].rpartition(":")[2]
