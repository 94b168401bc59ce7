"""Uploads, searches, downloads and deletes in several threads, each answer checked against what was acknowledged."""

from __future__ import annotations

import threading
import time

from tests.support.app import Server


class Traffic:
    """Works while its block runs. `failed`: what did not hold; `kept` and `deleted`: what was acknowledged;
    `downloads`: how many."""

    def __init__(self, server: Server, threads: int = 4) -> None:
        self.server = server
        self.kept: list[str] = []
        self.deleted: list[str] = []
        self.failed: list[str] = []
        self.downloads = 0
        #: Seconds: the longest that a write took, and a search or download.
        self.slowest_write = 0.0
        self.slowest_read = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Traffic:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def _run(self, number: int) -> None:
        try:
            while not self._stop.is_set():
                self._round(f"t{number}-{time.monotonic_ns()}")
        except BaseException as error:
            self.failed.append(repr(error))

    def _round(self, session: str) -> None:
        began = time.monotonic()
        one, two = self.server.upload(("a.txt", b"a"), ("b.txt", b"b"), session=session)
        self.slowest_write = max(self.slowest_write, time.monotonic() - began)
        self._searched(session, {one, two})
        began = time.monotonic()
        answer = self.server.get(f"/attachment/{two}")
        self.slowest_read = max(self.slowest_read, time.monotonic() - began)
        if answer.content != b"b":
            self.failed.append(f"{two} answers {answer.status_code}")
        self.downloads += 1
        began = time.monotonic()
        answer = self.server.delete(f"/attachment/{one}")
        self.slowest_write = max(self.slowest_write, time.monotonic() - began)
        if not answer.ok:
            self.failed.append(f"the delete of {one} answers {answer.status_code}")
        self._searched(session, {two})
        answer = self.server.get(f"/attachment/{one}")
        if answer.status_code != 404:
            self.failed.append(f"{one} answers {answer.status_code} after its delete")
        self.kept.append(two)
        self.deleted.append(one)

    def _searched(self, session: str, wanted: set[str]) -> None:
        began = time.monotonic()
        hits = self.server.hits(f"session={session}")
        self.slowest_read = max(self.slowest_read, time.monotonic() - began)
        found = [hit["_id"] for hit in hits]
        if sorted(found) != sorted(wanted):
            self.failed.append(f"{session}: found {found}, not {wanted}")
        if any((hit["_index"], hit["_type"]) != (self.server.index, "_doc") for hit in hits):
            self.failed.append(f"{session}: hits say {hits[0]['_index']}")
