"""What Grafana's Elasticsearch data source asks, in the form in which it does (`pkg/tsdb/elasticsearch` and its page):
the test of the connection, the fields that an editor offers, the values of a variable, and panels. Grafana itself is
too large to run here."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import pytest
import requests

from app.search.language.targets import PUBLIC_INDEX as INDEX
from tests.support.app import Server


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    made = server.make_token("search", "write", tenant=f"grafana-{secrets.token_hex(4)}")
    for number in range(4):
        server.upload((f"{number}.pdf", b"x" * (number + 1)), session=f"s{number % 2}", token=made)
    return made


def ask(server: Server, token: str, path: str, body: bytes | None = None) -> requests.Response:
    """As its client sends everything: one content type, also without a body."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    return requests.request(
        "GET" if body is None else "POST", server.url + path, data=body, headers=headers, timeout=60
    )


HOUR = 3_600_000


def panel(
    server: Server, token: str, content: dict[str, Any], query: str | None = None, index: str = INDEX
) -> dict[str, Any]:
    """The one response to the search of a panel over the last hour. `query`: what is typed above it."""
    now = int(time.time() * 1000)
    filters: list[Any] = [{"range": {"created": {"gte": now - HOUR, "lte": now + HOUR, "format": "epoch_millis"}}}]
    if query is not None:
        filters.append({"query_string": {"analyze_wildcard": True, "query": query}})
    text = json.dumps({"size": 0, "query": {"bool": {"filter": filters}}, **content})
    text = text.replace('"FROM"', str(now - HOUR)).replace('"TO"', str(now + HOUR))
    header = json.dumps({"search_type": "query_then_fetch", "ignore_unavailable": True, "index": index})
    answer = ask(server, token, "/_msearch?max_concurrent_shard_requests=5", f"{header}\n{text}\n".encode())
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["responses"]
    assert found["status"] == 200
    return dict(found)


def over_time(interval: str = "30s") -> dict[str, Any]:
    return {
        "date_histogram": {
            "field": "created",
            "fixed_interval": interval,
            "min_doc_count": 0,
            "extended_bounds": {"min": "FROM", "max": "TO"},
            "format": "epoch_millis",
        }
    }


def test_the_test_of_the_connection(server: Server, token: str) -> None:
    health = ask(server, token, "/_cluster/health?wait_for_status=yellow")
    assert (health.status_code, health.json()["status"] in ("green", "yellow")) == (200, True)
    told = ask(server, token, "/").json()["version"]
    assert (told["number"].startswith("8."), told["build_flavor"]) == (True, "default")
    # The field of the time has to be there, and be one.
    caps = ask(server, token, f"/{INDEX}/_field_caps?fields=created").json()
    assert caps["fields"]["created"]["date"]["aggregatable"]


def test_the_fields_that_an_editor_offers(server: Server, token: str) -> None:
    for index in (INDEX, "coco_*"):
        (told,) = ask(server, token, f"/{index}/_mapping").json().values()
        fields = {name: each.get("type") for name, each in told["mappings"]["properties"].items()}
        assert (fields["created"], fields["session"], fields["size"]) == ("date", "keyword", "long")


def test_a_panel_over_time(server: Server, token: str) -> None:
    for query in (None, "*", "", " * "):
        found = panel(server, token, {"aggs": {"2": over_time()}}, query)
        buckets = found["aggregations"]["2"]["buckets"]
        assert len(buckets) >= 2 * HOUR // 30_000
        assert sum(each["doc_count"] for each in buckets) == 4
        assert min(each["doc_count"] for each in buckets) == 0
        assert {"key", "key_as_string", "doc_count"} == buckets[0].keys()
    text = panel(
        server,
        token,
        {
            "aggs": {
                "2": {
                    "date_histogram": {
                        **over_time()["date_histogram"],
                        "extended_bounds": {
                            "min": str(int(time.time() * 1000) - HOUR),
                            "max": str(int(time.time() * 1000)),
                        },
                    }
                }
            }
        },
    )
    assert len(text["aggregations"]["2"]["buckets"]) >= HOUR // 30_000


def test_a_panel_by_session_with_a_metric(server: Server, token: str) -> None:
    order = {"terms": {"field": "session", "size": 500, "order": {"_key": "desc"}, "min_doc_count": 1}}
    inner = {
        **over_time("60s"),
        "aggs": {"1": {"avg": {"field": "size"}}, "4": {"percentiles": {"field": "size", "percents": [50, 95]}}},
    }
    found = panel(server, token, {"aggs": {"3": {**order, "aggs": {"2": inner}}}})
    for bucket in found["aggregations"]["3"]["buckets"]:
        assert sum(each["doc_count"] for each in bucket["2"]["buckets"]) == bucket["doc_count"] == 2
    ordered = {
        "terms": {"field": "session", "size": 10, "order": {"1": "desc"}},
        "aggs": {"1": {"sum": {"field": "size"}}},
    }
    buckets = panel(server, token, {"aggs": {"3": ordered}})["aggregations"]["3"]["buckets"]
    assert [each["1"]["value"] for each in buckets] == [6, 4]


def test_the_values_of_a_variable(server: Server, token: str) -> None:
    terms = {"terms": {"field": "session", "size": 500, "order": {"_key": "asc"}}}
    found = panel(server, token, {"aggs": {"1": terms}}, "*")
    assert [each["key"] for each in found["aggregations"]["1"]["buckets"]] == ["s0", "s1"]


def test_a_table_of_documents(server: Server, token: str) -> None:
    order = {"created": {"order": "desc", "unmapped_type": "boolean"}, "_doc": {"order": "desc"}}
    fields = [{"field": "created", "format": "strict_date_optional_time_nanos"}]
    for sort in (order, [{name: said} for name, said in order.items()]):
        for more in ({"docvalue_fields": ["created"], "script_fields": {}}, {"fields": fields}):
            hits = panel(server, token, {"size": 500, "sort": sort, **more})["hits"]["hits"]
            assert [hit["_source"]["name"] for hit in hits] == ["3.pdf", "2.pdf", "1.pdf", "0.pdf"]
            assert hits[0]["fields"]["created"]


def test_an_index_that_is_missing_is_no_error_there(server: Server, token: str) -> None:
    found = panel(server, token, {"aggs": {"2": over_time()}}, index="nothing")
    assert found["hits"]["total"] == {"value": 0, "relation": "eq"}
    assert panel(server, token, {}, index=f"{INDEX},nothing")["hits"]["total"]["value"] == 4


def test_what_is_typed_above_a_panel_is_refused_with_a_reason(server: Server, token: str) -> None:
    body = json.dumps({"query": {"query_string": {"query": "session:s1"}}})
    answer = ask(server, token, "/_msearch", f'{{"index":"{INDEX}"}}\n{body}\n'.encode())
    assert answer.status_code == 400
    assert "simple_query_string" in answer.json()["error"]["reason"]
