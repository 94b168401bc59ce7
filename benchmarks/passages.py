"""Where vectors of passages are kept in Elasticsearch, by what each way costs: docs/adr/0027-passages.md has the figures.

    bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.passages'      [--attachments N] [--layout L]

Made-up vectors of length 1 with 512 dimensions around 200 centres, `--passages` (10) for each of `--attachments` (2,000),
of ten tenants, a hundred attachments in each session, go into an embedded node of their own as `scripts/serve` starts it
(with all of Java's compilers under `--full-speed`), beside the store's own fields and 300 words of text. The layouts:

own           an index `passages`, one document for each passage, with attachment, tenant and session
nested        in the attachment's document, as nested documents
own-byte, nested-byte    the same with vectors of bytes, sent in hexadecimal, without the floats that they came from

Prints for each layout how many attachments a second are written, in bulks of fifty with a refresh each; bytes on disk; how
long a search for the ten nearest takes, without a filter, within a tenant and within a session of it, and how many of the
ten nearest attachments there truly are (by comparing with all) it finds; how long a search for words and meaning takes, in
one request where that can be and in two; how long a change takes that leaves the text alone, and the deletion of a session.
`processor` is what the node spent of it, which says more on a machine that does other work too.
"""

from __future__ import annotations

import argparse
import json
import math
import operator
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from app.embedded_node import EmbeddedNode
from app.index import mappings
from app.search.analysis import content_fields, name_fields

Json = dict[str, Any]
Vector = list[float]

DIMENSIONS = 512
CENTRES = 200
#: How much of a vector is its own, and not its centre's.
SPREAD = 0.9
TENANTS = 10
#: Attachments of a session; all of them are of one tenant.
SESSION = 100
WORDS = 300
VOCABULARY = 20_000
BULK = 50
NEAREST = 10
CANDIDATES = 100
CHANGES = 40
#: Questions whose answers are compared with the true ones.
COMPARED = 20
LAYOUTS = ("own", "nested", "own-byte", "nested-byte")
SECONDS = 600.0


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(each * each for each in vector))
    return [each / length for each in vector]


@dataclass
class Question:
    vector: Vector
    words: str
    tenant: str
    session: str

    @property
    def filters(self) -> dict[str, list[Json]]:
        tenant: Json = {"term": {"tenant": self.tenant}}
        return {"none": [], "tenant": [tenant], "session": [tenant, {"term": {"session": self.session}}]}


