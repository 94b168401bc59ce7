"""Texts as they are kept for the marking: their beginnings, with a stop wherever no sentence ends for long. Pure.

Elasticsearch cuts its fragments at the ends of sentences, and looks for those with Java's rules through all of a text that
has none: a tenth of a second for each megabyte, for every hit. Source code, tables, logs and lists have none, for a line
break is no end. So where a stretch is long, a paragraph separator (U+2029) is put behind a line break or blank in it, where
those rules always end; it is taken away again from what is answered.

What the `standard` analyser takes for one word and the search for several has what tells them apart, which nobody sees: a
word joiner (U+2060) at humps, which stays in the word, and a space without width (U+200B)
between the syllables of Thai, Lao, Khmer and Burmese, which ends one. What a text has of these itself, and its soft hyphens,
is left out.

Rejected: another boundary scanner (`word` makes fragments of one word).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from app.model.schema import existing
from app.search import scripts

(_CONTENT,) = existing("content")
#: Characters of a text that are kept for the marking, a hundred pages. Marking takes a tenth of a second for a million, for
#: every hit and client, of the two processors that a small node has.
LONGEST = 250_000
STOP = "\u2029"
#: Within a word, and between two that nothing else divides.
SEAM, SPACE = "\u2060", "\u200b"
_HIDDEN = (STOP, SEAM, SPACE)
#: What is left out of a text, as it is not seen.
_UNSEEN = dict.fromkeys(map(ord, (SEAM, SPACE, "\u00ad", "\ufeff")))
_PUT_IN = dict.fromkeys(map(ord, _HIDDEN))
#: Characters of a sentence from which on it is divided, and how many of them may be a last line or word that stays whole.
STRETCH = 1000
_BACK = 200
#: Where a sentence ends for certain by Java's rules, which know more ends than these.
_END = re.compile(r"[.?!]\s+(?=[A-Z])|\u3002")


def stopped(text: str) -> str:
    """The beginning of `text`, with stops. Taking them away gives it back, its own paragraph separators as line breaks."""
    return STOP.join(_stretches(text[:LONGEST].replace(STOP, "\n")))


def shown(text: str) -> str:
    """`text` as its fragments show it."""
    return text if text.isascii() else text.replace(STOP, "\n").translate(_UNSEEN)


def marked_text(text: str) -> str:
    """What is kept of a text for the marking: its beginning, with stops, seams and spaces. Taking them away gives what is
    shown of it."""
    found = scripts.CASE_HUMP.sub(SEAM, shown(text[:LONGEST]))
    if scripts.has_clusters(found):
        found = scripts.CLUSTER_BORDER.sub(SPACE, found)
    return STOP.join(_stretches(found))


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
    """Whether there may be any of what was put into texts in an answer of Elasticsearch."""
    return any(each.encode() in answer for each in _HIDDEN)


def take_stops(answer: dict[str, Any]) -> None:
    """Take what was put into texts away from the fragments in an answer."""
    for hit in answer["hits"]["hits"]:
        marked = hit.get("highlight", {})
        if _CONTENT in marked:
            marked[_CONTENT] = [each.translate(_PUT_IN) for each in marked[_CONTENT]]
