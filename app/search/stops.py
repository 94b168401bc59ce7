"""The text that the index keeps for marking: the beginning of a text, with invisible characters put in. Pure.

Three characters are put in, and are taken out again from every answer:

- A *stop* (paragraph separator, U+2029) where no sentence ends for long. Elasticsearch cuts its fragments at the ends
  of sentences, which it looks for by Java's rules. In a text that has none it looks through all of it: a tenth of a
  second for each megabyte, for every hit. Source code, tables, logs and lists have no such ends, as a line break is
  none. So a long stretch gets stops behind some of its line breaks or blanks; by Java's rules a sentence always ends
  there.
- A *seam* (word joiner, U+2060) at a hump, where the search divides a word and the `standard` analyser does not. It
  stays within that analyser's word, and the expressions of `app.search.expressions` look for it.
- A *space* (zero-width space, U+200B) between the syllables of Thai, Lao, Khmer and Burmese: `standard` divides there.

Seams, spaces and soft hyphens that a text has itself are left out.

Rejected: another boundary scanner (`word` makes fragments of one word).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from app.model.schema import existing
from app.search import scripts

(_CONTENT,) = existing("content")
#: The most characters of a text that are kept for marking: about a hundred pages. Marking takes a tenth of a second for
#: a million characters, for every hit of every client, and a small node has two processors.
LONGEST = 250_000
STOP = "\u2029"
SEAM, SPACE = "\u2060", "\u200b"
_HIDDEN = (STOP, SEAM, SPACE)
#: Invisible characters that are left out of a text.
_UNSEEN = re.compile(f"[{SEAM}{SPACE}\u00ad\ufeff]")
_PUT_IN = dict.fromkeys(map(ord, _HIDDEN))
#: A sentence of more characters gets stops. For a line break or a blank to put one behind, the last `_BACK` characters
#: of a stretch are looked at.
STRETCH = 1000
_BACK = 200
#: Places where a sentence certainly ends by Java's rules. There are others.
_END = re.compile(r"[.?!\u3002](?:(?<=\u3002)|(?<!\u3002)\s+(?=[A-Z]))")


def shown(text: str) -> str:
    """`text` as its fragments show it."""
    return text if text.isascii() else _UNSEEN.sub("", text.replace(STOP, "\n"))


def marked_text(text: str) -> str:
    """What the index keeps of a text for marking: its beginning, with stops, seams and spaces. Without these it equals
    the beginning of `shown(text)`."""
    found = scripts.HUMP_CAPITAL.sub(rf"{SEAM}\g<0>", shown(text[:LONGEST]))
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
    """Where a stretch ends: behind the last line break before `end`, else behind the last blank, else at `end`."""
    return next((found + 1 for blank in "\n " if (found := text.rfind(blank, end - _BACK, end)) >= 0), end)


def has_stops(answer: bytes) -> bool:
    """Whether the bytes of an answer of Elasticsearch contain any character that may have been put into a text."""
    return any(each.encode() in answer for each in _HIDDEN)


def take_stops(answer: dict[str, Any]) -> None:
    """Take stops, seams and spaces out of the fragments in an answer of Elasticsearch, in place."""
    for hit in answer["hits"]["hits"]:
        marked = hit.get("highlight", {})
        if _CONTENT in marked:
            marked[_CONTENT] = [each.translate(_PUT_IN) for each in marked[_CONTENT]]
