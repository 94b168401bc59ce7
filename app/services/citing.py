"""Finds the passages that answer a query, each with its place: what an assistant reads and cites.

The attachments are found by the search that everyone gets (`app.services.searching`): by words, meaning or both, within
the tenant and all filters. The near passages that it returns are taken as they are. For words, passages are looked for
in the texts of these attachments (`app.search.overlap`). If a text was cut when its vectors were made, its passages are
those; otherwise it is cut here, around its words. So there are passages even without a model, or before a text has its
vectors.

An attachment that is found by its name, and has none of the words in its text, is represented by its first passage.
Words in the name count for each of its passages, half as much as words in the passage itself.
"""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from app import processing
from app.errors import NotFound, StorageFailed
from app.model.attachment import Attachment
from app.passages import cutting
from app.search import citing, nearest
from app.search.citing import Candidate, CitingParams, Told
from app.search.overlap import Overlap, share
from app.search.query import MEANING_BOOST
from app.search.syntax import parse
from app.services.kept_text import KeptText
from app.services.records import Records
from app.services.searching import Searching

log = logging.getLogger(__name__)

#: How many bytes of text are looked through for one answer, beginning with the first attachments; how many a passage
#: counts as at least, as pages may be short; and how many a passage counts as in addition if it is cut here.
MOST_LOOKED_AT = 4 * 1024 * 1024
LEAST_OF_PASSAGE, OF_CUT_PASSAGE = 400, 3_000
#: How many pieces of a text are cut here (those with most of the words), how many bytes each has, and how many passages
#: all of them may give.
MOST_CUT, PIECE, MOST_PASSAGES_CUT = 4, 8 * 1024, 100
#: How much a word in the name counts beside one in the passage.
IN_NAME = 0.5
#: The cost of looking at an attachment, in steps of `app.processing`.
_STEPS_A_LOOK = 100

Span = tuple[int, int]


class Citation(NamedTuple):
    """A passage, and its attachment."""

    attachment: Attachment
    passage: Told


class Citations(NamedTuple):
    """The passages of an answer. `match`: what they were found by, one of `app.search.params.MATCHES`. `took`:
    milliseconds."""

    passages: list[Citation]
    match: str
    took: int


class _Looked:
    """An attachment that was found. `spans`: the byte offsets of its passages in its text; for each passage, the cosine
    between it and the query, None if it is not known to be near."""

    def __init__(self, attachment: Attachment, rank: int, text: KeptText) -> None:
        self.attachment, self.rank, self.text = attachment, rank, text
        self.spans: dict[Span, float | None] = {}


class Citing:
    """Finds passages. Any number of threads may use it at once."""

    def __init__(self, searching: Searching, records: Records) -> None:
        self._searching, self._records = searching, records

    def passages(self, wanted: CitingParams, tenant: str, *, client: socket.socket | None = None) -> Citations:
        """The passages of the tenant's attachments that answer the query, the best first. Errors as in
        `Searching.search`, and what `processing.spend` raises."""
        began = time.monotonic()
        answer = self._searching.search(wanted.search, tenant, client=client)
        match = answer.match or "words"
        overlap = Overlap(parse(wanted.search.query or "") if match != "meaning" else None)
        looked: dict[str, _Looked] = {}
        left = _Left()
        for rank, hit in enumerate(json.loads(answer.answer)["hits"]["hits"]):
            processing.spend(_STEPS_A_LOOK)
            if (each := self._looked(hit, rank, tenant, answer.model)) is None:
                continue
            try:
                if overlap and left.takes(max(each.text.size, LEAST_OF_PASSAGE * len(each.text.places or ()))):
                    _add_by_words(each, overlap, 2 * wanted.per_attachment, left)
            except (StorageFailed, ValueError):
                log.error("the text of %s can't be read", each.attachment.id)
                continue
            looked[each.attachment.id] = each
        candidates = [candidate for each in looked.values() for candidate in _candidates(each, overlap)]
        told = citing.chosen(candidates, wanted, lambda name, start, end: looked[name].text.piece(start, end))
        found = [Citation(looked[each.attachment].attachment, each) for each in told]
        return Citations(found, match, round((time.monotonic() - began) * 1000))

    def _looked(self, hit: dict[str, Any], rank: int, tenant: str, model: str) -> _Looked | None:
        """The attachment of a hit, with its near passages by vectors of this model. None if it has no text, or is
        gone."""
        try:
            attachment = self._records.find(hit["_id"], tenant)
        except (NotFound, StorageFailed):
            return None
        text = self._records.text(attachment.id, tenant)
        if text is None:
            return None
        made = _Looked(attachment, rank, text)
        try:
            for each in nearest.taken(hit, MEANING_BOOST):
                if (place := text.place(each.number, model)) is not None:
                    made.spans[place] = each.cosine
        except (StorageFailed, ValueError):
            log.error("the passages of %s can't be read", attachment.id)
            return None
        return made


