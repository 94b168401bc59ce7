"""Names, sessions and passages that try to be markup: they stay text, wherever the page shows them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.conftest import Screen
from tests.e2e.browser.test_search import await_text

NAMES = [
    "<img src=x onerror=globalThis.hacked=1>.png",
    "\"><script>globalThis.hacked=1<script>'.txt",
    "javascript:globalThis.hacked=1",
    "&lt;b&gt;bold&amp;.txt",
    "invoice\u202efdp.exe",
    "عربي (١).txt",
    "<mark><b>not bold<b>.txt",
    "__proto__",
    "constructor",
    "a" * 200 + ".txt",
    "{{7*7}}${7*7}.txt",
    "..\\..\\windows.txt",
    "line\nbreak\ttab.txt",
]


def test_hostile_names(screen: Screen) -> None:
    screen.upload(*[(name, b"some text inside") for name in NAMES])
    screen.open()
    expect(screen.count).to_have_text(f"{len(NAMES)} attachments")
    shown = screen.page.locator(".rows .name").evaluate_all("all => all.map((each) => each.textContent)")
    assert sorted(shown) == sorted(NAMES)
    for name in NAMES:
        screen.page.locator(".rows li a").nth(shown.index(name)).click()
        expect(screen.preview.locator("h2")).to_have_text(name, use_inner_text=False)
        # A name that turns the writing around does not turn what stands beside it.
        assert screen.preview.locator("h2 bdi").evaluate("each => getComputedStyle(each).unicodeBidi") == "isolate"
    screen.preview.get_by_role("button", name="Delete").click()
    expect(screen.page.get_by_role("dialog")).to_contain_text("is removed from the disk")
    screen.page.keyboard.press("Escape")
    screen.type("img onerror")
    expect(screen.count).to_have_text("1 attachment")
    expect(screen.page.locator(".rows .name")).to_have_text(NAMES[0])
    screen.type('"not bold"')
    expect(screen.count).to_have_text("1 attachment")
    expect(screen.page.locator(".rows .name")).to_have_text("<mark><b>not bold<b>.txt")
    assert screen.page.locator(".rows b, .rows img, .rows script, .preview script").count() == 0
    assert screen.page.evaluate("globalThis.hacked") is None


def test_hostile_names_in_the_tray(screen: Screen) -> None:
    screen.open()
    screen.choose((NAMES[0], b"x"), (NAMES[1], b"x"))
    expect(screen.page.locator(".upload.done")).to_have_count(2)
    assert screen.page.locator(".tray img, .tray script").count() == 0
    assert screen.page.evaluate("globalThis.hacked") is None


def test_hostile_sessions(screen: Screen) -> None:
    sessions = ["<img src=x onerror=globalThis.hacked=1>", "../../page/sign-out?", "__proto__", "a&q=b#c", "%2e%2e/%"]
    for session in sessions:
        answer = screen.server.post(
            "/attachment/_upload", token=screen.token, files=[("files", ("x.txt", b"x"))], data={"session": session}
        )
        assert answer.status_code == 200
    screen.open()
    items = screen.page.get_by_role("navigation", name="Sessions").get_by_role("link")
    expect(items).to_have_count(len(sessions) + 1)
    for session in sessions:
        items.filter(has=screen.page.get_by_text(session, exact=True)).click()
        expect(screen.page.locator(".session-name")).to_have_text(session)
        expect(screen.count).to_have_text("1 attachment")
        screen.page.reload()
        expect(screen.page.locator(".session-name")).to_have_text(session)
        expect(screen.count).to_have_text("1 attachment")
    assert screen.page.evaluate("globalThis.hacked") is None


def test_hostile_contents_in_passages(screen: Screen) -> None:
    text = "Plain words, many of them.\n" * 200
    text += (
        "before <img src=x onerror=globalThis.hacked=1> needle </mark><script>globalThis.hacked=1</script> &lt;after"
    )
    screen.upload(("contents.txt", text.encode()))
    screen.open()
    await_text(screen, "needle")
    screen.type("needle")
    passage = screen.page.locator(".rows .passage")
    expect(passage).to_contain_text("<img src=x onerror=globalThis.hacked=1> needle </mark>")
    expect(passage.locator("mark")).to_have_text(["needle"])
    screen.row("contents.txt").click()
    expect(screen.preview.locator("blockquote")).to_contain_text("<script>globalThis.hacked=1</script> &lt;after")
    assert screen.page.locator(".passage img, .passage script, blockquote img, blockquote script").count() == 0
    assert screen.page.evaluate("globalThis.hacked") is None


@pytest.mark.parametrize(
    "query",
    [
        "?q=%3Cimg%20src=x%20onerror=globalThis.hacked=1%3E",
        "?open=../../page/sign-out",
        "?open=%3Cscript%3E&session=%00&kind=%22&sort=evil&date=x&min=-1&max=1e9",
        "?q=" + "a" * 3000,
    ],
)
def test_hostile_addresses(screen: Screen, query: str) -> None:
    screen.page.goto(f"{screen.server.url}/page/{query}")
    expect(screen.page.get_by_role("searchbox")).to_be_visible()
    expect(screen.page.locator(".main")).not_to_have_attribute("aria-busy", "true")
    assert screen.page.evaluate("globalThis.hacked") is None
    assert screen.page.context.cookies() != []


def test_the_policy_holds_in_the_browser(new_screen: Callable[..., Screen]) -> None:
    """What an injected script would try; the browser tells of each, which here is meant."""
    screen = new_screen(violations=True)
    screen.open()
    tried = screen.page.evaluate(
        """async () => {
          const found = {};
          const attempt = (name, action) => { try { action(); found[name] = "done"; } catch { found[name] = "refused"; } };
          attempt("markup", () => { document.createElement("div").innerHTML = "<b>x</b>"; });
          attempt("script", () => { document.createElement("script").textContent = "1"; });
          attempt("address", () => { document.createElement("script").src = "data:,1"; });
          attempt("policy", () => { trustedTypes.createPolicy("other", {}); });
          const elsewhere = await fetch("http://127.0.0.1:9/").then(() => "done", () => "refused");
          return { ...found, elsewhere };
        }"""
    )
    assert set(tried.values()) == {"refused"}, tried
