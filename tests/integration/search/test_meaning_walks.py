"""Walks by both through a point in time: each hit once, whatever is written meanwhile, whether the model answers or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.meant import Text, World, worlds

QUERY = "pet kitten"
CATS = [
    f"The {colour} cat {does}." for colour in ("black", "white", "grey", "old") for does in ("sleeps", "purrs", "eats")
]


@pytest.fixture
def world(tmp_path: Path, elasticsearch_url: str) -> Iterator[World]:
    with worlds(tmp_path, elasticsearch_url) as (made,):
        made.put([Text(f"{number}.txt", [text]) for number, text in enumerate(CATS)])
        made.put([Text("bottle.txt", ["The bottle is made of PET, and the cap of polypropylene."])])
        yield made


WAYS: dict[str, Callable[[list[str], Any], dict[str, str]]] = {
    "search_after": lambda met, last: {"search_after": json.dumps(last["sort"])},
    "from": lambda met, last: {"from": str(len(met))},
}


def walk(world: World, way: str, between: Callable[[int], None], **given: str) -> tuple[list[str], set[str | None]]:
    """The ids of all hits, in pages of 3, and by what they were found."""
    met: list[str] = []
    by: set[str | None] = set()
    more: dict[str, str] = {"pit": "true"}
    for page in range(10):
        answer = world.answer(query=QUERY, size=3, **given, **more)
        assert answer.status_code == 200, answer.text
        by.add(answer.headers.get("Search-Match"))
        hits = answer.get_json()["hits"]["hits"]
        met += [hit["_id"] for hit in hits]
        if len(hits) < 3:
            break
        more = {"pit": answer.get_json()["pit_id"], **WAYS[way](met, hits[-1])}
        between(page)
    return met, by


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "given", [{}, {"match": "both"}, {"match": "meaning"}, {"match": "both", "sort": "name"}, {"match": "words"}]
)
def test_each_hit_is_met_once_while_others_write(world: World, way: str, given: dict[str, str]) -> None:
    whole = world.ids(query=QUERY, size=100, **given)

    def between(page: int) -> None:
        # Nearer than all, and with the words.
        world.put([Text(f"new {page} {number}.txt", ["A kitten, a pet."]) for number in range(5)])

    met, by = walk(world, way, between, **given)
    assert met == whole
    assert by == {None if given.get("match") == "words" else given.get("match", "both")}


@pytest.mark.parametrize("way", WAYS)
def test_a_walk_goes_on_without_the_model(world: World, way: str) -> None:
    whole = world.ids(query=QUERY, size=100)

    # As a worker of the server does when it ends: the process with the model ends, too.
    def between(page: int) -> None:
        if page == 0:
            world.keeper.stop()
            assert world.answer(query=QUERY).headers["Search-Match"] == "words"

    met, by = walk(world, way, between)
    assert met == whole
    assert by == {"both"}


def test_a_walk_that_began_by_words_stays_one(world: World) -> None:
    words = world.ids(query=QUERY, match="words", size=100)
    world.keeper.stop()
    answer = world.answer(query=QUERY, size=1, pit="true")
    assert answer.headers["Search-Match"] == "words"
    point, first = answer.get_json()["pit_id"], [hit["_id"] for hit in answer.get_json()["hits"]["hits"]]
    with world.kept.keeper():
        world.kept.await_ready()
        rest = world.answer(query=QUERY, size=100, pit=point, from_=1)
        assert rest.headers["Search-Match"] == "words"
        assert first + [hit["_id"] for hit in rest.get_json()["hits"]["hits"]] == words
        # Begun anew in the same point, it is by both, and so is another query.
        assert world.answer(query=QUERY, pit=point).headers["Search-Match"] == "both"
        assert world.answer(query="an old cat", pit=point, from_=1).headers["Search-Match"] == "both"
