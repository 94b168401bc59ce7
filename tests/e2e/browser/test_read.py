"""What was read of files, where there is nothing else to show of them: safely, in pieces, with its places and its marks."""

from __future__ import annotations

import contextlib
import fcntl
import io
import time
import zipfile
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import docx
import openpyxl
import pytest
from playwright.sync_api import Locator, expect

from app.extraction.parts import Part
from app.storage.contract import Artefact
from app.storage.filesystem import Filesystem
from tests.e2e.browser.conftest import Screen
from tests.e2e.browser.test_everyone import check
from tests.e2e.browser.test_preview import to_the_end
from tests.e2e.browser.test_search import await_text
from tests.support.artefacts import path_of
from tests.support.texts import keep_text

MIB = 1024 * 1024
ATTACK = "<script>hacked = 1</script><img src=x onerror='globalThis.hacked = 1'>"
#: What a text says of markup, of where it leads, and of how it runs.
HOSTILE = f"{ATTACK} </pre></mark> https://evil.example/ javascript:alert(1) \u202egnp.exe\u2066 end \u0000\u001b[31m"
#: The beginning of a picture, without one.
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + b"nothing of the kind" * 20
#: Of a notebook of OneNote, which nobody reads.
ONE_NOTE = bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes(99)
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy. "


def word(*paragraphs: str) -> bytes:
    made = docx.Document()
    for paragraph in paragraphs:
        made.add_paragraph(paragraph)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def excel(**sheets: str) -> bytes:
    made = openpyxl.Workbook()
    assert made.active is not None
    made.remove(made.active)
    for name, cell in sheets.items():
        made.create_sheet(name)["B2"] = cell
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def mail(text: str) -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@example.org", "b@example.org", "Angebot für Košice"
    made.set_content(text)
    return bytes(made)


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a.bin", bytes(range(256)))
    return file.getvalue()


def look(screen: Screen) -> Locator:
    return screen.preview.locator(".look")


def text_of(screen: Screen, name: str) -> Locator:
    return screen.preview.get_by_role("region", name=f"The text of {name}", exact=True)


def decided(screen: Screen, *ids: str) -> None:
    deadline = time.monotonic() + 120
    query = f"/attachment/_status?attachments={','.join(ids)}"
    while "pending" in screen.server.get(query, token=screen.token).text:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextlib.contextmanager
def nothing_read(screen: Screen) -> Iterator[None]:
    """No text is taken out of anything within the block: this process has all the slots."""
    folder = screen.server.data / "extraction"
    with contextlib.ExitStack() as stack:
        for kind in ("", "pictures-"):
            for number in range(8):
                slot = stack.enter_context((folder / f".slot-{kind}{number}").open("a+b"))
                fcntl.flock(slot, fcntl.LOCK_EX)
        yield


FILES: dict[str, tuple[bytes, str]] = {
    "letter.docx": (word("Dear harbour master,", HOSTILE.split("\u0000")[0]), "Dear harbour master"),
    "costs.xlsx": (excel(Costs="lighthouse", Income="tolls"), "lighthouse"),
    "offer.eml": (mail(f"The roof, as agreed.\n{ATTACK}\n"), "The roof, as agreed."),
    "note.rtf": (rb"{\rtf1\ansi\ansicpg1250 Plain words of a note.\par}", "Plain words of a note."),
    "old.txt": ((CZECH * 20).encode("cp1250"), CZECH.strip()),
    "kyrillic.txt": (("Съешь ещё этих мягких французских булок. " * 20).encode("koi8-r"), "Съешь ещё этих мягких"),
    "wide.txt": ((CZECH * 20).encode("utf-16"), CZECH.strip()),
}


def test_what_was_read_is_shown_of_what_browsers_do_not_show(screen: Screen) -> None:
    ids = screen.upload(*((name, content) for name, (content, _) in FILES.items()))
    decided(screen, *ids)
    screen.open("?sort=name")
    for name, (_, said) in FILES.items():
        screen.row(name).click()
        expect(text_of(screen, name)).to_contain_text(said)
        expect(look(screen)).to_contain_text("The text that was read of the file")
        expect(look(screen).locator("script, img, a, iframe, object")).to_have_count(0)
    assert screen.page.evaluate("globalThis.hacked") is None
    screen.row("offer.eml").click()
    expect(text_of(screen, "offer.eml")).to_contain_text(ATTACK)


