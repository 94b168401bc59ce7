"""`_search?session=` with ten hits, against the same query straight to Elasticsearch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.auth.tokens import DEFAULT_TENANT
from app.search import params, query
from benchmarks.client import drive
from benchmarks.lines.base import Form, Group, Line, Side
from benchmarks.parts import SESSION, Parts, json_request, request


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


GROUPS = (Group("search-1", _search(1)), Group("search-8", _search(8)))
LINES = (
    Line("search by session, 10 hits, 1 client", "search-1", "store", "Elasticsearch", "rate", "/s", least=0.66),
    Line("the same, p99", "search-1", "store", "Elasticsearch", "p99", "s", most=3),
    Line("search by session, 10 hits, 8 clients", "search-8", "store", "Elasticsearch", "rate", "/s", least=0.45),
    Line("the same, p99", "search-8", "store", "Elasticsearch", "p99", "s", most=3),
)
