"""The largest texts that the settings permit: whether they break or stall anything, and what a search in them takes.

bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.large_texts [FILES]'

FILES files (8) of 50 MB each, of which as much is indexed as MAX_INDEXED_TEXT may be at most: sentences without an end,
random words, nothing but different words, and Chinese, in turns. They are indexed by a node of their own with the heap that
`scripts/serve` gives (or by the one that ELASTICSEARCH_URL names) while small files are uploaded and searched for.

Prints how long those uploads and searches took; then for each query the median of seven answers about the large texts and
about as many small ones with the same words, asked in turns, without marks and with them, and the ratio; then the same of
eight clients at once; then how long a rebuild took. Ends with 1 if anything was refused on the way.
"""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import requests

from app.settings import MIB, MOST_INDEXED_TEXT
from benchmarks.parts import server_for_run
from tests.support.app import Server

SIZE = 50_000_000
QUERIES = {
    "a word": "needle",
    "a word in every spelling": "grossere",
    "a phrase": '"noch grossere worter"',
    "a phrase, some words between": '"darüber worter"~4',
    "a beginning": "da*",
    "a beginning as one types": "wor",
    "a misspelled word": "hinaos~",
    "a word and not another": "needle -haystack",
    "letters of a name": "na*e.txt",
    "everything": "*",
}
ROUNDS = 7
CLIENTS = 8
SECONDS = 600.0
HEAD = "a needle. und darüber hinaus noch größere Wörter, "


