"""Where the pages of a document, and the files inside it, begin in its text.

These positions are stored with the outcome of an extraction, in the order of the text, each as an offset in bytes.
Everything between the beginnings of two files belongs to the first of them, its pages included; everything before the
first file belongs to the document itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

#: The most parts that are kept of one document, and the most characters of a title and of the names of a file.
MOST_PARTS = 5000
MOST_TITLE = 80
MOST_NAME = 255
_MOST_NAMES = 16
#: The most characters of all titles and names together: as many as titles alone may have. The name of an archive is repeated
#: for each file in it, and each request for the state of a text reads all of this.
MOST_TOLD = MOST_PARTS * MOST_TITLE


class Part(NamedTuple):
    """`at`: bytes of the text before it. `page`: the number of the page (slide, sheet, chapter) that begins there, from 1,
    and `title`: what it is called, or ''; or `file`: the name of the file that begins there, behind those of the files that
    it is in."""

    at: int
    page: int | None = None
    title: str = ""
    file: tuple[str, ...] = ()

    @property
    def told(self) -> int:
        """The number of characters in its title and names."""
        return len(self.title) + sum(map(len, self.file))

    def to_record(self) -> dict[str, Any]:
        """As JSON."""
        if self.page is None:
            return {"at": self.at, "file": list(self.file)}
        return {"at": self.at, "page": self.page, **({"title": self.title} if self.title else {})}

    @classmethod
    def from_record(cls, record: Any) -> Part:
        """The part of a record. Raises ValueError for anything else."""
        if not isinstance(record, dict) or not _number(record.get("at")):
            raise ValueError("not a part of a text")
        if "file" in record:
            names = record["file"]
            if not isinstance(names, list) or not 0 < len(names) <= _MOST_NAMES or not all(map(_short, names)):
                raise ValueError("not the name of a file")
            return cls(record["at"], file=tuple(names))
        page, title = record.get("page"), record.get("title", "")
        if not _number(page) or page == 0 or not isinstance(title, str) or len(title) > MOST_TITLE:
            raise ValueError("not a page")
        return cls(record["at"], page, title)


def _number(value: Any) -> bool:
    return type(value) is int and value >= 0


def _short(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MOST_NAME


def from_records(records: Any) -> tuple[Part, ...]:
    """The parts of a document. Raises ValueError when they are malformed or not in order."""
    if not isinstance(records, list) or len(records) > MOST_PARTS:
        raise ValueError("not the parts of a text")
    found = tuple(map(Part.from_record, records))
    if sum(each.told for each in found) > MOST_TOLD:
        raise ValueError("more names than a text may have")
    if any(one.at > other.at for one, other in zip(found, found[1:], strict=False)):
        raise ValueError("the parts of a text are not in order")
    return found


def files_of(records: Sequence[Any]) -> list[tuple[int, list[str]]]:
    """Where each file inside begins, with the names that lead to it, from the parts of a document as JSON. This takes a
    tenth of the time that it takes to make all parts. Raises ValueError, TypeError or KeyError for a malformed part."""
    found = [(each["at"], each["file"]) for each in records if "file" in each]
    for at, names in found:
        if not (type(at) is int and at >= 0 and type(names) is list and names and all(map(_short, names))):
            raise ValueError("not a file inside of a document")
    return found


def bounded(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The first of these parts, as many as may be stored of one document."""
    found: list[Part] = []
    told = 0
    for each in parts:
        told += each.told
        if len(found) == MOST_PARTS or told > MOST_TOLD:
            break
        found.append(each)
    return tuple(found)


def check(parts: Sequence[Part], text: bytes) -> None:
    """Raises ValueError when a part begins after the end of the text, or within a character (in UTF-8)."""
    for each in parts:
        if each.at > len(text) or (each.at < len(text) and text[each.at] & 0xC0 == 0x80):
            raise ValueError(f"no part can begin {each.at} bytes behind the beginning of the text")


def within(parts: Iterable[Part], name: str, named_at: int, text_at: int) -> Iterator[Part]:
    """The parts of a file inside a document, whose name and text begin at these offsets in the document's text."""
    yield Part(named_at, file=(name,))
    for each in parts:
        yield each._replace(at=each.at + text_at, file=(name, *each.file)[:_MOST_NAMES] if each.file else ())
