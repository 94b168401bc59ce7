"""The page's list of results over a large store: scrolled to its end in Chromium, then jumped about in.

bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.scrolling [COUNT]'

Makes a store of COUNT attachments (100,000 by default) and its index, opens the page on it, and scrolls until the last one
is on screen, as fast as answers come. Elasticsearch is the one that ELASTICSEARCH_URL names, or an embedded node for the
run. Prints, at each tenfold: rows and elements in the document, the JavaScript heap after a collection, and the times
between frames; then how long a jump to a place far away takes until its rows are there. Exits with 1 when a row was not
the one that belongs there.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from playwright.sync_api import CDPSession, Page

from benchmarks.parts import server_for_run
from tests.integration.commands.doors import door
from tests.support.app import Server
from tests.support.chromium import running_chromium, signed_in
from tests.support.seed import seed

#: Seconds for the way to the end; a list that is not there by then is too slow.
PATIENCE = 900.0
PARTS = (0.5, 0.1, 0.9, 0.0, 1.0)

# Scrolls to the end of what there is in every frame, until position `until` exists; the times between frames.
_SCROLL = """async ({ until, seconds }) => {
  const list = document.querySelector(".scroller");
  const gaps = [];
  let last = performance.now();
  const end = last + seconds * 1000;
  let most = 0;
  for (;;) {
    await new Promise(requestAnimationFrame);
    const moment = performance.now();
    gaps.push(moment - last);
    last = moment;
    most = Math.max(most, list.querySelectorAll("li").length);
    const positions = [...list.querySelectorAll("li")].map((row) => Number(row.dataset.position));
    if (Math.max(...positions) >= until - 1 || moment > end) break;
    list.scrollTop = list.scrollHeight;
  }
  gaps.sort((one, other) => one - other);
  const at = (part) => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * part))];
  return { median: at(0.5), p99: at(0.99), worst: gaps.at(-1), most };
}"""

# Moves to a part of the list; milliseconds until the row in the middle of the window is there, its position and name.
_JUMP = """async (part) => {
  const list = document.querySelector(".scroller");
  const began = performance.now();
  list.scrollTop = part * (list.scrollHeight - list.clientHeight);
  const box = list.getBoundingClientRect();
  for (;;) {
    await new Promise(requestAnimationFrame);
    const row = document.elementFromPoint(box.left + 200, box.top + box.height / 2).closest("li");
    const name = row?.querySelector(".name")?.textContent;
    if (name) return { milliseconds: performance.now() - began, position: Number(row.dataset.position), name };
    if (performance.now() - began > 20000) return { milliseconds: 20000, position: -1, name: "" };
  }
}"""


def heap(wire: CDPSession) -> float:
    """MiB of JavaScript's heap that are in use."""
    wire.send("HeapProfiler.collectGarbage")
    used: float = wire.send("Runtime.getHeapUsage")["usedSize"]
    return used / (1 << 20)


def scroll(page: Page, wire: CDPSession, count: int) -> None:
    """To the end, with a line of what it costs at each tenfold."""
    marks = [mark for mark in (100, 1_000, 10_000, 100_000, 1_000_000) if mark < count]
    began = time.monotonic()
    for until in (*marks, count):
        found: dict[str, Any] = page.evaluate(_SCROLL, {"until": until, "seconds": PATIENCE})
        elements = page.evaluate("document.querySelectorAll('*').length")
        print(
            f"{until:>9,} after {time.monotonic() - began:6.1f} s: at most {found['most']} rows, {elements} elements, "
            f"heap {heap(wire):.1f} MiB, frames median {found['median']:.1f} ms, 99 % within {found['p99']:.1f} ms, "
            f"longest {found['worst']:.1f} ms",
            flush=True,
        )


def jump(page: Page, count: int) -> bool:
    """To places far apart; whether each had the row that belongs there."""
    right = True
    for part in PARTS:
        found: dict[str, Any] = page.evaluate(_JUMP, part)
        # Seeded in the order of their numbers, shown the newest first.
        is_right = found["name"] == f"Seeded_{count - 1 - found['position']}.txt"
        near = abs(found["position"] - part * count) < 30
        print(
            f"to {part:4.0%}: {found['milliseconds']:6.1f} ms, {found['name']}{'' if is_right and near else ' WRONG'}"
        )
        right = right and is_right and near
    return right


def fill(server: Server, count: int) -> None:
    began = time.monotonic()
    seed(server.data, count)
    print(f"{count:,} attachments on disk after {time.monotonic() - began:.0f} s", flush=True)
    result = door(server, "store", "rebuild", "--remove-old", "--json", timeout=3600)
    assert result.returncode == 0, result.stderr
    print(f"found after {time.monotonic() - began:.0f} s", flush=True)


def main(count: int) -> int:
    with server_for_run() as server, running_chromium() as browser:
        fill(server, count)
        page = signed_in(browser, server.url, server.token).new_page()
        wire = page.context.new_cdp_session(page)
        page.goto(f"{server.url}/page/")
        page.locator(".rows li").first.wait_for()
        scroll(page, wire, count)
        right = jump(page, count)
        print("typing into it:", flush=True)
        began = time.monotonic()
        page.get_by_role("searchbox").fill("Seeded_77")
        page.locator(".rows.high mark").first.wait_for()
        print(f"{(time.monotonic() - began) * 1000:.0f} ms until what was typed is marked, heap {heap(wire):.1f} MiB")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
