"""Signing a browser in and out: what the cookie is, when it ends, and who may not make one."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from app.auth import sign_ins as signins
from app.auth.attempts import WINDOW, Attempts, TooManyFailures
from app.auth.sign_ins import SignIns
from app.auth.tokens import Tokens
from app.coordination.contract import RECORDS
from app.coordination.local import Local
from app.errors import Unauthenticated
from app.model.attachment import now
from app.settings import Settings
from app.web.page.routes import MAX_SIGN_IN_SIZE
from tests.support.app import Server, running_server
from tests.support.browsers import Browser, morsel, post_token, sign_in, signed_in


@pytest.fixture(scope="module")
def behind_proxy(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """A server that takes this machine for a proxy in front of it."""
    folder = tmp_path_factory.mktemp("behind-proxy")
    with running_server(folder, elasticsearch_url, FORWARDED_ALLOW_IPS="127.0.0.1, 10.0.0.0/8") as running:
        yield running


def session_of(browser: Browser, server: Server) -> requests.Response:
    return requests.get(f"{server.url}/page/signed-in", headers=browser.cookie(), timeout=30)


class From(HTTPAdapter):
    """Requests from another address of loopback."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, source_address=(self.address, 0), **options)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(server: Server) -> None:
    token = server.make_token("read", "search", name="a browser")
    browser = sign_in(server.url, token)
    cookie = morsel(browser.answer)
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert cookie["path"] == "/"
    assert cookie["domain"] == ""
    assert cookie["secure"] == ""  # on loopback, where plain HTTP stays on the machine
    assert 0 < int(cookie["max-age"]) <= 43_200
    assert token not in str(browser.answer.headers) + browser.answer.text
    told = browser.answer.json()
    assert (told["name"], told["tenant"], told["scopes"]) == ("a browser", "default", ["read", "search"])
    assert told["limits"]["max_file_size"] == Settings().max_file_size
    again = session_of(browser, server)
    assert again.json() == told
    assert again.headers["Cache-Control"] == "private, no-cache"


def test_behind_tls_it_is_secure_and_of_this_host_alone(behind_proxy: Server) -> None:
    server = behind_proxy
    https = {"X-Forwarded-Proto": "https", "Host": "files.example.org", "Origin": "https://files.example.org"}
    browser = sign_in(server.url, server.make_token(), headers=https)
    cookie = morsel(browser.answer)
    assert cookie["secure"]
    assert cookie.key.startswith("__Host-")
    # Over TLS only the one with the prefix counts.
    plain = {"Cookie": f"{cookie.key.removeprefix('__Host-')}={browser.secret}"}
    for headers, status in ((browser.cookie(), 200), (plain, 204)):
        answer = requests.get(f"{server.url}/page/signed-in", headers=https | headers, timeout=30)
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9000", 200),
        ("localhost", 200),
        ("store.localhost:9000", 200),
        ("[::1]:9000", 200),
        ("files.example.org", 403),
        ("192.168.1.7:9000", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
    ],
)
def test_no_secret_goes_over_a_network_in_the_clear(host: str, status: int, server: Server) -> None:
    answer = post_token(server.url, server.make_token(), headers={"Host": host})
    assert answer.status_code == status
    assert ("Set-Cookie" in answer.headers) == (status == 200)


def test_what_is_stored_signs_nobody_in(server: Server) -> None:
    token = server.make_token()
    browser = sign_in(server.url, token)
    kept = {path.name: path.read_text() for path in (server.data / "sign-ins").iterdir()}
    assert browser.secret not in str(kept)
    assert token not in str(kept)
    assert browser.proof not in str(kept)
    assert all((server.data / "sign-ins" / name).stat().st_mode & 0o777 == 0o600 for name in kept)
    for guess in (*kept, browser.secret[:-1], f"{browser.secret}x", "../tokens.json", "", "x" * 5000):
        answer = requests.get(f"{server.url}/page/signed-in", headers={"Cookie": f"{browser.name}={guess}"}, timeout=30)
        assert (answer.status_code, answer.content) == (204, b""), guess


