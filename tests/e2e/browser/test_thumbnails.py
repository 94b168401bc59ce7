"""Looking rather than reading: thumbnails in the list, and the list as a grid."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Request, expect

from tests.e2e.browser.conftest import Screen
from tests.e2e.browser.test_everyone import check
from tests.e2e.browser.test_hostile import NAMES
from tests.e2e.browser.test_preview import pdf, png
from tests.e2e.browser.test_search import await_text
from tests.support.breaking import Proxy

DRAWN = (
    "async (image) => { await image.decode(); return image.checkVisibility() && getComputedStyle(image).opacity === '1'"
    " ? [image.naturalWidth, image.naturalHeight] : null; }"
)


def jpeg(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(file, "JPEG")
    return file.getvalue()


def picture(screen: Screen, name: str) -> Locator:
    """The thumbnail of a row, once it is there."""
    return screen.row(name).locator(".tile.drawn img")


def kind(screen: Screen, name: str) -> Locator:
    """What a row shows where it has no thumbnail."""
    return screen.row(name).locator(".tile > span")


def grid(screen: Screen) -> Locator:
    return screen.page.get_by_role("button", name="Show as a grid")


class Asked:
    """What a window asks for: ids of states, one list a call, and the addresses of thumbnails."""

    def __init__(self, screen: Screen) -> None:
        self.calls: list[list[str]] = []
        self.pictures: list[str] = []
        screen.page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if request.url.endswith("/attachment/_thumbnails"):
            self.calls.append(json.loads(request.post_data or "")["attachments"])
        elif "/thumbnail?" in request.url:
            self.pictures.append(request.url)


def settle(screen: Screen, ids: list[str]) -> None:
    """Wait until it is certain which of these have thumbnails."""
    body = {"attachments": ids}
    for _ in range(1200):
        found = screen.server.post("/attachment/_thumbnails", json=body, token=screen.token).json()
        if all(each["thumbnail"] != "pending" for each in found.values()):
            return
        screen.page.wait_for_timeout(100)
    raise TimeoutError(found)


def test_thumbnails_come_by_themselves(screen: Screen) -> None:
    screen.open()
    asked = Asked(screen)
    screen.choose(("photo.jpg", jpeg(800, 400)), ("paper.pdf", pdf("Paper")), ("notes.txt", b"some words"))
    expect(screen.count).to_have_text("3 attachments")
    for name, size in (("photo.jpg", [160, 80]), ("paper.pdf", None)):
        expect(picture(screen, name)).to_be_visible()
        found = picture(screen, name).evaluate(DRAWN)
        assert found == size if size else max(found) == 160
        expect(kind(screen, name)).to_be_hidden()
        # The name beside it says what it is.
        expect(picture(screen, name)).to_have_attribute("alt", "")
        expect(screen.row(name).get_by_role("link")).to_be_visible()
    expect(kind(screen, "notes.txt")).to_have_text("txt")
    assert screen.row("notes.txt").locator("img").count() == 0
    assert {url.rpartition("?")[2] for url in asked.pictures} == {"size=160"}
    assert screen.page.evaluate("performance.getEntriesByType('navigation').length") == 1
    check(screen.page)


def test_one_call_for_the_list_and_none_for_a_row_without(screen: Screen) -> None:
    ids = screen.upload(*((f"n{number}.txt", b"x") for number in range(30)), ("photo.jpg", jpeg(300, 300)))
    settle(screen, ids)
    asked = Asked(screen)
    answers: list[int] = []
    screen.page.on("response", lambda each: answers.append(each.status) if "/thumbnail?" in each.url else None)
    # All of them are near the window.
    screen.page.set_viewport_size({"width": 1300, "height": 2600})
    screen.open("?sort=name")
    expect(picture(screen, "photo.jpg")).to_be_visible()
    assert [sorted(each) for each in asked.calls] == [sorted(ids)]
    assert len(asked.pictures) == 1
    assert ids[-1] in asked.pictures[0]
    # What is known is not asked for again, and what is on screen not loaded: an answer with the same rows.
    picture(screen, "photo.jpg").evaluate("(image) => { image.dataset.stays = 'yes'; }")
    screen.type("photo")
    expect(screen.count).to_have_text("1 attachment")
    expect(screen.page.locator(".rows.high li")).to_have_count(1)
    expect(picture(screen, "photo.jpg")).to_be_visible()
    expect(picture(screen, "photo.jpg")).to_have_attribute("data-stays", "yes")
    screen.page.wait_for_timeout(300)
    assert len(asked.calls) == 1
    assert len(asked.pictures) == 1
    assert answers == [200]


def test_what_is_pending_is_asked_for_ever_more_seldom(screen: Screen) -> None:
    """And nothing is while nobody sees it."""
    (photo,) = screen.upload(("photo.jpg", jpeg(300, 300)))
    settle(screen, [photo])
    asked = Asked(screen)
    pending = json.dumps({photo: {"thumbnail": "pending"}})
    screen.page.route("**/attachment/_thumbnails", lambda route: route.fulfill(body=pending))
    clock = screen.page.clock
    clock.install()
    screen.open()
    expect(screen.row("photo.jpg")).to_be_visible()
    seconds = []
    for second in range(31):
        before = len(asked.calls)
        clock.run_for(1000)
        screen.page.wait_for_timeout(60)
        if len(asked.calls) > before:
            seconds.append(second)
    assert 5 <= len(asked.calls) <= 9
    gaps = [after - before for before, after in zip(seconds, seconds[1:], strict=False)]
    assert gaps[-1] >= 4 > gaps[0]
    seen = "(state) => { Object.defineProperty(document, 'hidden', { value: state, configurable: true });" + (
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    screen.page.evaluate(seen, True)
    hidden = len(asked.calls)
    clock.run_for(120_000)
    screen.page.wait_for_timeout(60)
    assert len(asked.calls) == hidden
    screen.page.unroute("**/attachment/_thumbnails")
    screen.page.evaluate(seen, False)
    clock.run_for(1000)
    expect(picture(screen, "photo.jpg")).to_be_visible()


def test_no_row_moves_when_its_picture_comes(screen: Screen) -> None:
    ids = screen.upload(("a.jpg", jpeg(100, 400)), ("b.png", png()), ("c.txt", b"x"))
    settle(screen, ids)
    screen.page.route("**/thumbnail?*", lambda route: route.abort())
    boxes = "all => all.map((each) => JSON.stringify(each.getBoundingClientRect()))"
    for query in ("?sort=name", "?sort=name&view=grid"):
        screen.open(query)
        expect(screen.row("c.txt")).to_be_visible()
        before = screen.page.locator(".rows li, .rows .tile, .rows .name, .rows .meta").evaluate_all(boxes)
        screen.page.unroute("**/thumbnail?*")
        expect(picture(screen, "a.jpg")).to_be_visible()
        expect(picture(screen, "b.png")).to_be_visible()
        assert screen.page.locator(".rows li, .rows .tile, .rows .name, .rows .meta").evaluate_all(boxes) == before
        screen.page.route("**/thumbnail?*", lambda route: route.abort())


def test_a_picture_that_fails_is_left_alone_in_the_end(screen: Screen) -> None:
    ids = screen.upload(("photo.jpg", jpeg(300, 300)), ("broken.jpg", jpeg(300, 300)[:150]), ("zero.png", b""))
    settle(screen, ids)
    asked = Asked(screen)
    screen.page.route("**/thumbnail?*", lambda route: route.fulfill(status=500, body="{}"))
    screen.page.clock.install()
    screen.open()
    expect(screen.row("photo.jpg")).to_be_visible()
    for _ in range(60):
        screen.page.clock.run_for(1000)
        screen.page.wait_for_timeout(30)
    assert [url for url in asked.pictures if ids[0] in url] == asked.pictures
    assert len(asked.pictures) == 3
    assert screen.page.locator(".rows img").count() == 0
    for name, text in (("photo.jpg", "jpg"), ("broken.jpg", "jpg"), ("zero.png", "png")):
        expect(kind(screen, name)).to_have_text(text)
        expect(kind(screen, name)).to_be_visible()


@pytest.mark.parametrize("view", ["", "grid"])
def test_hostile_names(screen: Screen, view: str) -> None:
    ids = screen.upload(*[(name, png()) for name in NAMES])
    settle(screen, ids)
    screen.open(f"?view={view}")
    expect(screen.page.locator(".rows .tile.drawn img")).to_have_count(len(NAMES))
    sources = screen.page.locator(".rows img").evaluate_all("all => all.map((each) => each.getAttribute('src'))")
    size = 640 if view else 160
    assert sorted(sources) == sorted(f"/attachment/{each}/thumbnail?size={size}" for each in ids)
    assert sorted(screen.page.locator(".rows .name").all_text_contents()) == sorted(NAMES)
    assert screen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert screen.page.evaluate("globalThis.hacked") is None


def test_what_is_deleted_is_gone(screen: Screen) -> None:
    first, _ = screen.upload(("first.png", png()), ("second.png", png()))
    screen.open("?sort=name&view=grid")
    expect(picture(screen, "second.png")).to_be_visible()
    screen.row("first.png").get_by_role("link").focus()
    screen.page.keyboard.press("Delete")
    screen.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(screen.count).to_have_text("1 attachment")
    expect(screen.row("second.png").get_by_role("link")).to_be_focused()
    expect(screen.page.locator(".rows img")).to_have_count(1)
    assert screen.server.get(f"/attachment/{first}/thumbnail", token=screen.token).status_code == 404
    # Another client deletes it while it is on screen: nothing that is not there is asked for again and again.
    asked = Asked(screen)
    (second,) = (each["_id"] for each in screen.server.hits(token=screen.token))
    assert screen.server.delete(f"/attachment/{second}", token=screen.token).ok
    grid(screen).click()
    expect(kind(screen, "second.png")).to_be_visible()
    screen.page.wait_for_timeout(1500)
    assert screen.page.locator(".rows img").count() == 0
    assert len(asked.pictures) == 1


def test_the_grid_and_the_list_are_one(screen: Screen) -> None:
    ids = screen.upload(("photo.jpg", jpeg(1600, 800)), ("paper.pdf", pdf("Paper")), ("notes.txt", b"a quiet harbour"))
    settle(screen, ids)
    asked = Asked(screen)
    screen.open("?sort=name")
    expect(picture(screen, "photo.jpg")).to_be_visible()
    expect(grid(screen)).to_have_attribute("aria-pressed", "false")
    grid(screen).click()
    expect(grid(screen)).to_be_focused()
    expect(grid(screen)).to_have_attribute("aria-pressed", "true")
    expect(screen.page).to_have_url(f"{screen.server.url}/page/?sort=name&view=grid")
    assert picture(screen, "photo.jpg").evaluate(DRAWN) == [640, 320]
    assert max(picture(screen, "paper.pdf").evaluate(DRAWN)) == 640
    expect(kind(screen, "notes.txt")).to_have_text("txt")
    tile = screen.row("photo.jpg")
    for part in (".name", ".size", "time"):
        expect(tile.locator(part)).to_be_visible()
    # Beside each other, in their order.
    boxes = [screen.row(name).bounding_box() for name in ("notes.txt", "paper.pdf", "photo.jpg")]
    assert [box and box["y"] for box in boxes] == [boxes[0] and boxes[0]["y"]] * 3
    lefts = [box["x"] for box in boxes if box]
    assert lefts == sorted(set(lefts))
    # Nothing is searched or asked anew for that, and the same address is the same view.
    assert len(asked.calls) == 1
    check(screen.page)
    screen.page.reload()
    expect(picture(screen, "photo.jpg")).to_be_visible()
    expect(grid(screen)).to_have_attribute("aria-pressed", "true")
    await_text(screen, "harbour")
    screen.type("harbour")
    expect(screen.count).to_have_text("1 attachment")
    expect(screen.page.locator(".rows .passage")).to_have_count(0)
    screen.row("notes.txt").click()
    expect(screen.preview.locator("blockquote mark")).to_have_text(["harbour"])
    expect(screen.row("notes.txt").get_by_role("link")).to_have_attribute("aria-current", "true")
    check(screen.page)
    grid(screen).click()
    expect(screen.page.locator(".rows .passage mark")).to_have_text(["harbour"])
    screen.page.go_back()
    expect(grid(screen)).to_have_attribute("aria-pressed", "true")


def test_the_grid_by_keyboard(screen: Screen) -> None:
    # Lines of five, the last one of two.
    names = [f"n{number:02}.txt" for number in range(22)]
    screen.upload(*((name, f"words of {name}".encode()) for name in names))
    screen.open("?sort=name&view=grid")
    expect(screen.row("n00.txt")).to_be_visible()
    tops = screen.page.locator(".rows li").evaluate_all("all => all.map((each) => each.getBoundingClientRect().y)")
    assert tops.count(tops[0]) == 5
    keys = screen.page.keyboard
    keys.press("ArrowDown")
    steps = [
        ("ArrowRight", 1),
        ("ArrowDown", 6),
        ("ArrowLeft", 5),
        ("ArrowLeft", 4),
        ("ArrowUp", 4),
        ("Home", 0),
        ("ArrowLeft", 0),
        ("ArrowUp", 0),
        ("End", 21),
        ("ArrowRight", 21),
        ("ArrowDown", 21),
        ("ArrowLeft", 20),
        ("ArrowDown", 20),
        ("ArrowLeft", 19),
        ("ArrowDown", 21),
        ("ArrowUp", 16),
        ("Home", 0),
        ("ArrowRight", 1),
    ]
    for key, position in steps:
        keys.press(key)
        expect(screen.row(names[position]).get_by_role("link")).to_be_focused()
    focused = "Number(document.activeElement.closest('li').dataset.position)"
    keys.press("PageDown")
    assert screen.page.evaluate(focused) in (6, 11, 16)
    keys.press("PageUp")
    assert screen.page.evaluate(focused) == 1
    keys.press("Enter")
    expect(screen.preview.get_by_role("heading", name="n01.txt")).to_be_focused()
    # There is less room beside it: what is open stays in sight.
    expect(screen.row("n01.txt")).to_be_in_viewport()
    keys.press("Escape")
    expect(screen.row("n01.txt").get_by_role("link")).to_be_focused()
    keys.press("Delete")
    keys.press("Tab")
    keys.press("Enter")
    expect(screen.count).to_have_text("21 attachments")
    expect(screen.row("n02.txt").get_by_role("link")).to_be_focused()


def test_what_one_looks_at_stays_when_the_room_changes(screen: Screen) -> None:
    screen.upload(*((f"n{number:02}.txt", b"x") for number in range(48)))
    screen.open("?sort=name&view=grid")
    expect(screen.row("n00.txt")).to_be_visible()
    screen.page.keyboard.press("ArrowDown")
    for _ in range(4):
        screen.page.keyboard.press("ArrowDown")
    position = screen.page.evaluate("Number(document.activeElement.closest('li').dataset.position)")
    name = f"n{position:02}.txt"
    assert position > 12
    for width in (700, 1360, 1000):
        screen.page.set_viewport_size({"width": width, "height": 600})
        expect(screen.row(name)).to_be_in_viewport(ratio=0.9)
        expect(screen.row(name).get_by_role("link")).to_be_focused()
    grid(screen).click()
    expect(screen.row(name)).to_be_in_viewport(ratio=0.9)
    grid(screen).click()
    expect(screen.row(name)).to_be_in_viewport(ratio=0.9)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_grid_on_a_phone(new_screen: Callable[..., Screen], scheme: str) -> None:
    screen = new_screen(
        viewport={"width": 390, "height": 780},
        has_touch=True,
        is_mobile=True,
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    ids = screen.upload(
        ("photo.jpg", jpeg(800, 400)), ("a" * 200 + ".txt", b"x"), ("notes.txt", b"x"), session="s" * 60
    )
    settle(screen, ids)
    screen.open("?sort=name")
    grid(screen).tap()
    expect(picture(screen, "photo.jpg")).to_be_visible()
    assert screen.page.evaluate("document.documentElement.scrollWidth") == 390
    lefts = screen.page.locator(".rows li").evaluate_all("all => all.map((each) => each.getBoundingClientRect().x)")
    assert len(set(lefts)) == 2
    check(screen.page)
    screen.row("photo.jpg").tap()
    expect(screen.preview.get_by_role("heading", name="photo.jpg")).to_be_visible()


# The list alone, given a thousand hits, scrolled to its end and back a window at a time: what there was at most.
_SCROLL = """async (module, grid) => {
  const list = new module.Results({ open() {}, remove() {}, href: () => "#", more() {} });
  const place = document.createElement("div");
  place.style.cssText = "position: fixed; inset: 0; display: flex; flex-direction: column";
  place.append(list.element);
  document.body.append(place);
  const hits = Array.from({ length: 3000 }, (_, number) => ({
    _id: `id-${number}`,
    _source: { id: `id-${number}`, name: `file ${number}`, size: number, created: "2026-01-01T00:00:00Z" },
  }));
  list.arrange(grid);
  list.replace(hits, { total: hits.length, exact: true, high: true, keep: false });
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const most = { items: 0, elements: 0, images: 0, known: 0, kept: 0, wrong: 0 };
  const larger = (name, value) => { most[name] = Math.max(most[name], value); };
  const height = list.element.clientHeight;
  const end = list.element.scrollHeight;
  for (let at = 0; at < end; at += Math.max(height, end / 60)) {
    list.element.scrollTop = at;
    await frame();
    await new Promise((done) => setTimeout(done, 90));
    const box = list.element.getBoundingClientRect();
    const middle = document.elementFromPoint(box.left + 100, box.top + box.height / 2)?.closest("li");
    if (!middle) most.wrong += 1;
    larger("items", list.list.children.length);
    larger("elements", place.querySelectorAll("*").length);
    larger("images", place.querySelectorAll("img").length);
    larger("kept", list.thumbnails.images.size + list.thumbnails.tiles.size);
    larger("known", list.thumbnails.known.size);
  }
  place.remove();
  return most;
}"""


@pytest.mark.parametrize("grid", [False, True])
def test_scrolling_keeps_what_is_on_screen_alone(screen: Screen, grid: bool) -> None:
    screen.open()
    asked = Asked(screen)
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(picture, "WEBP")

    def answer(route: Any) -> None:
        ids = json.loads(route.request.post_data)["attachments"]
        route.fulfill(json={each: {"thumbnail": "completed"} for each in ids})

    screen.page.route("**/attachment/_thumbnails", answer)
    screen.page.route("**/thumbnail?*", lambda route: route.fulfill(body=picture.getvalue(), content_type="image/webp"))
    most = screen.module("results", _SCROLL, grid)
    assert most["wrong"] == 0
    assert 0 < most["images"] <= most["items"] < 100
    assert most["elements"] < 1200
    assert most["kept"] <= 2 * most["items"]
    assert most["known"] <= 1000
    # A call for each place where one rests, and none for a row.
    assert len(asked.calls) <= 70
    assert max(len(each) for each in asked.calls) <= 100


def test_an_outage_of_elasticsearch_leaves_them(screen: Screen, node: Proxy) -> None:
    """They come from the disk: the rows that were found keep theirs, and the server's return needs nobody's help."""
    ids = screen.upload(("photo.jpg", jpeg(300, 300)))
    settle(screen, ids)
    screen.open()
    expect(picture(screen, "photo.jpg")).to_be_visible()
    node.refuse()
    try:
        screen.type("photo")
        expect(screen.page.get_by_text("Search is not available right now", exact=True)).to_be_visible()
        grid(screen).click()
        assert picture(screen, "photo.jpg").evaluate(DRAWN) == [300, 300]
    finally:
        node.accept()
    screen.server.await_health()
