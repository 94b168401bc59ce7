"""The dearest search that the language lets through, and what it does to others.

    bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.search_cost --seconds 600 --seed 5'

The corpus: `--texts` files (15) of a megabyte of random words of 5 to 12 letters, 1.7 million different ones, of one tenant,
and a hundred short files of another; in a node as `scripts/serve` starts it, with 512 MiB of heap, or in the one that
ELASTICSEARCH_URL names.

First it looks, for `--seconds` (60; 600 at most), for the body that keeps Elasticsearch for longest: it makes bodies of
every kind of clause and place, and changes the dearest so far. Each is asked alone, of a server that waits for a minute. It
prints each body that is dearer than those before it, with its bytes and its price, the seconds until the answer, and in the
end the dearest as a whole. A body by which the node ends it prints as a whole, and ends with 1.

Then 16 clients ask the dearest ones over and over, of a server with the default time limit, first of one tenant and then of
16, while the other tenant searches for a word. It prints how long that took, how many were refused, and whether the node is
the same as before. Ends with 1 when half of the other tenant's searches took more than half a second, or one was refused,
or the node has gone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import string
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

from app.embedded_node import EmbeddedNode
from app.errors import SearchRefused
from app.search.language import body
from benchmarks.parts import PRODUCT
from tests.support.app import Server, running_server

MIB = 1_000_000
CLIENTS = 16
#: Seconds that the clients ask, for one tenant and for many.
PRESSED = 20.0
#: What the other tenant is promised.
QUICK = 0.5
KEPT = 5
FIELDS = ("content", "content_words", "name", "name_words", "session")
Json = dict[str, Any]


def text(numbers: random.Random) -> bytes:
    words, size = [], 0
    while size < MIB:
        word = "".join(numbers.choices(string.ascii_lowercase, k=numbers.randint(5, 12)))
        words.append(word)
        size += len(word) + 1
    return " ".join(words).encode()


class Maker:
    """Random bodies."""

    def __init__(self, seed: int) -> None:
        self.numbers = random.Random(seed)

    def letters(self, most: int) -> str:
        return "".join(self.numbers.choices(string.ascii_lowercase, k=self.numbers.randint(1, most)))

    def words(self, count: int, length: int) -> str:
        return " ".join(self.letters(length) for _ in range(count))

    def clause(self, depth: int = 1, kind: str = "") -> Json:
        """A clause of any kind, or of one."""
        pick, field = self.numbers.choice, self.numbers.choice(FIELDS)
        one, two = self.letters(1), self.letters(2)
        wildcards = (f"*{one}*", f"*{one}*{two}*x*", f"{one}*{two}", f"*{one}{'?' * pick([2, 6, 9])}*")
        blown_up = f"({one}|{two}|.)*a(a|b|.){{{pick([4, 8, 11])}}}"
        expressions = (f".*{one}.*{two}.*", f"(.*{one}){{{pick([3, 8])}}}.*", blown_up)
        fuzzy = {"value": self.letters(pick([8, 60, 250])), "fuzziness": 2}
        misspelled = {"query": self.words(pick([2, 30]), 9), "fuzziness": 2}
        phrase = {"query": self.words(pick([2, 30, 100]), 1), "slop": pick([0, 1000])}
        combined = {"query": self.words(pick([2, 100]), 6), "fields": ["name", "content"]}
        begun = " ".join(f"{self.letters(2)}*" for _ in range(pick([2, 20])))
        kinds: dict[str, Callable[[], Json]] = {
            "prefix": lambda: {field: pick([one, two, ""])},
            "wildcard": lambda: {field: pick(wildcards)},
            "regexp": lambda: {field: pick(expressions)},
            "fuzzy": lambda: {field: fuzzy},
            "match": lambda: {pick(["content", "name"]): misspelled},
            "match_phrase": lambda: {"content": phrase},
            "match_bool_prefix": lambda: {"content": f"{two} {one}"},
            "simple_query_string": lambda: {"query": begun},
            "range": lambda: {pick(["session", "name"]): {"gte": one}},
            "combined_fields": lambda: combined,
        }
        if depth:
            inner = depth - 1
            kinds["function_score"] = lambda: {"query": self.clause(inner), "random_score": {}, "min_score": 0}
            held = pick(["must", "should", "must_not"])
            kinds["bool"] = lambda: {held: self.clauses(pick([2, 8, 30]), inner)}
        name = kind if kind in kinds else pick(sorted(kinds))
        return {name: kinds[name]()}

    def clauses(self, count: int, depth: int = 1) -> list[Json]:
        """Clauses, mostly of one kind."""
        alike = self.clause(depth)
        kind = next(iter(alike)) if self.numbers.random() < 0.6 else ""
        return [alike, *(self.clause(depth, kind) for _ in range(count - 1))]

    def query(self) -> Json:
        return {"bool": {"should": self.clauses(self.numbers.choice([1, 4, 16, 31, 100]))}}

    def parts(self) -> Json:
        pick = self.numbers.choice
        metric = {"cardinality": {"field": pick(["sha256", "id"]), "precision_threshold": 40000}}
        aggregations = {
            f"a{number}": pick([
                metric,
                {"filter": self.clause()},
                {"terms": {"field": "id", "size": 1000, "include": f"(.*{self.letters(1)}){{9}}.*"}},
                {"terms": {"field": "id", "size": 1000}, "aggs": {"b": metric, "c": {"top_hits": {"size": 2}}}},
                {"date_histogram": {"field": "created", "fixed_interval": "1ms", "time_zone": "Europe/Paris"}},
                {"filters": {"filters": self.clauses(8)}},
                {"percentiles": {"field": "size"}},
            ])
            for number in range(pick([1, 8, 60]))
        }  # fmt: skip
        marks = {"content": {"number_of_fragments": pick([1, 50]), "fragment_size": pick([20, 500])}}
        return pick([
            {},
            {"highlight": {"fields": marks, "require_field_match": pick([True, False])}, "size": pick([1, 10, 100])},
            {"highlight": {"fields": {"content": {**marks["content"], "highlight_query": self.query()}}}},
            {"aggs": aggregations, "size": 0},
            {"rescore": [{"window_size": 1000, "query": {"rescore_query": self.clause()}}] * pick([1, 4])},
            {"collapse": {"field": "id", "inner_hits": {"name": "x", "size": 3}}, "size": pick([10, 100])},
            {"post_filter": self.clause(), "sort": ["name"], "size": 1000},
        ])  # fmt: skip

    def body(self) -> Json:
        return {"query": self.query(), **self.parts()}

    def changed(self, made: Json) -> Json:
        if self.numbers.random() < 0.5:
            return {"query": self.query(), **{key: item for key, item in made.items() if key != "query"}}
        return {"query": made["query"], **self.parts()}


def let_through(made: Json) -> bool:
    try:
        body.search(json.loads(json.dumps(made)), "x", 1000)
    except SearchRefused:
        return False
    return True


def ask(server: Server, token: str, made: Json) -> tuple[int, float]:
    began = time.monotonic()
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{server.url}/coco_attachment/_search", json=made, headers=headers, timeout=120)
    return answer.status_code, time.monotonic() - began


def dearest(server: Server, token: str, maker: Maker, seconds: float, kept: Callable[[], bool]) -> list[Json]:
    """The dearest bodies that were found in so long, the dearest first. `kept`: whether the node is still the same."""
    found: list[tuple[float, Json]] = []
    end, asked = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        known = maker.numbers.random() < 0.5 and found
        made = maker.changed(maker.numbers.choice(found)[1]) if known else maker.body()
        if not let_through(made):
            continue
        status, price = ask(server, token, made)
        asked += 1
        if status != 200 and not kept():
            sys.exit(f"the node has gone, asked for {json.dumps(made)}")
        if not found or price > found[0][0]:
            print(f"{price:6.2f} s  HTTP {status}  {len(json.dumps(made))} bytes  {json.dumps(made)[:160]}", flush=True)
        found = sorted([*found, (price, made)], key=lambda each: -each[0])[:KEPT]
    print(f"{asked} bodies asked; the dearest took {', '.join(f'{price:.1f}' for price, _ in found)} s:", flush=True)
    for price, made in found:
        print(f"  {price:.1f} s  {json.dumps(made)}", flush=True)
    return [made for _, made in found]


def pressed(server: Server, tokens: list[str], other: str, bodies: list[Json]) -> list[tuple[int, float]]:
    """Status and seconds of the other tenant's searches while CLIENTS clients ask."""
    end = time.monotonic() + PRESSED
    statuses: list[int] = []

    def press(number: int) -> None:
        while time.monotonic() < end:
            with contextlib.suppress(requests.RequestException):
                statuses.append(ask(server, tokens[number % len(tokens)], bodies[number % len(bodies)])[0])

    threads = [threading.Thread(target=press, args=(number,)) for number in range(CLIENTS)]
    for each in threads:
        each.start()
    found = []
    while time.monotonic() < end:
        began = time.monotonic()
        answer = requests.get(
            f"{server.url}/attachment/_search?query=word&size=5", headers={"X-API-TOKEN": other}, timeout=60
        )
        found.append((answer.status_code, time.monotonic() - began))
        time.sleep(0.1)
    for each in threads:
        each.join()
    print(f"  asked {len(statuses)} times: { ({status: statuses.count(status) for status in sorted(set(statuses))}) }")
    return found


