"""Whom a node answers: who has the login of this start, and nobody else of this machine, whatever they send and how."""

import base64
import contextlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from app.embedded_node import DEFAULT_VERSION, ArtifactError, EmbeddedNode, artifacts, guard

# The first use of a version fetches it.
pytestmark = pytest.mark.timeout(900)

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE")
PATHS = (
    "/",
    "/files/_search",
    "/files/_close",
    "/_cat/indices",
    "/_cluster/state",
    "/_nodes",
    "/no/such/path",
    "/%2e%2e/_all",
)


@pytest.fixture(scope="module", params=[DEFAULT_VERSION, "9.5.3"])
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNode]:
    with EmbeddedNode(tmp_path_factory.mktemp("guarded"), version=request.param, archived=False) as running:
        requests.put(
            f"{running.url}/files/_doc/1?refresh=true", json={"secret": "quokka"}, timeout=60
        ).raise_for_status()
        yield running


def login(node: EmbeddedNode) -> str:
    parts = urlsplit(node.url)
    return base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()


def refused(answer: requests.Response) -> None:
    assert (answer.status_code, answer.content) == (401, b""), (answer.request.method, answer.url, answer.text)
    assert "elastic" not in str(answer.headers).lower()


def found(node: EmbeddedNode) -> str:
    return requests.get(f"{node.url}/files/_search", timeout=60).text


def said(node: EmbeddedNode, data: bytes) -> bytes:
    """What comes back for these bytes, until the node closes or is silent for a while."""
    with socket.create_connection(("127.0.0.1", node.http_port), 60) as connection:
        connection.sendall(data)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while not re.search(rb"HTTP/1\.[01] [2-5]\d\d[^\0]*\r\n\r\n", received):
                if not (piece := connection.recv(65536)):
                    break
                received += piece
        return received


def test_every_method_and_path_needs_the_login(node: EmbeddedNode) -> None:
    for method in METHODS:
        for path in PATHS:
            refused(requests.request(method, f"{node.plain_url}{path}", timeout=60))
    assert "quokka" in found(node)


@pytest.mark.parametrize(
    "shown",
    ["", "Basic", "Basic {}", "Bearer {right}", "basic {right}", "Basic {right} ", "Basic {right}=", "ApiKey {right}"],
)
def test_no_other_login_will_do(node: EmbeddedNode, shown: str) -> None:
    text = shown.replace("{right}", login(node)).encode()
    # White space around a value is no part of it.
    expected = b"200" if shown == "Basic {right} " else b"401"
    request = b"GET /files/_search HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: %s\r\n\r\n" % text
    assert said(node, request).split()[1] == expected


