"""For everyone: by keyboard alone, with a screen reader, in the dark, on a phone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser.conftest import Screen
from tests.e2e.browser.test_preview import pdf, png
from tests.support.breaking import Proxy

AXE = (Path(__file__).parent / "axe-core" / "axe.min.js").read_text()


def violations(page: Page) -> list[Any]:
    """What axe-core has to say of the page as it is now."""
    page.evaluate(AXE)
    # Colours that are still changing have no contrast to measure.
    page.evaluate(
        """() => Promise.all(document.getAnimations()
          .filter((each) => each.effect.getTiming().iterations !== Infinity)
          .map((each) => each.finished.catch(() => {})))"""
    )
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        {"rule": each["id"], "help": each["help"], "where": [node["html"][:200] for node in each["nodes"]]}
        for each in found["violations"]
    ]


def check(page: Page) -> None:
    found = violations(page)
    assert found == [], json.dumps(found, indent=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_violation_in_any_state(new_screen: Callable[..., Screen], node: Proxy, scheme: str) -> None:
    out = new_screen(sign_in=False, color_scheme=scheme).page
    screen = new_screen(color_scheme=scheme, reduced_motion="reduce")
    page = screen.page
    out.goto(f"{screen.server.url}/page/")
    expect(out.get_by_label("API token")).to_be_visible()
    check(out)

    screen.open()
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    check(page)
    screen.upload(
        ("report.pdf", pdf("Report")), ("picture.png", png()), ("notes.txt", b"notes of a meeting"), session="work"
    )
    screen.upload(
        ("unknown.bin", bytes(range(256))), ("data.csv", b"a,b\n1,2\n"), ("archive.zip", b"PK\x05\x06" + bytes(18))
    )
    page.reload()
    expect(screen.count).to_have_text("6 attachments")
    screen.choose(("new.txt", b"new"), ("large.bin", bytes(1)))
    expect(page.locator(".upload.done")).to_have_count(2)
    check(page)
    for name in ("report.pdf", "picture.png", "notes.txt", "unknown.bin"):
        screen.row(name).click()
        expect(screen.preview.locator(".look").locator("canvas, img, pre, .instead").first).to_be_visible()
        check(page)
    screen.preview.get_by_role("button", name="Delete").click()
    check(page)
    page.keyboard.press("Escape")
    screen.page.goto(f"{screen.server.url}/page/?q=notes&session=work&kind=text%2Fplain")
    expect(screen.count).to_have_text("1 attachment")
    check(page)
    node.refuse()
    try:
        screen.type("notes of")
        expect(page.get_by_text("Search is not available right now", exact=True)).to_be_visible()
        check(page)
    finally:
        node.accept()
    screen.server.await_health()


def test_a_phone(new_screen: Callable[..., Screen]) -> None:
    screen = new_screen(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    screen.upload(
        ("a rather long name of a file that does not fit.pdf", pdf("Hello")), ("b.txt", b"some words"), session="s"
    )
    screen.open()
    page = screen.page
    expect(screen.count).to_have_text("2 attachments")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    check(page)
    # Uploading is in reach at once; what lies beside the filters closes them and takes no tap for itself.
    expect(page.get_by_role("button", name="Upload")).to_be_visible()
    page.get_by_role("button", name="Filters").tap()
    expect(screen.choice("Plain text")).to_be_visible()
    page.touchscreen.tap(380, 150)
    expect(screen.choice("Plain text")).to_be_hidden()
    expect(screen.preview).to_be_hidden()
    page.get_by_role("button", name="Filters").tap()
    expect(screen.choice("Plain text")).to_be_visible()
    check(page)
    screen.choice("Plain text").tap()
    page.get_by_role("button", name="Close the filters").tap()
    expect(screen.count).to_have_text("1 attachment")
    screen.row("b.txt").tap()
    expect(screen.preview.locator("pre")).to_have_text("some words")
    check(page)
    # What the preview covers is not there for the keyboard.
    assert page.locator(".main").evaluate("each => each.inert")
    screen.preview.get_by_role("button", name="Close the preview").tap()
    expect(screen.row("b.txt").get_by_role("link")).to_be_focused()


def test_a_walk_by_keyboard_alone(screen: Screen) -> None:
    screen.upload(("alpha.txt", b"first of them"), ("beta.txt", b"second of them"), session="walk")
    page = screen.page
    screen.open("?sort=name")
    keys = page.keyboard
    expect(page.get_by_role("searchbox")).to_be_focused()
    # Search, into the list, up and down, look, close, back on the row.
    keys.type("txt")
    # The rows of an answer to words are higher: this is it, not the list from before, nor that to the first letters.
    expect(page).to_have_url(f"{screen.server.url}/page/?q=txt&sort=name")
    expect(page.locator(".main")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator(".rows.high li")).to_have_count(2)
    keys.press("ArrowDown")
    expect(screen.row("alpha.txt").get_by_role("link")).to_be_focused()
    keys.press("ArrowDown")
    expect(screen.row("beta.txt").get_by_role("link")).to_be_focused()
    keys.press("Home")
    keys.press("Enter")
    expect(screen.preview.get_by_role("heading", name="alpha.txt")).to_be_focused()
    expect(screen.preview.locator("pre")).to_have_text("first of them")
    keys.press("Escape")
    expect(screen.preview).to_be_hidden()
    expect(screen.row("alpha.txt").get_by_role("link")).to_be_focused()
    # Delete, after the question.
    keys.press("Delete")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    keys.press("Tab")
    keys.press("Enter")
    expect(screen.count).to_have_text("1 attachment")
    expect(screen.row("beta.txt").get_by_role("link")).to_be_focused()
    keys.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    # From the start, Tab comes to everything: a filter is set by the space bar, and the focus stays on it.
    page.reload()
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(screen.count).to_have_text("1 attachment")
    expect(page.locator(".choice").first).to_be_visible()
    keys.press("Shift+Tab")
    keys.press("Shift+Tab")
    expect(page.get_by_role("link", name="Skip to the results")).to_be_focused()
    reached = []
    for _ in range(40):
        keys.press("Tab")
        label = page.evaluate(
            "(({ ariaLabel, textContent, id }) => (ariaLabel || textContent || id).trim())(document.activeElement)"
        )
        reached.append(label)
        if page.evaluate("document.activeElement.closest('.choice') !== null"):
            break
    for wanted in ("Attachments", "Sign out", "Upload", "Choose a folder", "New session"):
        assert wanted in reached
    keys.press("Space")
    expect(page.locator(".chip")).to_have_count(1)
    assert page.evaluate("document.activeElement.closest('.choice') !== null")


def test_what_screen_readers_are_told(screen: Screen) -> None:
    screen.upload(("one.txt", b"1"))
    screen.open()
    said = screen.page.get_by_role("status")
    expect(said).to_have_text("1 attachment")
    screen.type("nothing like it")
    expect(said).to_have_text("Nothing found")
    screen.choose(("two.txt", b"2"))
    expect(said).to_have_text("1 file uploaded")
    row = screen.page.locator(".rows li").first
    screen.type("")
    expect(screen.count).to_have_text("2 attachments")
    expect(row).to_have_attribute("aria-setsize", "2")
    expect(row).to_have_attribute("aria-posinset", "1")


def test_what_was_not_deleted_is_said_over_what_is_open(new_screen: Callable[..., Screen]) -> None:
    """Where the preview covers the list, too."""
    screen = new_screen(viewport={"width": 800, "height": 700})
    screen.upload(("kept.txt", b"1"))
    screen.open()
    screen.row("kept.txt").click()
    screen.page.context.set_offline(True)
    screen.preview.get_by_role("button", name="Delete").click()
    screen.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    said = screen.page.get_by_role("alert").filter(has_text="It could not be deleted.")
    expect(said).to_be_in_viewport()
    box = said.bounding_box()
    assert box is not None
    top = "([x, y]) => document.elementFromPoint(x, y).closest('[role=alert]') !== null"
    assert screen.page.evaluate(top, [box["x"] + 5, box["y"] + 5])
    check(screen.page)
    screen.page.get_by_role("button", name="Dismiss").click()
    expect(said).to_be_hidden()
    expect(screen.preview.get_by_role("heading", name="kept.txt")).to_be_focused()


def test_the_focus_is_never_lost(screen: Screen) -> None:
    """What has it may go: a filter that is taken away, a button that has done its work."""
    screen.upload(("one.txt", b"some text"), session="work")
    page = screen.page
    screen.open("?q=one&session=work&kind=text%2Fplain")
    expect(screen.row("one.txt")).to_be_visible()
    expect(page.locator(".chip")).to_have_count(2)
    page.locator(".chip").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(1)
    expect(page.locator(".chip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("searchbox")).to_be_focused()
    # A row, while other answers come.
    page.keyboard.press("ArrowDown")
    expect(screen.row("one.txt").get_by_role("link")).to_be_focused()
    page.evaluate("history.back()")
    expect(page.locator(".chip")).to_have_count(1)
    expect(screen.row("one.txt").get_by_role("link")).to_be_focused()

    full_speed = screen.slow_down(up=20_000)
    screen.choose(("slow.bin", bytes(200_000)))
    entry = screen.entry("slow.bin")
    entry.get_by_role("button", name="Cancel slow.bin").focus()
    page.keyboard.press("Enter")
    again = entry.get_by_role("button", name="Try slow.bin again")
    expect(again).to_be_focused()
    full_speed()
    page.keyboard.press("Enter")
    expect(entry.get_by_role("button", name="Open slow.bin")).to_be_focused()
    page.get_by_role("button", name="Hide the finished ones").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".tray")).to_be_hidden()
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_no_violation_where_something_is_asked_or_told(new_screen: Callable[..., Screen]) -> None:
    screen = new_screen(reduced_motion="reduce")
    page = screen.page
    page.route("**/page/signed-in", lambda route: route.abort())
    page.goto(f"{screen.server.url}/page/")
    expect(page.get_by_role("heading", name="The server does not answer")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer. Trying again by itself")
    check(page)
    page.unroute("**/page/signed-in")
    expect(screen.count).to_have_text("No attachments")
    page.get_by_role("button", name="New session").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="New session")).to_be_focused()
    transfer = page.evaluate_handle("new DataTransfer()")
    page.evaluate(
        """(transfer) => {
          transfer.items.add(new File(["x"], "x"));
          document.body.dispatchEvent(new DragEvent("dragenter", { dataTransfer: transfer, bubbles: true }));
        }""",
        transfer,
    )
    expect(page.get_by_text("Drop to upload")).to_be_visible()
    check(page)
    # An empty folder, and a link dragged by mistake.
    page.evaluate(
        """() => {
          const dataTransfer = { types: ["Files"], items: [], files: [] };
          document.body.dispatchEvent(Object.assign(new Event("drop", { bubbles: true }), { dataTransfer }));
        }"""
    )
    expect(page.get_by_role("alert").filter(has_text="Nothing in there can be uploaded")).to_be_in_viewport()
    check(page)


def test_on_paper_a_file_that_is_open_is_whole(screen: Screen) -> None:
    screen.upload(("long.txt", b"A line of many\n" * 300))
    screen.open()
    screen.row("long.txt").click()
    text = screen.preview.locator("pre")
    expect(text).to_contain_text("A line of many")
    screen.page.emulate_media(media="print")
    expect(screen.page.locator(".main")).to_be_hidden()
    shown = (
        "(each) => each.scrollHeight <= each.clientHeight && document.documentElement.scrollHeight > each.clientHeight"
    )
    assert text.evaluate(shown)
    rest = screen.preview.get_by_text("The text goes on.")
    expect(rest).to_be_hidden()
    screen.upload(("longer.txt", b"A line of many\n" * 30_000))
    screen.page.emulate_media(media="screen")
    screen.page.reload()
    screen.row("longer.txt").click()
    expect(screen.preview.locator("h2")).to_have_text("longer.txt")
    expect(screen.preview.get_by_role("button", name="Show more")).to_be_visible()
    expect(rest).to_be_hidden()
    screen.page.emulate_media(media="print")
    expect(rest).to_be_visible()
