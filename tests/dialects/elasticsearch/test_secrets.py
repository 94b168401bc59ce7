"""Nothing of another tenant's is in any answer, whatever is asked.

Two indices hold the same documents of the tenant that asks; only one of them holds another tenant's secrets besides, spread
between the others in one merged segment. The same request has to be answered alike by both, in status, body and error, but
for scores (SECURITY.md says what those tell): the values of an order as well, and in a point in time. Every type of query
and aggregation of Elasticsearch is thrown at them, those that are refused here included; and of those that are not, each in
every place where a query may stand.

More examples than the suite has time for: SECRETS_EXAMPLES=20000.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from app.index.documents import Write
from app.search.analysis import name_fields
from app.search.language import aggregations, body, queries
from app.search.words import content_words
from app.settings import Settings
from app.web.app import create_app
from app.web.services import services_of, store_of
from tests.dialects.elasticsearch.catalogue import AGGREGATIONS, KEYS, QUERIES, filled
from tests.support.app import delete_index, unique_index

EXAMPLES = int(os.environ.get("SECRETS_EXAMPLES", "200"))
TOKEN = "the token of tenant mine"
KINDS = st.sampled_from(
    ["_search", "_search", "_search in a point in time", "_msearch", "_msearch in a point in time", "_count"]
)
#: Bytes of the smallest file of the tenant that asks: large enough for what fails of small ones.
OWN_SIZE = 20_000_000
#: In every value of the other tenant, and in nothing else.
MARK = "zqxsecret"


def document(number: int, tenant: str, mark: str) -> Write:
    """A document with `mark` in every field that can hold it."""
    letter = "abcdefgh"[number % 8]
    name = f"{mark}{letter} report {number}.{mark if tenant == 'other' else 'pdf'}"
    text = f"the {mark}{letter} budget of {letter * 3}report, page {number}"
    identity = f"{'s' if tenant == 'other' else 'o'}{number}"
    source: dict[str, Any] = {
        "id": identity,
        "created": f"20{10 + number}-0{1 + number % 9}-01T00:00:00.000000+00:00",
        "updated": f"20{10 + number}-0{1 + number % 9}-01T00:00:00.000000+00:00",
        "session": f"{mark}-session-{letter}",
        "name": name,
        "icon": mark if tenant == "other" else "pdf",
        "url": f"/attachment/{identity}",
        "size": SIZES[number % 3] + number * (number % 3 == 0) if tenant == "other" else OWN_SIZE + number,
        **({"extraction": {"state": "completed", "size": 5}} if tenant == "mine" else {}),
        "tenant": tenant,
        "owner": f"{mark}-owner",
        "dialect": "coco" if tenant == "mine" else mark,
        "media_type": f"{mark}/x",
        "sha256": mark + "0" * 50,
        "organization": f"{mark}-organization",
        "app": f"{mark}-app",
        "environment": f"{mark}-environment",
        **name_fields(name),
        "content": text,
        "content_words": content_words(text),
    }
    return Write(identity, 1, source)


#: Sizes of the other tenant: functions of them have values, and have none.
SIZES = (7_000_000_000, 1, 0)


#: The asker's own documents have words close to the secret ones: what expands to words meets both.
OWN = [document(number, "mine", "zqxsecretx" if number % 2 else "zqxopen") for number in range(8)]
SECRETS = [document(number, "other", f"{MARK}{'abz'[number % 3]}") for number in range(24)]
TOLD = [f"{MARK}{letter}" for letter in "abz"] + ["s0", "7000000000", "7.0E9", "-000001"]


def interleaved() -> list[Write]:
    """All documents, three of the other tenant's before each of the asker's."""
    each = len(SECRETS) // len(OWN)
    return [one for at, own in enumerate(OWN) for one in (*SECRETS[at * each : at * each + each], own)]


def merged(elasticsearch_url: str, alias: str) -> None:
    """Bring the whole index into one segment, with its documents in the order in which they were written."""
    url = f"{elasticsearch_url}/{alias}/_forcemerge?max_num_segments=1"
    requests.post(url, timeout=60).raise_for_status()
    requests.post(f"{elasticsearch_url}/{alias}/_refresh", timeout=60).raise_for_status()


@pytest.fixture(scope="module")
def constant_worlds(worlds: list[FlaskClient]) -> Iterator[list[FlaskClient]]:
    """The same two indices, from servers whose scores rest on no statistics."""
    apps = [create_app(replace(services_of(each.application).settings, scores="constant")) for each in worlds]
    yield [app.test_client() for app in apps]
    for app in apps:
        store_of(app).index.close()


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[list[FlaskClient]]:
    """Clients of two servers: with the secrets, and without."""
    aliases = [unique_index(), unique_index()]
    clients = []
    made = []
    for alias, documents in zip(aliases, (interleaved(), OWN), strict=True):
        folder = tmp_path_factory.mktemp("world")
        settings = Settings(
            data=folder,
            elasticsearch_url=elasticsearch_url,
            elasticsearch_timeout=30.0,
            index=alias,
            api_token=TOKEN,
        )
        app = create_app(settings)
        store = store_of(app)
        made.append(store)
        # The token of the settings is of the tenant `default`.
        own = [
            Write(each.id, 1, {**each.source, "tenant": "default"} if each.source["tenant"] == "mine" else each.source)
            for each in documents
            if each.source is not None
        ]
        store.index.put_documents(own)
        merged(elasticsearch_url, alias)
        clients.append(app.test_client())
    yield clients
    for store, alias in zip(made, aliases, strict=True):
        store.index.close()
        delete_index(elasticsearch_url, alias)


def test_the_catalogue_has_everything_that_is_allowed() -> None:
    assert set(queries.QUERIES) <= set(QUERIES)
    assert set(aggregations.AGGREGATIONS) <= set(AGGREGATIONS)
    assert set(body.TOP_LEVEL) <= {*KEYS, "query", "aggs", "aggregations", "size", "timeout", "track_scores"}


FIELDS = st.sampled_from(
    [
        *("id", "created", "session", "name", "icon", "size", "owner", "dialect", "media_type", "sha256"),
        *("organization", "app", "environment", "name_words", "content", "content_words", "extraction.state", "url"),
        *("tenant", "_index", "_id", "_source", "_routing", "_seq_no", "_version", "_tier", "*", "na*", "t*", "_doc"),
        *("name_text", "name_exact", "extension", "name.keyword", "unknown", "content.x", ""),
    ]
)
VALUES = st.sampled_from(
    [
        *("zqx", MARK, "zqxsecre", "zqxopen", "zqxsecrets", "zqxsecretxb", "report", "repor", "aaareport", "other"),
        *("*", "a", "", 5, 7_000_000_003, "2015-01-01", "now", None, True, -1, 1e300, "\ud800", "1" * 2000),
        *("/.*/", "{}", "'", '"', "\\", "[x]"),
    ]
)


@st.composite
def clauses(draw: st.DrawFn, depth: int = 2) -> Any:
    """A query of any type, sometimes within others."""
    name = draw(st.sampled_from(sorted(QUERIES)))
    content = filled(draw(st.sampled_from(QUERIES[name])), draw(FIELDS), draw(VALUES))
    made = {name: content}
    if depth and draw(st.booleans()):
        around = draw(st.sampled_from(["must", "should", "must_not", "filter", "constant", "dis_max"]))
        if around == "constant":
            return {"constant_score": {"filter": made}}
        other = draw(clauses(depth=0))
        if around == "dis_max":
            return {"dis_max": {"queries": [made, other]}}
        return {"bool": {around: [made], draw(st.sampled_from(["should", "must_not"])): [other]}}
    return made


@st.composite
def aggregation_levels(draw: st.DrawFn, depth: int = 2) -> Any:
    """Aggregations of any type, sometimes with others inside."""
    found: dict[str, Any] = {}
    for key in ("one", "other")[: draw(st.integers(1, 2))]:
        name = draw(st.sampled_from(sorted(AGGREGATIONS)))
        found[key] = {name: filled(draw(st.sampled_from(AGGREGATIONS[name])), draw(FIELDS), draw(VALUES))}
        if depth and draw(st.booleans()):
            found[key]["aggs"] = {
                "inner": {"value_count": {"field": "id"}},
                **draw(aggregation_levels(depth=depth - 1)),
            }
    return found


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A search body with any of the keys that Elasticsearch knows."""
    made: dict[str, Any] = {}
    what = draw(st.integers(0, 3))
    if what != 1:
        made["query"] = draw(clauses())
    if what in (1, 2):
        made["aggs"] = draw(aggregation_levels())
    if draw(st.booleans()):
        key = draw(st.sampled_from(sorted(KEYS)))
        made[key] = filled(draw(st.sampled_from(KEYS[key])), draw(FIELDS), draw(VALUES))
    return made


