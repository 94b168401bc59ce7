"""The pictures in docs/screenshots, taken of the page in its main states: `scripts/screenshots`. Not a test."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.e2e.browser.conftest import Screen
from tests.e2e.browser.test_preview import pdf, png, tone
from tests.e2e.browser.test_search import await_text
from tests.support.breaking import Proxy

FOLDER = Path(os.environ["SCREENSHOTS"])

NOTES = """Notes of the search group, Tuesday

Vector indexes on disk keep a graph of neighbours. DiskANN answers a query with a handful of reads.
The harbour of Trieste was closed for the regatta; the talk was moved to Thursday.
"""
PAPER = "DiskANN: fast, accurate billion-point nearest neighbour search on a single node"


def shoot(screen: Screen, name: str) -> None:
    """One picture, in few colours: small enough to be read over a slow line."""
    path = FOLDER / f"{name}.png"
    screen.page.wait_for_timeout(400)
    screen.page.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    assert path.stat().st_size < 150_000, path


def fill(screen: Screen) -> None:
    paper = pdf(PAPER, "The second page", "References")
    screen.upload(("sailing-video.webm", b"\x1aE\xdf\xa3" + bytes(4000)), ("letter.docx", b"PK\x03\x04" + bytes(900)))
    screen.upload(("interview.wav", tone(3)), ("sketch-of-the-index.png", png()), session="Product ideas")
    screen.upload(("budget 2026.csv", b"month,sum\n" + b"May,12\n" * 400), ("backup.zip", b"PK\x05\x06" + bytes(18)))
    screen.upload(
        ("weekly-notes.md", NOTES.encode()), ("agenda.txt", b"Agenda: indexes, then lunch"), session="Search group"
    )
    screen.upload(
        ("neurips19-diskann.pdf", paper), ("Adaptive_searching.pdf", pdf("Adaptive searching")), session="Papers"
    )
    await_text(screen, "regatta")
    await_text(screen, "billion")


def test_take(new_screen: Callable[..., Screen], node: Proxy) -> None:
    FOLDER.mkdir(exist_ok=True)
    size = {"width": 1280, "height": 800}
    tenant = "screenshots"
    out = new_screen(sign_in=False, viewport=size)
    out.page.goto(f"{out.server.url}/page/")
    expect(out.page.get_by_label("API token")).to_be_focused()
    shoot(out, "sign-in")

    screen = new_screen(tenant=tenant, viewport=size)
    screen.open()
    shoot(screen, "empty")
    fill(screen)
    screen.page.reload()
    expect(screen.count).to_have_text("10 attachments")
    screen.slow_down(300_000)
    transfer = screen.page.evaluate_handle(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File(["Minutes"], "minutes.txt"));
          transfer.items.add(new File([new Uint8Array(3_500_000)], "recording.flac"));
          transfer.items.add(new File([new Uint8Array(5_000_000)], "holiday.mov"));
          return transfer;
        }"""
    )
    screen.page.dispatch_event(".main", "drop", {"dataTransfer": transfer})
    expect(screen.entry("minutes.txt")).to_contain_text("Stored")
    expect(screen.entry("recording.flac")).to_contain_text("left")
    screen.page.wait_for_timeout(1500)
    shoot(screen, "uploads")
    screen.page.get_by_role("button", name="Cancel recording.flac").click()

    for scheme in ("light", "dark"):
        other = new_screen(tenant=tenant, viewport=size, color_scheme=scheme)
        other.open("?q=diskann")
        other.row("neurips19-diskann.pdf").click()
        expect(other.preview.locator(".sheet").first).to_contain_text("DiskANN")
        shoot(other, f"search-{scheme}")
    phone = new_screen(tenant=tenant, viewport={"width": 390, "height": 780}, is_mobile=True, has_touch=True)
    phone.open("?q=index")
    shoot(phone, "phone")
    node.refuse()
    try:
        other.type("regatta")
        expect(other.page.get_by_text("Search is not available right now", exact=True)).to_be_visible()
        shoot(other, "elasticsearch-down")
    finally:
        node.accept()
