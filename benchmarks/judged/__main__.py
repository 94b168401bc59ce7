"""How good search is: where the document that answers a query comes, for each kind of query and each language.

    bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.judged'

Starts a server as the other benchmarks do, uploads the files of the judged set (`benchmarks/judged`), waits until their
text is found, and asks each query through `GET /attachment/_search`; beside it, in the same run, as Elasticsearch's `match`
on `content`, straight to the index and with nothing added. Prints tables: of how many queries an answer comes first, among
the first three, among the first ten; of the queries that nothing answers, how many find nothing, and the hits of one on
average. Where several documents answer a query, the one that comes first counts.

`--match words|meaning|both` is passed through as the search's parameter of that name. `--misses` prints the queries whose
answer does not come first, and what came instead. `--write` puts the tables into docs/performance.md. `--url` and `--token`
ask a server that runs already, in a session that is removed again; `--elasticsearch` and `--index` name what stands beside
it, else there is no second side.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from benchmarks import main as whole
from benchmarks.judged.collection import KINDS, UNANSWERED, Document, Query, documents, queries
from benchmarks.judged.making import made
from benchmarks.parts import server_for_run

BEGIN = "<!-- table: written by benchmarks.judged --write -->"
#: Hits that are asked for.
SIZE = 10
#: Hits among which an answer counts, each a column.
DEPTHS = {1: "first", 3: "of 3", SIZE: "of 10"}
SECONDS = 300.0

#: One of those that are measured: the ids of the hits for a text, in their order.
Side = Callable[[str], list[str]]


class Refused(Exception):
    """An answer that is not a success. The message has its status and its beginning."""


@dataclass(frozen=True)
class Client:
    """A server of the store, or Elasticsearch, over HTTP."""

    url: str
    token: str = ""

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of an answer. `options` are those of requests. Raises Refused."""
        headers = {"X-API-TOKEN": self.token} if self.token else {}
        answer = requests.request(method, self.url + path, headers=headers, timeout=60, **options)
        if not answer.ok:
            raise Refused(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()


@dataclass(frozen=True)
class Answered:
    """A query, and what a side found: the keys of documents, the best first."""

    query: Query
    found: Sequence[str]

    @property
    def place(self) -> int | None:
        """Of the first hit that answers, from 1; None where none does."""
        return next((at for at, key in enumerate(self.found, 1) if key in self.query.answers), None)


def upload(store: Client, session: str, all_documents: Sequence[Document]) -> dict[str, str]:
    """Upload, one after the other, and wait for the text of each: the keys of the documents by their ids.

    Raises Refused, RuntimeError for a document without text, and TimeoutError.
    """
    keys: dict[str, str] = {}
    for each in all_documents:
        answer = store.ask("POST", f"/chat/{session}/_upload", files=[("files", (each.name, made(each)))])
        keys[answer["attachments"][0]] = each.key
    deadline = time.monotonic() + SECONDS
    while True:
        answer = store.ask("POST", "/attachment/_status", json={"attachments": list(keys)})
        states = {keys[identifier]: state["initial_parsing"] for identifier, state in answer.items()}
        if failed := [key for key, state in states.items() if state == "failed"]:
            raise RuntimeError(f"no text was found in {', '.join(failed)}")
        if all(state == "completed" for state in states.values()):
            return keys
        if time.monotonic() > deadline:
            raise TimeoutError(f"the text is not found after {SECONDS:.0f} s: {states}")
        time.sleep(0.2)


def searching(store: Client, session: str, match: str | None) -> Side:
    """The search of the store."""

    def find(text: str) -> list[str]:
        asked = {"session": session, "query": text, "size": str(SIZE), **({"match": match} if match else {})}
        return [hit["_id"] for hit in store.ask("GET", "/attachment/_search", params=asked)["hits"]["hits"]]

    return find


def matching(elasticsearch: Client, index: str, session: str) -> Side:
    """Elasticsearch's `match` on the content."""

    def find(text: str) -> list[str]:
        clauses = {"must": {"match": {"content": text}}, "filter": {"term": {"session": session}}}
        # Of equal scores the earlier upload, not the text that came first.
        order = ["_score", {"created": "asc"}]
        body = {"query": {"bool": clauses}, "sort": order, "size": SIZE, "_source": False}
        return [hit["_id"] for hit in elasticsearch.ask("POST", f"/{index}/_search", json=body)["hits"]["hits"]]

    return find


def _share(answered: Iterable[Answered], depth: int) -> int:
    return sum(each.place is not None and each.place <= depth for each in answered)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def places(title: str, groups: Mapping[str, str], sides: Mapping[str, Sequence[Answered]]) -> str:
    """A table of where answers come. `groups`: by the text of an answered query, the row that it counts in."""
    names = list(dict.fromkeys(groups.values()))
    rows: list[list[object]] = []
    for name in [*names, "all"]:
        of_row = {
            side: [each for each in answered if each.query.text in groups and name in (groups[each.query.text], "all")]
            for side, answered in sides.items()
        }
        number = len(next(iter(of_row.values())))
        rows.append([name, number, *(_share(each, depth) for each in of_row.values() for depth in DEPTHS)])
    return _table([title, "queries", *(f"{side}: {said}" for side in sides for said in DEPTHS.values())], rows)


def unanswered(sides: Mapping[str, Sequence[Answered]]) -> str:
    """A table of what comes where nothing answers."""
    rows: list[list[object]] = []
    for kind in UNANSWERED:
        counts = {side: [len(each.found) for each in told if each.query.kind == kind] for side, told in sides.items()}
        cells = (
            cell for numbers in counts.values() for cell in (numbers.count(0), f"{sum(numbers) / len(numbers):.1f}")
        )
        rows.append([kind, len(next(iter(counts.values()))), *cells])
    return _table(
        ["nothing answers", "queries", *(f"{side}: {said}" for side in sides for said in ("no hit", "hits"))], rows
    )


def report(sides: Mapping[str, Sequence[Answered]]) -> str:
    """The tables: by kind, by the language of the answer, and of what nothing answers."""
    asked = [each.query for each in next(iter(sides.values())) if each.query.answers]
    order = list(KINDS)
    kinds = {each.text: each.kind for each in sorted(asked, key=lambda each: order.index(each.kind))}
    languages = {each.text: each.answers[0].partition("/")[0] for each in asked}
    by_size = sorted(languages.items(), key=lambda each: (-list(languages.values()).count(each[1]), each[1]))
    return "\n\n".join([places("kind", kinds, sides), places("language", dict(by_size), sides), unanswered(sides)])


def misses(answered: Iterable[Answered]) -> Iterator[str]:
    """A line for each query whose answer does not come first: its place, what was asked, and what came before it."""
    for each in answered:
        if each.query.answers and each.place != 1:
            came = each.found[: each.place - 1] if each.place else each.found
            place = str(each.place or "-")
            asked = f"{each.query.kind:10}  {each.query.text}  -> {' '.join(each.query.answers)}"
            yield f"{place:>2}  {asked}, came: {', '.join(came[:3]) or 'nothing'}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.judged", description="Measure how well queries are answered.")
    parser.add_argument("--match", metavar="words|meaning|both", help="passed through to the search")
    parser.add_argument("--misses", action="store_true", help="print the queries whose answer does not come first")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    parser.add_argument("--url", help="of a server that runs (default: one is started)")
    parser.add_argument("--token", default=os.environ.get("API_TOKEN", ""), help="its token (default: API_TOKEN)")
    parser.add_argument("--elasticsearch", metavar="URL", help="of that server's index, for the side beside it")
    parser.add_argument("--index", default="coco_attachment", help="the alias of it (default: %(default)s)")
    return parser.parse_args()


