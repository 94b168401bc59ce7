"""A page of another origin that would watch a workspace through the browser of somebody who is signed in."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page
from websockets import Origin
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.dialects.coder.client import chat
from tests.dialects.coder.watching import repository, watch_url, watching
from tests.e2e.browser.conftest import Screen
from tests.e2e.browser.test_sign_in import tenant_of

pytestmark = pytest.mark.needs("git")


@dataclass
class Elsewhere:
    """Another server of the same host, so that the browser takes it for the same site; and the cookies it was sent."""

    url: str
    cookies: list[str] = field(default_factory=list)


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Upgrade"):
                found.cookies.append(self.headers.get("Cookie", ""))
            self.send_response(400 if self.headers.get("Upgrade") else 200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Elsewhere(f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def attempt(page: Page, url: str) -> str:
    """How a page's attempt to open a WebSocket ends: open, or what the browser says of the answer."""
    errors: list[str] = []
    page.once("websocket", lambda socket: socket.on("socketerror", lambda error: errors.append(error)))
    ended: str = page.evaluate(
        """(url) => new Promise((done) => {
          const socket = new WebSocket(url);
          socket.onopen = () => { socket.close(); done("open"); };
          socket.onerror = () => done("refused");
        })""",
        url,
    )
    return " ".join((ended, *errors))


def test_a_cookie_opens_no_websocket(new_screen: Callable[..., Screen], elsewhere: Elsewhere) -> None:
    screen = new_screen(violations=True)
    server = screen.server
    folder = repository(Path(server.environment["WORKSPACE_ROOT"]) / tenant_of(screen) / "project")
    chat_id = chat(server, screen.token, workspace="project")["id"]
    url = watch_url(server, chat_id)
    # There is something to watch, and who shows the token may.
    with watching(server, chat_id, screen.token) as client:
        client.until(lambda: str(folder) in client.known)

    screen.open()
    other = screen.page.context.new_page()
    other.goto(elsewhere.url)
    # The browser does send the cookie: to every port of the host, and with every handshake.
    attempt(other, elsewhere.url.replace("http:", "ws:"))
    (cookie,) = screen.page.context.cookies()
    assert elsewhere.cookies == [f"{cookie['name']}={cookie['value']}"]
    # That is what Chromium says of a 401.
    refused = "refused HTTP Authentication failed"
    assert attempt(other, url).startswith(refused)
    # Nor may the page itself, which has no business there.
    assert attempt(screen.page, url).startswith(refused)

    for origin in (Origin(elsewhere.url.rstrip("/")), Origin(server.url), None):
        headers = {"Cookie": elsewhere.cookies[0]}
        with (
            pytest.raises(InvalidStatus) as caught,
            contextlib.closing(connect(url, additional_headers=headers, origin=origin, proxy=None)),
        ):
            pass
        assert caught.value.response.status_code == 401, origin
