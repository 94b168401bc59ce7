"""Debian's Chromium, driven by Playwright: one for all who ask for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, BrowserContext, BrowserType, sync_playwright

from tests.support.tools import command

# It talks to nobody but the page: no updates, no accounts, no prediction of what might be opened next.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@contextlib.contextmanager
def running_chromium() -> Iterator[Browser]:
    """The browser, ended at the end."""
    with sync_playwright() as playwright, launch(playwright.chromium) as browser:
        yield browser


@contextlib.contextmanager
def launch(kind: BrowserType, *, keeps_pages: bool = False) -> Iterator[Browser]:
    """Another one. `keeps_pages`: for the way back, as browsers of people do, and drivers usually have them not do."""
    executable = command("chromium")
    assert executable is not None
    left_out = ["--disable-back-forward-cache"] if keeps_pages else []
    browser = kind.launch(executable_path=executable, args=_ARGUMENTS, ignore_default_args=left_out)
    try:
        yield browser
    finally:
        browser.close()


def signed_in(browser: Browser, url: str, token: str, **options: Any) -> BrowserContext:
    """A window of its own in which `token` is signed in, as its cookie says. `options` are those of `new_context`."""
    context = browser.new_context(**{"viewport": {"width": 1360, "height": 860}, **options})
    # As the page itself does it, so that the cookie is the browser's to keep.
    answer = context.request.post(
        f"{url}/page/sign-in", data={"token": token}, headers={"Content-Type": "application/json"}
    )
    assert answer.ok, answer.text()
    return context