class Made:
    """The attachments, each made anew whenever it is asked for, and always the same."""

    def __init__(self, attachments: int, passages: int) -> None:
        numbers = random.Random(0)
        self.attachments, self.passages = attachments, passages
        self._centres = [_unit([numbers.gauss(0, 1) for _ in range(DIMENSIONS)]) for _ in range(CENTRES)]
        self._noises = [_unit([numbers.gauss(0, 1) for _ in range(DIMENSIONS)]) for _ in range(1000)]
        self._words = ["".join(numbers.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(VOCABULARY)]
        self._weights = [1 / (place + 10) for place in range(VOCABULARY)]

    def near(self, numbers: random.Random, centre: Vector, spread: float = SPREAD) -> Vector:
        one, other = numbers.choice(self._noises), numbers.choice(self._noises)
        share = spread / math.sqrt(2)
        return _unit([a + share * (b + c) for a, b, c in zip(centre, one, other, strict=True)])

    def vectors(self, number: int) -> list[Vector]:
        """Those of an attachment: around two centres, as a document has more than one matter."""
        numbers = random.Random(number)
        matters = numbers.choices(self._centres, k=2)
        return [self.near(numbers, numbers.choice(matters)) for _ in range(self.passages)]

    def words(self, numbers: random.Random, count: int) -> str:
        return " ".join(numbers.choices(self._words, self._weights, k=count))

    def tenant(self, number: int) -> str:
        return f"tenant{number // SESSION % TENANTS}"

    def session(self, number: int) -> str:
        return f"session{number // SESSION}"

    def true(self, questions: Sequence[Question]) -> list[dict[str, list[str]]]:
        """The ten nearest attachments to each question under each filter, by comparing with all passages."""
        best: list[list[tuple[float, int]]] = [[] for _ in questions]
        for number in range(self.attachments):
            vectors = self.vectors(number)
            for question, found in zip(questions, best, strict=True):
                found.append((max(sum(map(operator.mul, question.vector, each)) for each in vectors), number))
        told = []
        for question, found in zip(questions, best, strict=True):
            found.sort(reverse=True)
            of_tenant = [each for _, each in found if self.tenant(each) == question.tenant]
            of_session = [each for each in of_tenant if self.session(each) == question.session]
            every = {"none": [each for _, each in found], "tenant": of_tenant, "session": of_session}
            told.append({kind: list(map(str, each[:NEAREST])) for kind, each in every.items()})
        return told

    def source(self, number: int, name: str = "Report") -> Json:
        name = f"{name} {number}.pdf"
        fields = {"id": str(number), "name": name, "tenant": self.tenant(number), "session": self.session(number)}
        return fields | name_fields(name) | content_fields(self.words(random.Random(number), WORDS))


class Layout:
    """One way to keep vectors, in a node. What it says of attachments is by their numbers."""

    def __init__(self, node: EmbeddedNode, made: Made, name: str) -> None:
        self.made, self.name = made, name
        self.nested, self.bytes = name.startswith("nested"), name.endswith("byte")
        self._url = node.url
        self._calls = requests.Session()
        self.indices = ["attachments"] if self.nested else ["attachments", "passages"]
        self.path = "passages.vector" if self.nested else "vector"
        for index in self.indices:
            self.call("PUT", f"/{index}", self._definition(index))

    def call(self, method: str, path: str, body: Json | None = None, lines: Sequence[str] = ()) -> Any:
        data = "\n".join([*lines, ""]) if lines else json.dumps(body) if body is not None else None
        kind = "application/x-ndjson" if lines else "application/json"
        url, headers = self._url + path, {"Content-Type": kind}
        answer = self._calls.request(method, url, data=data, headers=headers, timeout=SECONDS)
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.text[:500]}")
        found = answer.json()
        if found.get("errors") or found.get("timed_out"):
            raise RuntimeError(f"{method} {path}: {answer.text[:500]}")
        return found

    def _definition(self, index: str) -> Json:
        kind = {"element_type": "byte", "index_options": {"type": "hnsw"}} if self.bytes else {}
        kind = kind or {"index_options": {"type": "int8_hnsw"}}
        vector = {"type": "dense_vector", "dims": DIMENSIONS, "index": True, "similarity": "cosine", **kind}
        place = {"type": "integer", "index": False, "doc_values": False}
        passage: Json = {"vector": vector, "start": place, "end": place, "page": place}
        if index == "attachments":
            definition = mappings.load(mappings.MAPPINGS / "coco_attachment.json")
            if self.nested:
                inside = definition["mappings"]
                inside["properties"]["passages"] = {"type": "nested", "properties": passage}
                inside["_source"]["excludes"].append(self.path)
            return definition
        fields = {each: {"type": "keyword"} for each in ("attachment", "tenant", "session")}
        hidden = {"_source": {"excludes": [self.path]}, "dynamic": "strict"}
        settings = {"number_of_shards": 1, "auto_expand_replicas": "0-1", "refresh_interval": "1s"}
        return {"settings": settings, "mappings": {**hidden, "properties": passage | fields}}

    def told(self, vector: Vector) -> list[float] | str:
        """As it is sent."""
        if not self.bytes:
            return [round(each, 5) for each in vector]
        share = 127 / max(map(abs, vector))
        return bytes(round(each * share) & 0xFF for each in vector).hex()

    def _passages(self, number: int) -> list[Json]:
        told = map(self.told, self.made.vectors(number))
        return [{"vector": each, "start": at * 900, "end": at * 900 + 900, "page": at} for at, each in enumerate(told)]

    def _of_attachment(self, number: int, name: str = "Report") -> list[str]:
        source = self.made.source(number, name)
        if self.nested:
            source["passages"] = self._passages(number)
        return [json.dumps({"index": {"_index": "attachments", "_id": str(number)}}), json.dumps(source)]

    def _of_passages(self, number: int) -> list[str]:
        if self.nested:
            return []
        told = {"attachment": str(number), "tenant": self.made.tenant(number), "session": self.made.session(number)}
        lines = []
        for at, passage in enumerate(self._passages(number)):
            head = {"_index": "passages", "_id": f"{number}.{at}"}
            lines += [json.dumps({"index": head}), json.dumps(passage | told)]
        return lines

    def bulk(self, lines: Sequence[str]) -> float:
        """Seconds that it took."""
        began = time.perf_counter()
        self.call("POST", "/_bulk?refresh=true&filter_path=errors,items.*.error", lines=lines)
        return time.perf_counter() - began

    def fill(self) -> float:
        """Seconds that Elasticsearch took to take everything in."""
        took = 0.0
        for first in range(0, self.made.attachments, BULK):
            numbers = range(first, min(first + BULK, self.made.attachments))
            lines = [line for number in numbers for line in self._of_attachment(number) + self._of_passages(number)]
            took += self.bulk(lines)
        return took

    def settle(self) -> float:
        """Wait until no merge is under way; seconds."""
        began = time.perf_counter()
        while self.call("GET", "/_all/_stats/merge")["_all"]["total"]["merges"]["current"]:
            time.sleep(0.5)
        self.call("POST", "/_all/_flush")
        return time.perf_counter() - began

    def size(self) -> dict[str, int]:
        found = self.call("GET", f"/{','.join(self.indices)}/_stats/store,segments")["indices"]
        return {name: each["total"]["store"]["size_in_bytes"] for name, each in found.items()}

    def change(self, number: int) -> float:
        """A new name; seconds."""
        return self.bulk(self._of_attachment(number, "Renamed"))

    def move(self, number: int) -> float:
        """A value that passages are filtered by; seconds."""
        return self.bulk(self._of_attachment(number, "Moved") + self._of_passages(number))

    def delete(self, session: int) -> float:
        """All of a session, by their ids: an embedded node has no delete by query; seconds."""
        lines = []
        for number in range(session * SESSION, (session + 1) * SESSION):
            lines.append(json.dumps({"delete": {"_index": "attachments", "_id": str(number)}}))
            if not self.nested:
                heads = ({"_index": "passages", "_id": f"{number}.{at}"} for at in range(self.made.passages))
                lines += [json.dumps({"delete": each}) for each in heads]
        return self.bulk(lines)

    def nearest(self, question: Question, filters: list[Json], most: int = NEAREST) -> Json:
        found = {"field": self.path, "query_vector": self.told(question.vector), "k": most}
        return found | {"num_candidates": max(CANDIDATES, most), **({"filter": filters} if filters else {})}

    def search(self, index: str, body: Json) -> tuple[float, list[Json]]:
        """Seconds, and hits."""
        began = time.perf_counter()
        hits: list[Json] = self.call("POST", f"/{index}/_search", body)["hits"]["hits"]
        return time.perf_counter() - began, hits

    def _ids(self, hits: list[Json]) -> list[str]:
        """The first ten attachments of hits."""
        every = (each["_id"] if self.nested else each["_id"].partition(".")[0] for each in hits)
        return list(dict.fromkeys(every))[:NEAREST]

    def found(self, question: Question, filters: list[Json]) -> tuple[float, list[str]]:
        """Seconds, and the ten nearest attachments: in an index of their own several passages may be of one, so that more
        have to be asked for, and there may be fewer than ten all the same."""
        most = NEAREST if self.nested else NEAREST * 5
        index = self.indices[-1]
        took, hits = self.search(index, {"knn": self.nearest(question, filters, most), "size": most, "_source": False})
        return took, self._ids(hits)

    def both(self, question: Question, filters: list[Json]) -> float:
        """Words and meaning, in as few requests as can be; seconds."""
        words: Json = {"match": {"content_words": {"query": question.words}}}
        if self.nested:
            query = {"bool": {"must": [words], "filter": filters}}
            inner = {"inner_hits": {"size": 1, "_source": False, "fields": ["passages.start"]}}
            body = {"query": query, "knn": self.nearest(question, filters) | {"boost": 30} | inner}
            return self.search("attachments", body)[0]
        took, hits = self.search(
            "passages", {"knn": self.nearest(question, filters, NEAREST * 5), "size": NEAREST * 5, "_source": False}
        )
        best: dict[str, float] = {}
        for hit in hits:
            best.setdefault(hit["_id"].partition(".")[0], hit["_score"])
        meant = [
            {"constant_score": {"filter": {"ids": {"values": [each]}}, "boost": 30 * score}}
            for each, score in best.items()
        ]
        return took + self.search("attachments", {"query": {"bool": {"should": [words, *meant], "filter": filters}}})[0]