def texts(size: int) -> Iterator[bytes]:
    """Texts of `size` bytes of each kind, over and over."""
    number = 0
    while True:
        numbers = random.Random(number)
        letters = "abcdefghijklmnopqrstuvwxyz"
        # As much as is indexed at most, repeated.
        length = min(size, MOST_INDEXED_TEXT)
        some = " ".join("".join(numbers.choices(letters, k=numbers.randint(3, 9))) for _ in range(length // 7))
        different = " ".join(f"{each * 7919 % 10**8:x}" for each in range(number * 10**7, number * 10**7 + length // 7))
        chinese = "".join(chr(0x4E00 + numbers.randrange(20_000)) for _ in range(length // 3))
        for body in (HEAD[10:], some, different, chinese):
            content = (HEAD + body).encode()
            yield (content * (size // len(content) + 1))[:size]
        number += 1


def extracted(server: Server, ids: list[str], token: str) -> None:
    deadline = time.monotonic() + SECONDS
    while any("pending" in server.get(f"/attachment/{each}/status", token=token).text for each in ids):
        if time.monotonic() > deadline:
            raise TimeoutError("extracting takes too long")
        time.sleep(0.2)


class Beside:
    """What goes on while large texts are indexed: the seconds that each call took, and what was refused."""

    def __init__(self) -> None:
        self.took: list[float] = []
        self.refused: list[str] = []
        self._done = threading.Event()

    @contextlib.contextmanager
    def running(self, call: Callable[[], requests.Response]) -> Iterator[None]:
        def repeat() -> None:
            while not self._done.wait(0.1):
                began = time.monotonic()
                try:
                    answer = call()
                    if not answer.ok:
                        self.refused.append(f"{answer.status_code} {answer.text[:100]}")
                except requests.RequestException as error:
                    self.refused.append(str(error))
                self.took.append(time.monotonic() - began)

        thread = threading.Thread(target=repeat)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def __str__(self) -> str:
        median, most = statistics.median(self.took), max(self.took)
        return f"{len(self.took)}, median {median * 1000:.0f} ms, slowest {most * 1000:.0f} ms, refused {self.refused}"


def search(server: Server, token: str, query: str, marks: bool) -> float:
    """Seconds of one answer."""
    began = time.monotonic()
    path = f"/attachment/_search?query={quote(query)}&highlight={str(marks).lower()}"
    server.get(path, token=token).raise_for_status()
    return time.monotonic() - began


def compared(server: Server, tokens: tuple[str, str], query: str, marks: bool) -> str:
    """The median of each, in turns, in milliseconds, and their ratio."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for token, seconds in zip(tokens, took, strict=True):
            seconds.append(search(server, token, query, marks) * 1000)
    large, small = map(statistics.median, took)
    return f"{large:6.0f} / {small:4.0f} ms = {large / small:5.1f}"


def at_once(server: Server, token: str, query: str) -> tuple[str, bool]:
    """The slowest of two searches with marks from each client; whether none was refused."""
    refused: list[str] = []

    def one(_: int) -> float:
        began = time.monotonic()
        answer = server.get(f"/attachment/_search?query={quote(query)}&highlight=true", token=token)
        if not answer.ok:
            refused.append(f"{answer.status_code} {answer.text[:100]}")
        return time.monotonic() - began

    with ThreadPoolExecutor(CLIENTS) as clients:
        slowest = max(clients.map(one, range(2 * CLIENTS)))
    return f"slowest {slowest * 1000:.0f} ms, refused {refused}", not refused


def indexed(server: Server, tokens: tuple[str, str], count: int) -> bool:
    """Upload and index `count` texts of each size; whether nothing was refused meanwhile."""
    large, small = tokens
    ids = server.upload(
        *((f"name-{n}.txt", text) for n, text in zip(range(count), texts(1000), strict=False)), token=small
    )
    extracted(server, ids, small)
    uploads, searches = Beside(), Beside()
    file = {"files": ("beside.txt", b"x")}
    other = {"X-API-TOKEN": server.token}
    with (
        uploads.running(
            lambda: requests.post(f"{server.url}/chat/beside/_upload", files=file, headers=other, timeout=60)
        ),
        searches.running(
            lambda: requests.get(
                f"{server.url}/attachment/_search?query=needle", headers={"X-API-TOKEN": small}, timeout=60
            )
        ),
    ):
        began = time.monotonic()
        ids = []
        for number, text in zip(range(count), texts(SIZE), strict=False):
            ids += server.upload((f"name-{number}.txt", text), token=large)
        extracted(server, ids, large)
        took = time.monotonic() - began
    print(f"{count} files of {SIZE} bytes uploaded and searchable in {took:.1f} s", flush=True)
    print(f"small uploads meanwhile: {uploads}", flush=True)
    print(f"small searches meanwhile: {searches}", flush=True)
    return not uploads.refused + searches.refused


def main(count: int) -> bool:
    with server_for_run(EXTRACTION="on", MAX_INDEXED_TEXT=str(MOST_INDEXED_TEXT)) as server:
        print(f"{MOST_INDEXED_TEXT / MIB:g} MiB of each text are indexed", flush=True)
        tokens = server.make_token(tenant="large"), server.make_token(tenant="small")
        well = indexed(server, tokens, count)
        for what, query in QUERIES.items():
            plain, marked = (compared(server, tokens, query, marks) for marks in (False, True))
            print(f"{what:30} {plain}   with marks {marked}", flush=True)
        for query in ("needle", "da*", '"noch grossere worter"'):
            told, served = at_once(server, tokens[0], query)
            well = well and served
            print(f"{CLIENTS} clients at once with marks, {query}: {told}", flush=True)
        began = time.monotonic()
        command = [sys.executable, "-m", "app.commands.store", "rebuild"]
        subprocess.run(command, env={**os.environ, **server.environment}, check=True, stdout=subprocess.DEVNULL)
        print(f"rebuilt in {time.monotonic() - began:.1f} s", flush=True)
        found = server.get("/attachment/_search?query=needle&highlight=true", token=tokens[0]).json()["hits"]
        print(f"found afterwards: {found['total']['value']}", flush=True)
        return well and found["total"]["value"] == count and all("highlight" in hit for hit in found["hits"])


if __name__ == "__main__":
    raise SystemExit(not main(int(sys.argv[1]) if len(sys.argv) > 1 else 8))
