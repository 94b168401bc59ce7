"""Texts as they are kept for the marking: their beginnings, with a stop wherever no sentence ends for long. Pure.

Elasticsearch cuts its fragments at the ends of sentences, and looks for those with Java's rules through all of a text that
has none: a tenth of a second for each megabyte, for every hit. Source code, tables, logs and lists have none, for a line
break is no end. So where a stretch is long, a paragraph separator (U+2029) is put behind a line break or blank in it, where
those rules always end; it is taken away again from what is answered.

Rejected: another boundary scanner (`word` makes fragments of one word).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from app.model.schema import existing

(_CONTENT,) = existing("content")
#: Characters of a text that are kept for the marking, a hundred pages. Marking takes a tenth of a second for a million, for
#: every hit and client, of the two processors that a small node has.
LONGEST = 250_000
STOP = "\u2029"
#: Characters of a sentence from which on it is divided, and how many of them may be a last line or word that stays whole.
STRETCH = 1000
_BACK = 200
#: Where a sentence ends for certain by Java's rules, which know more ends than these.
_END = re.compile(r"[.?!]\s+(?=[A-Z])|\u3002")


def stopped(text: str) -> str:
    """The beginning of `text`, with stops. Taking them away gives it back, its own paragraph separators as line breaks."""
    return STOP.join(_stretches(text[:LONGEST].replace(STOP, "\n")))


def _stretches(text: str) -> Iterator[str]:
    begin = sentence = 0
    for end in (*(match.end() for match in _END.finditer(text)), len(text)):
        while end - sentence > STRETCH:
            sentence = _cut(text, sentence + STRETCH)
            yield text[begin:sentence]
            begin = sentence
        sentence = end
    yield text[begin:]


def _cut(text: str, end: int) -> int:
    """Where to end before `end`: behind the last line break, else the last blank, else there."""
    return next((found + 1 for blank in "\n " if (found := text.rfind(blank, end - _BACK, end)) >= 0), end)


def has_stops(answer: bytes) -> bool:
    """Whether there may be stops in an answer of Elasticsearch."""
    return STOP.encode() in answer


def take_stops(answer: dict[str, Any]) -> None:
    """Take the stops away from the fragments in an answer."""
    for hit in answer["hits"]["hits"]:
        marked = hit.get("highlight", {})
        if _CONTENT in marked:
            marked[_CONTENT] = [each.replace(STOP, "") for each in marked[_CONTENT]]