#: Fields that mean something, for clauses that are to be answered and not refused.
MEANT = {
    **dict.fromkeys(("exists", "term", "terms", "match"), ("session", "size", "content_words", "name_words")),
    **dict.fromkeys(("prefix", "wildcard", "regexp", "fuzzy"), ("session", "content_words", "name_words", "name")),
    "range": ("size", "created", "session"),
    "distance_feature": ("created",),
}
WORDY = ("content_words", "name_words", "name_text", "content", "name")


@st.composite
def probes(draw: st.DrawFn, depth: int = 2) -> Any:
    """A query of any type that is let through, on a field that it is for; compound ones with others in each place."""
    name = draw(st.sampled_from(sorted(queries.QUERIES)))
    inner = (lambda: draw(probes(depth=depth - 1))) if depth else (lambda: {"match_all": {}})
    if name == "bool":
        kinds = draw(st.lists(st.sampled_from(["must", "should", "filter", "must_not"]), min_size=1, max_size=3))
        return {"bool": {kind: [inner(), inner()] for kind in kinds}}
    if name == "boosting":
        return {"boosting": {"positive": inner(), "negative": inner(), "negative_boost": 0.5}}
    if name == "constant_score":
        return {"constant_score": {"filter": inner()}}
    if name == "dis_max":
        return {"dis_max": {"queries": [inner(), inner()], "tie_breaker": draw(st.sampled_from([0, 0.3]))}}
    if name == "function_score":
        return {"function_score": draw(computed(inner))}
    content = draw(st.sampled_from(QUERIES[name]))
    field = draw(st.sampled_from(MEANT.get(name, WORDY)))
    value = draw(
        st.sampled_from([3, "2015-01-01"] if field in ("size", "created") else ["zqx", MARK, "zqxopena", "report"])
    )
    return {name: filled(content, field, value)}