def test_it_ends_with_its_token_on_every_worker(server: Server) -> None:
    def ended(browser: Browser) -> bool:
        # Several workers answer: each must know at once.
        return {session_of(browser, server).status_code for _ in range(8)} == {204}

    for end in (server.tokens.revoke, server.tokens.rotate):
        name = f"page-{secrets.token_hex(4)}"
        browser = sign_in(server.url, server.make_token(name=name))
        assert {session_of(browser, server).status_code for _ in range(8)} == {200}
        end(name)
        assert ended(browser)
    # Long enough to sign in with it, however busy the machine is: the shortest that was.
    lifetimes = (timedelta(seconds=seconds) for seconds in (0.5, 2, 8, 30))
    answers = (post_token(server.url, server.make_token(expires=now() + each)) for each in lifetimes)
    soon = signed_in(next(answer for answer in answers if answer.status_code == 200))
    deadline = time.monotonic() + 90
    while not ended(soon):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_signing_out_ends_it_for_who_copied_the_cookie_too(server: Server) -> None:
    browser = sign_in(server.url, server.make_token())
    out = f"{server.url}/page/sign-out"
    assert requests.post(out, headers=browser.cookie(), timeout=30).status_code == 403
    foreign = {**browser.shown(), "Sec-Fetch-Site": "cross-site"}
    assert requests.post(out, headers=foreign, timeout=30).status_code == 401
    assert session_of(browser, server).status_code == 200
    answer = requests.post(out, headers=browser.shown(), timeout=30)
    assert answer.status_code == 200
    assert morsel(answer)["max-age"] == "0"
    assert {session_of(browser, server).status_code for _ in range(8)} == {204}
    assert requests.post(out, headers=browser.shown(), timeout=30).status_code == 401


def test_signing_in_again_ends_the_sign_in_before(server: Server) -> None:
    first = sign_in(server.url, server.make_token())
    second = sign_in(server.url, server.make_token(), headers=first.cookie())
    assert session_of(first, server).status_code == 204
    assert session_of(second, server).status_code == 200


def test_a_token_that_is_shown_counts_before_the_cookie(server: Server) -> None:
    browser = sign_in(server.url, server.make_token())
    path = f"{server.url}/attachment/_search"
    wrong = requests.get(path, headers=browser.shown() | {"X-API-TOKEN": "wrong"}, timeout=30)
    assert wrong.status_code == 401
    # A client with a token needs no proof, whatever a browser's cookie says.
    right = {**browser.cookie(), **server.headers(), "Sec-Fetch-Site": "cross-site"}
    assert requests.post(path, json={"attachments": []}, headers=right, timeout=30).status_code == 200


def test_other_sites_sign_nobody_in(server: Server) -> None:
    token = server.make_token()
    for more in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = post_token(server.url, token, headers=more)
        assert answer.status_code == 403, more
        assert "Set-Cookie" not in answer.headers
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = requests.post(
            f"{server.url}/page/sign-in", json.dumps({"token": token}), headers={"Content-Type": kind}, timeout=30
        )
        assert answer.status_code == 400, kind


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"token": 1}', 400),
        (b'{"token": null}', 400),
        (b"{}", 400),
        (b'{"token": "x", "more": 1}', 400),
        (b'{"token": "\\ud800"}', 401),
        (b'{"token": "' + b"x" * (MAX_SIGN_IN_SIZE - 13) + b'"}', 401),
        (b'{"token": "' + b"x" * (MAX_SIGN_IN_SIZE - 12) + b'"}', 413),
    ],
)
def test_hostile_bodies(body: bytes, status: int, server: Server) -> None:
    with requests.Session() as session:
        session.mount("http://", From("127.0.0.8"))
        answer = session.post(
            f"{server.url}/page/sign-in", body, headers={"Content-Type": "application/json"}, timeout=30
        )
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "status"}


def test_an_address_fails_so_often_and_the_others_are_not_shut_out(server: Server) -> None:
    """However many worker processes its connections are with."""
    limit = Settings().sign_in_failures
    with contextlib.ExitStack() as stack:
        # Each new connection goes to the worker that has fewest, so these are with all of them.
        sessions = [stack.enter_context(requests.Session()) for _ in range(2 * len(server.worker_pids()))]
        for session in sessions:
            session.mount("http://", From("127.0.0.9"))
        answers = [
            session.post(f"{server.url}/page/sign-in", json={"token": "wrong"}, timeout=30)
            for _, session in zip(range(limit + 1), itertools.cycle(sessions), strict=False)
        ]
    assert [answer.status_code for answer in answers] == [401] * limit + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    kept = server.data / "sign-in-attempts"
    assert kept.stat().st_mode & 0o777 == 0o600
    sign_in(server.url, server.make_token())


def post(body: bytes, *fields: str) -> bytes:
    """An attempt to sign in, as it goes over the wire."""
    head = (
        "POST /page/sign-in HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *fields,
    )
    return "\r\n".join([*head, "", ""]).encode() + body


def connect(server: Server, address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60, source_address=(address, 0))


