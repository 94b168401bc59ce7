"""The passages that answer a query, each with where it is: what an assistant reads, and cites.

The attachments are found by a search as it is answered to everyone (`app.services.searching`), by words, meaning or both,
within the tenant and all filters. What that says of near passages is taken as it is. By words, passages are looked for in
the texts of these attachments (`app.search.overlap`): among those that were cut when vectors were made; else the text is cut
here, where its words are. So without a model, or before a text has its vectors, there are passages, too.

An attachment that is found by its name, and has none of the words in its text, has its first passage among the others.
Words in the name count for each of its passages, half as much as in the passage itself.
"""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterable, Iterator
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

#: Bytes of the texts of one answer in which words are looked for, those of the first attachments. A passage counts as so
#: many at least, as pages may be short; one that is cut here as so many more.
MOST_LOOKED_AT = 4 * 1024 * 1024
LEAST_OF_PASSAGE, OF_CUT_PASSAGE = 400, 3_000
#: Pieces of a text that are cut here, those with most of the words; their bytes; and passages of them.
MOST_CUT, PIECE, MOST_PASSAGES_CUT = 4, 8 * 1024, 100
#: How much a word in the name counts beside one in the passage.
IN_NAME = 0.5
#: The cost of looking at an attachment, in steps of `app.processing`.
_STEPS_A_LOOK = 100

Span = tuple[int, int]


class Citation(NamedTuple):
    """A passage, and the attachment that it is of."""

    attachment: Attachment
    passage: Told


class Citations(NamedTuple):
    """`match`: by what they were found, one of `app.search.params.MATCHES`. `took`: milliseconds."""

    passages: list[Citation]
    match: str
    took: int


class _Looked:
    """An attachment that was found. `spans`: of its passages, in bytes of its text; for each the cosine between it and the
    query, None where it is not known to be near."""

    def __init__(self, attachment: Attachment, rank: int, text: KeptText) -> None:
        self.attachment, self.rank, self.text = attachment, rank, text
        self.spans: dict[Span, float | None] = {}


class Citing:
    """For any number of threads."""

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
        """What a hit is of, with its near passages by vectors of this model; None where there is no text, or none any
        more."""
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
    """Of the bytes in which words are looked for."""

    def __init__(self) -> None:
        self._bytes = MOST_LOOKED_AT

    def takes(self, count: int) -> bool:
        """Take so many, if there are as many."""
        if count > self._bytes:
            return False
        self._bytes -= count
        return True


def _add_by_words(looked: _Looked, overlap: Overlap, most: int, left: _Left) -> None:
    """Add the passages that have most of the words; the first one where none has any, and none is near. Raises ValueError,
    StorageFailed, and what `processing.spend` raises."""
    content = looked.text.whole()
    spans = looked.text.places
    # With what may be in each.
    found: list[tuple[Span, list[int]]]
    if spans is None:
        found = _cut(looked.text, content, overlap, left)
    else:
        found = [(each, overlap.look(content[slice(*each)].decode())) for each in spans]
    weights = overlap.weights()
    weighed = [(sum(weights[number] for number in numbers), span) for span, numbers in found if numbers]
    for _, span in sorted(weighed, key=lambda each: (-each[0], each[1]))[:most]:
        looked.spans.setdefault(span, None)
    if not looked.spans and found:
        looked.spans[found[0][0]] = None


def _cut(text: KeptText, content: bytes, overlap: Overlap, left: _Left) -> list[tuple[Span, list[int]]]:
    """The passages of those pieces of the text that have most of the words, and of its first piece where none has any."""
    pieces = list(cutting.pieces(content, PIECE))
    looked = [overlap.look(content[start:end].decode()) for start, end in pieces]
    weights = overlap.weights()
    weighed = [(sum(weights[each] for each in found), number) for number, found in enumerate(looked) if found]
    best = [number for _, number in sorted(weighed, key=lambda each: (-each[0], each[1]))[:MOST_CUT]]
    found: list[tuple[Span, list[int]]] = []
    for start, end in _joined(pieces[number] for number in sorted(best or [0])):
        for each in cutting.within(content, text.parts, start, end):
            if len(found) == MOST_PASSAGES_CUT or not left.takes(OF_CUT_PASSAGE):
                return found
            span = each.start, each.end
            found.append((span, overlap.look(content[slice(*span)].decode(), counted=False)))
    return found


def _joined(pieces: Iterable[Span]) -> Iterator[Span]:
    """Pieces in their order, those that follow each other as one."""
    whole: Span | None = None
    for start, end in pieces:
        if whole is not None and whole[1] == start:
            whole = whole[0], end
            continue
        if whole is not None:
            yield whole
        whole = start, end
    if whole is not None:
        yield whole


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
