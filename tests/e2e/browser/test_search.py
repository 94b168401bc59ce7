"""Finding: as words are typed, by filters, in an order, and again by the same address."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests
from playwright.sync_api import expect

from tests.e2e.browser.conftest import Screen
from tests.e2e.browser.test_everyone import check
from tests.e2e.browser.test_preview import png
from tests.support.breaking import Fault, Proxy

TEXT = b"A quick brown fox jumps over the lazy dog, and nothing but the harbour is blue."


def await_text(screen: Screen, words: str) -> None:
    """Wait until what is in the files can be searched."""
    deadline = time.monotonic() + 120
    while not screen.server.hits(f"query={words}", token=screen.token):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_words_are_found_in_names_and_contents_and_marked(screen: Screen) -> None:
    screen.upload(("Adaptive_searching.txt", TEXT), ("holiday.txt", b"sun and sea"))
    screen.open()
    await_text(screen, "harbour")
    screen.type("harb")
    expect(screen.count).to_have_text("1 attachment")
    row = screen.row("Adaptive_searching.txt")
    expect(row.locator("mark")).to_have_text(["harbour"])
    expect(row.locator(".passage")).to_contain_text("nothing but the harbour is blue")
    screen.type("adaptive")
    expect(screen.page.locator(".rows .name mark")).to_have_text(["Adaptive"])
    screen.type("")
    expect(screen.count).to_have_text("2 attachments")
    expect(screen.page.locator(".rows mark")).to_have_count(0)


def test_an_answer_that_was_overtaken_is_dropped(screen: Screen, node: Proxy) -> None:
    screen.upload(("alpha.txt", b"1"), ("beta.txt", b"2"))
    screen.open()
    expect(screen.count).to_have_text("2 attachments")
    released = threading.Event()
    fault = node.fault = Fault("_search", text=b"alpha", hold_until=released)
    try:
        with screen.page.expect_request(lambda request: "query=alpha" in request.url) as slow:
            screen.type("alpha")
        screen.type("beta")
        expect(screen.row("beta.txt")).to_be_visible()
        expect(screen.count).to_have_text("1 attachment")
        # The first one was not waited for.
        assert slow.value.failure is not None
        released.set()
        assert fault.through.wait(60)
        screen.page.wait_for_timeout(500)
        assert screen.names() == ["beta.txt"]
    finally:
        released.set()
        node.fault = None


def test_filters_with_counts_in_the_address(screen: Screen) -> None:
    screen.upload(("one.png", png()), ("two.png", png()), session="pictures")
    screen.upload(("three.txt", b"text"), ("large.txt", b"x" * 20_000), session="texts")
    screen.upload(("none.txt", b"no session"))
    screen.open()
    expect(screen.count).to_have_text("5 attachments")
    expect(screen.choice("PNG image").locator(".number")).to_have_text("2")
    expect(screen.choice("Plain text").locator(".number")).to_have_text("3")
    expect(screen.choice("10 KB to 1.0 MB").locator(".number")).to_have_text("1")
    expect(screen.choice("Last 24 hours").locator(".number")).to_have_text("5")
    screen.choice("Plain text").locator("input").check()
    expect(screen.count).to_have_text("3 attachments")
    screen.choice("10 KB to 1.0 MB").locator("input").check()
    expect(screen.count).to_have_text("1 attachment")
    screen.choice("Last 24 hours").locator("input").check()
    expect(screen.page.locator(".chip")).to_have_count(3)
    asked = parse_qs(urlsplit(screen.page.url).query)
    assert asked == {"kind": ["text/plain"], "min": ["10240"], "max": ["1048575"], "date": ["day"]}
    assert screen.names() == ["large.txt"]

    # The same address is the same search, and the way back is the way there.
    address = screen.page.url
    screen.page.reload()
    expect(screen.count).to_have_text("1 attachment")
    expect(screen.choice("Plain text").locator("input")).to_be_checked()
    for number in (1, 3, 5):
        screen.page.go_back()
        expect(screen.count).to_have_text(f"{number} attachment{'s' if number > 1 else ''}")
    for _ in range(3):
        screen.page.go_forward()
    expect(screen.page).to_have_url(address)
    screen.page.get_by_role("button", name="Remove the filter 10 KB to 1.0 MB").click()
    expect(screen.count).to_have_text("3 attachments")
    screen.page.get_by_role("button", name="Clear filters").click()
    expect(screen.count).to_have_text("5 attachments")


def test_several_values_of_a_facet_together(screen: Screen) -> None:
    screen.upload(("one.png", png()), ("two.png", png()), ("three.txt", b"text"), ("page.html", b"<!doctype html><p>x"))
    screen.upload(("large.txt", b"x" * 20_000))
    screen.open()
    screen.choice("PNG image").locator("input").check()
    expect(screen.count).to_have_text("2 attachments")
    # What else there is to choose stays in sight, with what it would add.
    expect(screen.choice("Plain text").locator(".number")).to_have_text("2")
    screen.choice("HTML").locator("input").check()
    expect(screen.count).to_have_text("3 attachments")
    expect(screen.choice("Plain text")).to_be_visible()
    asked = parse_qs(urlsplit(screen.page.url).query)
    assert asked == {"kind": ["image/png", "text/html"]}
    screen.page.reload()
    expect(screen.count).to_have_text("3 attachments")
    assert sorted(screen.names()) == ["one.png", "page.html", "two.png"]
    # The other facets are counted under it.
    expect(screen.choice("Under 10 KB").locator(".number")).to_have_text("3")
    screen.choice("PNG image").locator("input").uncheck()
    expect(screen.count).to_have_text("1 attachment")
    screen.page.get_by_role("button", name="Remove the filter HTML").click()
    expect(screen.count).to_have_text("5 attachments")
    # Sizes are one span.
    screen.choice("10 KB to 1.0 MB").locator("input").check()
    expect(screen.count).to_have_text("1 attachment")
    screen.choice("Under 10 KB").locator("input").check()
    expect(screen.count).to_have_text("5 attachments")
    expect(screen.page).to_have_url(f"{screen.server.url}/page/?max=1048575")
    screen.choice("10 KB to 1.0 MB").locator("input").uncheck()
    expect(screen.count).to_have_text("4 attachments")
    screen.choice("Under 10 KB").locator("input").uncheck()
    expect(screen.page).to_have_url(f"{screen.server.url}/page/")


def await_extraction(screen: Screen, ids: list[str]) -> None:
    """Wait until the texts of attachments are in the index: nothing writes their documents from then on."""
    deadline = time.monotonic() + 60
    while True:
        answer = screen.server.get(f"/attachment/_status?attachments={','.join(ids)}", token=screen.token)
        if all(each["initial_parsing"] != "pending" for each in answer.json().values()):
            return
        assert time.monotonic() < deadline
        time.sleep(0.1)


def created(screen: Screen, attachment: str, moment: str) -> None:
    """Have the index say that an attachment came at another time."""
    requests.post(
        f"{screen.server.elasticsearch_url}/{screen.server.index}/_update/{attachment}?refresh=true",
        json={"doc": {"created": moment}},
        timeout=30,
    ).raise_for_status()


def test_from_one_day_to_another(new_screen: Callable[..., Screen]) -> None:
    screen = new_screen(timezone_id="Asia/Tokyo")
    names = {
        "january.txt": "2025-01-31T14:59:59Z",
        "february.txt": "2025-01-31T15:00:00Z",
        "march.txt": "2025-03-01T00:00:00Z",
    }
    ids = screen.upload(*((name, b"x") for name in names))
    await_extraction(screen, ids)
    for attachment, moment in zip(ids, names.values(), strict=True):
        created(screen, attachment, moment)
    screen.upload(("today.txt", b"x"))
    screen.open("?sort=oldest")
    screen.choice("Last 24 hours").locator("input").check()
    expect(screen.count).to_have_text("1 attachment")
    first, last = screen.page.get_by_label("From", exact=True), screen.page.get_by_label("To", exact=True)
    asked = []
    screen.page.on("request", lambda request: asked.append(request.url))
    # By keyboard: years that are not whole yet are not searched for.
    first.press_sequentially("02012025", delay=50)
    # Days are those of where the browser is; a range takes the place of the time back from now.
    expect(screen.page).to_have_url(f"{screen.server.url}/page/?from=2025-02-01&sort=oldest")
    expect(screen.count).to_have_text("3 attachments")
    assert screen.names() == ["february.txt", "march.txt", "today.txt"]
    assert not [url for url in asked if "created_after=0" in url or "created_after=1" in url]
    expect(first).to_be_focused()
    last.fill("2025-02-01")
    expect(screen.count).to_have_text("1 attachment")
    assert screen.names() == ["february.txt"]
    expect(screen.page.get_by_role("button", name="Remove the filter Feb 1, 2025")).to_be_visible()
    last.fill("2025-01-31")
    last.press("Enter")
    expect(screen.page.locator(".range .wrong")).to_have_text("The first day must be before the last one.")
    expect(screen.page.get_by_role("alert")).to_have_text("The first day must be before the last one.")
    expect(screen.page).to_have_url(f"{screen.server.url}/page/?from=2025-02-01&to=2025-02-01&sort=oldest")
    check(screen.page)
    screen.page.reload()
    expect(first).to_have_value("2025-02-01")
    expect(last).to_have_value("2025-02-01")
    expect(screen.count).to_have_text("1 attachment")
    screen.page.go_back()
    expect(last).to_have_value("")
    expect(screen.count).to_have_text("3 attachments")
    screen.choice("Older").locator("input").check()
    expect(first).to_have_value("")
    expect(screen.page).to_have_url(f"{screen.server.url}/page/?date=older&sort=oldest")
    expect(screen.count).to_have_text("3 attachments")


def test_days_in_an_address_that_are_none(screen: Screen) -> None:
    screen.upload(("one.txt", b"1"))
    for query in ("from=2025-02-30", "from=2025-13-01", "to=yesterday", "from=0001-01-01", "to=9999-12-31"):
        screen.open(f"?{query}")
        expect(screen.count).to_have_text("1 attachment")
        expect(screen.page.locator(".chip")).to_have_count(0)
    screen.open("?to=9998-12-31")
    expect(screen.count).to_have_text("1 attachment")


def test_typing_is_one_step_of_the_history(screen: Screen) -> None:
    screen.upload(("report.txt", b"1"))
    screen.open()
    screen.page.get_by_role("searchbox").press_sequentially("report", delay=200)
    expect(screen.page).to_have_url(f"{screen.server.url}/page/?q=report")
    screen.page.go_back()
    expect(screen.page.get_by_role("searchbox")).to_have_value("")
    expect(screen.page).to_have_url(f"{screen.server.url}/page/")


def test_orders(screen: Screen) -> None:
    screen.upload(("b.txt", b"22"))
    screen.upload(("a.txt", b"333"))
    screen.upload(("c.txt", b"1"))
    screen.open()
    select = screen.page.get_by_label("Sort by")
    for label, names in (
        ("Newest first", "cab"),
        ("Oldest first", "bac"),
        ("Name, A to Z", "abc"),
        ("Name, Z to A", "cba"),
        ("Largest first", "abc"),
        ("Smallest first", "cba"),
    ):
        select.select_option(label)
        expect(screen.page.locator(".rows li .name")).to_have_text([f"{each}.txt" for each in names])


def test_sessions_with_counts_and_a_page_each(screen: Screen) -> None:
    screen.upload(("old.txt", b"1"), ("older.txt", b"2"), session="long ago")
    screen.upload(("new.txt", b"3"), session="just now")
    screen.open()
    sessions = screen.page.get_by_role("navigation", name="Sessions").get_by_role("listitem")
    expect(sessions).to_have_text(["All attachments3", "just now1", "long ago2"])
    sessions.nth(2).click()
    expect(screen.page.get_by_role("heading", name="long ago")).to_be_visible()
    expect(screen.count).to_have_text("2 attachments")
    expect(screen.page).to_have_title("long ago · Attachments")
    # A session that has nothing yet.
    screen.page.get_by_role("button", name="New session").click()
    screen.page.get_by_label("Name of the session").fill("brand new")
    screen.page.keyboard.press("Enter")
    expect(screen.page.get_by_text("This session has no attachments")).to_be_visible()
    screen.choose(("first.txt", b"first"))
    expect(sessions.nth(1)).to_have_text("brand new1")


def test_the_raw_answer_is_the_search_on_screen(screen: Screen) -> None:
    screen.upload(("needle.txt", b"1"), ("hay.txt", b"2"))
    screen.open("?q=needle")
    expect(screen.count).to_have_text("1 attachment")
    with screen.page.context.expect_page() as opened:
        screen.page.get_by_role("link", name="Raw answer").click()
    envelope = json.loads(opened.value.locator("pre").inner_text())
    assert [hit["_source"]["name"] for hit in envelope["hits"]["hits"]] == ["needle.txt"]


def test_the_list_goes_on_and_on(screen: Screen) -> None:
    for batch in range(3):
        screen.upload(*[(f"n{batch * 80 + number:03}.txt", b"x") for number in range(80)])
    screen.open("?sort=name")
    expect(screen.count).to_have_text("240 attachments")
    seen: set[str] = set()
    screen.page.get_by_role("searchbox").press("ArrowDown")
    deadline = time.monotonic() + 60
    while True:
        seen |= set(screen.names())
        # Those that are there are few, however long the list is.
        assert screen.page.locator(".rows li").count() < 60
        if "n239.txt" in seen or time.monotonic() > deadline:
            break
        screen.page.keyboard.press("PageDown")
        screen.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert seen == {f"n{number:03}.txt" for number in range(240)}
    expect(screen.row("n239.txt")).to_have_attribute("aria-posinset", "240")
    expect(screen.row("n239.txt")).to_have_attribute("aria-setsize", "240")


def test_a_list_by_relevance_has_each_once_while_others_upload(new_screen: Callable[..., Screen]) -> None:
    screen = new_screen(tenant="walk")
    names = [f"ledger {number:03}{' and more' * (number % 3)}.txt" for number in range(240)]
    for start in range(0, 240, 80):
        screen.upload(*[(name, b"x") for name in names[start : start + 80]])
    # Which changes all scores: before the third page, after which the list stays as it is, and behind that.
    first, later = ([(f"ledger{' of others' * (n % 4)} {n}{when}.txt", b"x") for n in range(40)] for when in "ab")
    points = screen.server.data / "points/walk"
    screen.open("?q=ledger")
    expect(screen.count).to_have_text("240 attachments")
    expect(screen.page.get_by_text("Loading more")).to_be_visible()
    assert list(points.glob("*")) == []
    screen.upload(*first)

    def others() -> None:
        if later and any(points.glob("*")):
            screen.upload(*later)
            later.clear()

    seen = screen.walk(280, others)
    assert sorted(seen.values()) == sorted([*names, *(name for name, _ in first)])
    assert later == []
    # It was closed with its last page.
    deadline = time.monotonic() + 120
    while list(points.glob("*")):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_list_by_relevance_goes_on_without_a_point(new_screen: Callable[..., Screen]) -> None:
    """When it has ended, or there are too many."""
    screen = new_screen(tenant="walk-without")
    for start in range(0, 320, 80):
        screen.upload(*[(f"ledger {start + number:03}.txt", b"x") for number in range(80)])
    points = screen.server.data / "points/walk-without"

    def to_the_end(then: Callable[[], None] = lambda: None) -> None:
        screen.page.get_by_role("searchbox").press("ArrowDown")
        deadline = time.monotonic() + 120
        while screen.page.locator("li[aria-posinset='320']").count() == 0:
            assert time.monotonic() < deadline
            screen.page.keyboard.press("End")
            then()
            screen.page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")

    gone: list[Path] = []

    def end_the_first() -> None:
        # Once a page of it is on screen.
        if not gone and screen.page.locator("li[aria-posinset='200']").count():
            gone.extend(points.glob("*"))
            for path in gone:
                path.unlink()

    screen.open("?q=ledger")
    expect(screen.count).to_have_text("320 attachments")
    to_the_end(end_the_first)
    assert len(gone) == 1
    held = [screen.server.get("/attachment/_search?pit=true", token=screen.token) for _ in range(20)]
    assert [answer.status_code for answer in held].count(200) >= 19
    screen.open("?q=ledger&sort=relevance")
    expect(screen.count).to_have_text("320 attachments")
    to_the_end()
    assert len(list(points.glob("*"))) == 20


def test_a_hundred_thousand_rows_are_a_few_elements(screen: Screen) -> None:
    """The list alone, given a hundred thousand hits: what the page holds does not grow with them."""
    screen.open()
    found = screen.module(
        "results",
        """async (module) => {
          const list = new module.Results({ open() {}, remove() {}, href: () => "#", more() {} });
          const place = document.createElement("div");
          place.style.cssText = "position: fixed; inset: 0; display: flex; flex-direction: column";
          place.append(list.element);
          document.body.append(place);
          const hits = Array.from({ length: 100_000 }, (_, number) => ({
            _id: String(number),
            _source: { id: String(number), name: `file ${number}`, size: number, created: "2026-01-01T00:00:00Z" },
          }));
          list.replace(hits, { total: hits.length, exact: true, high: true, keep: false });
          const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          const numbers = [];
          for (const part of [0, 0.3, 0.7, 1]) {
            list.element.scrollTop = part * list.element.scrollHeight;
            await frame();
            const box = list.element.getBoundingClientRect();
            const middle = document.elementFromPoint(box.left + 200, box.top + box.height / 2).closest("li");
            numbers.push([list.list.children.length, Number(middle.dataset.position)]);
          }
          place.remove();
          return numbers;
        }""",
    )
    assert all(rows < 40 for rows, _ in found)
    positions = [position for _, position in found]
    for position, part in zip(positions, (0, 0.3, 0.7, 1), strict=True):
        assert abs(position - part * 100_000) < 20


def test_empty_and_nothing_found(screen: Screen) -> None:
    screen.open()
    expect(screen.page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    screen.type("something")
    expect(screen.page.get_by_role("heading", name="Nothing matches")).to_be_visible()


def test_the_passages_are_those_of_the_search_on_screen(screen: Screen) -> None:
    screen.upload(("notes.txt", b"The harbour is blue.\n" + b"Nothing to see.\n" * 200 + b"The regatta is red.\n"))
    screen.open()
    await_text(screen, "regatta")
    screen.type("harbour")
    expect(screen.count).to_have_text("1 attachment")
    screen.row("notes.txt").click()
    marks = screen.preview.locator("blockquote mark")
    expect(marks).to_have_text(["harbour"])
    screen.type("regatta")
    expect(marks).to_have_text(["regatta"])
    # By its address alone, as from a bookmark.
    screen.page.reload()
    expect(marks).to_have_text(["regatta"])
    screen.type("")
    expect(marks).to_have_count(0)
    expect(screen.preview.get_by_text("Passages found")).to_be_hidden()


def test_words_that_were_only_just_typed_are_not_lost(screen: Screen) -> None:
    """To whoever is quicker than the pause after which a search begins."""
    screen.upload(("alpha.txt", b"1"), ("beta.txt", b"2"))
    screen.open("?sort=name")
    # In one go, so that no pause comes between.
    screen.page.get_by_text("beta.txt", exact=True).evaluate(
        """(name) => {
          const input = document.getElementById("q");
          input.value = "alpha";
          input.dispatchEvent(new Event("input", { bubbles: true }));
          name.closest("a").click();
        }"""
    )
    expect(screen.preview.get_by_role("heading", name="beta.txt")).to_be_visible()
    expect(screen.page.get_by_role("searchbox")).to_have_value("alpha")
    expect(screen.page.locator(".rows .name")).to_have_text(["alpha.txt"])
    assert parse_qs(urlsplit(screen.page.url).query).keys() == {"q", "sort", "open"}
    # The search and the look at a file are a step each.
    screen.page.go_back()
    expect(screen.preview).to_be_hidden()
    expect(screen.page.get_by_role("searchbox")).to_have_value("alpha")
    screen.page.go_back()
    expect(screen.page.get_by_role("searchbox")).to_have_value("")
    expect(screen.count).to_have_text("2 attachments")


def test_a_date_that_is_being_typed_is_left_alone(screen: Screen) -> None:
    """By the answers that come meanwhile."""
    screen.upload(("one.txt", b"1"))
    screen.open("?from=2025-02-01")
    expect(screen.count).to_have_text("1 attachment")
    field = screen.page.get_by_label("From", exact=True)
    field.focus()
    keys = screen.page.keyboard
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    keys.type("2")
    # So far it is a day of the year 2, which nobody means.
    expect(field).to_have_value("0002-02-01")
    screen.choose(("two.txt", b"2"))
    expect(screen.count).to_have_text("2 attachments")
    expect(field).to_have_value("0002-02-01")
    expect(field).to_be_focused()
    # The browser takes digits after a pause for a new number.
    keys.type("2024")
    expect(screen.page).to_have_url(f"{screen.server.url}/page/?from=2024-02-01")


def test_a_search_begins_when_typing_pauses(screen: Screen) -> None:
    screen.upload(("abc.txt", b"x"))
    clock = screen.page.clock
    clock.install()
    screen.open()
    expect(screen.row("abc.txt")).to_be_visible()
    # From here on it stands still, but for what it is told.
    clock.pause_at(datetime.now(UTC) + timedelta(hours=1))
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url) if "query=" in request.url else None)
    for words in ("a", "ab", "abc"):
        screen.type(words)
        clock.run_for(100)
    clock.run_for(100)
    expect(screen.page.locator(".rows mark")).to_have_text(["abc"])
    # The hits, and how many there are of each kind.
    parameters = [parse_qs(urlsplit(url).query) for url in asked]
    assert [(each["query"], "facets" in each) for each in parameters] == [(["abc"], False), (["abc"], True)]
