"""One browser and one server for the whole folder; each test has a window and a tenant of its own, so it starts empty."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.support.app import Server, running_server
from tests.support.breaking import Proxy
from tests.support.chromium import running_chromium, signed_in

HERE = Path(__file__).parent
MAX_FILE_SIZE = 4 * 1024 * 1024

#: Milliseconds. The machine may be busy with much else.
PATIENCE = 45_000
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs the browser."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.needs("chromium"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def node(elasticsearch_url: str) -> Iterator[Proxy]:
    """What stands between the server and Elasticsearch, to take it away and to bring it back."""
    with Proxy(elasticsearch_url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def page_server(tmp_path_factory: pytest.TempPathFactory, node: Proxy) -> Iterator[Server]:
    """The server that this folder shares."""
    with running_server(
        tmp_path_factory.mktemp("page"),
        node.url,
        EXTRACTION="on",
        MAX_FILE_SIZE=str(MAX_FILE_SIZE),
        ELASTICSEARCH_TIMEOUT="20",
        WORKSPACE_ROOT=str(tmp_path_factory.mktemp("workspaces").resolve()),
        # A test is another client by saying so, as a proxy in front would.
        FORWARDED_ALLOW_IPS="127.0.0.1",
        PLAIN_SIGN_IN="127.0.0.0/8,::1,203.0.113.0/24",
    ) as server:
        yield server
        # The index is removed through it.
        node.fault = None


@dataclass
class Screen:
    """A window on the page, signed in as a tenant of its own, and what a person does with it."""

    page: Page
    server: Server
    token: str

    def open(self, query: str = "") -> None:
        self.page.goto(f"{self.server.url}/page/{query}")
        expect(self.count).to_be_visible()

    def upload(self, *files: tuple[str, bytes], session: str | None = None) -> list[str]:
        """Upload as another client of the same tenant."""
        return self.server.upload(*files, session=session, token=self.token)

    def choose(self, *files: tuple[str, bytes]) -> None:
        """Choose files with the picker."""
        given: list[Any] = [
            {"name": name, "mimeType": "application/octet-stream", "buffer": content} for name, content in files
        ]
        self.page.locator("[data-picker=files]").set_input_files(given)

    def type(self, words: str) -> None:
        self.page.get_by_role("searchbox").fill(words)

    def names(self) -> list[str]:
        """The names in the list, from above."""
        return self.page.locator(".rows li .name").all_inner_texts()

    def row(self, name: str) -> Locator:
        return self.page.locator(".rows li").filter(has=self.page.get_by_text(name, exact=True))

    def walk(self, last: int, step: Callable[[], None] = lambda: None) -> dict[str, str]:
        """Walk down the list, until its row number `last` is there, or two minutes are over. The names that were seen, by
        the number of their row, which is one name's all the time. `step` is called after each look."""
        seen: dict[str, str] = {}
        self.page.get_by_role("searchbox").press("ArrowDown")
        deadline = time.monotonic() + 120
        while str(last) not in seen and time.monotonic() < deadline:
            # All at once: while they are looked at one by one, they move.
            rows = self.page.locator(".rows li").evaluate_all(
                "(items) => items.map((item) => [item.ariaPosInSet, item.querySelector('.name').title])"
            )
            for place, name in rows:
                assert seen.setdefault(place, name) == name
            step()
            self.page.keyboard.press("PageDown")
            self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return seen

    def entry(self, name: str) -> Locator:
        """The row of an upload in the tray."""
        return self.page.locator(".upload").filter(has=self.page.locator("bdi", has_text=name))

    @property
    def count(self) -> Locator:
        return self.page.locator(".count")

    @property
    def preview(self) -> Locator:
        return self.page.get_by_role("region", name="Preview and details")

    def choice(self, label: str) -> Locator:
        """A filter in the sidebar."""
        return self.page.locator(".choice").filter(has=self.page.get_by_text(label, exact=True))

    def module(self, name: str, code: str, *arguments: Any) -> Any:
        """What `code`, a function of a module of the page and then of `arguments`, answers."""
        return self.page.evaluate(
            f"async (given) => (({code})(await import('/page/static/js/{name}.js'), ...given))", list(arguments)
        )

    def slow_down(self, up: int = -1, down: int = -1) -> Callable[[], None]:
        """Have the browser send and receive no more bytes per second; call what is returned to end that."""
        wire = self.page.context.new_cdp_session(self.page)

        def limit(up: int, down: int) -> None:
            conditions = {"offline": False, "latency": 0, "downloadThroughput": down, "uploadThroughput": up}
            wire.send("Network.emulateNetworkConditions", conditions)

        limit(up, down)
        return lambda: limit(-1, -1)


#: What the browser may complain of: answers that the page understands and shows.
_KNOWN = re.compile(r"Failed to load resource: |Password forms should have")


@pytest.fixture
def new_screen(chromium: Browser, page_server: Server) -> Iterator[Callable[..., Screen]]:
    """Makes windows: `new_screen(color_scheme="dark")`. Whatever runs against the policy or is thrown fails the test."""
    contexts = []
    wrong: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _KNOWN.search(message.text):
            wrong.append(message.text)

    def make(
        *scopes: str,
        tenant: str | None = None,
        sign_in: bool = True,
        violations: bool = False,
        server: Server = page_server,
        **options: Any,
    ) -> Screen:
        token = server.make_token(*scopes, tenant=tenant or f"page-{secrets.token_hex(4)}")
        if sign_in:
            context = signed_in(chromium, server.url, token, **options)
        else:
            context = chromium.new_context(**{"viewport": {"width": 1360, "height": 860}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        if not violations:
            page.on("console", console)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        return Screen(page, server, token)

    yield make
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def screen(new_screen: Callable[..., Screen]) -> Screen:
    """A window, signed in, on nothing yet."""
    return new_screen()
