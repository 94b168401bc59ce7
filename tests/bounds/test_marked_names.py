"""Names as HTML with what a query finds in them marked: at the price of their length."""

from __future__ import annotations

import time

import pytest

from app.search.names import mark_names
from app.search.syntax import LONGEST_WORD, MAX_EXPANDED, MAX_WORDS, parse

#: Bytes of a name, hits of a page with marks, characters of a query: the most of each.
NAME, HITS, QUERY = 1024, 100, 1024
#: Processor time of a page of the dearest names: a tenth of a second to one, and a minute for the first of these when each
#: letter was compared with each.
MOST_SECONDS = 12.0


def filled(piece: str, size: int) -> str:
    """As often `piece` as fits into so many bytes."""
    return piece * (size // len(piece.encode()))


LONG = "a" * (LONGEST_WORD - 5)


#: Names and queries, each the most of its kind.
DEAREST = {
    "nearly a long word": (
        " ".join(LONG + each for each in "bcde"),
        "|".join(f"{LONG}{each}~" for each in ("zz", "yx", "xw", "wv")),
    ),
    "nearly many short words": (filled("ab ax ", NAME), " ".join(f"a{each}~" for each in "wxyz"[:MAX_EXPANDED])),
    "many words": (filled("a b ", NAME), " ".join(f"w{n}" for n in range(MAX_WORDS))),
    "many beginnings": (filled("a ", NAME), " ".join("a" * n + "*" for n in range(1, 40))),
    "a phrase of many words": (filled("a ", NAME), f'"{filled("a ", 2 * (MAX_WORDS - 1))}b"'),
    "many phrases": (filled("a ", NAME), " ".join(f'"{"a " * n}"' for n in range(2, 11))),
    "humps and digits": (filled("aB1", NAME), " ".join(f"b{n}" for n in range(MAX_WORDS))),
    "marks": (filled("é1e\u0301", NAME), " ".join(f"e{n}~" for n in range(MAX_EXPANDED))),
    "without blanks": (filled("漢", NAME), filled("漢", 3 * MAX_WORDS)),
}


@pytest.mark.parametrize("kind", DEAREST)
def test_a_page_of_the_dearest_names_costs_a_moment(kind: str) -> None:
    name, typed = DEAREST[kind]
    assert len(name.encode()) <= NAME
    assert len(typed) <= QUERY
    answer = {"hits": {"hits": [{"_source": {"name": name}} for _ in range(HITS)]}}
    began = time.process_time()
    mark_names(answer, parse(typed), ("name",))
    assert time.process_time() - began < MOST_SECONDS