def test_what_is_utf_8_is_shown_as_it_is(screen: Screen) -> None:
    """Also while nothing is read, and of a page its source."""
    page = f"<!doctype html><p>{CZECH}</p>"
    with nothing_read(screen):
        screen.upload(("page.html", page.encode()))
        screen.open()
        screen.row("page.html").click()
        expect(text_of(screen, "page.html")).to_have_text(page)
        expect(look(screen)).not_to_contain_text("The text that was read of the file")


def test_a_text_that_turns_out_to_be_no_utf_8_far_behind_its_beginning(screen: Screen) -> None:
    content = b"plain ascii line\n" * 8000 + (CZECH * 200).encode("cp1250")
    ids = screen.upload(("log.txt", content))
    decided(screen, *ids)
    screen.open()
    screen.row("log.txt").click()
    expect(text_of(screen, "log.txt")).to_contain_text("plain ascii line")
    to_the_end(text_of(screen, "log.txt"))
    expect(look(screen)).to_contain_text("The text that was read of the file")
    to_the_end(text_of(screen, "log.txt"))
    expect(text_of(screen, "log.txt")).to_contain_text(CZECH.strip())


def kept(screen: Screen, name: str, text: bytes, *parts: Part, cut: bool = False) -> str:
    """An attachment whose text and parts are these."""
    (attachment_id,) = screen.upload((name, archive()))
    decided(screen, attachment_id)
    keep_text(screen.server.data, attachment_id, text, *parts, cut=cut)
    return attachment_id


def test_places_are_headings(screen: Screen) -> None:
    inner, hostile = "Dach.pdf", f"{ATTACK}\u202e.txt"
    pieces = [
        (Part(0, 1, "Übersicht"), "first sheet\n\n"),
        (Part(0, 2, ATTACK), "second sheet"),
        (Part(0, file=(inner,)), f"{inner}\n"),
        (Part(0, 1), "page one of it\n"),
        (Part(0, 2), "page two of it"),
        (Part(0, file=("a.zip", hostile)), f"{hostile}\nof the file within"),
        (Part(0, 1), ""),
    ]
    text, parts = b"", []
    for part, words in pieces:
        if part.file:
            text += b"\n\n"
        parts.append(Part(len(text), part.page, part.title, part.file))
        text += words.encode()
    kept(screen, "book.zip", text, *parts)
    screen.open()
    screen.row("book.zip").click()
    region = text_of(screen, "book.zip")
    expect(region.get_by_role("heading")).to_have_text(
        ["Page 1: Übersicht", f"Page 2: {ATTACK}", inner, "Page 1", "Page 2", f"a.zip › {hostile}", "Page 1"],
        use_inner_text=False,
    )
    # Each text once, behind its own heading.
    expect(region.locator("pre")).to_have_text(
        ["first sheet", "second sheet", "page one of it", "page two of it", "of the file within"]
    )
    assert region.locator("> *").evaluate_all("all => all.map((each) => each.localName)") == [
        *("h3", "pre", "h3", "pre", "h3", "h4", "pre", "h4", "pre", "h3", "pre", "h4", "div")
    ]
    assert screen.page.evaluate("globalThis.hacked") is None
    check(screen.page)
    # A name that turns the writing around does not turn what stands beside it.
    assert region.locator("bdi").last.evaluate("each => getComputedStyle(each).unicodeBidi") == "isolate"


def test_pages_are_called_as_people_call_them(screen: Screen) -> None:
    screen.open()
    call = """(module, type) => module.headingsOf([{ at: 0, page: 1 }, { at: 9, page: 2, title: "t" }], type)
      .map(({ element }) => element.textContent)"""
    office = "application/vnd.openxmlformats-officedocument"
    for media_type, word in (
        (f"{office}.spreadsheetml.sheet", "Sheet"),
        ("application/vnd.ms-excel", "Sheet"),
        ("application/vnd.oasis.opendocument.spreadsheet", "Sheet"),
        (f"{office}.presentationml.presentation", "Slide"),
        ("application/vnd.ms-powerpoint", "Slide"),
        ("application/epub+zip", "Chapter"),
        (f"{office}.wordprocessingml.document", "Page"),
        ("", "Page"),
    ):
        assert screen.module("kept", call, media_type) == [f"{word} 1", f"{word} 2: t"], media_type
    one = "(module, part) => module.headingsOf([part], 'application/pdf').length"
    assert screen.module("kept", one, {"at": 0, "page": 1}) == 0
    assert screen.module("kept", one, {"at": 0, "page": 1, "title": "Costs"}) == 1


