"""Files on their way in: dropped, pasted, chosen, in folders; their progress, and what becomes of those refused."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.conftest import MAX_FILE_SIZE, Screen
from tests.faults.conftest import mounted, take_room
from tests.support.app import running_server
from tests.support.breaking import Proxy

MIB = 1024 * 1024


def test_progress_with_bytes_speed_and_time_left(screen: Screen) -> None:
    screen.open()
    # Twenty seconds, of which most are left at the end, to look at what is shown meanwhile.
    full_speed = screen.slow_down(100_000)
    screen.choose(("slow.bin", os.urandom(2 * MIB)))
    entry = screen.entry("slow.bin")
    bar = entry.get_by_role("progressbar")
    expect(entry).to_contain_text("of 2.0 MB")
    expect(entry).to_contain_text("/s")
    expect(entry).to_contain_text(" left")
    # Each look is somewhere between the ends, and a later one is further on.
    first = float(bar.get_attribute("value") or 0)
    assert 0 < first < 1000
    screen.page.wait_for_function("before => document.querySelector('progress').value > before", arg=first)
    # The page lives on meanwhile.
    screen.type("nothing of that name")
    expect(screen.count).to_have_text("Nothing found")
    full_speed()
    expect(entry).to_contain_text("Stored")
    screen.type("")
    expect(screen.row("slow.bin")).to_be_visible()


def test_cancel_and_try_again(screen: Screen) -> None:
    screen.open()
    full_speed = screen.slow_down(40_000)
    screen.choose(("stop.bin", os.urandom(MIB)), ("other.txt", b"other"))
    entry = screen.entry("stop.bin")
    expect(entry).to_contain_text("of 1.0 MB")
    entry.get_by_role("button", name="Cancel stop.bin").click()
    expect(entry).to_contain_text("Cancelled")
    full_speed()
    expect(screen.entry("other.txt")).to_contain_text("Stored")
    assert [each["_source"]["name"] for each in screen.server.hits(token=screen.token)] == ["other.txt"]
    entry.get_by_role("button", name="Try stop.bin again").click()
    expect(entry).to_contain_text("Stored")
    expect(screen.row("stop.bin")).to_be_visible()


def test_what_fails_says_why_and_can_be_tried_again(screen: Screen, node: Proxy) -> None:
    """And the others wait: an outage costs the files that were under way, not the whole folder."""
    screen.open()
    node.refuse()
    try:
        screen.choose(*((f"unlucky{number}.txt", b"some text") for number in range(12)))
        failed = screen.page.locator(".upload.failed")
        expect(failed.first).to_contain_text("Elasticsearch is not available")
        expect(screen.page.get_by_role("alert").first).to_contain_text(".txt was not uploaded")
        expect(screen.entry("unlucky11.txt")).to_contain_text("Waiting until the server takes files again")
        expect(screen.page.get_by_role("button", name="Try all again")).to_be_visible()
        assert failed.count() < 8
    finally:
        node.accept()
    screen.server.await_health()
    failed.first.get_by_role("button", name=re.compile("Try unlucky")).click()
    expect(screen.entry("unlucky11.txt")).to_contain_text("Stored")
    again = screen.page.get_by_role("button", name="Try all again")
    if again.is_visible():
        again.click()
    expect(screen.page.locator(".tray h2")).to_contain_text("12 done")


def test_trying_one_again_ends_the_wait_of_all(screen: Screen) -> None:
    """Who asks for it does not wait for the queue to try by itself, in as much as half a minute."""
    screen.open()
    found = screen.module(
        "uploads",
        """(module) => {
          const uploads = new module.Uploads({ changed() {}, stored() {} });
          const sent = [];
          uploads.send = (item) => {
            item.state = "sending";
            sent.push(item.name);
          };
          uploads.items = [
            { name: "failed", state: "failed", again: true },
            { name: "waiting", state: "waiting" },
          ];
          uploads.pause();
          uploads.pump();
          const before = [uploads.paused, ...sent];
          uploads.retry(uploads.items[0]);
          return [before, [uploads.paused, ...sent]];
        }""",
    )
    # One alone, as the one before it failed.
    assert found == [[True], [False, "failed"]]


_TRANSFER = """(files) => {
  const transfer = new DataTransfer();
  for (const [name, content] of files) {
    transfer.items.add(new File([typeof content === "number" ? new Uint8Array(content) : content], name));
  }
  return transfer;
}"""


def test_too_large_is_said_before_anything_is_sent(screen: Screen) -> None:
    screen.open()
    sent = []
    screen.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    files = [["fits.bin", MAX_FILE_SIZE], ["large.bin", MAX_FILE_SIZE + 1]]
    transfer = screen.page.evaluate_handle(_TRANSFER, files)
    screen.page.dispatch_event(".main", "drop", {"dataTransfer": transfer})
    entry = screen.entry("large.bin")
    expect(entry).to_contain_text("the server takes files of at most 4.0 MB")
    expect(entry.get_by_role("button", name="Try large.bin again")).to_have_count(0)
    expect(screen.entry("fits.bin")).to_contain_text("Stored")
    assert sum("_upload" in each for each in sent) == 1


REFUSALS = [
    (0, "", "The connection was lost", True),
    (400, "Invalid file name: it contains NUL", "Its name can’t be kept", False),
    (400, "parameter [session] is longer", "The server refused it: parameter [session] is longer.", False),
    (401, "invalid login", "You are signed out", True),
    (403, "the token lacks the scope [write]", "Your token may not upload", False),
    (408, "slow", "too slowly", True),
    (413, "File too large", "larger than the server takes", False),
    (415, "type", "type", False),
    (500, "", "met an error", True),
    (503, "Elasticsearch is not available", "Elasticsearch is not available", True),
    (507, "Not enough space", "disk is full", True),
]


def test_every_refusal_has_a_sentence(screen: Screen) -> None:
    screen.open()
    for status, reason, said, again in REFUSALS:
        error = {"status": status, "reason": reason}
        found = screen.module("uploads", "(uploads, error) => uploads.refusal(error)", error)
        assert said in found["why"], status
        assert found["again"] is again, status


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted("-t", "tmpfs", "-o", f"size={24 * MIB}", "tmpfs", on=tmp_path):
        yield tmp_path


@pytest.mark.needs("root")
def test_refusals_as_the_server_gives_them(
    new_screen: Callable[..., Screen], small_disk: Path, elasticsearch_url: str
) -> None:
    """Each said in its sentence; what may fare better later can be tried again, and does."""
    with running_server(small_disk, elasticsearch_url, WEB_WORKERS="1", GRACE_TIME="1") as server:
        screen = new_screen(server=server)
        screen.open()
        ballast = small_disk / "ballast"
        take_room(ballast)
        screen.choose(("full.bin", os.urandom(MIB)))
        entry = screen.entry("full.bin")
        expect(entry).to_contain_text("The server’s disk is full. Nothing of the file was kept.")
        ballast.unlink()
        entry.get_by_role("button", name="Try full.bin again").click()
        expect(entry).to_contain_text("Stored")

        transfer = screen.page.evaluate_handle(_TRANSFER, [["n" * 1020 + ".text", "x"]])
        screen.page.dispatch_event(".main", "drop", {"dataTransfer": transfer})
        expect(screen.entry("nnn")).to_contain_text("Its name can’t be kept")

        screen.page.context.set_offline(True)
        screen.choose(("lost.bin", b"x" * 5000))
        entry = screen.entry("lost.bin")
        expect(entry).to_contain_text("The connection was lost")
        screen.page.context.set_offline(False)
        # The server gets a limit that the page has not heard of.
        server.stop()
        server.environment["MAX_FILE_SIZE"] = "5000"
        server.start()
        entry.get_by_role("button", name="Try lost.bin again").click()
        expect(entry).to_contain_text("Stored")
        screen.choose(("over.bin", b"x" * 5001))
        entry = screen.entry("over.bin")
        expect(entry).to_contain_text("It is larger than the server takes.")
        expect(entry.get_by_role("button", name="Try over.bin again")).to_have_count(0)


def test_dropped_and_pasted_into_a_session(screen: Screen) -> None:
    screen.open("?session=my%2Fsession")
    transfer = screen.page.evaluate_handle(_TRANSFER, [["dropped.txt", "dropped"], ["second.txt", "second"]])
    for event in ("dragenter", "dragover"):
        screen.page.dispatch_event(".main", event, {"dataTransfer": transfer})
    expect(screen.page.get_by_text("Drop to upload")).to_be_visible()
    expect(screen.page.locator(".drop")).to_contain_text("my/session")
    screen.page.dispatch_event(".main", "drop", {"dataTransfer": transfer})
    expect(screen.page.get_by_text("Drop to upload")).to_be_hidden()
    expect(screen.entry("second.txt")).to_contain_text("Stored")
    screen.page.evaluate(
        """() => {
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File(["pasted"], "image.png"));
          document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }"""
    )
    expect(screen.entry("image.png")).to_contain_text("Stored")
    expect(screen.row("image.png")).to_be_visible()
    found = screen.server.hits("session=my/session", token=screen.token)
    assert sorted(each["_source"]["name"] for each in found) == ["dropped.txt", "image.png", "second.txt"]


def test_a_whole_folder(screen: Screen, tmp_path: Path) -> None:
    for number in range(12):
        path = tmp_path / "folder" / f"sub{number % 3}" / f"file{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}")
    screen.open()
    screen.page.locator("[data-picker=folder]").set_input_files(tmp_path / "folder")
    expect(screen.count).to_have_text("12 attachments")
    expect(screen.page.locator(".tray h2")).to_contain_text("12 done")
    screen.page.get_by_role("button", name="Hide the finished ones").click()
    expect(screen.page.locator(".tray")).to_be_hidden()


def test_thousands_of_files_in_the_queue_do_not_fill_the_page(screen: Screen) -> None:
    screen.open()
    screen.slow_down(1000)
    transfer = screen.page.evaluate_handle(_TRANSFER, [[f"{number}.txt", "x" * 100] for number in range(3_000)])
    screen.page.dispatch_event(".main", "drop", {"dataTransfer": transfer})
    expect(screen.page.locator(".tray")).to_contain_text("files more")
    assert screen.page.locator(".upload").count() <= 50
    screen.page.get_by_role("button", name="Cancel all").click()
    expect(screen.page.locator(".upload.sending")).to_have_count(0)
    screen.page.close(run_before_unload=False)


def test_a_file_that_another_client_stores_under_the_list(screen: Screen) -> None:
    """Who has scrolled down is told, and not moved."""
    screen.upload(*[(f"old{number:03}.txt", b"old") for number in range(60)])
    screen.open()
    expect(screen.count).to_have_text("60 attachments")
    screen.page.locator(".scroller").evaluate("element => { element.scrollTop = 900; }")
    screen.choose(("fresh.txt", b"fresh"))
    screen.page.get_by_role("button", name="New attachments have arrived").click()
    expect(screen.row("fresh.txt")).to_be_visible()


@pytest.mark.parametrize(
    ("function", "value", "said"),
    [
        ("bytes", 812.34, "812 bytes"),
        ("bytes", 1, "1 byte"),
        ("bytes", 1023, "1023 bytes"),
        ("bytes", 1024, "1.0 KB"),
        ("duration", 0.2, "1 s"),
        ("duration", 59.4, "59 s"),
        ("duration", 59.7, "1 min 0 s"),
        ("duration", 3599.7, "1 h 0 min"),
        ("duration", 7199, "1 h 59 min"),
    ],
)
def test_speeds_and_times_in_words(screen: Screen, function: str, value: float, said: str) -> None:
    screen.open()
    assert screen.module("format", f"(format, value) => format.{function}(value)", value) == said
