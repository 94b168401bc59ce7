"""Behind nginx, with the configuration that is shipped: streaming both ways, downloads by nginx, its limits."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import yaml
from websockets.sync.client import connect
from websockets.typing import Origin

from app import server as gunicorn
from app.settings import Settings
from tests.coder.client import CHATS, chat
from tests.coder.watching import Watcher, repository
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
    alone = requests.head(f"{server.url}/attachment/{attachment_id}", headers=server.headers(), timeout=10)
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
    assert requests.get(f"{url}/_attachments/{relative}", headers=server.headers(), timeout=10).status_code == 404
    assert requests.get(f"{url}/attachment/{attachment_id}", timeout=10).status_code == 401


def test_too_large_is_said_by_the_store_and_far_too_large_by_nginx(behind: tuple[Server, str]) -> None:
    server, url = behind
    answer = requests.post(
        f"{url}/attachment/_upload", files=[("files", ("a", bytes(111 * MIB)))], headers=server.headers(), timeout=60
    )
    assert (answer.status_code, answer.json()["status"]) == (413, 413)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
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
