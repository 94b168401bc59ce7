"""Requests put to the server and to the real Elasticsearch, which has an index of the same documents: the same
statuses, the same types of errors, the same keys. What is left out on purpose is in LEFT_OUT."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import requests

from app.search.language.targets import PUBLIC_INDEX
from tests.support.app import Server

#: Keys of answers of Elasticsearch that are not here: they count the changes of everybody's documents, or are of nodes
#: and shards.
LEFT_OUT = {
    "_seq_no",
    "_primary_term",
    "creation_date",
    "number_of_shards",
    "number_of_replicas",
    "uuid",
    "version",
    "routing",
}
#: What is told of the health of a cluster, and of an index.
SHARDS = {
    "number_of_nodes",
    "number_of_data_nodes",
    "active_shards_percent_as_number",
    "task_max_waiting_in_queue_millis",
}
COUNTED = ("shards", "tasks", "fetch")


@dataclass
class Side:
    """One of the two: where it is, what its index is called, and what it does not share with the other."""

    url: str
    index: str
    headers: dict[str, str]
    ids: list[str]

    def ask(self, method: str, path: str, body: Any = None, lines: Any = None) -> requests.Response:
        """`I` in a path stands for the index, `^` for it without its end, `$` for its end, and `#` for an id."""
        path = path.replace("I", quote(self.index)).replace("^", self.index[:-4]).replace("$", self.index[-4:])
        path = path.replace("#", self.ids[0])
        headers = {**self.headers, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        if lines is not None:
            headers["Content-Type"] = "application/x-ndjson"
            written = "\n".join(map(json.dumps, lines)) + "\n"
            data = written.replace("INDEX", self.index).encode()
        if data is None:
            del headers["Content-Type"]
        return requests.request(method, self.url + path, data=data, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def sides(server: Server, elasticsearch_url: str) -> Iterator[tuple[Side, Side]]:
    token = server.make_token(tenant=f"alike-{secrets.token_hex(4)}")
    ids = server.upload(("one.txt", b"x"), ("two.txt", b"yy"), ("three.txt", b"z" * 50), session="s", token=token)
    ours = Side(server.url, PUBLIC_INDEX, {"Authorization": f"Bearer {token}"}, ids)
    name = f"alike{secrets.token_hex(6)}"
    theirs = Side(elasticsearch_url, name, {}, ids)
    properties = {
        **dict.fromkeys(("id", "session", "name"), {"type": "keyword"}),
        "size": {"type": "long"},
        "created": {"type": "date"},
    }
    made = theirs.ask(
        "PUT",
        "/I",
        {"mappings": {"dynamic": "strict", "properties": properties}, "settings": {"number_of_replicas": 0}},
    )
    assert made.ok, made.text
    try:
        for at, each in enumerate(ids):
            source = {
                "id": each,
                "session": "s",
                "name": f"{at}.txt",
                "size": (1, 2, 50)[at],
                "created": "2026-01-01T00:00:00Z",
            }
            assert theirs.ask("PUT", f"/I/_doc/{each}?refresh=true", source).ok
        yield ours, theirs
    finally:
        theirs.ask("DELETE", "/I")


def shape(value: Any) -> Any:
    """Keys, and types of what is below them."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items() if name not in LEFT_OUT}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def compared(answer: requests.Response, side: Side) -> Any:
    """What two answers are to have in common."""
    if not answer.content or "json" not in answer.headers["Content-Type"]:
        return answer.status_code, bool(answer.content)
    content = json.loads(answer.text.replace(side.index, PUBLIC_INDEX))
    if "error" in content:
        error = content["error"]
        if isinstance(error, str):
            return answer.status_code, "text"
        told = {name: item if name == "type" else None for name, item in error.items()}
        return answer.status_code, told, len(error["root_cause"])
    return answer.status_code, shape(content)