def test_a_login_is_shown_once(node: EmbeddedNode) -> None:
    right = f"Authorization: Basic {login(node)}\r\n".encode()
    for lines in (right * 2, b"Authorization: Basic eA==\r\n" + right, right + b"Authorization: Basic eA==\r\n"):
        assert said(node, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n" % lines).split()[1] == b"401"


def test_a_page_has_no_use_of_the_login_either(node: EmbeddedNode) -> None:
    """One that was led here by its own name (DNS rebinding), or one of another site that got hold of the login."""
    for headers in (
        {"Host": "rebound.example"},
        {"Host": f"rebound.example:{node.http_port}"},
        {"Host": "127.0.0.1.rebound.example"},
        {"Host": "localhost.example:9200"},
        {"Host": ""},
        {"Origin": "http://other.example"},
        {"Origin": "null"},
        {"Origin": node.plain_url},
    ):
        refused(requests.post(f"{node.url}/files/_close", headers=headers, timeout=60))
    right = f"Authorization: Basic {login(node)}\r\n".encode()
    for hosts in (b"", b"Host: 127.0.0.1\r\nHost: x.example\r\n"):
        assert said(node, b"GET /files/_search HTTP/1.1\r\n%s%s\r\n" % (hosts, right)).split()[1] in (b"400", b"401")
    assert "quokka" in found(node)


@pytest.mark.parametrize(
    "data",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % (b"a" * 70_000),
        b"POST /_bulk HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
        b"POST /_bulk HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /files/_search HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_request_is_told_nothing(node: EmbeddedNode, data: bytes) -> None:
    answer = said(node, data)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (head.split()[1:2], body) in (([b"401"], b""), ([], b"")), answer


def test_a_body_is_dropped_before_it_is_whole(node: EmbeddedNode) -> None:
    """The answer comes without the rest of what was announced: nobody else fills the heap."""
    head = b"POST /files/_bulk HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90000000\r\n\r\n"
    assert said(node, head + b"x" * 1000).split()[1] == b"401"


def test_a_second_request_of_a_connection_needs_it_too(node: EmbeddedNode) -> None:
    with requests.Session() as session:
        assert session.get(f"{node.url}/files/_search", timeout=60).ok
        refused(session.get(f"{node.plain_url}/files/_search", timeout=60))
        assert session.get(f"{node.url}/files/_search", timeout=60).ok


def test_it_listens_for_http_on_loopback_alone(node: EmbeddedNode) -> None:
    """The protocol among nodes knows no password: whoever reached its port could do everything."""
    inodes = set()
    for each in Path(f"/proc/{node.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(os.readlink(each))
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                listening.append(words[1])
    ports = [int(each.rpartition(":")[2], 16) for each in listening]
    assert ports == [node.http_port], listening
    assert all(each.rpartition(":")[0].endswith("0100007F") for each in listening), listening


def test_the_login_is_seen_nowhere(node: EmbeddedNode) -> None:
    password = urlsplit(node.url).password
    assert password is not None
    for name in ("cmdline", "environ"):
        told = Path(f"/proc/{node.pid}/{name}").read_bytes()
        assert password.encode() not in told
        assert login(node).encode() not in told
    assert password not in repr(node.__dict__)
    assert password not in node.log.read_text()
    assert login(node) not in node.log.read_text()


def test_each_start_has_a_login_of_its_own(tmp_path: Path) -> None:
    one, other = EmbeddedNode(tmp_path), EmbeddedNode(tmp_path)
    assert one._login is not None
    assert other._login is not None
    assert one._login.password != other._login.password
    assert len(one._login.password) >= 43  # 256 bits


def open_to_others(folder: Path) -> list[str]:
    return [
        f"{stat.filemode(each.lstat().st_mode)} {each}"
        for each in (folder, *folder.rglob("*"))
        if each.lstat().st_mode & 0o077
    ]


def test_what_it_keeps_is_closed_to_others(tmp_path: Path) -> None:
    """Also what was open before, and whatever the umask of who starts it."""
    data = tmp_path / "data"
    node = EmbeddedNode(data)
    before = os.umask(0)
    try:
        with node:
            requests.put(
                f"{node.url}/files/_doc/1?refresh=true", json={"secret": "quokka"}, timeout=60
            ).raise_for_status()
            assert open_to_others(data) == []
        # As older versions left it.
        for each in (data, *data.rglob("*")):
            each.chmod(0o777 if each.is_dir() else 0o666)
        with node:
            assert open_to_others(data) == []
            assert "quokka" in found(node)
    finally:
        os.umask(before)


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_another_user_of_the_machine(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with EmbeddedNode(tmp_path / "data") as node:
        for command in (
            ["curl", "--silent", "--show-error", "--include", f"{node.plain_url}/_search"],
            ["ls", str(node.data)],
            ["cat", str(node.log)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, user="nobody", cwd="/", timeout=60)
            assert "quokka" not in done.stdout
            assert done.returncode or done.stdout.startswith("HTTP/1.1 401"), (command, done.stdout)


@pytest.mark.parametrize(("login", "options"), [("Basic eA==", []), ("", ["--guard", "/nonexistent"])])
def test_a_node_is_never_open_by_an_oversight(tmp_path: Path, login: str, options: list[str]) -> None:
    """A login without what asks for it, or the other way round: nothing starts."""
    command = [
        sys.executable,
        "-m",
        "app.embedded_node.bridge",
        "--home",
        str(tmp_path),
        "--heap",
        "64m",
        "--class-path",
        "",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(guard.__file__).parents[2])}
    with subprocess.Popen(
        [*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{login}\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"error": "a node has a guard and a login, or neither"}
        assert process.wait(60) == 1


def test_a_check_that_was_changed_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = artifacts.prepare(DEFAULT_VERSION)
    first = guard.ensure(home)
    assert guard.ensure(home) == first
    broken = tmp_path / "Guard.java"
    broken.write_text("public final class Guard implements NoSuchInterface {}")
    monkeypatch.setattr(guard, "SOURCE", broken)
    with pytest.raises(ArtifactError, match="NoSuchInterface"):
        guard.ensure(home)
    assert sorted(home.path.glob("guard-*")) == [first]


def test_a_version_that_has_no_place_for_it_is_not_started(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="can't be guarded"):
        EmbeddedNode(tmp_path, version="7.17.29").start()
