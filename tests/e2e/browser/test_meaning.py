"""What is found by what it means: its passage in the list, told apart from marked words, and where a hit is opened."""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from fpdf import FPDF
from playwright.sync_api import Locator, expect

from app.extraction.parts import Part
from benchmarks.meaning import QUESTIONS
from tests.e2e.browser.conftest import PATIENCE, Screen
from tests.e2e.browser.test_everyone import check
from tests.e2e.browser.test_read import ATTACK, kept, mail, text_of, word
from tests.support.app import Server, running_server
from tests.support.models import patient_server
from tests.support.ports import reserved_port

SECONDS = 240.0
ROWS = [line.split("\t") for line in QUESTIONS.read_text().splitlines()]
PARAGRAPHS = {name: text for kind, language, name, text in ROWS if kind == "paragraph" and language == "en"}
#: In German, of English texts: none of its words is in what answers it.
QUESTION = "Wie oft muss der Kamin gereinigt werden?"
ANSWER = PARAGRAPHS["boiler"]
#: Each long enough for a passage of its own.
OTHERS = [PARAGRAPHS[name] for name in ("contract", "backup", "telescope", "leave")]


@pytest.fixture(scope="module")
def meaning_server(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[Server]:
    """A server with the model."""
    with patient_server(tmp_path_factory.mktemp("meaning-page"), elasticsearch_url, EXTRACTION="on") as server:
        yield server


@pytest.fixture
def meant(new_screen: Callable[..., Screen], meaning_server: Server) -> Screen:
    """A window on that server."""
    return new_screen(server=meaning_server)


def upload(screen: Screen, *files: tuple[str, bytes]) -> list[str]:
    """Upload, and wait until there are passages of all."""
    ids = screen.upload(*files)
    deadline = time.monotonic() + SECONDS
    while any((screen.server.data / "extraction" / each).exists() for each in ids):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return ids


def paper(*pages: str) -> bytes:
    document = FPDF()
    document.set_font("Helvetica", size=14)
    for page in pages:
        document.add_page()
        document.multi_cell(w=0, text=page)
    return bytes(document.output())


def near(screen: Screen, name: str) -> Locator:
    """The passage that is near, in the list."""
    return screen.row(name).locator(".passage.near")


def in_view(text: Locator, mark: Locator) -> None:
    """Wait until the first `mark`, which may be another one by and by, is within the window of `text`."""
    inside = """(mark, text) => {
      const [outer, inner] = [text.getBoundingClientRect(), mark.getBoundingClientRect()];
      return inner.height > 0 && inner.top >= outer.top - 1 && inner.top < outer.bottom;
    }"""
    window = text.element_handle()
    deadline = time.monotonic() + PATIENCE / 1000
    while not mark.first.evaluate(inside, window):
        assert time.monotonic() < deadline
        text.page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")


def squeezed(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip()


def test_a_passage_in_the_list_is_told_apart_from_marked_words(meant: Screen) -> None:
    upload(meant, ("notes.txt", f"{OTHERS[-1]}\n\n{ANSWER}\n".encode()), ("chimney.txt", b"Der Kamin im Saal."))
    meant.open()
    meant.type(QUESTION)
    expect(meant.count).to_have_text("2 attachments")
    expect(near(meant, "notes.txt")).to_contain_text("Similar passage")
    expect(near(meant, "notes.txt")).to_contain_text("burns wood pellets")
    expect(near(meant, "notes.txt").locator("mark")).to_have_count(0)
    expect(meant.row("notes.txt").locator(".passage:not(.near)")).to_be_empty()
    # What has the words says them first, and comes first.
    expect(meant.page.locator(".rows .name")).to_have_text(["chimney.txt", "notes.txt"])
    expect(meant.row("chimney.txt").locator(".passage mark").first).to_have_text("Kamin")
    # Nobody calls it an answer.
    assert "answer" not in meant.page.locator(".rows").inner_text().lower()
    expect(meant.page.locator(".alone")).to_be_hidden()
    # The kinds are counted by what the list was found by.
    expect(meant.choice("Plain text")).to_contain_text("2")
    meant.row("notes.txt").click()
    quoted = meant.preview.locator("blockquote.near")
    expect(quoted).to_contain_text("Similar passage")
    expect(quoted).to_contain_text("burns wood pellets")
    # With words that are there, or between quotes, nothing is near.
    meant.type('"paid holiday each year"')
    expect(meant.page.locator(".rows .near")).to_have_count(0)
    expect(meant.page.locator(".rows mark").first).to_have_text("paid")
    expect(quoted).to_have_count(0)


def test_a_pdf_is_opened_at_its_page_with_the_passage_marked(meant: Screen) -> None:
    (attachment_id,) = upload(meant, ("paper.pdf", paper(*OTHERS[:3], ANSWER, OTHERS[3])))
    meant.open()
    meant.type(QUESTION)
    expect(near(meant, "paper.pdf")).to_contain_text("Similar passage, Page 4")
    meant.row("paper.pdf").click()
    sheets = meant.preview.locator(".look.pdf")
    spots = meant.preview.locator(".sheet[data-page='4'] .spot")
    expect(spots.first).to_be_visible()
    in_view(sheets, spots)
    expect(meant.preview.locator(".spot")).to_have_count(spots.count())
    # For those who see no marks, too.
    marked = meant.preview.locator(".sheet[data-page='4'] mark")
    assert squeezed(marked.text_content() or "") == squeezed(ANSWER)
    # Where the words are: within the page, a line below the other.
    boxes = [spots.nth(number).bounding_box() for number in range(spots.count())]
    page = meant.preview.locator(".sheet[data-page='4']").bounding_box()
    assert page is not None
    for box in boxes:
        assert box is not None
        assert page["x"] < box["x"] < box["x"] + box["width"] < page["x"] + page["width"]
        assert 5 < box["height"] < 40
    check(meant.page)
    # The address says it, and does the same for others.
    asked = parse_qs(urlsplit(meant.page.url).query)
    assert asked["open"] == [attachment_id]
    assert asked["page"] == ["4"]
    meant.page.goto(
        f"{meant.server.url}/page/?open={attachment_id}&page=4&start={asked['start'][0]}&end={asked['end'][0]}"
    )
    expect(spots.first).to_be_visible()
    in_view(sheets, spots)
    # A page alone is shown, and nothing marked.
    meant.page.goto(f"{meant.server.url}/page/?open={attachment_id}&page=3")
    third = meant.preview.locator(".sheet[data-page='3'] canvas")
    expect(third).to_be_visible()
    in_view(sheets, meant.preview.locator(".sheet[data-page='3']"))
    expect(meant.preview.locator(".spot")).to_have_count(0)


@pytest.mark.parametrize("name", ["letter.docx", "notes.txt", "offer.eml"])
def test_a_text_is_opened_at_the_passage(meant: Screen, name: str) -> None:
    # Each once: the graph of vectors may lose what is beside many that are alike.
    before = [text for kind, _, _, text in ROWS if kind == "paragraph" and text != ANSWER and text not in OTHERS]
    paragraphs = [*before, *OTHERS, ANSWER]
    contents: dict[str, Callable[[], bytes]] = {
        "letter.docx": lambda: word(*paragraphs),
        "notes.txt": lambda: "\n\n".join(paragraphs).encode(),
        "offer.eml": lambda: mail("\n\n".join(paragraphs)),
    }
    upload(meant, (name, contents[name]()))
    meant.open()
    meant.type(QUESTION)
    expect(near(meant, name)).to_contain_text("burns wood pellets")
    keys = meant.page.keyboard
    expect(meant.page.locator(".main")).not_to_have_attribute("aria-busy", "true")
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(meant.preview.get_by_role("heading", name=name)).to_be_focused()
    text = text_of(meant, name)
    mark = text.locator("mark.passage")
    expect(mark.first).to_contain_text("burns wood pellets")
    in_view(text, mark)
    # Where it begins and ends is the server's affair, and what the list says.
    marked = squeezed(" ".join(mark.all_text_contents()))
    assert marked == squeezed(near(meant, name).locator("bdi").text_content() or "")
    check(meant.page)
    # From below, by the keyboard: back to it.
    text.evaluate("(text) => { text.scrollTop = 0; }")
    way = meant.preview.get_by_role("button", name="Show it in the text")
    way.press("Enter")
    in_view(text, mark)
    # Other words, another passage or none.
    meant.type("Copies of the database at night")
    expect(mark.first).to_contain_text("second data centre")
    in_view(text, mark)
    meant.type("")
    expect(mark).to_have_count(0)


def test_a_passage_of_a_file_inside_is_shown_in_the_text(meant: Screen) -> None:
    """Whatever page of that file it is on."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("first.txt", OTHERS[0])
        made.writestr("house.pdf", paper(OTHERS[1], ANSWER))
    upload(meant, ("all.zip", file.getvalue()))
    meant.open()
    meant.type(QUESTION)
    expect(near(meant, "all.zip")).to_contain_text("burns wood pellets")
    expect(meant.row("all.zip").locator(".inside")).to_have_text("in house.pdf")
    meant.row("all.zip").click()
    text = text_of(meant, "all.zip")
    expect(text.locator("mark.passage").first).to_contain_text("burns wood pellets")
    in_view(text, text.locator("mark.passage"))
    expect(meant.preview.locator("blockquote.near .inside")).to_have_text("in house.pdf")


def test_hostile_passages_stay_text(meant: Screen) -> None:
    hostile = ANSWER.replace("basement", f"basement {ATTACK} </mark><mark>&lt;b&gt;")
    upload(meant, ("evil.txt", hostile.encode()), ("evil.pdf", paper(OTHERS[0], hostile)))
    meant.open()
    meant.type(QUESTION)
    for name in ("evil.txt", "evil.pdf"):
        expect(near(meant, name)).to_contain_text("</mark><mark>&lt;b&gt;")
        meant.row(name).click()
        expect(meant.preview.locator("blockquote.near")).to_contain_text(ATTACK[:20])
    expect(meant.preview.locator(".spot").first).to_be_visible()
    meant.row("evil.txt").click()
    expect(meant.preview.locator("mark.passage").first).to_contain_text(ATTACK)
    assert meant.page.locator(".near img, .near script, .near b, .near mark, .look img, .look script").count() == 0
    assert meant.page.evaluate("globalThis.hacked") is None


def test_a_list_by_both_has_each_once_to_its_end(meant: Screen) -> None:
    """Beyond the pages that come without a point in time."""
    names = [f"oft Kamin gereinigt {number:03}.bin" for number in range(330)]
    for start in range(0, len(names), 66):
        meant.upload(*[(name, bytes(9)) for name in names[start : start + 66]])
    upload(meant, *[(f"near {number}.txt", f"{number}. {ANSWER}".encode()) for number in range(5)])
    with meant.page.expect_response(re.compile(r"_search\?.*query=")) as first:
        meant.open(f"?q={quote(QUESTION)}")
    assert first.value.headers["search-match"] == "both"
    expect(meant.count).to_have_text("335 attachments")
    seen = meant.walk(335)
    assert sorted(seen.values()) == sorted([*names, *(f"near {number}.txt" for number in range(5))])


def test_a_sentence_says_when_words_alone_were_looked_for(
    new_screen: Callable[..., Screen], tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str
) -> None:
    """As the model does not answer: here there is none at its address."""
    with reserved_port() as port:
        away = f"http://127.0.0.1:{port}/v1"
        folder = tmp_path_factory.mktemp("away-page")
        with running_server(folder, elasticsearch_url, EMBEDDINGS=away, EMBEDDINGS_MODEL="away") as server:
            screen = new_screen(server=server)
            screen.upload(("harbour.txt", b"x"))
            screen.open("?q=harbour")
            expect(screen.count).to_have_text("1 attachment")
            said = screen.page.get_by_text("Found by words alone, not by what they mean.", exact=True)
            expect(said).to_be_visible()
            screen.type("harbour master")
            expect(screen.page.get_by_role("status").first).to_contain_text("1 attachment. Found by words alone")
            check(screen.page)
            # Of what an operator asks for, nothing else was wanted; nor of an order or nothing.
            screen.type('"harbour"')
            expect(said).to_be_hidden()
            screen.type("harbour")
            expect(said).to_be_visible()
            screen.page.get_by_label("Sort by").select_option("Newest first")
            expect(said).to_be_hidden()
            screen.type("")
            expect(screen.count).to_have_text("1 attachment")
            expect(said).to_be_hidden()


# Links, of what was read: no model is asked.


def linked(screen: Screen, attachment_id: str, **place: Any) -> str:
    said = "".join(f"&{name}={value}" for name, value in place.items())
    return f"{screen.server.url}/?open={attachment_id}{said}"


def test_a_link_opens_the_text_at_its_bytes(screen: Screen) -> None:
    """Through the root, as an assistant is given it."""
    before = "Vor dem Hafen – 港の前で 🦊.\n" * 9000
    passage = "Die Möwe 🦊 sitzt,\nund wartet."
    start = len(before.encode())
    attachment_id = kept(screen, "far.zip", f"{before}{passage}{before}".encode())
    screen.page.goto(linked(screen, attachment_id, start=start, end=start + len(passage.encode())))
    text = text_of(screen, "far.zip")
    mark = text.locator("mark.passage")
    expect(mark).to_have_text(passage, use_inner_text=False)
    in_view(text, mark)
    assert screen.page.url.startswith(f"{screen.server.url}/page/?open={attachment_id}&start=")
    # The search has found nothing of it, and the words of another one end it.
    screen.type("far")
    expect(screen.count).to_have_text("1 attachment")
    expect(mark).to_have_count(0)
    assert "start" not in screen.page.url
    # Back to it.
    screen.page.go_back()
    expect(mark).to_have_text(passage, use_inner_text=False)
    in_view(text, mark)


def test_a_link_is_followed_after_signing_in(new_screen: Callable[..., Screen]) -> None:
    screen = new_screen()
    attachment_id = kept(screen, "far.zip", "first line\nßecond line\nthird line".encode())
    out = new_screen(sign_in=False)
    out.page.goto(linked(screen, attachment_id, start=11, end=23))
    out.page.get_by_label("API token").fill(screen.token)
    out.page.get_by_role("button", name="Sign in").click()
    expect(text_of(out, "far.zip").locator("mark.passage")).to_have_text("ßecond line", use_inner_text=False)


def test_a_passage_behind_headings_and_across_blocks(screen: Screen) -> None:
    name = "größe.txt"
    first, second = "erste Seite\n" * 3, f"{name}\n" + "ä" * 9000 + " Ende der Datei\n\n"
    text = f"{first}{second}zweite Datei"
    at = len(first.encode())
    start = text.index("ääää")
    begin = len(text[:start].encode()) + 2 * 8000
    end = len(text[: text.index(" der Datei")].encode())
    attachment_id = kept(screen, "parts.zip", text.encode(), Part(0, 1), Part(at, file=(name,)))
    screen.page.goto(linked(screen, attachment_id, start=begin, end=end))
    mark = text_of(screen, "parts.zip").locator("mark.passage")
    expect(mark.first).to_be_visible()
    assert "".join(mark.all_text_contents()) == "ä" * 1000 + " Ende"
    # Within the first line of a file, which is its heading, nothing is left to be marked.
    screen.page.goto(linked(screen, attachment_id, start=at, end=at + 5))
    expect(text_of(screen, "parts.zip")).to_contain_text("Ende der Datei")
    expect(mark).to_have_count(0)


@pytest.mark.parametrize(
    "place",
    [
        "&page=0&start=1&end=1",
        "&page=99999999999999999999&start=-1&end=1e3",
        "&page=%3Cscript%3E&start=NaN&end=Infinity",
        "&page=2&start=0&end=99999999",
        "&page=7&start=999999990&end=999999999",
        "&page=1&page=2&start=5&end=4&start=1",
        "&start=%00&end=%0d%0aSet-Cookie:%20a=b&page=../../x",
    ],
)
def test_hostile_places_are_ignored(screen: Screen, place: str) -> None:
    screen.upload(("paper.pdf", paper("only page")))
    attachment_id = kept(screen, "text.zip", b"some words")
    (pdf_id,) = [
        hit["_id"]
        for hit in screen.server.get("/attachment/_search?query=paper", token=screen.token).json()["hits"]["hits"]
    ]
    for each, shown in ((attachment_id, ".look pre"), (pdf_id, ".sheet canvas")):
        screen.page.goto(f"{screen.server.url}/?open={each}{place}")
        expect(screen.preview.locator(shown)).to_be_visible()
        expect(screen.preview.locator("mark, .spot")).to_have_count(0)
    assert {cookie["name"] for cookie in screen.page.context.cookies()}.isdisjoint({"a"})


def test_the_root_passes_on_what_a_link_opens_and_nothing_else(screen: Screen) -> None:
    def there(query: str) -> str:
        answer = requests.get(
            f"{screen.server.url}/{query}", headers={"Accept": "text/html"}, allow_redirects=False, timeout=30
        )
        assert answer.status_code == 302
        return answer.headers["Location"]

    assert there("?open=ab&page=3&start=1&end=2") == "/page/?open=ab&page=3&start=1&end=2"
    assert there("?page=3&anything=else") == "/page/"
    assert there("?open=a&open=b&q=x") == "/page/?open=a"
    hostile = there("?open=%0d%0aSet-Cookie:a=b&start=//evil.example")
    assert hostile == "/page/?open=%0D%0ASet-Cookie%3Aa%3Db&start=%2F%2Fevil.example"


@pytest.mark.parametrize(
    ("pieces", "passage", "marked"),
    [
        (["The boiler", "is warm."], "boiler is", ["boiler", "is"]),
        (["The boi-", "ler is"], "boiler", ["boi", "ler"]),
        (["ﬁne Größe"], "Fine grö", ["ﬁne Grö"]),
        (["one", "two"], "three", []),
        (["a"], "", []),
        ([], "a", []),
        # What stands between the lines here is not in the passage, and the other way round.
        (
            ["It begins with this line", "12", "and goes on to its very end."],
            "It begins with this line, footnote and goes on to its very end.",
            ["It begins with this line", "12", "and goes on to its very end"],
        ),
        (["𝐛oiler 🦊 wärm"], "boiler wärm", ["𝐛oiler 🦊 wärm"]),
        (["𠮷野家で"], "野家", ["野家"]),
    ],
)
def test_a_passage_among_the_words_of_a_page(
    screen: Screen, pieces: list[str], passage: str, marked: list[str]
) -> None:
    screen.open()
    call = """(module, pieces, passage) => module.stretchesOf(pieces, passage)
      .map(({ number, from, to }) => pieces[number].slice(from, to))"""
    assert screen.module("textlayer", call, pieces, passage) == marked
