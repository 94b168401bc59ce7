"""Nothing of another tenant's is in any answer, whatever is asked.

Two indices hold the same documents of the tenant that asks; only one of them holds another tenant's secrets besides. The
same request has to be answered alike by both, but for scores (SECURITY.md says what those tell). Every type of query and
aggregation of Elasticsearch is thrown at them, those that are refused here included.

More examples than the suite has time for: SECRETS_EXAMPLES=20000.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from app.index.documents import Write
from app.search.language import aggregations, body, queries
from app.search.words import content_words, name_fields
from app.services import services_of
from app.settings import Settings
from app.wiring import create_app
from tests.search_language.catalogue import AGGREGATIONS, KEYS, QUERIES, filled
from tests.support.app import delete_index, unique_index

EXAMPLES = int(os.environ.get("SECRETS_EXAMPLES", "200"))
TOKEN = "the token of tenant mine"
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
        "size": 7_000_000_000 + number if tenant == "other" else number,
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


#: The asker's own documents have words close to the secret ones: what expands to words meets both.
OWN = [document(number, "mine", "zqxsecretx" if number % 2 else "zqxopen") for number in range(8)]
SECRETS = [document(number, "other", f"{MARK}{'abz'[number % 3]}") for number in range(24)]
TOLD = [f"{MARK}{letter}" for letter in "abz"] + ["s0", "7000000000", "7.0E9", "-000001"]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[list[FlaskClient]]:
    """Clients of two servers: with the secrets, and without."""
    aliases = [unique_index(), unique_index()]
    clients = []
    made = []
    for alias, documents in zip(aliases, (OWN + SECRETS, OWN), strict=True):
        folder = tmp_path_factory.mktemp("world")
        settings = Settings(
            data=folder,
            elasticsearch_url=elasticsearch_url,
            elasticsearch_timeout=30.0,
            index=alias,
            api_token=TOKEN,
        )
        app = create_app(settings)
        services = services_of(app)
        made.append(services)
        # The token of the settings is of the tenant `default`.
        own = [
            Write(each.id, 1, {**each.source, "tenant": "default"} if each.source["tenant"] == "mine" else each.source)
            for each in documents
            if each.source is not None
        ]
        services.store.index.put_documents(own)
        clients.append(app.test_client())
    yield clients
    for services, alias in zip(made, aliases, strict=True):
        services.store.index.close()
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


def comparable(value: Any) -> Any:
    """An answer without what scores decide: the numbers themselves, and which of equally many hits come first."""
    if isinstance(value, list):
        items = [comparable(each) for each in value]
        return sorted(items, key=json.dumps) if value and isinstance(value[0], dict) and "_id" in value[0] else items
    if isinstance(value, dict):
        return {
            name: comparable(item)
            for name, item in value.items()
            if name not in ("took", "_score", "max_score", "sort", "pit_id")
        }
    return value


def asked(client: FlaskClient, kind: str, content: dict[str, Any]) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    if kind == "_msearch":
        lines = f"{{}}\n{json.dumps(content)}\n".encode()
        answer = client.post(
            "/coco_attachment/_msearch", data=lines, headers={**headers, "Content-Type": "application/x-ndjson"}
        )
    else:
        if kind == "_count":
            content = {"query": content.get("query", {"match_all": {}})}
        answer = client.post(
            f"/coco_attachment/{kind}",
            data=json.dumps(content),
            headers={**headers, "Content-Type": "application/json"},
        )
    return answer.status_code, answer.get_data(as_text=True)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 200,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(content=bodies(), kind=st.sampled_from(["_search", "_search", "_search", "_msearch", "_count"]))
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
    index = services_of(worlds[0].application).store.index
    found = json.loads(index.ask({"query": {"term": {"tenant": "other"}}, "size": 100}))
    assert len(found["hits"]["hits"]) == len(SECRETS)
    assert MARK in json.dumps(found)