def alike(sides: tuple[Side, Side], method: str, path: str, body: Any = None, lines: Any = None) -> None:
    ours, theirs = (each.ask(method, path, body, lines) for each in sides)
    assert compared(ours, sides[0]) == compared(theirs, sides[1]), (method, path, ours.text, theirs.text)


#: Expressions by which an index is named, or is not.
TARGETS = [
    *("I", "I,I", "^*", "*$", "^*$", "I*", "^*,I", "^*,-I", "^*,-^*", "I,-I", "-I", "I,^*,-I", "^*,-I,I"),
    *("*missing", "missing*", "*missing,*other", "missing", "I,missing", "missing,I", "missing,other", "^*,missing"),
    *(
        "^*,-missing",
        "^*,-missing*",
        "_missing",
        "I,_missing",
        "_all,I",
        "^*,_all",
        "I,*missing",
        "-missing",
        "-*missing",
    ),
    *("<I>", "I,,I", ",I", ",", "I,"),
]
OPTIONS = [
    "",
    "ignore_unavailable=true",
    "allow_no_indices=false",
    "ignore_unavailable=true&allow_no_indices=false",
    "expand_wildcards=none",
    "expand_wildcards=closed",
    "expand_wildcards=closed&allow_no_indices=false",
    "expand_wildcards=open,hidden",
    "expand_wildcards=all",
]


@pytest.mark.parametrize("target", TARGETS)
def test_which_index_a_name_means(sides: tuple[Side, Side], target: str) -> None:
    quoted = quote(target, safe="I^$*,-")
    for options in OPTIONS:
        alike(sides, "GET", f"/{quoted}/_count?{options}")
    alike(sides, "GET", f"/{quoted}/_search?size=1&_source=id")


@pytest.mark.parametrize("target", ["", "/*", "/_all", "/*,-nothing*"])
def test_all_of_them(sides: tuple[Side, Side], target: str) -> None:
    query = {"query": {"bool": {"filter": [{"terms": {"id": sides[0].ids}}]}}, "size": 1, "sort": ["id"]}
    for path in ("_search", "_search?allow_no_indices=false&expand_wildcards=open"):
        alike(sides, "POST", f"{target}/{path}", {**query, "_source": ["id"]})
    alike(sides, "POST", f"{target}/_count", {"query": query["query"]})


@pytest.mark.parametrize("target", ["I", "^*", "missing*", "missing", "I,missing"])
@pytest.mark.parametrize("options", OPTIONS[:4])
def test_what_is_told_of_an_index(sides: tuple[Side, Side], target: str, options: str) -> None:
    alike(sides, "GET", f"/{target}/_field_caps?fields=name,siz*,nothing&{options}")
    ours, theirs = (each.ask("GET", f"/{target}/_mapping?{options}") for each in sides)
    assert (ours.status_code, ours.json() == {}) == (theirs.status_code, theirs.json() == {})
    # Alone, a name that is none of the index's is a path of another dialect: missing, whatever is to be ignored.
    if target != "missing":
        for method in ("HEAD", "GET"):
            ours, theirs = (each.ask(method, f"/{target}?{options}") for each in sides)
            assert ours.status_code == theirs.status_code, (ours.text, theirs.text)


def test_a_mapping_has_the_keys_that_it_has_there(sides: tuple[Side, Side]) -> None:
    for path in ("/I/_mapping", "/I"):
        ours, theirs = (each.ask("GET", path).json()[each.index] for each in sides)
        assert ours.keys() == theirs.keys()
        mapped = [each["mappings"]["properties"] for each in (ours, theirs)]
        assert {name: mapped[0][name] for name in mapped[1]} == mapped[1]
    for caps in ("*", "name", "size,created"):
        ours, theirs = (each.ask("GET", f"/I/_field_caps?fields={caps}").json() for each in sides)
        own = {name: item for name, item in theirs["fields"].items() if not name.startswith("_")}
        assert {name: ours["fields"][name] for name in own} == own


