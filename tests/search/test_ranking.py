"""What people ask for comes first: a judged set of queries over real documents."""

from __future__ import annotations

from urllib.parse import quote

import pytest

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


def wait_for(server: Server, attachment_id: str, token: str) -> None:
    for _ in range(600):
        if "completed" in server.get(f"/attachment/{attachment_id}/status", token=token).text:
            return
    raise TimeoutError(attachment_id)