@contextlib.contextmanager
def elasticsearch(folder: Path) -> Iterator[str]:
    given = os.environ.get("ELASTICSEARCH_URL")
    if given:
        yield given
    else:
        with EmbeddedNode(folder / "node") as node:
            yield node.url


def started(url: str) -> dict[str, int]:
    """When each node began, by its id; empty when none answers."""
    try:
        nodes = requests.get(f"{url}/_nodes/jvm", timeout=60).json()["nodes"]
    except requests.RequestException:
        return {}
    return {name: node["jvm"]["start_time_in_millis"] for name, node in nodes.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--texts", type=int, default=15)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        url = stack.enter_context(elasticsearch(folder))
        patient = stack.enter_context(
            running_server(folder / "data", url, **{**PRODUCT, "ELASTICSEARCH_TIMEOUT": "60"})
        )
        one, other = patient.make_token(tenant="one"), patient.make_token(tenant="other")
        numbers = random.Random(arguments.seed)
        for number in range(arguments.texts):
            patient.upload((f"text{number}.txt", text(numbers)), token=one)
        for number in range(100):
            patient.upload((f"note{number}.txt", f"a word of note {number}".encode()), token=other)
        deadline = time.monotonic() + 600
        while len(patient.hits("query=a*&size=100", token=one)) < arguments.texts and time.monotonic() < deadline:
            time.sleep(1)
        began, before = started(url), requests.get(f"{url}/_nodes/stats/jvm", timeout=60).json()["nodes"]
        heap = sum(node["jvm"]["mem"]["heap_max_in_bytes"] for node in before.values()) >> 20
        print(f"{arguments.texts} texts of 1 MB, seed {arguments.seed}, a heap of {heap} MiB")
        seconds = min(arguments.seconds, 600.0)
        bodies = dearest(patient, one, Maker(arguments.seed), seconds, lambda: started(url) == began)
        many = [patient.make_token(tenant=f"one-{number}") for number in range(CLIENTS)]
        for number, token in enumerate(many):
            patient.upload((f"own{number}.txt", text(numbers)[: MIB // 10]), token=token)
        patient.stop()
        patient.environment.update(PRODUCT)
        patient.start()
        failed = False
        for name, asking in (("one tenant", [one]), ("16 tenants", many)):
            found = pressed(patient, asking, other, bodies)
            times = sorted(seconds for _, seconds in found)
            refused = sum(status != 200 for status, _ in found)
            median, worst = statistics.median(times), times[-1]
            print(
                f"  beside {CLIENTS} clients of {name}: {median:.3f} s, at worst {worst:.3f} s; "
                f"{refused} of {len(times)} refused"
            )
            failed |= median > QUICK or refused > 0
        kept = started(url) == began
        print(f"the node is {'the same' if kept else 'another one'}")
        return int(failed or not kept)


if __name__ == "__main__":
    sys.exit(main())
