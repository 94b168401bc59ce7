"""Elasticsearch away and back: the page says so, keeps what it has, and goes on by itself."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.browser.conftest import Screen
from tests.support.breaking import Proxy


def test_the_node_goes_and_comes_back(screen: Screen, node: Proxy) -> None:
    screen.upload(("kept.txt", b"still here"), ("other.txt", b"2"))
    screen.open()
    expect(screen.count).to_have_text("2 attachments")
    node.refuse()
    try:
        screen.type("kept")
        expect(screen.page.get_by_text("Search is not available right now", exact=True)).to_be_visible()
        expect(screen.page.get_by_role("alert").first).to_contain_text("Search is not available")
        # Asked again from the keyboard, which stays there, and told the same.
        again = screen.page.get_by_role("button", name="Try again")
        again.focus()
        with screen.page.expect_response(lambda answer: "query=kept" in answer.url and answer.status == 503):
            again.press("Enter")
        expect(screen.page.locator(".main")).not_to_have_attribute("aria-busy", "true")
        expect(again).to_be_focused()
        # What was found is still there, and files can be looked at without Elasticsearch.
        screen.row("kept.txt").click()
        expect(screen.preview.locator("pre")).to_have_text("still here")
    finally:
        node.accept()
    # Nobody clicks anything.
    expect(screen.page.get_by_text("Search is not available right now", exact=True)).to_be_hidden(timeout=60_000)
    expect(screen.count).to_have_text("1 attachment")


def test_a_link_to_a_file_works_without_the_node(screen: Screen, node: Proxy) -> None:
    (attachment_id,) = screen.upload(("näme.txt", b"from the disk alone"))
    node.refuse()
    try:
        screen.page.goto(f"{screen.server.url}/page/?open={attachment_id}")
        expect(screen.preview.get_by_role("heading", name="näme.txt")).to_be_visible()
        expect(screen.preview.locator("pre")).to_have_text("from the disk alone")
    finally:
        node.accept()
    screen.server.await_health()
