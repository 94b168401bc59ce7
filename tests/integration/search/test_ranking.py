"""What people ask for comes first: a judged set of queries over real documents."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests

from app.index.source import source_of
from app.model.attachment import Attachment
from app.search.analysis import content_fields, name_fields
from tests.support.app import Server
from tests.support.judged import QUERIES, ndcg


def names(server: Server, query: str) -> list[str]:
    return [hit["_source"]["name"] for hit in server.hits(f"query={quote(query)}")]


@pytest.mark.parametrize("query", QUERIES)
def test_what_was_asked_for_comes_first(library: Server, query: str) -> None:
    found, judged = names(library, query), QUERIES[query]
    assert set(found) >= set(judged)
    assert ndcg(found, judged) > 0.99, found


def test_exact_names_then_names_then_contents_then_the_newer(library: Server) -> None:
    token = library.make_token(tenant="order")
    text = b"The quarterly figures. The quarterly figures. The quarterly figures."
    (content,) = library.upload(("minutes.txt", text), token=token)
    library.upload(("quarterly-figures-for-the-board-of-directors.txt", b"x"), token=token)
    library.upload(("quarterly figures.txt", b"x"), token=token)
    library.upload(("quarterly figures two.txt", b"x"), ("quarterly figures one.txt", b"x"), token=token)
    wait_for(library, content, token)
    found = [hit["_source"]["name"] for hit in library.hits("query=Quarterly+FIGURES", token=token)]
    assert (found[0], found[-1], len(found)) == ("quarterly figures.txt", "minutes.txt", 5)
    by_session = library.get("/attachment/_search?session=library").json()["hits"]
    assert len({hit["_score"] for hit in by_session["hits"]}) == 1
    assert "sort" not in by_session["hits"][0]


def test_the_newer_of_nearly_equals_and_the_better_of_all_ages(library: Server) -> None:
    """Documents of an age, straight into the index: an upload is always new."""
    token = library.make_token(tenant="ages")
    once, often = "the platypus budget of the board", "platypus budget: platypus, platypus and platypus"
    today, year = datetime.now(UTC), timedelta(days=365)
    documents = {
        "old.txt": (today - 5 * year, once),
        "new.txt": (today, once),
        "middle.txt": (today - timedelta(days=40), once),
        "old-and-better.txt": (today - 5 * year, often),
        "platypus-oldest.txt": (today - 9 * year, ""),
        "platypus-newer.pdf.txt": (today - 4 * year, ""),
        "platypus-newest.txt": (today, ""),
    }
    lines: list[dict[str, Any]] = []
    for number, (name, (created, text)) in enumerate(documents.items()):
        made = Attachment(f"age{number}", created, created, name, 1, "0" * 64, "text/plain", "ages", "t", "coco")
        source = {**source_of(made), **name_fields(name), **content_fields(text)}
        lines += [{"index": {"_id": made.id}}, source]
    answer = requests.post(
        f"{library.elasticsearch_url}/{library.index}/_bulk?refresh=true",
        data="".join(f"{json.dumps(line)}\n" for line in lines).encode(),
        headers={"Content-Type": "application/x-ndjson"},
        timeout=60,
    )
    assert not answer.json()["errors"], answer.text
    found = [hit["_source"]["name"] for hit in library.hits("query=platypus+budget", token=token)]
    assert found[:4] == ["old-and-better.txt", "new.txt", "middle.txt", "old.txt"]
    # What has one of them comes behind.
    assert sorted(found[4:]) == sorted(name for name in documents if name.startswith("platypus"))
    found = [hit["_source"]["name"] for hit in library.hits("query=platypus", token=token)]
    assert [each for each in found if each.startswith("platypus")] == found[:3]
    assert [found.index(f"platypus-{each}.txt") for each in ("newest", "oldest")] in ([0, 1], [0, 2])


def wait_for(server: Server, attachment_id: str, token: str) -> None:
    deadline = time.monotonic() + 120
    while "completed" not in server.get(f"/attachment/{attachment_id}/status", token=token).text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