def measure(
    store: Client, elasticsearch: Client | None, index: str, match: str | None, *, alone: bool
) -> dict[str, list[Answered]]:
    """By side, what each query found. `alone`: nobody else uses the index, so that it may be merged."""
    session = f"judged-{secrets.token_hex(6)}"
    keys = upload(store, session, documents())
    try:
        sides: dict[str, Side] = {"search": searching(store, session, match)}
        if elasticsearch is not None:
            if alone:
                # What a document was before its text came still counts in the frequencies of words until then, so that
                # an order would depend on which text came first.
                elasticsearch.ask("POST", f"/{index}/_forcemerge?max_num_segments=1")
                elasticsearch.ask("POST", f"/{index}/_refresh")
            sides["match"] = matching(elasticsearch, index, session)
        return {
            name: [Answered(each, [keys[identifier] for identifier in side(each.text)]) for each in queries()]
            for name, side in sides.items()
        }
    finally:
        for identifier in keys:
            store.ask("DELETE", f"/attachment/{identifier}")


def main() -> None:
    arguments = _arguments()
    with contextlib.ExitStack() as stack:
        if arguments.url:
            store = Client(arguments.url.rstrip("/"), arguments.token)
            beside = Client(arguments.elasticsearch.rstrip("/")) if arguments.elasticsearch else None
            sides = measure(store, beside, arguments.index, arguments.match, alone=False)
        else:
            server = stack.enter_context(server_for_run(EXTRACTION="on"))
            store, beside = Client(server.url, server.token), Client(server.elasticsearch_url)
            sides = measure(store, beside, server.index, arguments.match, alone=True)
    matched = f", match={arguments.match}" if arguments.match else ""
    note = f"{time.strftime('%Y-%m-%d')}, {len(documents())} documents, {len(queries())} queries{matched}."
    text = f"{note}\n\n{report(sides)}"
    print(text)
    if arguments.misses:
        for name, answered in sides.items():
            print(f"\n{name}: not first")
            print("\n".join(misses(answered)))
    if arguments.write:
        whole.write_page(text, BEGIN)


if __name__ == "__main__":
    try:
        main()
    except Refused as error:
        raise SystemExit(str(error)) from None
