"""Nothing of another tenant's is in what a search finds by meaning, nor in its scores and counts, as long as the tenant has
no more passages than are compared with in any case (docs/search.md).

Two indices of one store hold the same attachments of the tenant that asks; only one of them holds another tenant's besides,
between these and in number, with vectors that are the same as the tenant's own, the same as those of the queries, or
nearly. The same search has to be answered alike by both. With SCORES=constant: the relevance of words rests on everybody's
(SECURITY.md).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.search.query import CANDIDATES, MEANING_BOOST
from benchmarks.meaning import QUESTIONS
from tests.support.meant import Text, World, worlds

EXAMPLES = int(os.environ.get("SECRETS_EXAMPLES", "150"))
ROWS = [line.split("\t") for line in QUESTIONS.read_text().splitlines()]
#: Sentences of the judged paragraphs; each is a passage.
SENTENCES = [
    f"{each.strip()}." for kind, _, _, text in ROWS if kind == "paragraph" for each in text.split(". ") if each
]
QUERIES = [text for kind, _, _, text in ROWS if kind in ("question", "unanswered")]
SESSIONS = ("a", "b", "c")
#: The other tenant's attachments, and passages of each.
OTHERS, PASSAGES = 400, 5


def nearly(vector: str, numbers: random.Random, much: int) -> str:
    """Another vector, so far from that one."""
    return bytes((each + numbers.randint(-much, much)) % 256 for each in bytes.fromhex(vector)).hex()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[list[World]]:
    """With the other tenant's, and without."""
    numbers = random.Random(7)
    folder = tmp_path_factory.mktemp("others")
    with worlds(folder, elasticsearch_url, 2, scores="constant") as (shared, alone):
        vectors = shared.vectors(SENTENCES)
        own = [
            Text(
                f"{at}.txt", SENTENCES[at : at + 3], session=SESSIONS[at // 3 % 3], vectors=vectors[at : at + 3], day=at
            )
            for at in range(0, len(SENTENCES), 3)
        ]
        assert len(SENTENCES) < CANDIDATES
        asked = shared.vectors(QUERIES)
        foreign = [
            Text(
                f"{numbers.choice(QUERIES)}.txt",
                numbers.sample(SENTENCES, PASSAGES),
                tenant="other",
                session=numbers.choice(SESSIONS),
                vectors=[
                    nearly(numbers.choice(asked + vectors), numbers, numbers.choice((0, 1, 4))) for _ in range(PASSAGES)
                ],
            )
            for _ in range(OTHERS)
        ]
        # In several segments, of which some have none of the tenant's; in the other world they lie by themselves.
        share = OTHERS // 4
        shared.put(foreign[:share])
        for number in range(2):
            half = own[number * len(own) // 2 : (number + 1) * len(own) // 2]
            mixed = [*half, *foreign[share * (number + 1) : share * (number + 2)]]
            numbers.shuffle(mixed)
            shared.put(mixed)
        shared.put(foreign[3 * share :])
        alone.put(own)
        yield [shared, alone]


SEARCHES = st.fixed_dictionaries(
    {
        "query": st.one_of(
            st.sampled_from(QUERIES),
            st.sampled_from(SENTENCES),
            st.lists(st.sampled_from(" ".join(SENTENCES).split()), min_size=1, max_size=5).map(" ".join),
        ),
        "match": st.sampled_from(["meaning", "meaning", "both"]),
        "size": st.sampled_from([1, 10, 100]),
    },
    optional={
        "session": st.sampled_from(SESSIONS),
        "facets": st.sampled_from(["session", "owner,extension", "file_size,created"]),
        "sort": st.sampled_from(["_score", "name", "size:desc,_score"]),
        "from": st.sampled_from([0, 3, 60]),
        "scores": st.sampled_from(["true"]),
        "highlight": st.sampled_from(["true"]),
        "pit": st.sampled_from(["true"]),
    },
)


def told(world: World, search: dict[str, Any]) -> Any:
    """The answer, without what differs from one time to the next."""
    answer = world.answer(**search)
    found = answer.get_json()
    found.pop("took", None)
    if "pit_id" in found:
        world.close(found.pop("pit_id"))
    for each in found.get("aggregations", {}).get("created", {}).get("buckets", []):
        # They are so long ago from now.
        each.pop("from", None), each.pop("to", None), each.pop("from_as_string", None), each.pop("to_as_string", None)
    for hit in found.get("hits", {}).get("hits", []):
        hit["_index"] = "index"
    return answer.status_code, answer.headers.get("Search-Match"), found


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
@given(search=SEARCHES)
def test_what_another_tenant_has_changes_no_answer(both: list[World], search: dict[str, Any]) -> None:
    shared, alone = (told(world, search) for world in both)
    assert shared == alone
    assert shared[0] == 200


def test_there_is_something_to_be_seen(both: list[World]) -> None:
    """More of the other tenant's than is compared with, some of it as near as can be to what is asked."""
    assert OTHERS * PASSAGES > CANDIDATES
    shared, _ = both
    found = [shared.ask(query=query, match="meaning", size=1)["hits"]["hits"] for query in QUERIES]
    nearest = max(hit[0]["_score"] for hit in found if hit)
    # The half would be a passage at right angles to the query, and all of it one that is the query itself.
    assert MEANING_BOOST / 2 < nearest < 0.98 * MEANING_BOOST
