"""Signing in and out, as a person sees it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from playwright.sync_api import Browser, expect

from app.auth.tokens import digest
from tests.e2e.browser.conftest import Screen
from tests.support.browsers import post_token
from tests.support.chromium import launch, signed_in


def test_signing_in_and_out(new_screen: Callable[..., Screen]) -> None:
    screen = new_screen(sign_in=False)
    page = screen.page
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.goto(f"{screen.server.url}/?anything")
    expect(page).to_have_url(f"{screen.server.url}/page/")
    field = page.get_by_label("API token")
    expect(field).to_be_focused()
    # That nobody is signed in yet is no error.
    assert said == []
    field.fill("wrong")
    field.press("Enter")
    expect(page.get_by_text("This token is not valid.")).to_be_visible()
    # There is nothing behind it to escape to.
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    field.fill(screen.token)
    page.get_by_role("button", name="Sign in").click()
    expect(screen.count).to_have_text("No attachments")

    assert page.evaluate("document.cookie") == ""
    stored = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}]) + document.documentElement.outerHTML"
    )
    assert screen.token not in stored
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"

    page.get_by_role("button", name="Sign out").click()
    expect(field).to_be_visible()
    assert page.context.cookies() == []


def test_who_failed_too_often_is_told_how_long_to_wait(new_screen: Callable[..., Screen]) -> None:
    # An address of its own, or no other test could sign in.
    address = {"X-Forwarded-For": "203.0.113.20"}
    screen = new_screen(sign_in=False, extra_http_headers=address)
    screen.page.goto(f"{screen.server.url}/page/")
    field = screen.page.get_by_label("API token")
    statuses = [post_token(screen.server.url, "wrong", headers=address).status_code for _ in range(21)]
    assert statuses[-2:] == [401, 429]
    while int(post_token(screen.server.url, "wrong", headers=address).headers["Retry-After"]) > 58:
        time.sleep(0.1)
    field.fill(screen.token)
    field.press("Enter")
    said = screen.page.get_by_role("alert").filter(has_text="Too many failed attempts")
    # What is left of the minute, not always a minute.
    expect(said).to_have_text(re.compile(r"Try again in [1-5]?\d seconds"))


def test_a_token_that_is_revoked_meanwhile(new_screen: Callable[..., Screen]) -> None:
    """The page asks for another one and goes on where it was."""
    screen = new_screen()
    screen.upload(("first.txt", b"1"))
    screen.open("?q=first")
    expect(screen.row("first.txt")).to_be_visible()
    ours = next(each for each in screen.server.tokens.all() if each.digest == digest(screen.token))
    fresh = screen.server.tokens.rotate(ours.name)
    screen.choose(("later.txt", b"2"))
    expect(screen.page.get_by_text("You were signed out.")).to_be_visible()
    screen.page.get_by_label("API token").fill(fresh)
    screen.page.keyboard.press("Enter")
    expect(screen.page.get_by_role("dialog")).to_have_count(0)
    expect(screen.page).to_have_url(f"{screen.server.url}/page/?q=first")
    expect(screen.entry("later.txt")).to_contain_text("You are signed out. Sign in, then try again.")
    screen.page.get_by_role("button", name="Try later.txt again").click()
    expect(screen.entry("later.txt")).to_contain_text("Stored")


def test_a_token_that_may_only_look(new_screen: Callable[..., Screen]) -> None:
    screen = new_screen("search", "read")
    writer = screen.server.make_token(tenant=tenant_of(screen))
    screen.server.upload(("theirs.txt", b"text"), token=writer)
    screen.open()
    screen.row("theirs.txt").click()
    expect(screen.preview.get_by_role("link", name="Download")).to_be_visible()
    expect(screen.preview.get_by_role("button", name="Delete")).to_have_count(0)
    expect(screen.page.get_by_role("button", name="Upload")).to_have_count(0)


def tenant_of(screen: Screen) -> str:
    return next(each.tenant for each in screen.server.tokens.all() if each.digest == digest(screen.token))


def test_two_windows_of_one_browser_are_signed_in_and_out_together(screen: Screen) -> None:
    screen.upload(("first.txt", b"1"))
    screen.open("?q=first")
    expect(screen.row("first.txt")).to_be_visible()
    other = screen.page.context.new_page()
    other.goto(f"{screen.server.url}/page/")
    other.get_by_role("button", name="Sign out").click()
    # What one of them may no longer show the other does not, either.
    expect(screen.page.get_by_text("You were signed out.")).to_be_visible()
    field = other.get_by_label("API token")
    field.fill(screen.token)
    field.press("Enter")
    expect(screen.page.get_by_role("dialog")).to_have_count(0)
    # Each has what it must show to change anything.
    screen.choose(("later.txt", b"2"))
    expect(screen.entry("later.txt")).to_contain_text("Stored")
    assert screen.page.url.endswith("?q=first")


def test_another_person_at_another_window_gets_nothing_of_the_first(new_screen: Callable[..., Screen]) -> None:
    screen, theirs = new_screen(), new_screen(sign_in=False)
    screen.upload(("secret plan.txt", b"1"))
    screen.open("?q=secret")
    expect(screen.row("secret plan.txt")).to_be_visible()
    screen.slow_down(up=1000)
    screen.choose(("on its way.txt", b"x" * 100_000), *((f"waiting{number}.txt", b"x") for number in range(5)))
    expect(screen.entry("waiting4.txt")).to_contain_text("Waiting")
    other = screen.page.context.new_page()
    other.goto(f"{screen.server.url}/page/")
    other.get_by_role("button", name="Sign out").click()
    other.get_by_label("API token").fill(theirs.token)
    other.get_by_label("API token").press("Enter")
    expect(screen.count).to_have_text("No attachments")
    expect(screen.page).to_have_url(f"{screen.server.url}/page/")
    expect(screen.page.locator(".rows li, .upload")).to_have_count(0)
    assert screen.server.hits(token=theirs.token) == []


def test_the_way_back_after_signing_out_shows_nothing(chromium: Browser, screen: Screen) -> None:
    """Browsers keep pages as they were left, for the way back; the driver switches that off, and here not."""
    screen.upload(("secret plan.txt", b"1"))
    with launch(chromium.browser_type, keeps_pages=True) as browser:
        page = signed_in(browser, screen.server.url, screen.token).new_page()
        page.goto(f"{screen.server.url}/page/?q=secret")
        row = page.get_by_text("secret plan.txt")
        expect(row).to_be_visible()
        page.goto(f"{screen.server.url}/page/?q=plan")
        expect(row).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("API token")).to_be_visible()
        for query in ("?q=plan", "?q=secret"):
            page.go_back(wait_until="commit")
            expect(page).to_have_url(f"{screen.server.url}/page/{query}")
            expect(page.get_by_label("API token")).to_be_visible()
            expect(row).to_have_count(0)
