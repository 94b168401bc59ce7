"""What `match` promises (docs/search.md): what is found, counted, sorted and paged by words, by meaning and by both, and
what each score is made of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from app.passages.keeping import quantized
from app.search.params import MATCHES
from app.search.query import MEANING_BOOST, NEAREST
from app.services.meaning import STRICTER, Meanings
from app.settings import Settings
from tests.support.meant import TENANT, Text, World, worlds

QUERY = "pet kitten"
#: Near the query, without a word of it; more of them than a search looks for.
CATS = [
    Text(f"{number:02} {colour}.txt", [f"The {colour} cat {does} {where}."], session=where.split()[-1])
    for number, (colour, does, where) in enumerate(
        (colour, does, where)
        for colour in ("black", "white", "grey", "old", "young")
        for does in ("sleeps", "purrs", "catches mice", "drinks milk")
        for where in ("in the kitchen", "on the sofa", "behind our garden")
    )
]
#: With a word of the query, and far from it, or near.
WORDS = [
    Text("70 ship.log", ["The freighter Kitten carries coal from Rotterdam to Oslo."]),
    Text("71 union.log", ["A hotel for every kitten opens in the town."]),
    Text("72 bottle.log", ["The bottle is made of PET, and the cap of polypropylene."]),
    Text("73 both.log", ["Invoice for PET granulate, delivered by the freighter Kitten in two containers."]),
]
OTHERS = [
    Text("80 tax.pdf", ["The tax office wants the declaration of last year by the end of July."]),
    Text("81 code.pdf", ["Compile the kernel with these options and restart the machine."]),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[World]:
    with worlds(tmp_path_factory.mktemp("defined"), elasticsearch_url) as (made,):
        made.put([*CATS, *WORDS, *OTHERS])
        yield made


def cosine(world: World, text: Text) -> float:
    """Of the query to the passage, as the index has both."""
    (query,) = world.kept.embeddings.queries([QUERY], TENANT).vectors
    one, other = (
        [each - 256 if each > 127 else each for each in content]
        for content in (quantized(query), bytes.fromhex(world.vectors(text.passages)[0]))
    )
    length = sum(a * a for a in one) * sum(b * b for b in other)
    return float(sum(a * b for a, b in zip(one, other, strict=True)) / length**0.5)


def total(found: dict[str, Any]) -> int:
    assert found["hits"]["total"]["relation"] == "eq"
    return int(found["hits"]["total"]["value"])


@pytest.fixture(scope="module")
def expected(world: World) -> dict[str, set[str]]:
    """The ids that each finds by the definition, with the nearest found by comparing with all."""
    ranked = sorted([*CATS, *WORDS, *OTHERS], key=lambda each: -cosine(world, each))
    near = {each.id for each in ranked[:NEAREST] if cosine(world, each) >= Settings().embeddings_similarity}
    words = {each.id for each in WORDS}
    assert len(near) == NEAREST
    assert words & near
    assert words - near
    return {"words": words, "meaning": near, "both": words | near}


@pytest.mark.parametrize("match", MATCHES)
def test_totals_and_counts_are_of_all_that_is_found(world: World, expected: dict[str, set[str]], match: str) -> None:
    found = world.ask(query=QUERY, match=match, size=100, facets="session,extension")
    assert {hit["_id"] for hit in found["hits"]["hits"]} == expected[match]
    assert total(found) == len(expected[match])
    counted = {each["key"]: each["doc_count"] for each in found["aggregations"]["session"]["buckets"]}
    known = {each.id: each.session for each in (*CATS, *WORDS, *OTHERS)}
    assert counted == Counter(known[each] for each in expected[match])
    # Counts alone are the same.
    alone = world.ask(query=QUERY, match=match, size=0, facets="session,extension")
    assert (alone["aggregations"], total(alone)) == (found["aggregations"], len(expected[match]))


def test_without_match_counts_and_orders_are_of_words(world: World, expected: dict[str, set[str]]) -> None:
    for given in ({"size": "0"}, {"facets": "session"}, {"sort": "name"}):
        assert total(world.ask(query=QUERY, **given)) == len(expected["words"])
    assert total(world.ask(query=QUERY)) == total(world.ask(query=QUERY, sort="_score")) == len(expected["both"])


@pytest.mark.parametrize("match", MATCHES)
def test_pages_follow_each_other_and_end_with_the_total(
    world: World, expected: dict[str, set[str]], match: str
) -> None:
    whole = world.ids(query=QUERY, match=match, size=100)
    assert len(whole) == len(expected[match])
    by_offset = [each for at in range(0, 70, 7) for each in world.ids(query=QUERY, match=match, size=7, from_=at)]
    assert by_offset == whole
    for beyond in (len(whole), len(whole) + 1, 9000):
        page = world.ask(query=QUERY, match=match, from_=beyond)
        assert (page["hits"]["hits"], total(page)) == ([], len(whole))
    # Behind a hit, by its score and its id.
    met: list[str] = []
    after: dict[str, str] = {}
    while hits := world.ask(query=QUERY, match=match, sort="_score", size=7, **after)["hits"]["hits"]:
        met += [hit["_id"] for hit in hits]
        after = {"search_after": json.dumps(hits[-1]["sort"])}
    assert met == whole


@pytest.mark.parametrize("match", MATCHES)
def test_another_order_is_of_all_that_is_found(world: World, expected: dict[str, set[str]], match: str) -> None:
    names = {each.id: each.name for each in (*CATS, *WORDS, *OTHERS)}
    found = world.ids(query=QUERY, match=match, sort="name:desc", size=100)
    assert [names[each] for each in found] == sorted((names[each] for each in expected[match]), reverse=True)


def test_a_facet_is_counted_without_its_own_filter(world: World, expected: dict[str, set[str]]) -> None:
    """What is nearest without it is counted, what is nearest with it is found."""
    for match in ("meaning", "both"):
        found = world.ask(query=QUERY, match=match, session="sofa", facets="session", size=100)
        sofa = {each.id for each in CATS if each.session == "sofa"}
        assert {hit["_id"] for hit in found["hits"]["hits"]} == sofa
        assert total(found) == len(sofa)
        counted = {each["key"]: each["doc_count"] for each in found["aggregations"]["session"]["buckets"]}
        assert counted["sofa"] == len(sofa)
        free = world.ask(query=QUERY, match=match, facets="session", size=0)["aggregations"]["session"]["buckets"]
        assert {name: count for name, count in counted.items() if name != "sofa"} == {
            each["key"]: each["doc_count"] for each in free if each["key"] != "sofa"
        }
        # Its score is that of one search.
        same = world.ask(query=QUERY, match=match, session="sofa", size=100)["hits"]["hits"]
        assert [(hit["_id"], hit["_score"]) for hit in found["hits"]["hits"]] == [
            (hit["_id"], hit["_score"]) for hit in same
        ]


@pytest.mark.parametrize("match", MATCHES)
def test_a_hit_says_what_its_score_is_made_of(world: World, expected: dict[str, set[str]], match: str) -> None:
    found = world.ask(query=QUERY, match=match, size=100, scores="true")
    plain = world.ask(query=QUERY, match=match, size=100)
    texts = {each.id: each for each in (*CATS, *WORDS, *OTHERS)}
    assert len(found["hits"]["hits"]) == len(expected[match])
    for hit in found["hits"]["hits"]:
        parts = hit.pop("matched_queries")
        assert sum(parts.values()) == pytest.approx(hit["_score"], rel=1e-5)
        by = {name for name in ("words", "meaning") if hit["_id"] in expected[name] and match in (name, "both")}
        assert parts.keys() == by
        if "meaning" in parts:
            near = MEANING_BOOST * (1 + cosine(world, texts[hit["_id"]])) / 2
            assert parts["meaning"] == pytest.approx(near, rel=1e-4)
    # Nothing else is different.
    found.pop("took"), plain.pop("took")
    assert found == plain


def test_scores_are_said_on_every_kind_of_page(world: World) -> None:
    for given in (
        {"pit": "true"},
        {"highlight": "true"},
        {"sort": "name"},
        {"facets": "session", "match": "both", "session": "sofa"},
        {"_source": "name,files"},
        {"_source": "files"},
    ):
        hits = world.ask(query=QUERY, scores="true", **given)["hits"]["hits"]
        assert hits
        assert all(hit["matched_queries"] for hit in hits), given
        assert all(len(hit.get("sort", ["", ""])) in (2, 3) for hit in hits), given
    for given, why in (({"scores": "true"}, "needs [query]"), ({"query": "x", "scores": "1"}, "must be of")):
        answer = world.answer(**given)
        assert (answer.status_code, "[scores]" in answer.text, why in answer.text) == (400, True, True)


def test_nonsense_finds_nothing_in_totals_and_counts(world: World) -> None:
    for query in ("qwzxv plomtig", "zxcvb", "asdf jkl"):
        for match in MATCHES:
            answer = world.answer(query=query, match=match, facets="session,owner,created,file_size")
            found = answer.get_json()
            assert total(found) == 0, query
            assert answer.headers.get("Search-Match", "words") == "words"
            buckets = [each for one in found["aggregations"].values() for each in one["buckets"]]
            assert sum(each["doc_count"] for each in buckets) == 0


@pytest.mark.parametrize(
    ("query", "times"),
    [
        ("Where do kittens like to sleep?", 1.0),
        ("Wo schlafen junge Katzen am liebsten?", 1.0),
        ("Где любят спать котята?", 1.0),
        ("kitten", STRICTER),
        ("spoon seventeen umbrella velocity marmalade seldom", STRICTER),
        ("wuppdich knasselbix torkeln Löffelmond", STRICTER),
        ("qwzxv plomtig", None),
    ],
)
def test_plain_questions_are_answered_by_what_is_less_near(world: World, query: str, times: float | None) -> None:
    settings = Settings()
    least, noise = settings.embeddings_similarity, settings.embeddings_noise
    found = Meanings(world.kept.embeddings, least, noise, lambda dimensions: True).of(query, TENANT)
    assert (found and found.least) == (times and pytest.approx(times * least))


def test_codes_are_looked_for_by_words(world: World) -> None:
    for query in ("INV-2024/0173", "v1.2.3", "10.0.0.1", "report_final.pdf", "2024", "a@example.org 4711"):
        answer = world.answer(query=query)
        assert "Search-Match" not in answer.headers, query
        assert total(answer.get_json()) == 0
    for query in ("covid-19 vaccine", "cat", "the old cat of 2019"):
        assert world.answer(query=query).headers["Search-Match"] == "both", query