@st.composite
def computed(draw: st.DrawFn, inner: Callable[[], Any]) -> Any:
    """The content of a `function_score`, of any functions, with values and without."""
    made: dict[str, Any] = {"query": inner()}

    def function() -> dict[str, Any]:
        factor: dict[str, Any] = {"field": draw(st.sampled_from(["size", "extraction.size"]))}
        factor["modifier"] = draw(
            st.sampled_from(["ln", "log", "reciprocal", "none", "log1p", "ln2p", "square", "sqrt"])
        )
        factor["factor"] = draw(st.sampled_from([1e-6, 1e-6, 1e-6, 0, 1e-7, 1, 1e6]))
        factor |= draw(st.sampled_from([{}, {}, {"missing": 0}, {"missing": 1}]))
        decay = {"size": {"origin": 10, "scale": 5}}
        return draw(st.sampled_from([{"field_value_factor": factor}] * 3 + [{"gauss": decay}, {"weight": 2}]))

    if draw(st.booleans()):
        made |= function()
    else:
        made["functions"] = [{**function(), "filter": inner()}, function()]
        made["score_mode"] = draw(st.sampled_from(["multiply", "sum", "avg", "first", "max", "min"]))
    made |= draw(st.sampled_from([{}, {"min_score": 0}, {"min_score": 0}]))
    made["boost_mode"] = draw(st.sampled_from(["multiply", "replace", "sum", "avg", "max", "min"]))
    return made