DOCUMENTS = ["#", "missing", "%20", "a%2Fb", "..%2F..%2Fx", "x" * 513, "%00", "*", "_all", "é" * 100]


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("kind", ["_doc", "_source"])
def test_a_document_by_its_id(sides: tuple[Side, Side], kind: str, document: str) -> None:
    for method in ("GET", "HEAD"):
        for options in ("", "_source_includes=name,size", "realtime=false&refresh=true&preference=_local", "pretty"):
            path = f"/I/{kind}/{document}?{options}&_source_excludes=created"
            ours, theirs = (each.ask(method, path) for each in sides)
            assert ours.status_code == theirs.status_code, (ours.text, theirs.text)
            if method == "GET" and not (document == "#" and options in ("", "pretty") or "realtime" in options):
                assert compared(ours, sides[0]) == compared(theirs, sides[1])


@pytest.mark.parametrize("target", ["missing", "^*", "*missing", "I,I", "I,missing", "*"])
def test_a_document_of_another_index(sides: tuple[Side, Side], target: str) -> None:
    for kind in ("_doc", "_source"):
        ours, theirs = (each.ask("GET", f"/{target}/{kind}/#") for each in sides)
        assert (ours.status_code, ours.json()["error"]["type"]) == (theirs.status_code, theirs.json()["error"]["type"])


def test_a_document_has_the_keys_that_it_has_there(sides: tuple[Side, Side]) -> None:
    for path in (
        "/I/_doc/#",
        "/I/_doc/#?_source=false",
        "/I/_doc/#?_source=name",
        "/I/_doc/#?filter_path=_source.name,found",
    ):
        ours, theirs = (shape(each.ask("GET", path).json()) for each in sides)
        for each in (ours, theirs):
            each.pop("_source", None) if "_source=" not in path and "filter" not in path else None
        assert ours == theirs, path
    ours, theirs = (each.ask("GET", "/I/_source/#?_source_includes=name,s*").json() for each in sides)
    assert {"name", "session", "size"} <= ours.keys() & theirs.keys()


HEADERS: list[Any] = [
    {},
    {"index": "INDEX"},
    {"index": ["INDEX", "missing"]},
    {"index": ["INDEX", "missing"], "ignore_unavailable": True},
    {"index": "INDEX,missing", "ignore_unavailable": "true"},
    {"index": "missing"},
    {"index": "missing*"},
    {"index": "missing*", "allow_no_indices": False},
    {"index": "missing", "ignore_unavailable": True},
    {"index": "INDEX*", "expand_wildcards": "closed"},
    {"index": ["INDEX*"], "expand_wildcards": ["open", "hidden"], "search_type": "query_then_fetch"},
]


@pytest.mark.parametrize(
    "path", ["/I/_msearch", "/_msearch", "/missing/_msearch", "/missing/_msearch?ignore_unavailable=true"]
)
def test_searches_in_different_indices(sides: tuple[Side, Side], path: str) -> None:
    headers = [each for each in HEADERS if each] if path == "/_msearch" else HEADERS
    lines = [
        line
        for header in headers
        for line in (header, {"size": 1, "_source": ["id"], "query": {"term": {"session": "s"}}})
    ]
    ours, theirs = (each.ask("POST", path, lines=lines) for each in sides)
    assert ours.status_code == theirs.status_code == 200, (ours.text, theirs.text)
    told = [
        json.loads(answer.text.replace(side.index, PUBLIC_INDEX))["responses"]
        for answer, side in zip((ours, theirs), sides, strict=True)
    ]
    for header, one, other in zip(headers, *told, strict=True):
        assert one["status"] == other["status"], (header, one, other)
        assert shape(one) == shape(other), header
        assert one.get("error", {}).get("type") == other.get("error", {}).get("type"), header


