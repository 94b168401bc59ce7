"""`_search?session=` with ten hits, against the same query straight to Elasticsearch."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.auth.tokens import DEFAULT_TENANT
from app.model.schema import DOCUMENTED_FIELDS
from app.search import params, query
from app.search.words import content_words
from benchmarks.client import drive
from benchmarks.documents import prose
from benchmarks.lines.base import Form, Group, Line, Side
from benchmarks.parts import SESSION, Parts, json_request, request
from tests.support.app import Server


def _search(clients: int) -> Callable[[Parts, Form], Mapping[str, Side]]:
    def sides(parts: Parts, _: Form) -> Mapping[str, Side]:
        store = parts.store
        wanted = request("GET", f"/attachment/_search?session={SESSION}", store.headers())
        body = query.build(params.SearchParams(filters={"session": (SESSION,)}), DEFAULT_TENANT)
        direct = json_request("POST", f"/{store.index}/_search", body)
        return {
            "store": lambda seconds: drive(store.url, lambda: wanted, clients, seconds),
            "Elasticsearch": lambda seconds: drive(parts.node.url, lambda: direct, clients, seconds),
        }

    return sides


#: Texts in which words are asked for, and the question.
TEXTS = 200
QUESTION = "Which of the measures of the quarterly budget were postponed by the committee, and why?"


@functools.cache
def _texts(parts: Parts) -> Server:
    """A server with texts of prose, whose words are in the index."""
    server = parts.serve()
    texts = [(f"text{number}.txt", prose(2000 + number).encode()) for number in range(TEXTS)]
    for at in range(0, TEXTS, 50):
        for each in server.upload(*texts[at : at + 50], session=SESSION):
            while b"pending" in server.get(f"/attachment/{each}/status").content:
                time.sleep(0.1)
    return server


def _question(parts: Parts, _: Form) -> Mapping[str, Side]:
    """A question in plain words, as the store asks it of Elasticsearch, beside a bare `match` of its words."""
    store = _texts(parts)
    filters: list[dict[str, Any]] = [{"term": {"tenant": DEFAULT_TENANT}}, {"term": {"session": SESSION}}]
    match = {"match": {"content_words": content_words(QUESTION)}}
    bare = {"query": {"bool": {"must": match, "filter": filters}}, "_source": list(DOCUMENTED_FIELDS)}
    asked = query.build(params.SearchParams(filters={"session": (SESSION,)}, query=QUESTION), DEFAULT_TENANT)
    url, path = parts.node.url, f"/{store.index}/_search"
    sent, plain = json_request("POST", path, asked), json_request("POST", path, bare)
    return {
        "question": lambda seconds: drive(url, lambda: sent, 1, seconds),
        "match": lambda seconds: drive(url, lambda: plain, 1, seconds),
    }


GROUPS = (Group("search-words", _question), Group("search-1", _search(1)), Group("search-8", _search(8)))
LINES = (
    Line("search by a question, beside a bare match", "search-words", "question", "match", "rate", "/s", least=0.5),
    Line("search by session, 10 hits, 1 client", "search-1", "store", "Elasticsearch", "rate", "/s", least=0.66),
    Line("the same, p99", "search-1", "store", "Elasticsearch", "p99", "s", most=3),
    Line("search by session, 10 hits, 8 clients", "search-8", "store", "Elasticsearch", "rate", "/s", least=0.45),
    Line("the same, p99", "search-8", "store", "Elasticsearch", "p99", "s", most=3),
)
