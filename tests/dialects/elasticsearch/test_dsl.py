"""`elasticsearch.dsl`, the official client's classes for documents and searches, pointed at the server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import elasticsearch
import pytest
from elasticsearch import Elasticsearch
from elasticsearch.dsl import A, Date, Document, Index, Keyword, Long, Mapping, MultiSearch, Q, Search

from app.search.language.targets import PUBLIC_INDEX as INDEX
from tests.support.app import Server


class Attachment(Document):
    name = Keyword()
    size = Long()
    created = Date()

    class Index:
        name = INDEX


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return server.make_token(tenant=f"dsl-{secrets.token_hex(4)}")


@pytest.fixture(scope="module")
def client(server: Server, token: str) -> Iterator[Elasticsearch]:
    files = [(f"report {number}.pdf", b"x" * (number + 1)) for number in range(12)]
    for at, each in enumerate(files):
        server.upload(each, session=f"s{at % 3}", token=token)
    with Elasticsearch(server.url, api_key=token, max_retries=0, request_timeout=60) as made:
        yield made


def test_searches(client: Elasticsearch) -> None:
    for named in ({"index": INDEX}, {"index": "coco_*"}, {"index": ["coco_attachment", "nothing*"]}, {}):
        found = Search(using=client, **named).query("match", name="report").sort("-size")[:5].execute()
        assert found.to_dict()["hits"]["total"]["value"] == 12
        assert [hit.size for hit in found] == [12, 11, 10, 9, 8]
        assert found[0].meta.index == INDEX
        assert Search(using=client, **named).filter("range", size={"lte": 4}).count() == 4
    assert Search(using=client, index="nothing*").query("match", name="report").count() == 0
    assert list(Search(using=client, index="nothing*").execute()) == []
    with pytest.raises(elasticsearch.NotFoundError):
        Search(using=client, index="nothing").execute()


def test_aggregations(client: Elasticsearch) -> None:
    search = Search(using=client, index=INDEX).extra(size=0)
    search.aggs.bucket("sessions", "terms", field="session", order={"_key": "asc"}).metric(
        "bytes", A("sum", field="size")
    )
    search.aggs.bucket(
        "sizes", "histogram", field="size", interval=5, min_doc_count=0, extended_bounds={"min": 0, "max": 24}
    )
    found = search.execute().aggregations
    assert [(each.key, each.doc_count) for each in found.sessions] == [("s0", 4), ("s1", 4), ("s2", 4)]
    assert sum(each.bytes.value for each in found.sessions) == 78
    assert [(each.key, each.doc_count) for each in found.sizes] == [(0, 4), (5, 5), (10, 3), (15, 0), (20, 0)]


def test_documents(client: Elasticsearch) -> None:
    (hit,) = Attachment.search(using=client).query(Q("term", name="report 3.pdf")).execute()
    assert isinstance(hit, Attachment)
    found = Attachment.get(id=hit.meta.id, using=client)
    assert found is not None
    assert {**found.to_dict()} == {**hit.to_dict()}
    assert found.to_dict()["name"] == "report 3.pdf"
    assert Attachment.exists(hit.meta.id, using=client)
    assert not Attachment.exists("missing", using=client)
    assert Attachment.get(id="missing", using=client.options(ignore_status=404)) is None
    with pytest.raises(elasticsearch.NotFoundError):
        Attachment.get(id="missing", using=client)


def test_the_index_and_its_mapping(client: Elasticsearch) -> None:
    assert Index(INDEX, using=client).exists()
    assert not Index("nothing", using=client).exists()
    mapping = Mapping.from_es(INDEX, using=client).to_dict()
    assert mapping["properties"]["name"] == {"type": "keyword"}
    assert mapping["properties"]["created"] == {"type": "date"}


def test_walking_and_several_at_once(client: Elasticsearch) -> None:
    walked = [hit.size for hit in Search(using=client, index=INDEX).sort("size").extra(size=5).iterate()]
    assert walked == list(range(1, 13))
    several = MultiSearch(using=client, index=INDEX)
    for session in ("s0", "s1", "nothing"):
        several = several.add(Search(using=client, index=INDEX).filter("term", session=session))
    assert [len(each) for each in several.execute()] == [4, 4, 0]
    # A scroll keeps a search open on the server.
    with pytest.raises(elasticsearch.BadRequestError, match="scroll"):
        list(Search(using=client, index=INDEX).scan())
