"""Walking all hits with `search_after`, while others upload."""

from __future__ import annotations

import json
import threading
from urllib.parse import quote

import pytest

from benchmarks.paging import walk
from tests.support.app import Server


@pytest.mark.parametrize("sort", ["session", "size:desc", "_score", "media_type,dialect:desc", "id:desc"])
def test_each_is_met_exactly_once_with_equal_keys(server: Server, sort: str) -> None:
    token = server.make_token(tenant=f"paging-{len(sort)}")
    ids = [each for _ in range(3) for each in server.upload(*[(f"{n}.txt", b"x") for n in range(9)], token=token)]
    stop = threading.Event()

    def uploads() -> None:
        while not stop.is_set():
            server.upload(("later.txt", b"x"), token=token)

    thread = threading.Thread(target=uploads)
    thread.start()
    try:
        met = list(walk(server, sort, size=4, token=token))
    finally:
        stop.set()
        thread.join()
    assert len(set(met)) == len(met)
    assert set(ids) <= set(met)


def test_keys_that_are_missing(server: Server) -> None:
    token = server.make_token(tenant="paging-null")
    ids = server.upload(("1", b"x"), ("2", b"x"), token=token) + server.upload(("3", b"x"), session="s", token=token)
    for sort in ("session", "session:desc"):
        assert sorted(walk(server, sort, size=1, token=token)) == sorted(ids)


def test_a_page_of_its_own_needs_the_values_of_its_sort(server: Server) -> None:
    for after in ('["x"]', '["x","y","z"]', '[1,"y"]', "x"):
        answer = server.get(f"/attachment/_search?sort=session&search_after={quote(after)}")
        assert (answer.status_code, "[search_after]" in answer.text) == (400, True)
    answer = server.get("/attachment/_search?from=9990&size=11&sort=id")
    assert (answer.status_code, "[search_after]" in answer.text) == (400, True)
    after = quote(json.dumps(["\U0001f600\0 " + "x" * 1000, "y"]))
    assert server.get(f"/attachment/_search?sort=session&search_after={after}").status_code == 200
