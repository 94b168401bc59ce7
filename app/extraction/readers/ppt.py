"""PowerPoint 97 to 2003 ([MS-PPT]): first what is on all slides, then each slide with its notes and comments.

Among maintained libraries only xberg reads such files; it leaves out comments, notes, headers and footers, and any slide
whose texts are only in the outline.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from app.extraction.readers import compound
from app.extraction.readers.reader import Inner, Omitted, Options, Page, Piece, Unreadable

#: The deepest nesting of records, the most records of a document, and the most bytes of an unpacked object.
MOST_DEPTH = 50
MOST_RECORDS = 2_000_000
MOST_UNPACKED = compound.MOST_BYTES

# Types of records ([MS-PPT] 2.13.24, [MS-ODRAW] 2.2): containers, and records with text or references.
_DOCUMENT, _SLIDE, _NOTES, _MASTER, _HANDOUT = 0x03E8, 0x03EE, 0x03F0, 0x03F8, 0x0FC9
_LISTS, _PERSIST, _SLIDE_ATOM, _PLACEHOLDER = 0x0FF0, 0x03F3, 0x03EF, 0x0BC3
_CHARS, _BYTES, _STRING, _OUTLINE = 0x0FA0, 0x0FA8, 0x0FBA, 0x0F9E
_HEADINGS, _COMMENT, _LINK = 0x0FD9, 0x2EE0, 0x0FD7
_SHAPE, _TEXT_BOX, _CLIENT, _PROPERTIES, _TAG_DATA = 0xF004, 0xF00D, 0xF011, 0xF00B, 0x138B
_EDIT, _DIRECTORY, _OBJECT = 0x0FF5, 0x1772, 0x1011
#: Properties: the text of WordArt, and the description of a picture.
_SPOKEN = (0x00C0, 0x0381)
#: Placeholder texts of a master, such as "Click to edit".
_PROMPTS = frozenset((*range(1, 7), *range(13, 27)))
_MEANT = {0x0B: "\n", 0x0D: "\n", 0xA0: " ", 0xAD: None, 0x2A: "*"}
_ENCRYPTED = 0xF3D1C4DF


class Record(NamedTuple):
    kind: int
    instance: int
    begin: int
    end: int
    holds: bool


@dataclass
class Found:
    """The content of a slide, a master, notes or the document. `texts`: in the order of the file."""

    texts: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    #: Numbers of the outline texts that it shows.
    shown: set[int] = field(default_factory=set)
    notes: int = 0


class Outline(NamedTuple):
    """A slide in the outline: its offset, its id, and its texts that are in the document."""

    persist: int
    identifier: int
    texts: list[str]


def load(options: Options) -> None:
    compound.load()


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    opened = compound.Compound(content)
    # A presentation of 1995 may have one of 1997 beside it.
    main = opened.stream("PowerPoint Document") or opened.stream("PP97_DUALSTORAGE", "PowerPoint Document")
    if main is None:
        raise Unreadable("there is no presentation of PowerPoint 97 or later in it", "unsupported")
    show = Show(main, opened.stream("Current User") or opened.stream("PP97_DUALSTORAGE", "Current User") or b"")
    yield from opened.properties()
    try:
        yield from show.pieces()
    except (struct.error, IndexError, ValueError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None
    yield from opened.objects("MBD")


class Show:
    """Raises Unreadable."""

    def __init__(self, main: bytes, user: bytes) -> None:
        self._main = main
        self._left = MOST_RECORDS
        if len(user) >= 16 and struct.unpack_from("<I", user, 12)[0] == _ENCRYPTED:
            raise Unreadable("it is encrypted", "encrypted")
        begin = struct.unpack_from("<I", user, 16)[0] if len(user) >= 20 else 0
        self._places = self._directory(begin)

    def _directory(self, begin: int) -> dict[int, int]:
        """The offset of the newest version of each object, by its number: each edit lists the objects that it changed,
        and refers to the edit before. Empty when no edit can be followed."""
        places: dict[int, int] = {}
        seen: set[int] = set()
        while begin and begin not in seen:
            seen.add(begin)
            edit = self._at(begin)
            if edit is None or edit.kind != _EDIT or edit.end - edit.begin < 16:
                break
            if edit.end - edit.begin >= 32:
                raise Unreadable("it is encrypted", "encrypted")
            begin, directory = struct.unpack_from("<II", self._main, edit.begin + 8)
            listed = self._at(directory)
            if listed is None or listed.kind != _DIRECTORY:
                break
            at = listed.begin
            while at + 4 <= listed.end:
                (head,) = struct.unpack_from("<I", self._main, at)
                first, count = head & 0xFFFFF, head >> 20
                count = min(count, (listed.end - at - 4) // 4)
                for number, place in enumerate(struct.unpack_from(f"<{count}I", self._main, at + 4)):
                    places.setdefault(first + number, place)
                at += 4 + 4 * count
        return places

    def _at(self, place: int) -> Record | None:
        if not 0 <= place <= len(self._main) - 8:
            return None
        version, kind, length = struct.unpack_from("<HHI", self._main, place)
        end = min(place + 8 + length, len(self._main))
        return Record(kind, version >> 4, place + 8, end, version & 0xF == 0xF)

    def _within(self, begin: int, end: int) -> Iterator[Record]:
        while begin + 8 <= end and self._left > 0 and (found := self._at(begin)) is not None:
            self._left -= 1
            yield found._replace(end=min(found.end, end))
            begin = found.end

    def pieces(self) -> Iterator[Piece]:
        tops = list(self._within(0, len(self._main)))
        newest = {place + 8 for place in self._places.values()}
        if newest:
            tops = [each for each in tops if each.begin in newest]
        if not any(each.kind == _DOCUMENT for each in tops):
            raise Unreadable("there is no presentation in it")
        by_begin = {each.begin: each for each in tops}
        about, lists = Found(), dict[int, list[Outline]]()
        for each in tops:
            if each.kind == _DOCUMENT:
                self._document(each, about, lists)
        general = [*about.headings]
        for each in tops:
            if each.kind in (_MASTER, _HANDOUT):
                found = self._found(each, [], master=True)
                general += [*found.headings, *found.texts]
        slides: list[tuple[Record, list[str]]] = [(each, []) for each in tops if each.kind == _SLIDE]
        if ordered := self._placed(lists.get(0, []), by_begin, _SLIDE):
            slides = ordered
        # Title masters are stored like slides.
        for each, outline in self._placed(lists.get(1, []), by_begin, _SLIDE):
            found = self._found(each, outline, master=True)
            general += [*found.headings, *found.texts]
        if general := [each for each in dict.fromkeys(general) if each.strip("* \n")]:
            yield "\n".join(general)
        notes = {
            each.identifier: (by_begin[self._places[each.persist] + 8], each.texts)
            for each in lists.get(2, [])
            if self._places.get(each.persist, -8) + 8 in by_begin
        }
        told = set(general)
        for slide, outline in slides:
            found = self._found(slide, outline)
            lines = [*found.texts, *(text for number, text in enumerate(outline) if number not in found.shown)]
            lines += [each for each in found.headings if each not in told]
            if found.notes in notes:
                of_notes = self._found(*notes[found.notes])
                lines += [each for each in (*of_notes.headings, *of_notes.texts) if each not in told]
            yield Page("\n".join(each for each in (*lines, *found.comments) if each.strip("* \n")))
        yield from self._objects(tops)

    def _placed(
        self, outlines: list[Outline], by_begin: dict[int, Record], kind: int
    ) -> list[tuple[Record, list[str]]]:
        found = ((by_begin.get(self._places.get(each.persist, -8) + 8), each.texts) for each in outlines)
        return [(record, texts) for record, texts in found if record is not None and record.kind == kind]

    def _document(self, document: Record, about: Found, lists: dict[int, list[Outline]]) -> None:
        for each in self._within(document.begin, document.end):
            if each.kind == _LISTS and each.holds:
                outlines = lists.setdefault(each.instance, [])
                for inner in self._within(each.begin, each.end):
                    if inner.kind == _PERSIST and inner.end - inner.begin >= 16:
                        persist, _, _, identifier = struct.unpack_from("<IIiI", self._main, inner.begin)
                        outlines.append(Outline(persist, identifier, []))
                    elif inner.kind in (_CHARS, _BYTES) and outlines:
                        outlines[-1].texts.append(self._text(inner))
            elif each.kind == _HEADINGS and each.holds:
                about.headings += self._strings(each)

    def _found(self, record: Record, outline: list[str], *, master: bool = False) -> Found:
        found = Found()
        self._look(record, outline, found, 0, master=master)
        return found

    def _look(self, record: Record, outline: list[str], found: Found, depth: int, *, master: bool) -> None:
        if record.kind == _SHAPE and master and self._is_prompt(record):
            return
        for each in self._within(record.begin, record.end):
            if each.kind in (_CHARS, _BYTES):
                found.texts.append(self._text(each))
            elif each.kind == _OUTLINE and each.end - each.begin >= 4:
                (number,) = struct.unpack_from("<I", self._main, each.begin)
                if number < len(outline) and number not in found.shown:
                    found.shown.add(number)
                    found.texts.append(outline[number])
            elif each.kind == _SLIDE_ATOM and each.end - each.begin >= 20 and not depth:
                (found.notes,) = struct.unpack_from("<I", self._main, each.begin + 16)
            elif each.kind == _HEADINGS and each.holds:
                found.headings += self._strings(each)
            elif each.kind == _COMMENT and each.holds:
                found.comments += self._strings(each)
            elif each.kind == _PROPERTIES:
                found.texts += self._spoken(each)
            elif (each.holds or each.kind in (_TEXT_BOX, _CLIENT, _TAG_DATA)) and depth < MOST_DEPTH:
                self._look(each, outline, found, depth + 1, master=master)

    def _is_prompt(self, shape: Record) -> bool:
        for each in self._within(shape.begin, shape.end):
            if each.kind == _CLIENT:
                for inner in self._within(each.begin, each.end):
                    if inner.kind == _PLACEHOLDER and inner.end - inner.begin >= 5:
                        return self._main[inner.begin + 4] in _PROMPTS
        return False

    def _strings(self, record: Record) -> list[str]:
        """The strings of a header and footer, or of a comment: author and text (without the initials)."""
        inner = self._within(record.begin, record.end)
        initials = 2 if record.kind == _COMMENT else -1
        return [self._text(each) for each in inner if each.kind == _STRING and each.instance != initials]

    def _spoken(self, record: Record) -> Iterator[str]:
        place = record.begin + 6 * record.instance
        for at in range(record.begin, min(place, record.end - 5), 6):
            number, size = struct.unpack_from("<HI", self._main, at)
            if number & 0x8000:
                if number & 0x3FFF in _SPOKEN:
                    yield _shown(self._main[place : min(place + size, record.end)].decode("utf-16-le", "replace"))
                place += size

    def _text(self, record: Record) -> str:
        content = self._main[record.begin : record.end]
        return _shown(content.decode("latin-1" if record.kind == _BYTES else "utf-16-le", errors="replace"))

    def _objects(self, tops: list[Record]) -> Iterator[Inner | Omitted]:
        left, count = MOST_UNPACKED, 0
        for each in tops:
            if each.kind != _OBJECT or count >= compound.MOST_OBJECTS:
                continue
            count += 1
            content = self._main[each.begin : each.end]
            if each.instance:
                unpacker = zlib.decompressobj()
                try:
                    content = unpacker.decompress(content[4:], left)
                except zlib.error:
                    continue
            left -= len(content)
            if left <= 0:
                yield Omitted()
                return
            if (found := compound.of_content(f"object {count}", content)) is not None:
                yield found


def _shown(text: str) -> str:
    return text.translate(_MEANT).strip("\0")
