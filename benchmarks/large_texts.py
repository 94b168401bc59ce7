"""The largest texts that the settings permit, found and marked: how long one search takes.

bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.large_texts [FILES]'

FILES files (4) of 50 MB each, of which 16 MiB are indexed (the most that MAX_INDEXED_TEXT takes): every other one is a
sentence over and over without an end, the others are random words, so that as many as possible are different. Prints the
slowest of three answers for each query, with marks and without.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from embedded_node import EmbeddedNode

from tests.support.app import Server, running_server

SIZE = 50_000_000
QUERIES = ("needle", "grossere", '"noch grossere worter"', "da*", "wor", "hinaus~", "needle -haystack", "na*e.txt", "*")
SECONDS = 300.0


def text(number: int) -> bytes:
    if number % 2:
        numbers = random.Random(number)
        letters = "abcdefghijklmnopqrstuvwxyz"
        some = " ".join("".join(numbers.choices(letters, k=numbers.randint(3, 9))) for _ in range(SIZE // 7 // 3))
        return b"needle " + (some.encode() * 4)[:SIZE]
    return ("a needle at the beginning. " + "und darüber hinaus noch größere Wörter, " * (SIZE // 42)).encode()


def extracted(server: Server, ids: list[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while any("pending" in server.get(f"/attachment/{each}/status").text for each in ids):
        if time.monotonic() > deadline:
            raise TimeoutError("extracting takes too long")
        time.sleep(0.2)


def slowest(server: Server, query: str, highlight: bool) -> tuple[float, int]:
    """Seconds, and bytes of the answer."""
    took, size = 0.0, 0
    for _ in range(3):
        began = time.monotonic()
        answer = server.get(f"/attachment/_search?query={quote(query)}&highlight={str(highlight).lower()}")
        took = max(took, time.monotonic() - began)
        answer.raise_for_status()
        size = len(answer.content)
    return took, size


def main(count: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.ExitStack() as node,
        running_server(
            Path(folder),
            os.environ.get("ELASTICSEARCH_URL") or node.enter_context(EmbeddedNode(Path(folder) / "node")).url,
            EXTRACTION="on",
            MAX_INDEXED_TEXT="16MiB",
        ) as server,
    ):
        began = time.monotonic()
        for number in range(count):
            extracted(server, server.upload((f"name-{number}.txt", text(number))))
        print(f"{count} files of {SIZE} bytes uploaded and searchable in {time.monotonic() - began:.1f} s", flush=True)
        for query in QUERIES:
            plain, _ = slowest(server, query, highlight=False)
            marked, size = slowest(server, query, highlight=True)
            print(f"{query:24} {plain * 1000:6.0f} ms   with marks {marked * 1000:6.0f} ms   {size} bytes", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
