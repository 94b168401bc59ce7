"""What words that follow each other may be, so that they are found in a bounded time.

Elasticsearch looks through the places of all words of a phrase in a text, once for each time that a word is in the phrase,
and can't be stopped in that. Where words may lie apart and one is there twice, it tries what may be which, again and again:
a phrase of sixty times the same two words took minutes for eight texts of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

#: How often one word may be in a phrase.
MOST_TIMES = 4


def repeated(words: Sequence[str]) -> int:
    """How often the word is there that is there most often; 0 without words."""
    return max(Counter(words).values(), default=0)


def bounded(words: Sequence[str], slop: int) -> tuple[tuple[str, ...], int]:
    """A phrase that a person typed, and how far its words may lie apart, as they can be asked for: it ends before a word
    is there too often, and words lie side by side where one is there twice."""
    times: Counter[str] = Counter()
    kept: list[str] = []
    for word in words:
        times[word] += 1
        if times[word] > MOST_TIMES:
            break
        kept.append(word)
    return tuple(kept), slop if repeated(kept) < 2 else 0