LINES = {
    "one line": "x" * MIB,
    "one line of words": "słowo " * (MIB // 7),
    "no line that ends": "\u0301" * (MIB // 2),
    "right to left": "\u202eשלום " * (MIB // 12),
    "pairs": "\U0001f98a" * (MIB // 4),
    "only ends": "\n" * MIB,
    "carriage returns": "a\r" * (MIB // 2),
}


@pytest.mark.parametrize("text", LINES.values(), ids=LINES)
def test_a_megabyte_comes_in_pieces(screen: Screen, text: str) -> None:
    kept(screen, "large.zip", text.encode())
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))
    screen.open()
    screen.row("large.zip").click()
    region = text_of(screen, "large.zip")
    expect(region.locator("pre").first).to_be_attached()
    if "\u0301" not in text:
        # What is asked for before anybody scrolls is a little of it; of letters without a width it is all.
        assert sum(url.endswith("/text") for url in asked) <= 4
        expect(screen.preview.get_by_role("button", name="Show more")).to_be_visible()
    # A long line is wrapped, and nothing of it is wider than the place it has.
    assert region.evaluate("each => each.scrollWidth <= each.clientWidth")
    to_the_end(region)
    assert region.text_content() == text
    assert region.evaluate("each => Math.max(...[...each.children].map((one) => one.textContent.length))") <= 8192
    assert region.evaluate("each => each.scrollWidth <= each.clientWidth")


def test_the_next_piece_can_be_asked_for_by_key(screen: Screen) -> None:
    kept(screen, "large.zip", b"some words\n" * 60_000)
    screen.open()
    screen.row("large.zip").click()
    region = text_of(screen, "large.zip")
    expect(region).to_contain_text("some words")
    more = screen.preview.get_by_role("button", name="Show more")
    # With the button the first piece is whole.
    expect(more).to_be_visible()
    before = len(region.text_content() or "")
    more.press("Enter")
    screen.page.wait_for_function(
        "([region, before]) => region.textContent.length > before", arg=[region.element_handle(), before]
    )


def test_the_writing_of_one_line_does_not_turn_the_others(screen: Screen) -> None:
    kept(screen, "turned.zip", "abc \u202edef\u2067\nsecond line\nשורה שלישית\n".encode())
    screen.open()
    screen.row("turned.zip").click()
    piece = text_of(screen, "turned.zip").locator("pre")
    expect(piece).to_contain_text("second line")
    assert piece.evaluate("each => getComputedStyle(each).unicodeBidi") == "plaintext"
    # Where the first letter of each line is, from the left: the second line begins there, the Hebrew one at the right.
    lefts = piece.evaluate(
        """(piece) => ["s", "ש"].map((letter) => {
          const text = piece.firstChild;
          const range = document.createRange();
          const at = text.data.indexOf(letter);
          range.setStart(text, at);
          range.setEnd(text, at + 1);
          return range.getBoundingClientRect().left - piece.getBoundingClientRect().left;
        })"""
    )
    assert lefts[0] < 5
    assert lefts[1] > 100


def test_the_words_of_the_search_are_marked(screen: Screen) -> None:
    text = "Der Hafen von Triest. " + "Nichts. " * 3000 + "Am HAFEN, nicht in Hafenstadt, noch am hafen."
    ids = screen.upload(("letter.docx", word(text)), ("old.txt", (CZECH * 20).encode("cp1250")))
    decided(screen, *ids)
    await_text(screen, "hafen")
    screen.open("?q=%22hafen%22")
    screen.row("letter.docx").click()
    marks = text_of(screen, "letter.docx").locator("mark")
    expect(marks).to_have_text(["Hafen", "HAFEN", "hafen"])
    # Another search marks its own words, and none marks none.
    screen.type("triest")
    expect(marks).to_have_text(["Triest"])
    screen.type("")
    expect(marks).to_have_count(0)
    expect(text_of(screen, "letter.docx")).to_contain_text("Der Hafen von Triest.")
    screen.type("zlutoucky")
    screen.row("old.txt").click()
    expect(text_of(screen, "old.txt").locator("mark")).to_have_text(["žluťoučký"] * 20)


@pytest.mark.parametrize(
    ("fragments", "text", "marked"),
    [
        (["a <mark>b</mark>"], "b ab b-b bé", ["b", "b", "b"]),
        (["<mark>日</mark><mark>本</mark>語"], "日本語と日", ["日本"]),
        (["<mark>a.b</mark>*"], "a.b axb", ["a.b"]),
        (["<mark>&lt;b&gt;</mark>"], "<b>", ["<b>"]),
        (["<mark>(</mark> <mark>[^x]+$</mark>"], "( [^x]+$", ["(", "[^x]+$"]),
        (["<mark>x</mark> <mark>y</mark>"], "y x", ["y", "x"]),
        ([], "y x", []),
        (["<mark>x</mark>"], "x " * 5000, ["x"] * 2000),
    ],
)
def test_words_are_marked_as_they_were_found(
    screen: Screen, fragments: list[str], text: str, marked: list[str]
) -> None:
    screen.open()
    call = """(module, fragments, text) => {
      const { nodes, marks } = module.nodesOf(text, module.patternOf(fragments), 2000);
      const found = nodes.filter((each) => each.localName === "mark").map((each) => each.textContent);
      return [nodes.map((each) => each.textContent).join("") === text, marks === found.length, found];
    }"""
    assert screen.module("marks", call, fragments, text) == [True, True, marked]


def packed(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return file.getvalue()


def top_of(region: Locator, heading: str) -> float:
    """How far below the upper edge of a text its heading is, in points."""
    found = region.get_by_role("heading", name=heading, exact=True)
    expect(found).to_be_attached()
    return float(
        found.evaluate("(each) => each.getBoundingClientRect().top - each.parentElement.getBoundingClientRect().top")
    )


def test_the_file_inside_that_was_found(screen: Screen) -> None:
    """It is said in the row and beside each passage; the text is shown from there on, however far behind it begins."""
    attack = f"{ATTACK.replace('/', '')} & Söhne.txt"
    inner = packed({"long.txt": b"Nothing of it. " * 5000, attack: b"The quokka in the last one of these.\n" * 40})
    files = {"first.txt": b"The numbat in the first one.", "inner.zip": inner}
    decided(screen, *screen.upload(("zoo.zip", packed(files)), ("quokka.txt", b"A quokka in no archive.")))
    await_text(screen, "numbat")
    screen.open("?q=quokka")
    row = screen.row("zoo.zip")
    path = f"inner.zip/{attack}"
    expect(row.locator(".inside")).to_have_text(f"in {path}")
    expect(screen.page.locator(".rows li").filter(has_text="quokka.txt").locator(".inside")).to_have_count(0)
    row.click()
    region = text_of(screen, "zoo.zip")
    heading = f"inner.zip › {attack}"
    way = screen.preview.locator("blockquote").first.get_by_role("button", name=path)
    expect(way).to_be_visible()
    expect(region.get_by_role("heading", name=heading, exact=True)).to_be_in_viewport()
    screen.page.wait_for_function("document.querySelector('.look .text').scrollTop > 1000")
    assert -2 < top_of(region, heading) < 400
    expect(region.locator("mark").first).to_be_in_viewport()
    # Another search goes elsewhere, and back again.
    screen.type("numbat")
    expect(row.locator(".inside")).to_have_text("in first.txt")
    expect(region.get_by_role("heading", name="first.txt", exact=True)).to_be_in_viewport()
    region.evaluate("(each) => { each.scrollTop = each.scrollHeight; }")
    expect(region.get_by_role("heading", name="first.txt", exact=True)).not_to_be_in_viewport()
    screen.preview.get_by_role("button", name="first.txt", exact=True).press("Enter")
    expect(region.get_by_role("heading", name="first.txt", exact=True)).to_be_in_viewport()
    # The page itself stays where it is.
    assert screen.page.evaluate("scrollY") == 0
    assert screen.page.evaluate("globalThis.hacked") is None
    check(screen.page)


def test_a_passage_of_a_file_that_is_not_shown_has_no_way_to_it(screen: Screen) -> None:
    """Of a file that browsers show there is no text with places; what it is in is said all the same."""
    mailbox = b"From a@example.org Thu Jan  1 00:00:00 1970\n" + mail("The letter.")
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@example.org", "b@example.org", "Zoo"
    made.set_content("Nothing here.")
    made.add_attachment(b"A quokka.", maintype="text", subtype="plain", filename="zoo.txt")
    ids = screen.upload(("zoo.mbox", mailbox + b"\n\nFrom b@example.org Thu Jan  1 00:00:00 1970\n" + bytes(made)))
    decided(screen, *ids)
    await_text(screen, "quokka")
    screen.open("?q=quokka")
    screen.row("zoo.mbox").click()
    passage = screen.preview.locator("blockquote")
    expect(passage.locator(".inside")).to_have_text("in zoo.txt")
    expect(passage.get_by_role("button")).to_have_count(0)


def test_a_text_that_was_cut_says_so(screen: Screen) -> None:
    kept(screen, "long.zip", b"the beginning", cut=True)
    kept(screen, "whole.zip", b"all of it")
    screen.open()
    screen.row("long.zip").click()
    expect(look(screen)).to_contain_text("Of a longer text the first 13 bytes were read.")
    screen.row("whole.zip").click()
    expect(text_of(screen, "whole.zip")).to_have_text("all of it")
    expect(look(screen)).not_to_contain_text("Of a longer text")


def test_a_text_that_is_still_read_comes_by_itself(screen: Screen) -> None:
    with nothing_read(screen):
        screen.upload(("letter.docx", word("Slow but sure")), ("old.txt", (CZECH * 20).encode("cp1250")))
        screen.open()
        for name in ("old.txt", "letter.docx"):
            screen.row(name).click()
            expect(look(screen)).to_contain_text("Its text is being read…")
    expect(text_of(screen, "letter.docx")).to_contain_text("Slow but sure")


def test_why_there_is_none_is_said(screen: Screen) -> None:
    ids = screen.upload(("broken.docx", word("x")[:2000]), ("notes.one", ONE_NOTE), ("image.jpg", JPEG))
    decided(screen, *ids)
    screen.open()
    screen.row("broken.docx").click()
    expect(look(screen)).to_contain_text("Could not be read: the file is damaged.")
    screen.row("notes.one").click()
    expect(look(screen)).to_contain_text("Not searchable: files of this kind are not read.")
    screen.row("image.jpg").click()
    expect(look(screen)).to_contain_text("The preview could not be shown.")


def test_a_text_of_which_nothing_was_read_is_shown_as_well_as_can_be(screen: Screen) -> None:
    (attachment_id,) = screen.upload(("brief.txt", ("Viele Grüße aus Köln\n" * 50).encode("latin-1")))
    decided(screen, attachment_id)
    path_of(screen.server.data, attachment_id, Artefact.TEXT).write_bytes(b"another")
    screen.open()
    screen.row("brief.txt").click()
    expect(text_of(screen, "brief.txt")).to_contain_text("Viele Grüße aus Köln")
    Filesystem(screen.server.data).remove_text(attachment_id)
    keep_text(screen.server.data, attachment_id, b"")
    screen.page.reload()
    expect(text_of(screen, "brief.txt")).to_contain_text("Viele Grüße aus Köln")


def test_another_text_than_the_one_that_began_is_not_put_behind_it(screen: Screen) -> None:
    attachment_id = kept(screen, "long.zip", b"the first one\n" * 60_000)
    screen.open()
    screen.row("long.zip").click()
    expect(text_of(screen, "long.zip")).to_contain_text("the first one")
    keep_text(screen.server.data, attachment_id, b"the other one\n" * 60_000)
    screen.preview.get_by_role("button", name="Show more").click()
    region = text_of(screen, "long.zip")
    expect(region).to_contain_text("the other one")
    expect(region).not_to_contain_text("the first one")


def test_one_after_the_other_and_back(screen: Screen, new_screen: Callable[..., Screen]) -> None:
    """Quickly, as one walks down a list: the last one is shown."""
    for number in range(4):
        kept(screen, f"{number}.zip", f"This is {number}\n".encode() * 20_000)
    screen.open("?sort=name")
    for _ in range(2):
        for number in range(4):
            screen.row(f"{number}.zip").click()
    expect(text_of(screen, "3.zip")).to_contain_text("This is 3")
    expect(screen.preview.locator(".look")).to_have_count(1)