HISTOGRAMS: list[Any] = [
    {"histogram": {"field": "size", "interval": 10, "min_doc_count": 0}},
    {"histogram": {"field": "size", "interval": 10, "min_doc_count": 0, "extended_bounds": {"min": -20, "max": 90}}},
    {"histogram": {"field": "size", "interval": 1, "min_doc_count": 0, "hard_bounds": {"min": 2, "max": 9}}},
    {"histogram": {"field": "size", "interval": 1, "min_doc_count": 0, "keyed": True}},
    {"histogram": {"field": "size", "interval": 1, "min_doc_count": 0, "order": {"_count": "desc"}}},
    {"histogram": {"field": "size", "interval": 0.0005, "min_doc_count": 0}},
    {"histogram": {"field": "size", "interval": 1, "min_doc_count": 2}},
]


@pytest.mark.parametrize("made", HISTOGRAMS, ids=json.dumps)
def test_histograms_with_empty_buckets(sides: tuple[Side, Side], made: Any) -> None:
    around = {"a": {"terms": {"field": "session"}, "aggs": {"b": made}}}
    for aggs in ({"b": made}, around):
        ours, theirs = (each.ask("POST", "/I/_search", {"size": 0, "aggs": aggs}) for each in sides)
        assert ours.status_code == theirs.status_code, (ours.text, theirs.text)
        if ours.ok:
            assert ours.json()["aggregations"] == theirs.json()["aggregations"]
        else:
            theirs_cause = theirs.json()["error"]["caused_by"]
            assert ours.json()["error"]["type"] == theirs_cause["type"] == "too_many_buckets_exception"
            assert "65536" in ours.json()["error"]["reason"]


def test_the_health_and_the_indices(sides: tuple[Side, Side]) -> None:
    for path in (
        "/_cluster/health",
        "/_cluster/health/I",
        "/_cluster/health/I?level=indices",
        "/_cluster/health?wait_for_status=yellow",
    ):
        ours, theirs = (each.ask("GET", path) for each in sides)
        assert ours.status_code == theirs.status_code == 200
        told = theirs.json()
        counted = {name for name in told if name in SHARDS or any(each in name for each in COUNTED)}
        assert ours.json().keys() == told.keys() - counted, path
    for options in (
        "format=json&h=index,docs.count",
        "h=index,docs.count&v",
        "h=i,dc",
        "format=json&h=health,status,index",
        "v&h=index",
    ):
        for target in ("I", "^*"):
            ours, theirs = (each.ask("GET", f"/_cat/indices/{target}?{options}") for each in sides)
            assert ours.headers["Content-Type"].lower() == theirs.headers["Content-Type"].lower()
            assert ours.text.split() == theirs.text.replace(sides[1].index, PUBLIC_INDEX).split(), options
    for accept in (None, "application/json", "text/plain,application/json", "*/*"):
        told = []
        for each in sides:
            headers = {**each.headers, **({"Accept": accept} if accept else {})}
            told.append(requests.get(f"{each.url}/_cat/indices/{each.index}?h=index", headers=headers, timeout=60))
        assert len({answer.headers["Content-Type"].lower() for answer in told}) == 1, (
            accept,
            [each.headers for each in told],
        )
    for target in ("missing", "missing*", "I,missing"):
        for options in ("", "ignore_unavailable=true", "allow_no_indices=false"):
            for path in (f"/_cat/indices/{target}?h=index&format=json&{options}",):
                alike(sides, "GET", path)


def test_points_in_time_of_names(sides: tuple[Side, Side]) -> None:
    for target, options in (
        ("^*", ""),
        ("missing", ""),
        ("I,missing", ""),
        ("I,missing", "&ignore_unavailable=true"),
    ):
        ours, theirs = (each.ask("POST", f"/{target}/_pit?keep_alive=1m{options}") for each in sides)
        assert ours.status_code == theirs.status_code, (target, ours.text, theirs.text)
    # A view of nothing is none here.
    ours = sides[0].ask("POST", "/missing*/_pit?keep_alive=1m")
    assert (ours.status_code, "no index fits" in ours.text) == (400, True)