class _Left:
    """How many bytes may still be looked through for words."""

    def __init__(self) -> None:
        self._bytes = MOST_LOOKED_AT

    def takes(self, count: int) -> bool:
        """Take `count` bytes, if there are as many left. Returns whether there were."""
        if count > self._bytes:
            return False
        self._bytes -= count
        return True


def _add_by_words(looked: _Looked, overlap: Overlap, most: int, left: _Left) -> None:
    """Add the passages that have most of the words. If none has any, and none is near, add the first one. Raises
    ValueError, StorageFailed, and what `processing.spend` raises."""
    content = looked.text.whole()
    spans = looked.text.places
    # Each passage with the numbers of the items that may be in it.
    found: list[tuple[Span, list[int]]]
    if spans is None:
        found = _cut(looked.text, content, overlap, left)
    else:
        found = [(each, overlap.look(content[slice(*each)].decode())) for each in spans]
    for span in _with_most_words(found, overlap.weights(), most):
        looked.spans.setdefault(span, None)
    if not looked.spans and found:
        looked.spans[found[0][0]] = None


def _cut(text: KeptText, content: bytes, overlap: Overlap, left: _Left) -> list[tuple[Span, list[int]]]:
    """The passages of those pieces of the text that have most of the words, or of its first piece if none has any. Each
    passage comes with the numbers of the items that may be in it. The pieces with most words come first, as there may be
    more passages in all of them than are cut."""
    pieces = list(cutting.pieces(content, PIECE))
    looked = [overlap.look(content[start:end].decode()) for start, end in pieces]
    best = _with_most_words(zip(pieces, looked, strict=True), overlap.weights(), MOST_CUT)
    found: list[tuple[Span, list[int]]] = []
    for start, end in best or pieces[:1]:
        for each in cutting.within(content, text.parts, start, end):
            if len(found) == MOST_PASSAGES_CUT or not left.takes(OF_CUT_PASSAGE):
                return found
            span = each.start, each.end
            found.append((span, overlap.look(content[slice(*span)].decode(), counted=False)))
    return found


def _with_most_words(found: Iterable[tuple[Span, list[int]]], weights: Sequence[float], most: int) -> list[Span]:
    """At most so many of the places that have any item, those with the greatest weight first. `found`: each place with
    the numbers of the items that may be in it. `weights`: that of each item."""
    weighed = [(-sum(weights[number] for number in numbers), span) for span, numbers in found if numbers]
    return [span for _, span in sorted(weighed)[:most]]


def _candidates(looked: _Looked, overlap: Overlap) -> Iterator[Candidate]:
    text = looked.text
    weights = overlap.weights() if overlap else []
    named = [IN_NAME * each for each in overlap.of(looked.attachment.name, text.language)] if overlap else []
    for (start, end), meaning in looked.spans.items():
        try:
            cited = text.cited(start, end)
        except (StorageFailed, ValueError):
            log.error("the text of %s can't be read", looked.attachment.id)
            return
        words = None
        if overlap:
            found = overlap.of(cited.text, text.language) if overlap.look(cited.text, counted=False) else named
            words = share(map(max, found, named), weights)
        yield Candidate(looked.attachment.id, looked.rank, cited, words, meaning)
