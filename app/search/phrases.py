"""Bounds of phrases, so that each takes a bounded time. Pure.

For every word of a phrase, Elasticsearch looks through all places of that word in a text, once for each time that the
phrase has it, and can't be interrupted. If other words may lie between (a slop) and the phrase has one word twice, it
tries all assignments of words to places: a phrase of two words, sixty times each, took minutes for eight texts of these
words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

#: How often a phrase may have the same word.
MOST_TIMES = 4


def repeated(words: Sequence[str]) -> int:
    """How often the most frequent of `words` occurs among them; 0 if there are none."""
    return max(Counter(words).values(), default=0)


def bounded(words: Sequence[str], slop: int) -> tuple[tuple[str, ...], int]:
    """The phrase and the slop that are asked for when a person typed `words` with `slop`.

    The phrase ends before a word that it would have more than `MOST_TIMES`. The slop is 0 if it has any word twice.
    """
    times: Counter[str] = Counter()
    kept: list[str] = []
    for word in words:
        times[word] += 1
        if times[word] > MOST_TIMES:
            break
        kept.append(word)
    return tuple(kept), slop if repeated(kept) < 2 else 0
