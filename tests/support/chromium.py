"""Debian's Chromium, driven by Playwright: one for all who ask for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

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
    executable = command("chromium")
    assert executable is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
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
