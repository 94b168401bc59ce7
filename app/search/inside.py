"""Tells in which file inside an attachment (an archive, a mail, a document) a search found its words. Pure.

For the index, the text of an attachment is one text that includes all files inside. The outcome of its extraction, on
the disk, says where each of these files begins in it. A fragment without its marks is a piece of this text. So each
fragment of Elasticsearch's answer is looked for in the text; its file is the last one that begins before the first
mark, as a fragment may reach over several files.

If a text repeats itself, a fragment stands at several places. The first place counts at which the fragment neither
begins nor ends within a longer word. Of two equal fragments, the second gets the second place, and so on. So the file
that is named always has the words, though other files may have them too.

Rejected: a document in the index for each file inside (one upload would be several hits, and each change of it several
writes); names and places in the index document (every store would have to migrate, for what is on the disk already, and
two copies would have to be kept equal); offsets from Elasticsearch (the unified highlighter returns none).
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app import processing
from app.model.schema import existing
from app.search.marking import MARK
from app.search.stops import LONGEST, shown

(_CONTENT,) = existing("content")
#: The field of `_source` with the paths of all files inside.
FILES = "files"
#: The most paths in one hit, and the most characters of these together.
MOST_FILES = 100
MOST_CHARACTERS = 10_000
#: All fragments are within so many bytes of a text: the most that `LONGEST` characters take, which are kept for
#: marking.
MOST_BYTES = 4 * LONGEST

#: Steps (`app.processing`) for each attachment that is looked at, and the characters that are searched in one step.
_STEPS_A_LOOK, _CHARACTERS_A_STEP = 40, 100
#: The most places of a fragment that are looked at.
_MOST_PLACES = 50
_TAG = re.compile("|".join(map(re.escape, MARK)))


@dataclass(frozen=True)
class Inside:
    """The files inside an attachment. `files`: for each, in the order of the text, the number of bytes of the text
    before it, and the names that lead to it. `beginning`: reads the text; its first `MOST_BYTES` bytes are enough."""

    files: Sequence[tuple[int, Sequence[str]]]
    beginning: Callable[[], bytes]

    def paths(self) -> list[str]:
        """The paths of the first files, within `MOST_FILES` and `MOST_CHARACTERS`."""
        found: list[str] = []
        left = MOST_CHARACTERS
        for number in range(min(len(self.files), MOST_FILES)):
            path = self.path(number)
            left -= len(path)
            if left < 0:
                break
            found.append(path)
        return found

    def path(self, number: int) -> str:
        """The names that lead to a file, joined by slashes. A name may itself contain slashes."""
        return path_of(self.files[number][1])

    def at(self, place: int) -> str:
        """The path of the file that the character `place` of the text belongs to; '' for the attachment itself."""
        number = bisect_right(self._begins, place)
        return self.path(number - 1) if number else ""

    @cached_property
    def _begins(self) -> list[int]:
        """For each file, the number of characters of the shown text before it; for a file that begins behind the part
        that is read, a number greater than all places."""
        content = self._content
        found, place, characters = [], 0, 0
        for at, _ in self.files:
            if at > len(content):
                characters = max(characters, len(content) + 1)
            else:
                characters += len(shown(content[place:at].decode(errors="ignore")))
                place = at
            found.append(characters)
        return found

    @cached_property
    def _content(self) -> bytes:
        return self.beginning()[:MOST_BYTES]

    @cached_property
    def _text(self) -> str:
        # As fragments show it. A character that is cut at the end is left out.
        return shown(self._content.decode(errors="ignore")[:LONGEST])

    def of_fragments(self, fragments: Sequence[str]) -> list[str]:
        """For each of the fragments, which are HTML with marks, the path of its file; '' if it is in none, or is not in
        the text (any more)."""
        met: dict[str, Iterator[int]] = {}
        found = []
        for fragment in fragments:
            before, _, _ = fragment.partition(MARK[0])
            lead, words = html.unescape(before), html.unescape(_TAG.sub("", fragment))
            places = met.setdefault(words, self._places(words))
            place = next(places, None)
            found.append("" if place is None else self.at(place + len(lead) * (lead != words)))
        return found

    def _places(self, words: str) -> Iterator[int]:
        """The places of `words` in the text: those where they are whole words; if there are none, the first place."""
        if not words:
            return
        first, whole = -1, False
        place = self._text.find(words)
        for _ in range(_MOST_PLACES):
            processing.spend(len(self._text) // _CHARACTERS_A_STEP)
            if place < 0:
                break
            first = place if first < 0 else first
            end = place + len(words)
            if not (self._joined(place) or self._joined(end)):
                whole = True
                yield place
            place = self._text.find(words, end)
        if first >= 0 and not whole:
            yield first

    def _joined(self, border: int) -> bool:
        """Whether there are letters or digits on both sides of the place `border`."""
        return self._text[border - 1 : border].isalnum() and self._text[border : border + 1].isalnum()


def path_of(names: Sequence[str]) -> str:
    """The path of a file inside, by the names that lead to it."""
    # A half of a character can be in a name that was read; it can't be in an answer.
    return "/".join(names).encode(errors="replace").decode()


def tell(answer: dict[str, Any], inside: Callable[[str], Inside | None], *, files: bool) -> None:
    """Add the files inside to the hits of an answer of Elasticsearch, in place.

    `highlight` gets `file`: for each fragment the path of its file, as HTML like the fragments. If `files`, `_source`
    gets the paths of all files inside. `inside`: returns the files inside an attachment, by its id; None if there are
    none.
    Raises what `processing.spend` and `inside` raise.
    """
    for hit in answer["hits"]["hits"]:
        fragments = hit.get("highlight", {}).get(_CONTENT, [])
        if not (fragments or files):
            continue
        processing.spend(_STEPS_A_LOOK)
        known = inside(hit["_id"])
        if known is None:
            continue
        if files:
            hit["_source"][FILES] = known.paths()
        if any(found := known.of_fragments(fragments)):
            hit["highlight"]["file"] = [html.escape(each) for each in found]
