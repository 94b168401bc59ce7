"""Which file inside of an attachment (of an archive, a mail, a document) it is that a search found. Pure.

The text of an attachment is one to the index, with all files inside, and the outcome of its extraction, on the disk, says
where each of them begins in it. So each fragment that Elasticsearch made is looked for in the text: without its marks it
is a piece of it. The file is the last one that begins before its first mark, as a fragment may reach over several.

A text may repeat itself, and then a fragment stands at several places. The first one is told at which it is neither the
beginning nor the end of a longer word; of fragments that are the same, the second gets the second place, and so on. So the
file that is told always has the words; it need not be the only one.

Rejected: a document in the index for each file inside (what is one upload would be several hits, and each change of it
several writes); names and places in the index document (a mapping that all stores would have to migrate to, for what
the files have at hand, and a copy to keep in step); offsets from Elasticsearch (the unified highlighter tells none).
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
#: The field of `_source` that has the paths of all of them.
FILES = "files"
#: Of the paths that are told of one attachment: how many, and their characters together.
MOST_FILES = 100
MOST_CHARACTERS = 10_000
#: Bytes of a text in which its fragments are: of as many characters as are kept for the marking.
MOST_BYTES = 4 * LONGEST

#: What is counted for an attachment that is looked at, and characters that are passed over in a step.
_STEPS_A_LOOK, _CHARACTERS_A_STEP = 40, 100
#: Places of a fragment that are looked at.
_MOST_PLACES = 50
_TAG = re.compile("|".join(map(re.escape, MARK)))


@dataclass(frozen=True)
class Inside:
    """The files inside of an attachment. `files`: of each, in the order of the text, how many bytes of the text are before
    it, and the names that lead to it. `beginning`: reads the text, of which the first `MOST_BYTES` bytes are enough."""

    files: Sequence[tuple[int, Sequence[str]]]
    beginning: Callable[[], bytes]

    def paths(self) -> list[str]:
        """The paths of the first of them, as many as are told."""
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
        """The names that lead to a file, which may have slashes of their own."""
        return path_of(self.files[number][1])

    def at(self, place: int) -> str:
        """The path of the file that has the character `place` of the text; '' for the attachment itself."""
        number = bisect_right(self._begins, place)
        return self.path(number - 1) if number else ""

    @cached_property
    def _begins(self) -> list[int]:
        """Before each file, how many characters of the text are shown; of those behind what is read, more than all."""
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
        # As fragments show it. What is cut within a character is no part of it.
        return shown(self._content.decode(errors="ignore")[:LONGEST])

    def of_fragments(self, fragments: Sequence[str]) -> list[str]:
        """For each of the fragments, HTML with marks, the path of the file that it is in; '' where it is in none, or not in
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
        """Where `words` stand in the text: as words of their own, else anywhere."""
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
        """Whether there are letters or digits on both sides of it."""
        return self._text[border - 1 : border].isalnum() and self._text[border : border + 1].isalnum()


def path_of(names: Sequence[str]) -> str:
    """The path of a file inside, by the names that lead to it."""
    # A half of a character can be in a name that was read; it can't be in an answer.
    return "/".join(names).encode(errors="replace").decode()


def tell(answer: dict[str, Any], inside: Callable[[str], Inside | None], *, files: bool) -> None:
    """Tell of the hits of an answer of Elasticsearch in which file inside their fragments are, as `file` of the
    `highlight`, HTML as the fragments are; and, with `files`, the paths of all that are inside, as a field of `_source`.
    `inside`: of an attachment, by its id; None where there are none. Raises what `processing.spend` and `inside` do."""
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