FOREIGN = [
    {"term": {"session": f"{MARK}a-session-a"}},
    {"prefix": {"session": MARK + "a"}},
    {"bool": {"must_not": [{"term": {"organization": "zqxopen-organization"}}]}},
    {"match_phrase": {"content": f"{MARK}aa budget of"}},
    {"match_all": {}},
]
#: Where a query may stand in a body.
PLACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "query": lambda clause: {"query": clause},
    "query, uncounted": lambda clause: {"query": clause, "track_total_hits": False},
    "should": lambda clause: {
        "query": {"bool": {"should": [clause, {"function_score": {"query": {"match_all": {}}, "min_score": 0}}]}},
        "track_total_hits": False,
    },
    "should, beside a word": lambda clause: {
        "query": {"bool": {"should": [clause, {"match": {"content": "budget"}}]}},
        "track_total_hits": False,
    },
    "must": lambda clause: {"query": {"bool": {"must": [{"match": {"content": "report"}}, clause]}}},
    "beside a must": lambda clause: {"query": {"bool": {"must": [{"match_all": {}}], "should": [clause]}}},
    "must_not": lambda clause: {"query": {"bool": {"must": [{"match_all": {}}], "must_not": [clause]}}},
    "filter": lambda clause: {"query": {"bool": {"filter": [clause]}}},
    "dis_max": lambda clause: {"query": {"dis_max": {"queries": [clause, {"match_all": {}}]}}},
    "functions": lambda clause: {
        "query": {"function_score": {"functions": [{"filter": clause, "weight": 2}], "min_score": 0}}
    },
    "sorted": lambda clause: {"query": clause, "sort": ["created"]},
    "named": lambda clause: {
        "query": {"bool": {"should": [{"match_all": {}}, {"bool": {"must": [clause], "_name": "x"}}]}}
    },
    "rescore": lambda clause: {"rescore": {"window_size": 1000, "query": {"rescore_query": clause}}},
    "post_filter": lambda clause: {"post_filter": clause},
    "filter aggregation": lambda clause: {"size": 0, "aggs": {"x": {"filter": clause}}},
    "filters aggregation": lambda clause: {
        "aggs": {
            "x": {
                "terms": {"field": "session"},
                "aggs": {"y": {"filters": {"filters": [clause], "other_bucket": True}}},
            }
        }
    },
    "highlight": lambda clause: {"highlight": {"fields": {"content": {"highlight_query": clause}, "name": {}}}},
    "collapse": lambda clause: {
        "query": clause,
        "collapse": {"field": "session", "inner_hits": {"name": "x", "size": 3, "sort": ["created"]}},
    },
    "terminated": lambda clause: {"query": clause, "terminate_after": 1000, "min_score": 0},
}


@st.composite
def let_through(draw: st.DrawFn) -> dict[str, Any]:
    """A body with what is let through in any place, asked of all documents or of somebody else's alone."""
    clause = draw(
        st.one_of(probes(), computed(lambda: draw(st.sampled_from(FOREIGN))).map(lambda made: {"function_score": made}))
    )
    return PLACES[draw(st.sampled_from(sorted(PLACES)))](clause)


def comparable(value: Any) -> Any:
    """An answer without what scores decide: the numbers themselves, and which of equally many hits come first."""
    if isinstance(value, list):
        items = [comparable(each) for each in value]
        return sorted(items, key=json.dumps) if value and isinstance(value[0], dict) and "_id" in value[0] else items
    if isinstance(value, dict):
        return {
            name: comparable(item)
            for name, item in value.items()
            if name not in ("took", "_score", "max_score", "pit_id")
        }
    return value


