"""The nearest passages among many: how long a search by meaning takes, and how much of what is truly nearest it finds.

    bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.nearest'      [--attachments N] [--folder FOLDER]
        [--heap SIZE] [--optimized] [--wait]

Made-up vectors of length 1 with 512 dimensions around `--centres` (1,000), ten for each of `--attachments` (10,000),
go into an embedded node of their own, as `scripts/serve` starts it, in the store's own mapping and in the form in
which it writes them; half of the attachments are of one tenant, the others of nine. Then questions are asked as the
store asks them (`app.search.query`), by one client and by eight, of the large tenant, of a small one, and of a session
of a hundred attachments. It prints the middle and the 99th of a hundred, and how many of the ten nearest attachments
by comparing with all are among the first ten (recall).

100,000 attachments, a million passages, take 2 GB of disk, 4 GB of memory here for comparing with all, and an hour
or two to write on two cores. It asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import requests

from app.embedded_node import EmbeddedNode
from app.index import mappings
from app.search import params, query
from benchmarks.client import drive
from benchmarks.parts import json_request

Json = dict[str, Any]
Array = Any

DIMENSIONS, PASSAGES = 512, 10
SPREAD = 0.9
SESSION = 100
TENANTS = ("large", *(f"small{number}" for number in range(9)))
BULK, WRITERS = 50, 2
QUESTIONS, NEAREST = 200, 10
MODEL = "made-up"
#: As EMBEDDINGS_SIMILARITY has it.
LEAST = 0.16
SECONDS = 600.0


def near(numbers: np.random.Generator, centres: Array, spread: float = SPREAD) -> Array:
    """Vectors of length 1 around these."""
    noise = numbers.standard_normal(centres.shape, dtype=np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    found = centres + spread * noise
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def in_bytes(vectors: Array) -> Array:
    """As `app.passages.keeping.quantized` has them."""
    return np.rint(vectors / np.abs(vectors).max(axis=1, keepdims=True) * 127).astype(np.int8)


class Made:
    """All of it. A session has a hundred attachments, one behind the other."""

    def __init__(self, attachments: int, centres: int) -> None:
        numbers = np.random.default_rng(0)
        middles = near(numbers, np.zeros((centres, DIMENSIONS), np.float32), 1.0)
        self.vectors: Array = np.empty((attachments * PASSAGES, DIMENSIONS), np.int8)
        for at in range(0, attachments, 1000):
            count = min(1000, attachments - at)
            # A document has two matters.
            matters = numbers.integers(centres, size=(count, 2))
            chosen = np.take_along_axis(matters, numbers.integers(2, size=(count, PASSAGES)), 1).reshape(-1)
            self.vectors[at * PASSAGES : (at + count) * PASSAGES] = in_bytes(near(numbers, middles[chosen]))
        self.attachments = attachments
        self.questions: Array = near(numbers, middles[numbers.integers(centres, size=QUESTIONS)])
        half = attachments // 2 // SESSION * SESSION
        self.tenants = ["large" if at < half else TENANTS[1 + at // SESSION % 9] for at in range(attachments)]

    def lines(self) -> Iterator[list[str]]:
        for first in range(0, self.attachments, BULK):
            lines = []
            for at in range(first, min(first + BULK, self.attachments)):
                vectors = self.vectors[at * PASSAGES : (at + 1) * PASSAGES]
                source = {
                    "id": str(at),
                    "name": f"{at}.txt",
                    "tenant": self.tenants[at],
                    "session": f"session{at // SESSION}",
                    "passages_model": MODEL,
                    "passages": [{"vector": each.tobytes().hex()} for each in vectors],
                }
                lines += [json.dumps({"index": {"_id": str(at)}}), json.dumps(source)]
            yield lines

    def true(self, kept: Array) -> list[list[str]]:
        """Of the attachments `kept`, those nearest to each question."""
        best = np.full((QUESTIONS, self.attachments), -2, np.float32)
        for at in range(0, self.attachments, 1000):
            floats = self.vectors[at * PASSAGES : (at + 1000) * PASSAGES].astype(np.float32)
            floats /= np.linalg.norm(floats, axis=1, keepdims=True)
            found = self.questions @ floats.T
            best[:, at : at + 1000] = found.reshape(QUESTIONS, -1, PASSAGES).max(axis=2)
        best[:, ~kept] = -2
        order = np.argsort(-best, axis=1)[:, :NEAREST]
        rows = zip(order, best, strict=True)
        return [[str(at) for at in row if scores[at] >= LEAST] for row, scores in rows]


def body(vector: Array, tenant: str, session: str | None) -> Json:
    filters = {} if session is None else {"session": (session,)}
    wanted = params.SearchParams(query="made up", match="meaning", filters=filters)
    meaning = query.Meaning(in_bytes(vector[None])[0].tobytes().hex(), MODEL, LEAST)
    return query.build(wanted, tenant, meaning=meaning)


def write(url: str, lines: list[str]) -> None:
    answer = requests.post(
        f"{url}/nearest/_bulk?filter_path=errors",
        data="\n".join([*lines, ""]),
        headers={"Content-Type": "application/x-ndjson"},
        timeout=SECONDS,
    )
    if answer.json()["errors"]:
        raise SystemExit("a document was refused")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure search by meaning among many passages.")
    parser.add_argument("--attachments", type=int, default=10_000, help="(default: %(default)s)")
    parser.add_argument("--centres", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--heap", default="512m", help="of the node (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the node's data goes for the run")
    parser.add_argument("--optimized", action="store_true", help="let the node's JVM compile as far as it can")
    parser.add_argument("--wait", action="store_true", help="for a line of standard input before questions are asked")
    arguments = parser.parse_args()
    options = ["-XX:TieredStopAtLevel=4"] if arguments.optimized else []
    made = Made(arguments.attachments, arguments.centres)
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.folder) as folder,
        EmbeddedNode(Path(folder), heap=arguments.heap, jvm_options=options, open_to_all=True) as node,
        requests.Session() as calls,
    ):
        definition = mappings.with_dimensions(mappings.load(mappings.MAPPINGS / "coco_attachment.json"), DIMENSIONS)
        calls.put(f"{node.url}/nearest", json=definition, timeout=SECONDS).raise_for_status()
        # As an index is filled that nobody searches yet.
        calls.put(f"{node.url}/nearest/_settings", json={"index": {"refresh_interval": "-1"}}).raise_for_status()
        began = time.perf_counter()
        with ThreadPoolExecutor(WRITERS) as writers:
            waiting: deque[Future[None]] = deque()
            for number, lines in enumerate(made.lines()):
                waiting.append(writers.submit(write, node.url, lines))
                if len(waiting) > WRITERS:
                    waiting.popleft().result()
                if number % 20 == 0:
                    print(f"\r{number * BULK:,} of {made.attachments:,}", end="", flush=True)
            for each in waiting:
                each.result()
        calls.put(f"{node.url}/nearest/_settings", json={"index": {"refresh_interval": "1s"}}).raise_for_status()
        calls.post(f"{node.url}/nearest/_refresh", timeout=SECONDS).raise_for_status()
        while calls.get(f"{node.url}/nearest/_stats/merge", timeout=SECONDS).json()["_all"]["total"]["merges"][
            "current"
        ]:
            time.sleep(0.5)
        took = time.perf_counter() - began
        stats = calls.get(f"{node.url}/nearest/_stats/store,segments", timeout=SECONDS).json()["_all"]["total"]
        print(
            f"\r{made.attachments:,} attachments, {made.attachments * PASSAGES:,} passages: written and merged in "
            f"{took:.0f} s, {stats['store']['size_in_bytes'] / 1e6:,.0f} MB on disk in {stats['segments']['count']} "
            f"segments; load {os.getloadavg()[0]:.1f}"
        )
        if arguments.wait:
            input("written; Enter begins the questions: ")
        tenants = np.array(made.tenants)
        for tenant, session in (("large", None), ("small3", None), ("large", "session1")):
            kept = tenants == tenant
            if session is not None:
                kept &= np.arange(made.attachments) // SESSION == 1
            true = made.true(kept)
            bodies = [body(each, tenant, session) for each in made.questions]
            shares = []
            for sent, wanted in zip(bodies, true, strict=True):
                answer = calls.post(f"{node.url}/nearest/_search", json=sent, timeout=SECONDS)
                answer.raise_for_status()
                hits = [hit["_id"] for hit in answer.json()["hits"]["hits"]][: len(wanted)]
                if wanted:
                    shares.append(len(set(hits) & set(wanted)) / len(wanted))
            where = f"of {tenant}{', a session' if session else ''} ({int(kept.sum()):,} attachments)"
            print(f"{where}: recall {statistics.mean(shares):.3f} over {len(shares)} questions")
            ready = [json_request("POST", "/nearest/_search", each) for each in bodies]
            for clients in (1, 8):
                turn = iter(range(10**9))
                found = drive(node.url, lambda: ready[next(turn) % len(ready)], clients, 10.0)  # noqa: B023
                print(
                    f"  {clients} at once: {1000 * found.median:.1f} ms in the middle, {1000 * found.p99:.1f} ms for 99 of "
                    f"100, {found.rate:.0f}/s"
                )


if __name__ == "__main__":
    main()