def test_attempts_count_when_they_begin(server: Server) -> None:
    """As many as there may be at once, not so many that are over."""
    limit = Settings().sign_in_failures
    request = post(b'{"token": "wrong"}')
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(server, "127.0.0.10")) for _ in range(limit + 40)]
        # Held at their last byte, so that all are under way when the first one is over.
        for each in connections:
            each.sendall(request[:-1])
        together = threading.Barrier(len(connections))
        statuses: list[bytes] = []

        def end(each: socket.socket) -> None:
            together.wait(60)
            each.sendall(request[-1:])
            statuses.append(each.recv(12)[-3:])

        threads = [threading.Thread(target=end, args=(each,)) for each in connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
    assert Counter(statuses) == {b"401": limit, b"429": 40}


def test_who_signs_in_has_not_failed(server: Server) -> None:
    limit = Settings().sign_in_failures
    with requests.Session() as session:
        session.mount("http://", From("127.0.0.11"))
        token = server.make_token()
        for text, status in [(token, 200)] * (limit + 1) + [("wrong", 401)] * limit + [(token, 429)]:
            answer = session.post(f"{server.url}/page/sign-in", json={"token": text}, timeout=30)
            assert answer.status_code == status


@pytest.mark.parametrize(
    "fields",
    [
        {"X-Forwarded-For": "{}"},
        {"X-Real-IP": "{}"},
        {"Forwarded": "for={}"},
        {"Via": "1.1 {}"},
        {"X-Forwarded-Proto": "https", "Host": "evil.example"},
        {"X-Forwarded-Ssl": "on", "X-Forwarded-Protocol": "ssl", "Host": "evil.example"},
    ],
    ids=" ".join,
)
def test_a_peer_that_is_no_named_proxy_says_nothing_of_others(server: Server, fields: dict[str, str]) -> None:
    """Neither for whom it asks nor how that one came: nobody gets attempts of their own by it, or a cookie."""
    for number in range(Settings().sign_in_failures + 5):
        headers = {name: value.format(f"203.0.113.{number}") for name, value in fields.items()}
        answer = post_token(server.url, server.make_token() if number == 0 else "wrong", headers=headers)
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False)


def test_the_last_address_that_is_no_proxy_counts(behind_proxy: Server) -> None:
    """What stands before it in X-Forwarded-For, its client may have written there."""
    limit = Settings().sign_in_failures

    def status(forwarded: str) -> int:
        headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
        return post_token(behind_proxy.url, "wrong", headers=headers).status_code

    spoofed = [f"198.51.100.{number}, 203.0.113.7, 10.0.0.{number}" for number in range(limit + 1)]
    assert [status(each) for each in spoofed] == [401] * limit + [429]
    assert status("203.0.113.7:4711") == status("unknown, ::ffff:203.0.113.7") == 429
    assert status("203.0.113.7, 203.0.113.8") == 401
    # One network, whoever in it.
    networks = [f"2001:db8:0:1::{number:x}" for number in range(limit + 1)]
    assert [status(each) for each in networks] == [401] * limit + [429]
    assert status("[2001:db8:0:1:ffff::]:443") == 429
    assert status("2001:db8:0:2::1") == 401


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9000", "files.example.org"])
def test_a_client_of_a_proxy_is_not_on_this_machine(behind_proxy: Server, host: str) -> None:
    """Whatever its Host says: from the proxy on it was plain HTTP over a network."""
    token = behind_proxy.make_token()
    for forwarded, status in (("203.0.113.20", 403), ("127.0.0.1", 403 if host[0] == "f" else 200)):
        answer = post_token(behind_proxy.url, token, headers={"Host": host, "X-Forwarded-For": forwarded})
        assert answer.status_code == status


def test_plain_sign_in_over_a_network_that_is_trusted(tmp_path: Path, elasticsearch_url: str) -> None:
    settings: dict[str, Any] = {"FORWARDED_ALLOW_IPS": "127.0.0.1", "PLAIN_SIGN_IN": "192.0.2.0/28"}
    with running_server(tmp_path, elasticsearch_url, **settings) as server:
        token = server.make_token()
        for address, status in (("192.0.2.15", 200), ("192.0.2.16", 403), ("127.0.0.1", 403)):
            headers = {"Host": "files.example.org", "X-Forwarded-For": address}
            assert post_token(server.url, token, headers=headers).status_code == status


