"""Looking at files: each kind as it is, nothing of it run; details, links, deleting."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import re
import shlex
import struct
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
import rars
from fpdf import FPDF
from PIL import Image
from playwright.sync_api import Error, Locator, Response, expect

from tests.e2e.browser.conftest import Screen

MIB = 1024 * 1024


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 200), "teal").save(file, "PNG")
    return file.getvalue()


def pdf(*pages: str) -> bytes:
    document = FPDF()
    document.set_font("Helvetica", size=24)
    for page in pages:
        document.add_page()
        document.cell(text=page)
    return bytes(document.output())


def tone(seconds: int = 20) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(44_100)
        samples = (int(9000 * math.sin(number / 16)) for number in range(44_100 * seconds))
        sound.writeframes(b"".join(struct.pack("<h", each) for each in samples))
    return file.getvalue()


def test_an_image(screen: Screen) -> None:
    screen.upload(("picture.png", png()))
    screen.open()
    screen.row("picture.png").click()
    image = screen.preview.get_by_role("img", name="The image picture.png")
    expect(image).to_be_visible()
    assert image.evaluate(
        "async (image) => { await image.decode(); return [image.naturalWidth, image.naturalHeight]; }"
    ) == [
        320,
        200,
    ]


def test_a_pdf_on_canvases(screen: Screen) -> None:
    screen.upload(("paper.pdf", pdf("Succinct structures", "The second page", "The third")))
    screen.open()
    screen.row("paper.pdf").click()
    expect(screen.preview.get_by_text("3 pages")).to_be_visible()
    canvas = screen.preview.get_by_role("img", name="Page 1 of 3")
    expect(canvas).to_be_visible()
    # Screen readers get the words of the page, and the canvas has ink.
    expect(screen.preview.locator(".sheet").first).to_contain_text("Succinct structures")
    dark = canvas.evaluate(
        """(canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let dark = 0;
          for (let at = 0; at < data.length; at += 4) if (data[at] < 100 && data[at + 3] > 200) dark += 1;
          return dark;
        }"""
    )
    assert dark > 100


def test_one_pdf_after_the_other(screen: Screen) -> None:
    """Quickly, as one walks down a list: the last one is shown."""
    names = [f"{number}.pdf" for number in range(4)]
    screen.upload(*[(name, pdf(f"This is {name}")) for name in names])
    screen.open("?sort=name")
    for _ in range(2):
        for name in names:
            screen.row(name).click()
        expect(screen.preview.locator(".sheet").first).to_contain_text("This is 3.pdf")


def test_a_damaged_pdf(screen: Screen) -> None:
    screen.upload(("broken.pdf", b"%PDF-1.7\n" + b"nothing of the kind\n" * 20))
    screen.open()
    screen.row("broken.pdf").click()
    expect(screen.preview.get_by_text("The preview could not be shown.")).to_be_visible()
    expect(screen.preview.get_by_role("link", name="Download")).to_be_visible()


def to_the_end(text: Locator) -> None:
    """Scroll through a text until there is no more of it."""
    text.evaluate(
        """async (text) => {
          const more = text.parentElement.querySelector("button");
          while (!more.hidden) {
            text.scrollTop = text.scrollHeight;
            await new Promise((done) => setTimeout(done, 20));
          }
        }"""
    )


def test_a_text_and_where_it_was_cut(screen: Screen) -> None:
    # So many lines that pieces begin within a letter.
    content = ("zeile mit ümlaut\n" * 20_000).encode()
    large = b"nothing but lines\n" * 150_000
    screen.upload(("long.txt", content), ("large.txt", large), ("empty.txt", b""))
    screen.open()
    screen.row("long.txt").click()
    text = screen.preview.get_by_role("region", name="The text of long.txt")
    expect(text).to_contain_text("zeile mit ümlaut")
    shown = text.text_content() or ""
    assert content.decode().startswith(shown)
    assert 0 < len(shown.encode()) <= 128 * 1024
    to_the_end(text)
    assert text.text_content() == content.decode()
    assert text.evaluate("each => Math.max(...[...each.children].map((piece) => piece.textContent.length))") <= 8192
    screen.row("large.txt").click()
    text = screen.preview.get_by_role("region", name="The text of large.txt")
    expect(text).to_contain_text("nothing but lines")
    to_the_end(text)
    expect(screen.preview.get_by_text("The first 2.0 MB are shown.")).to_be_visible()
    assert text.text_content() == large[: 2 * MIB].decode()


#: Thirty seconds of 160 by 90 points in VP8, made by FFmpeg's libraries (PyAV) from moving noise.
FILM = (Path(__file__).parent / "film.webm").read_bytes()

_SEEK = """async (player, to) => {
  if (player.readyState < 1) await new Promise((done) => player.addEventListener("loadedmetadata", done));
  const moved = new Promise((done) => player.addEventListener("seeked", done));
  player.currentTime = to;
  await moved;
  return [player.currentTime, Math.round(player.duration)];
}"""
_PLAY = """async (player) => {
  const before = player.currentTime;
  player.muted = true;
  await player.play();
  while (player.currentTime < before + 0.3) await new Promise((done) => setTimeout(done, 50));
  player.pause();
  return player.currentTime;
}"""


@pytest.mark.parametrize(
    ("name", "content", "player", "to", "length"),
    [("tone.wav", tone(), "audio", 15, 20), ("film.webm", FILM, "video", 25, 30)],
)
def test_sound_and_film_are_moved_about_by_ranges(
    screen: Screen, name: str, content: bytes, player: str, to: int, length: int
) -> None:
    """Far ahead of what has come by then: the bytes from there on are asked for, and it plays on from there."""
    screen.upload((name, content))
    screen.open()
    parts: list[int] = []

    def answered(answer: Response) -> None:
        where = re.match(r"bytes (\d+)-", answer.headers.get("content-range", ""))
        if answer.status == 206 and where:
            parts.append(int(where[1]))

    screen.page.on("response", answered)
    full_speed = screen.slow_down(down=200_000)
    screen.row(name).click()
    shown = screen.preview.locator(player)
    expect(shown).to_be_visible()
    assert shown.evaluate(_SEEK, to) == [to, length]
    # For what is only a little ahead browsers wait instead.
    assert parts[0] == 0
    assert len(content) < MIB or any(part > len(content) / 2 for part in parts), parts
    full_speed()
    assert to + 0.3 <= shown.evaluate(_PLAY) < length


HOSTILE_HTML = (
    b"<!doctype html><script>parent.hacked = top.hacked = 1</script><img src=x onerror='top.hacked = 1'>Hello"
)
HOSTILE_SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="50" height="50" onload="top.hacked=1">'
    b"<script>top.hacked = 1; document.title = 'hacked'</script><rect width='50' height='50' fill='red'/></svg>"
)


@pytest.mark.parametrize(("name", "content"), [("page.html", HOSTILE_HTML), ("drawing.svg", HOSTILE_SVG)])
def test_nothing_of_a_file_is_run(screen: Screen, name: str, content: bytes) -> None:
    (attachment_id,) = screen.upload((name, content))
    screen.open()
    screen.row(name).click()
    shown = screen.preview.locator("pre") if name == "page.html" else screen.preview.get_by_role("img")
    expect(shown.first).to_be_visible()
    if name == "page.html":
        expect(shown).to_have_text(content.decode())
    else:
        assert shown.first.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") == 50
    assert screen.page.evaluate("globalThis.hacked") is None
    # Opened by its own address it is saved, not shown: nothing of it runs on this origin.
    other = screen.page.context.new_page()
    with other.expect_download() as download, contextlib.suppress(Error):
        other.goto(f"{screen.server.url}/attachment/{attachment_id}")
    assert Path(download.value.path()).read_bytes() == content


def copied(screen: Screen, beginning: str) -> str:
    """What is in the clipboard, once it begins so: a click does not wait for it."""
    return str(
        screen.page.evaluate(
            """async (beginning) => {
              for (;;) {
                const text = await navigator.clipboard.readText();
                if (text.startsWith(beginning)) return text;
                await new Promise((done) => setTimeout(done, 20));
              }
            }""",
            beginning,
        )
    )


def secret_rar() -> bytes:
    made = rars.RarBuilder(password="x")
    made.add_bytes(b"hidden", "a.txt")
    return bytes(made.to_bytes())


def test_why_nothing_in_a_file_is_found(new_screen: Callable[..., Screen]) -> None:
    screen = new_screen()
    files = {
        "sound.mp3": (b"ID3\x04" + bytes(100), "not searchable: files of this kind are not read"),
        "empty.txt": (b"", "nothing to search: there is no text in it"),
        "blank.txt": (b" \n ", "nothing to search: there is no text in it"),
        "broken.pdf": (b"%PDF-1.7\nbroken", "could not be read: the file is damaged"),
        "secret.rar": (secret_rar(), "could not be read: it is protected by a password"),
    }
    screen.upload(*((name, content) for name, (content, _) in files.items()))
    screen.open()
    for name, (_, sentence) in files.items():
        screen.row(name).click()
        expect(screen.preview.locator(".extraction")).to_have_text(sentence, timeout=60_000)


def test_details_and_what_can_be_copied(new_screen: Callable[..., Screen], tmp_path: Path) -> None:
    screen = new_screen(permissions=["clipboard-read", "clipboard-write"])
    (attachment_id,) = screen.upload(("it's $HOME.txt", b"details"), session="a session")
    screen.open()
    screen.row("it's $HOME.txt").click()
    preview = screen.preview
    digest = hashlib.sha256(b"details").hexdigest()
    for text in (attachment_id, digest, "7 bytes", "text/plain"):
        expect(preview.locator("dl")).to_contain_text(text)
    expect(preview.locator(".extraction")).to_have_text("searchable")
    preview.get_by_role("button", name="Copy link").click()
    link = copied(screen, "http")
    preview.get_by_role("button", name="Copy curl line").click()
    curl = copied(screen, "curl")

    done = subprocess.run(
        ["bash", "-c", curl], cwd=tmp_path, env={"TOKEN": screen.token, "PATH": "/usr/bin:/bin"}, check=False
    )
    assert done.returncode == 0, shlex.quote(curl)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"details"]
    preview.get_by_role("link", name="a session").click()
    expect(screen.page).to_have_url(f"{screen.server.url}/page/?session=a+session")
    screen.page.goto(link)
    expect(preview.get_by_role("heading", name="it's $HOME.txt")).to_be_visible()
    expect(preview.locator("dl")).to_contain_text(digest)
    with screen.page.expect_download() as download:
        preview.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "it's $HOME.txt"
    assert Path(download.value.path()).read_bytes() == b"details"


def test_a_link_to_what_is_gone(screen: Screen) -> None:
    screen.page.goto(f"{screen.server.url}/page/?open=cv9r1krq50k4qhqcqhu0")
    expect(screen.preview.get_by_text("This attachment does not exist (any more).")).to_be_visible()


def test_deleting_asks_first(screen: Screen) -> None:
    gone, kept = screen.upload(("gone.txt", b"1"), ("kept.txt", b"2"))
    screen.open("?sort=name")
    screen.row("gone.txt").click()
    screen.preview.get_by_role("button", name="Delete").click()
    dialog = screen.page.get_by_role("dialog")
    expect(dialog).to_contain_text("“gone.txt” is removed from the disk and from every search.")
    # The key that closes questions harms nothing, nor does the one that the focus is on.
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    screen.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert screen.server.get(f"/attachment/{gone}", token=screen.token).status_code == 200
    screen.preview.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(screen.row("gone.txt")).to_have_count(0)
    expect(screen.count).to_have_text("1 attachment")
    expect(screen.preview).to_be_hidden()
    expect(screen.page.get_by_role("status")).to_have_text("gone.txt is deleted")
    assert screen.server.get(f"/attachment/{gone}", token=screen.token).status_code == 404
    assert screen.server.get(f"/attachment/{kept}", token=screen.token).status_code == 200
    expect(screen.row("kept.txt").get_by_role("link")).to_be_focused()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Grüße, naïve café".encode(), "Grüße, naïve café"),
        ("Grüße".encode("utf-8-sig"), "Grüße"),
        ("Grüße".encode("utf-16"), "Grüße"),
        (b"\xfe\xff" + "Grüße".encode("utf-16-be"), "Grüße"),
        ("Grüße, naïve café".encode("latin-1"), "Grüße, naïve café"),
        ("It costs 5 € – “cheap”".encode("cp1252"), "It costs 5 € – “cheap”"),
        # One damaged place does not make it another text.
        ("Grüße an \xff".encode() + b"\xff", "Grüße an ÿ\ufffd"),
        ("日本".encode() + b"\xe6", "日本\ufffd"),
        (b"plain", "plain"),
    ],
)
def test_texts_in_the_encoding_that_they_are_in(screen: Screen, content: bytes, said: str) -> None:
    screen.open()
    read = """(module, given) => {
      const bytes = new Uint8Array(given);
      return new TextDecoder(module.encodingOf(bytes)).decode(bytes);
    }"""
    assert screen.module("encoding", read, list(content)) == said


def test_an_older_text_and_an_empty_file(screen: Screen) -> None:
    screen.upload(("brief.txt", "Viele Grüße aus Köln\n".encode("latin-1") * 50), ("empty.png", b""))
    screen.open()
    screen.row("brief.txt").click()
    expect(screen.preview.locator("pre")).to_contain_text("Viele Grüße aus Köln")
    screen.row("empty.png").click()
    expect(screen.preview.locator(".look")).to_contain_text("The file is empty.")


def test_deleting_far_down_the_list_stays_there(screen: Screen) -> None:
    for part in (range(60), range(60, 120)):
        screen.upload(*((f"n{number:03}.txt", b"x") for number in part))
    screen.open("?sort=name")
    expect(screen.count).to_have_text("120 attachments")
    screen.page.get_by_role("searchbox").press("ArrowDown")
    link = screen.row("n090.txt").get_by_role("link")
    for _ in range(500):
        if link.is_visible():
            break
        screen.page.keyboard.press("PageDown")
    link.focus()
    screen.page.keyboard.press("Delete")
    screen.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(screen.count).to_have_text("119 attachments")
    expect(screen.choice("Under 10 KB").locator(".number")).to_have_text("119")
    after = screen.row("n091.txt")
    expect(after.get_by_role("link")).to_be_focused()
    expect(after).to_have_attribute("aria-posinset", "91")