def asked(client: FlaskClient, kind: str, content: dict[str, Any]) -> tuple[int, str]:
    """Status and text of an answer. `kind`: the endpoint; with `in a point in time` behind it, in one."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    kind, _, pointed = kind.partition(" in ")
    index, point = "/coco_attachment/", ""
    if pointed:
        point = client.post("/coco_attachment/_pit?keep_alive=1m", headers=headers).get_json()["id"]
        index, content = "/", {**content, "pit": {"id": point}}
    if kind == "_msearch":
        lines = f"{{}}\n{json.dumps(content)}\n".encode()
        answer = client.post(index + kind, data=lines, headers={**headers, "Content-Type": "application/x-ndjson"})
    else:
        if kind == "_count":
            content = {"query": content.get("query", {"match_all": {}})}
        answer = client.post(
            index + kind, data=json.dumps(content), headers={**headers, "Content-Type": "application/json"}
        )
    if pointed:
        client.delete("/_pit", json={"id": point}, headers=headers)
    return answer.status_code, answer.get_data(as_text=True).replace(point or "\0", "point")


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 200,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(content=bodies(), kind=KINDS)
@example(content={"aggs": {"x": {"terms": {"field": "session", "min_doc_count": 0, "size": 1000}}}}, kind="_search")
@example(content={"size": 0, "aggs": {"x": {"global": {}, "aggs": {"y": {"top_hits": {}}}}}}, kind="_search")
@example(
    content={"query": {"match_phrase_prefix": {"content_words": {"query": "zqxsecret", "max_expansions": 1}}}},
    kind="_search",
)
@example(content={"query": {"fuzzy": {"content_words": {"value": "zqxsecretxb", "max_expansions": 1}}}}, kind="_count")
@example(content={"query": {"bool": {"should": {"term": {"tenant": "other"}}}}}, kind="_msearch")
def test_nobody_elses_secrets(worlds: list[FlaskClient], content: dict[str, Any], kind: str) -> None:
    (status, text), (status_without, text_without) = (asked(client, kind, content) for client in worlds)
    assert status < 500, text
    assert status == status_without, (text, text_without)
    written = json.dumps(content, ensure_ascii=False)
    for secret in TOLD:
        assert secret not in text or secret in written, (secret, text)
    answer, without = json.loads(text), json.loads(text_without)
    assert comparable(answer) == comparable(without)


#: Has no value for what is smaller than a million bytes: the other tenant has such files, the asker has none.
FAILING: list[dict[str, Any]] = [
    {"field_value_factor": {"field": "size", "factor": 1e-6, "modifier": "ln"}},
    {"functions": [{"field_value_factor": {"field": "size", "factor": 1e-6, "modifier": "log"}}]},
    {"field_value_factor": {"field": "extraction.size"}},
    {"field_value_factor": {"field": "size", "modifier": "reciprocal"}, "max_boost": 1000},
]


@pytest.mark.parametrize("place", PLACES)
def test_what_fails_for_somebody_elses_document(worlds: list[FlaskClient], place: str) -> None:
    for function in FAILING:
        for foreign in FOREIGN:
            for more in ({"min_score": 0}, {}):
                clause = {"function_score": {"query": foreign, "boost_mode": "replace", **function, **more}}
                for kind in ("_search", "_msearch", "_count"):
                    same(worlds, PLACES[place](clause), kind)


@settings(
    max_examples=2 * EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 200,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(content=let_through(), kind=KINDS)
def test_what_is_let_through_in_every_place(worlds: list[FlaskClient], content: dict[str, Any], kind: str) -> None:
    same(worlds, content, kind)


def timeless(answer: str) -> str:
    """An answer without the two things in which the servers of two indices differ: the time, and the name of the alias."""
    return re.sub(r"test_[0-9a-f]{12}", "index", re.sub(r'"took":\s?\d+', '"took":0', answer))


SCORED: list[dict[str, Any]] = [
    *({"query": {name: filled(content, "content_words", value)}} for value in (MARK, "report", "zqxopena budget")
      for name in queries.QUERIES for content in QUERIES[name]),
    {"query": {"multi_match": {"query": "report budget", "fields": ["name^3", "content"], "type": "most_fields"}}},
    {"query": {"bool": {"should": [{"match": {"content": "report"}}, {"term": {"session": "zqxopen-session-a"}}]}}},
    {"query": {"boosting": {"positive": {"match": {"name": "report"}}, "negative": {"match_all": {}}, "negative_boost": 1}}},
    {"query": {"function_score": {"query": {"match": {"content": "page"}}, "functions": [{"weight": 2}]}}, "min_score": 0.1},
    {"rescore": {"window_size": 100, "query": {"rescore_query": {"match_phrase": {"content": "budget of"}}}}},
    {"query": {"match": {"content": "zqxopena"}}, "sort": ["_score", "id"], "aggs": {"x": {"sampler": {"shard_size": 3}}}},
    {"query": {"match": {"content": "report"}}, "collapse": {"field": "session", "inner_hits": {"name": "x"}}},
    {"query": {"match": {"content": "report"}}, "aggs": {"x": {"top_hits": {"size": 5}}}},
]  # fmt: skip


def test_scores_without_statistics(worlds: list[FlaskClient], constant_worlds: list[FlaskClient]) -> None:
    differing = 0
    for content in SCORED:
        if "random_score" in json.dumps(content):
            # Another number each time.
            continue
        for kind in ("_search", "_msearch"):
            (status, text), (status_without, text_without) = (asked(each, kind, content) for each in constant_worlds)
            assert (status, timeless(text)) == (status_without, timeless(text_without)), content
        (status, text), (usual_status, usual) = (
            asked(each[0], "_search", content) for each in (constant_worlds, worlds)
        )
        assert status == usual_status
        if status == 200 and "min_score" not in json.dumps(content):
            assert json.loads(text)["hits"]["total"] == json.loads(usual)["hits"]["total"], content
        differing += timeless(usual) != timeless(asked(worlds[1], "_search", content)[1])
    # With statistics scores differ: so there is something to be seen.
    assert differing > 10
    headers = {"X-API-TOKEN": TOKEN}
    for query in ("report", "zqxopena budget", '"budget of" | zqxopen*', "budgat~ -page", "report.pdf", "*"):
        parameters = {"query": query, "session": "zqxopen-session-a"}
        one, other = (
            each.get("/attachment/_search", query_string=parameters, headers=headers) for each in constant_worlds
        )
        assert one.status_code == 200
        assert timeless(one.text) == timeless(other.text)


#: Orders in which nothing but the order of the tenant's own documents is asked for.
ORDERS: list[Any] = [
    ["_doc"],
    ["_shard_doc"],
    [{"_doc": {"order": "desc"}}],
    ["icon", {"_shard_doc": "desc"}],
    ["_doc", "name"],
    "icon",
    ["session", "created"],
    ["id"],
    [{"id": "desc"}, "icon"],
]


@pytest.mark.parametrize("kind", ["_search", "_msearch", "_search in a point in time", "_msearch in a point in time"])
@pytest.mark.parametrize("order", ORDERS, ids=json.dumps)
def test_an_order_tells_no_place_in_the_index(worlds: list[FlaskClient], order: Any, kind: str) -> None:
    inner = {"name": "x", "size": 3, "sort": order}
    for more in (
        {},
        {"sort": order},
        {"collapse": {"field": "session", "inner_hits": inner}, "sort": ["session"]},
        {"collapse": {"field": "session", "inner_hits": [inner, {**inner, "name": "y"}]}},
        {"collapse": {"field": "icon", "inner_hits": inner}, "sort": order},
        {
            "aggs": {"x": {"terms": {"field": "icon"}, "aggs": {"y": {"top_hits": {"size": 5, "sort": order}}}}},
            "size": 0,
        },
    ):
        # Its score would be one.
        content = {"query": {"constant_score": {"filter": {"match_all": {}}}}, **more}
        (status, text), (_, without) = (asked(each, kind, content) for each in worlds)
        assert timeless(text) == timeless(without), content
        refused = status != 200 or '"error"' in text
        assert refused == ("_shard_doc" in json.dumps(more) and "point" not in kind), text


@pytest.mark.parametrize("kind", ["_search", "_search in a point in time"])
@pytest.mark.parametrize("order", ORDERS, ids=json.dumps)
def test_a_walk_goes_on_behind_what_was_told(worlds: list[FlaskClient], order: Any, kind: str) -> None:
    if "_shard_doc" in json.dumps(order) and "point" not in kind:
        return
    walks = []
    for client in worlds:
        content: dict[str, Any] = {"size": 3, "sort": order}
        pages = []
        while "hits" not in content:
            text = timeless(asked(client, kind, content)[1])
            pages.append(text)
            hits = json.loads(text)["hits"]["hits"]
            if not hits:
                break
            content["search_after"] = hits[-1]["sort"]
        walks.append(pages)
    assert walks[0] == walks[1]
    found = [hit["_id"] for page in walks[0] for hit in json.loads(page)["hits"]["hits"]]
    if "point" in kind or order != "icon":
        # Without a point in time nothing comes behind an order that has ties.
        assert sorted(found) == sorted(each.id for each in OWN)


def test_no_place_in_the_index_is_taken(worlds: list[FlaskClient]) -> None:
    for order, after, said in (
        (["_doc"], [3], "begin the walk anew"),
        (["_shard_doc"], [3], "begin the walk anew"),
        (["created"], [1_500_000_000_000, 3], "begin the walk anew"),
        (["id"], ["o1", 3], "search_after has 2 value(s) but sort has 1."),
        (["created"], ["2020-01-01", "o1", 3], "search_after has 3 value(s) but sort has 2."),
    ):
        content = {"sort": order, "search_after": after}
        for kind in ("_search in a point in time", "_msearch in a point in time"):
            status, text = asked(worlds[0], kind, content)
            assert (status, said in text) == (400, True), text
    # Elasticsearch takes it, and reads the number as a place: that is what is kept from it.
    index = store_of(worlds[0].application).index
    point = index.open_point(60)
    raw = {"pit": {"id": point}, "sort": ["id"], "search_after": ["o1", 3]}
    assert '"sort":["o2",' in index.ask(raw).decode()
    index.close_point(point)


def same(worlds: list[FlaskClient], content: dict[str, Any], kind: str) -> None:
    (status, text), (status_without, text_without) = (asked(client, kind, content) for client in worlds)
    assert status == status_without, (content, text, text_without)
    assert status < 500, text
    assert comparable(json.loads(text)) == comparable(json.loads(text_without)), content


def test_every_clause_alone(worlds: list[FlaskClient]) -> None:
    """Each body of the catalogue once, on a field that it may mean, so that none is left to chance."""
    for name, all_of_it in QUERIES.items():
        for content in all_of_it:
            for field, value in (("content_words", MARK), ("name", "zqxsecretx"), ("size", 3)):
                for secret in check(worlds, {"query": {name: filled(content, field, value)}}):
                    assert secret is None
    for name, all_of_it in AGGREGATIONS.items():
        for content in all_of_it:
            for field in ("session", "size", "created"):
                made = {name: filled(content, field, "zqx")}
                for secret in check(worlds, {"size": 0, "aggs": {"x": made, "other": {"terms": {"field": "icon"}}}}):
                    assert secret is None


def check(worlds: list[FlaskClient], content: dict[str, Any]) -> Iterator[str | None]:
    (status, text), (_, without) = (asked(client, "_search", content) for client in worlds)
    assert status < 500, (content, text)
    assert comparable(json.loads(text)) == comparable(json.loads(without)), content
    written = json.dumps(content)
    yield from (secret for secret in TOLD if secret in text and secret not in written)


def test_a_name_of_secrets(worlds: list[FlaskClient]) -> None:
    """The secrets are there: their own tenant's filter finds them, so that not finding them says something."""
    index = store_of(worlds[0].application).index
    found = json.loads(index.ask({"query": {"term": {"tenant": "other"}}, "size": 100}))
    assert len(found["hits"]["hits"]) == len(SECRETS)
    assert MARK in json.dumps(found)