def test_a_body_in_chunks_is_not_waited_for(server: Server) -> None:
    head = post(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with connect(server, "127.0.0.1") as connection:
        connection.sendall(head + b"5\r\n")
        assert connection.recv(12) == b"HTTP/1.1 411"


def test_attempts_are_counted_by_client_and_forgotten(tmp_path: Path) -> None:
    moment = 1000.0
    attempts, other = (Attempts(Local(tmp_path).sign_in_attempts(3), lambda: moment) for _ in range(2))
    for each in (attempts, other, attempts):
        each.begin("a")
    for each in (attempts, other):
        with pytest.raises(TooManyFailures) as refused:
            each.begin("a")
        assert refused.value.retry_after == WINDOW
    attempts.begin("b")
    moment += WINDOW / 2
    other.succeeded("a", attempts.begin("b"))
    with pytest.raises(TooManyFailures):
        other.begin("a")
    moment += WINDOW / 2
    attempts.begin("a")
    # A clock that is put back shuts nobody out.
    moment = 10.0
    for _ in range(3):
        attempts.begin("a")


def test_nobody_is_forgotten_for_another(tmp_path: Path) -> None:
    """However many others try: what is kept has its size, and each keeps their count."""
    attempts = Attempts(Local(tmp_path).sign_in_attempts(2), lambda: 1000.0)
    attempts.begin("mine")
    attempts.begin("mine")
    let_through = 0
    for number in range(4000):
        with contextlib.suppress(TooManyFailures):
            attempts.begin(f"another-{number}")
            let_through += 1
    with pytest.raises(TooManyFailures):
        attempts.begin("mine")
    # They share records by chance alone.
    assert let_through > 3500
    assert (tmp_path / "sign-in-attempts").stat().st_size <= 32 + RECORDS * 2 * 8


@pytest.mark.parametrize("content", [b"", b'{"a": [999.0, 99', b"\xff" * 100, b"\0" * 100])
def test_a_damaged_count_starts_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sign-in-attempts").write_bytes(content)
    attempts = Attempts(Local(tmp_path).sign_in_attempts(1), lambda: 1000.0)
    attempts.begin("a")
    with pytest.raises(TooManyFailures):
        attempts.begin("a")
    # So does one of another limit.
    Attempts(Local(tmp_path).sign_in_attempts(2), lambda: 1000.0).begin("a")


def grown_older(folder: Path) -> None:
    """Every file by a second, as if so much time had gone by: the clock of files has ticks."""
    for path in folder.iterdir():
        moment = path.stat().st_mtime - 1
        os.utime(path, (moment, moment))


def test_so_many_sign_ins_are_kept(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signins, "MAX_SIGN_INS", 3)
    tokens = Tokens(Local(tmp_path).tokens)  # type: ignore[arg-type]
    text = tokens.create("one")
    sign_ins = SignIns(Local(tmp_path).sign_ins, "store", tokens, 60.0)  # type: ignore[arg-type]
    found = []
    for _ in range(4):
        found.append(sign_ins.begin(text)[0])
        grown_older(tmp_path / "sign-ins")  # type: ignore[operator]
    with pytest.raises(Unauthenticated):
        sign_ins.find(found[0])
    assert [sign_ins.find(each).token.name for each in found[1:]] == ["one"] * 3


def test_sign_ins_with_one_token_end_those_of_no_other(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signins, "MAX_SIGN_INS", 4)
    tokens = Tokens(Local(tmp_path).tokens)  # type: ignore[arg-type]
    theirs, greedy = tokens.create("theirs", tenant="other"), tokens.create("greedy")
    sign_ins = SignIns(Local(tmp_path).sign_ins, "store", tokens, 60.0)  # type: ignore[arg-type]
    kept = sign_ins.begin(theirs)[0]
    for _ in range(6):
        grown_older(tmp_path / "sign-ins")  # type: ignore[operator]
        last = sign_ins.begin(greedy)[0]
    assert sign_ins.find(kept).token.name == "theirs"
    assert sign_ins.find(last).token.name == "greedy"
    assert len(list((tmp_path / "sign-ins").iterdir())) == 4  # type: ignore[operator]


def test_the_way_to_the_page(server: Server) -> None:
    def root(accept: str) -> requests.Response:
        return requests.get(f"{server.url}/", headers={"Accept": accept}, allow_redirects=False, timeout=30)

    browser = root("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
    assert (browser.status_code, browser.headers["Location"]) == (302, "/page/")
    assert "Accept" in browser.headers["Vary"]
    # Every other client there is one of Elasticsearch's.
    for accept in ("application/json", "*/*", "application/vnd.elasticsearch+json; compatible-with=8"):
        assert root(accept).status_code == 401


def test_the_page_and_its_files_are_under_a_strict_policy(server: Server) -> None:
    page = requests.get(f"{server.url}/page/", timeout=30)
    assert page.status_code == 200
    assert "http:" not in page.text
    assert "https:" not in page.text
    assert "<script>" not in page.text
    assert "style=" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert {"default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'"} <= set(policy.split("; "))
    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    for name in ("page.css", "js/main.js", "pdfjs/pdf.worker.min.mjs", "pdfjs/cmaps/UniGB-UCS2-H.bcmap"):
        part = requests.get(f"{server.url}/page/static/{name}", timeout=30)
        assert part.status_code == 200, name
        policy = part.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert part.headers["X-Content-Type-Options"] == "nosniff"
        known = {"If-None-Match": part.headers["ETag"]}
        assert requests.get(f"{server.url}/page/static/{name}", headers=known, timeout=30).status_code == 304
    for name in ("..%2froutes.py", "../routes.py", "js", "js/", "", "pdfjs/LICENSE", "js%2fmain.js%00", "__init__.py"):
        assert requests.get(f"{server.url}/page/static/{name}", timeout=30).status_code == 404, name
