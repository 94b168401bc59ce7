"""What the words find exactly is never below what is merely near: over texts and queries that are made up."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.services.meaning import NOISE
from tests.support.meant import Text, World, worlds

SEED = 20
COUNT = 12
WORDS = [
    "invoice",
    "order",
    "delivery",
    "contract",
    "payment",
    "reminder",
    "customer",
    "supplier",
    "warehouse",
    "pallet",
    "forklift",
    "driver",
    "route",
    "truck",
    "engine",
    "brake",
    "gearbox",
    "garden",
    "tulip",
    "beehive",
    "honey",
    "orchard",
    "pear",
    "violin",
    "sonata",
    "rehearsal",
    "ticket",
    "museum",
    "painting",
    "restorer",
    "varnish",
    "kernel",
    "modem",
    "server",
    "backup",
    "restore",
    "password",
    "certificate",
    "boiler",
    "chimney",
    "pellet",
    "insulation",
    "window",
    "carpenter",
    "oak",
]
VERBS = [
    "repairs",
    "checks",
    "sells",
    "buys",
    "moves",
    "counts",
    "paints",
    "loses",
    "finds",
    "replaces",
    "stores",
    "signs",
]


@dataclass(frozen=True)
class Made:
    """A text that has something exactly, and what asks for that."""

    text: Text
    queries: tuple[str, ...]


def sentence(numbers: random.Random) -> str:
    return (
        f"The {numbers.choice(WORDS)} of the {numbers.choice(WORDS)} {numbers.choice(VERBS)} a {numbers.choice(WORDS)}."
    )


def paragraph(numbers: random.Random) -> str:
    return " ".join(sentence(numbers) for _ in range(numbers.randint(2, 5)))


def identifier(numbers: random.Random) -> str:
    letters = "".join(numbers.choices("ABCDEFGHKLMNPRSTUVWXYZ", k=3))
    digits = numbers.randint(1000, 999_999)
    forms = (
        "{l}-{d}",
        "{l}{d}",
        "{l}-2024/{d}",
        "{l}_{d}.v2",
        "{d}.{l}.7",
        "10.{d}.3",
        "{l}{d}@example.org",
        "/srv/{l}/{d}",
    )
    return numbers.choice(forms).format(l=letters, d=digits)


def named(numbers: random.Random) -> Made:
    """By the name of its file, which says something else than its text."""
    stem = numbers.choice((" ", "_", "-", "")).join(
        (numbers.choice(WORDS).capitalize(), numbers.choice(WORDS).capitalize(), str(numbers.randint(100, 999)))
    )
    name = f"{stem}.{numbers.choice(('pdf', 'docx', 'txt'))}"
    return Made(Text(name, [paragraph(numbers)]), (name, name.lower(), stem, f'"{name}"', f"{name} "))


def identified(numbers: random.Random) -> Made:
    """By an identifier in the middle of a text about something else."""
    code = identifier(numbers)
    text = f"{paragraph(numbers)} See {code} for that. {paragraph(numbers)}"
    word = numbers.choice(text.split(".")[0].lower().split()[-3:])
    return Made(
        Text(f"{numbers.random()}.txt", [text]), (code, f"{code} ", f'"{code}"', code.lower(), f"{word} {code}")
    )


def phrased(numbers: random.Random) -> Made:
    """By words in their order, which others have in another one."""
    words = numbers.sample(WORDS, 4)
    mark = f"{words[0]} {words[1]}{numbers.choice(('wards', 'less', 'like'))} {words[2]} {words[3]}"
    text = f"{paragraph(numbers)} The {mark} was seen. {paragraph(numbers)}"
    queries = (f'"{mark}"', f"+{mark.split()[1]} {mark.split()[0]}", mark, f"{mark.split()[1]} {mark.split()[3]}")
    return Made(Text(f"{numbers.random()}.txt", [text]), queries)


@pytest.fixture(scope="module")
def made() -> list[Made]:
    numbers = random.Random(SEED)
    return [kind(numbers) for kind in (named, identified, phrased) for _ in range(COUNT)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str, made: list[Made]) -> Iterator[World]:
    """These, and beside each what is as near to its queries as can be: their own vectors, in texts without the words; and
    texts with some of the words."""
    numbers = random.Random(SEED + 1)
    with worlds(tmp_path_factory.mktemp("beside"), elasticsearch_url) as (found,):
        found.put([each.text for each in made])
        queries = list(dict.fromkeys(query for each in made for query in each.queries))
        # A query and a passage that are the same text have the same vector.
        found.put(
            [
                Text(f"near {at}.md", ["entirely unrelated prose"], vectors=[vector])
                for at, vector in enumerate(found.vectors(queries))
            ]
        )
        found.put([Text(f"some {number}.md", [paragraph(numbers)]) for number in range(60)])
        yield found


def test_what_is_asked_for_exactly_is_first_whatever_is_near(world: World, made: list[Made]) -> None:
    below = 0
    for each in made:
        for query in each.queries:
            for given in ({"match": "both"}, {}):
                answer = world.answer(query=query, size=3, scores="true", **given)
                hits = answer.get_json()["hits"]["hits"]
                assert hits[0]["_id"] == each.text.id, (query, given, hits)
                below += len(hits) > 1 and hits[1]["matched_queries"].keys() == {"meaning"}
    # There was something near to be ahead of.
    assert below > COUNT


def test_all_that_has_every_word_as_it_is_written_is_ahead_of_the_rest(world: World) -> None:
    """In each order of hits by both there are, first of all, those that have every word, each as it would be in quotes."""
    numbers = random.Random(SEED + 2)
    several = 0
    for _ in range(60):
        words = numbers.sample(WORDS, numbers.choice((1, 2, 2, 3)))
        query, quoted = " ".join(words), " ".join(f'"{each}"' for each in words)
        every = world.ids(query=quoted, match="words", size=100)
        several += len(every) > 1
        for given in ({"match": "both"}, {"match": "both", "default_operator": "and"}, {}):
            found = world.ids(query=f"{query} ", size=100, **given)
            assert set(found[: len(every)]) == set(every), (query, given)
            assert len(found) >= len(every)
    assert several > 10


def test_nonsense_beside_all_that_finds_nothing(world: World) -> None:
    for query in (*NOISE[:3], "wqx zvbj", "ppqqz"):
        for facets in ({}, {"facets": "session,extension", "size": "0"}):
            found = world.ask(query=query, match="both", **facets)
            assert found["hits"]["total"]["value"] == 0, query