class Clock:
    """The processor time of a process."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}/stat")
        self._last = 0.0
        self.spent()

    def spent(self) -> float:
        """Seconds since it was last asked."""
        fields = self._path.read_text().rpartition(")")[2].split()
        now = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        since, self._last = now - self._last, now
        return since


class Run:
    """One run over several layouts, with the same questions."""

    def __init__(self, made: Made, questions: int, options: Sequence[str]) -> None:
        self.made, self._options = made, options
        self._numbers = random.Random(1)
        self._count = questions

    @cached_property
    def questions(self) -> list[Question]:
        found = []
        for _ in range(self._count):
            number = self._numbers.randrange(self.made.attachments)
            vector = self.made.near(self._numbers, self._numbers.choice(self.made.vectors(number)), 0.5)
            words = self.made.words(self._numbers, 6)
            found.append(Question(vector, words, self.made.tenant(number), self.made.session(number)))
        return found

    @cached_property
    def true(self) -> list[dict[str, list[str]]]:
        """Of the first questions."""
        return self.made.true(self.questions[:COMPARED])

    def measure(self, name: str) -> None:
        with (
            tempfile.TemporaryDirectory(prefix="elasticsearch-") as data,
            EmbeddedNode(Path(data), jvm_options=self._options) as node,
        ):
            self._one(Layout(node, self.made, name), Clock(node.pid))

    def _one(self, layout: Layout, clock: Clock) -> None:
        took = layout.fill()
        later = layout.settle()
        spent = clock.spent() / self.made.attachments
        print(f"\n{layout.name}")
        rate = self.made.attachments / took
        print(
            f"  written      {rate:.0f} attachments/s ({took:.0f} s), merges {later:.0f} s more, {spent * 1000:.1f} ms"
        )
        _told_size(layout, self.made)
        for kind in ("none", "tenant", "session"):
            self._nearest(layout, kind, clock)
            _print_times(f"both, {kind}", [layout.both(each, each.filters[kind]) for each in self.questions], clock)
        last = self.made.attachments - 1
        _print_times("renamed", [layout.change(last - each * 7) for each in range(CHANGES)], clock)
        _print_times("moved", [layout.move(last - each * 7) for each in range(CHANGES)], clock)
        removed = [layout.delete(each) for each in range(min(5, last // SESSION))]
        if removed:
            _print_times(f"session of {SESSION} deleted", removed, clock)

    def _nearest(self, layout: Layout, kind: str, clock: Clock) -> None:
        clock.spent()
        answers = [layout.found(each, each.filters[kind]) for each in self.questions]
        times = [took for took, _ in answers]
        spent = clock.spent()
        shares = [
            len({*found} & {*true[kind]}) / max(1, len(true[kind]))
            for (_, found), true in zip(answers, self.true, strict=False)
        ]
        _print_times(f"nearest, {kind}", times, clock, spent, f", recall {statistics.mean(shares):.3f}")
        clock.spent()


def _told_size(layout: Layout, made: Made) -> None:
    sizes = layout.size()
    each = sum(sizes.values()) / made.attachments / made.passages
    print(f"  on disk      {sum(sizes.values()) / 1e6:.0f} MB, {each:.0f} bytes for each passage, with the texts")


def _print_times(what: str, seconds: list[float], clock: Clock, spent: float = -1.0, more: str = "") -> None:
    """`spent`: seconds of the node's processor time; by default those since it was last asked."""
    spent = clock.spent() if spent < 0 else spent
    ordered = sorted(seconds)
    high = ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)] * 1000
    median, spent = statistics.median(ordered) * 1000, spent * 1000 / len(seconds)
    print(f"  {what:24} {median:.1f} ms, 95 of 100 below {high:.1f}, processor {spent:.1f}{more}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare where vectors of passages are kept.")
    parser.add_argument("--attachments", type=int, default=2000)
    parser.add_argument("--passages", type=int, default=10)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--layout", choices=LAYOUTS, action="append")
    parser.add_argument("--full-speed", action="store_true", help="with all of Java's compilers")
    arguments = parser.parse_args()
    options = ["-XX:TieredStopAtLevel=4"] if arguments.full_speed else []
    run = Run(Made(arguments.attachments, arguments.passages), arguments.questions, options)
    for name in arguments.layout or LAYOUTS:
        run.measure(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
