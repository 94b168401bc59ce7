"""PowerPoint 97 to 2003."""

from __future__ import annotations

import struct
import zlib

import pytest

from app.extraction.readers import ppt
from app.extraction.readers.compound_writer import packed_up
from app.extraction.readers.reader import Inner, Options, Page, Piece, Unreadable
from tests.support.old_office import atom, chars, holder, powerpoint, shape, slide, word


def read(content: bytes) -> list[Piece]:
    ppt.load(Options(1000, 1000))
    return list(ppt.read(content, "application/vnd.ms-powerpoint"))


def persist(number: int, identifier: int) -> bytes:
    return atom(0x3F3, struct.pack("<IIiII", number, 0, 0, identifier, 0))


def outline(*records: bytes, instance: int = 0) -> bytes:
    return holder(0xFF0, *records, instance=instance)


def comment(author: str, text: str) -> bytes:
    said = holder(0x2EE0, chars(author, 0xFBA, 0), chars(text, 0xFBA, 1), chars("AL", 0xFBA, 2))
    return holder(0x1388, holder(0x138A, chars("___PPT10", 0xFBA), atom(0x138B, said)))


def show() -> dict[int, bytes]:
    """Two slides, the second of which is kept first; notes, comments, a master, headers."""
    return {
        1: holder(
            0x3E8,
            outline(persist(5, 300), instance=1),
            outline(persist(3, 256), chars("outline one"), persist(2, 257), chars("outline two"), chars("not placed")),
            outline(persist(4, 1256), chars("notes placeholder"), instance=2),
            holder(0xFD9, chars("general footer", 0xFBA, 2), instance=3),
        ),
        2: slide(shape(atom(0xF9E, struct.pack("<I", 0))), comment("Ada", "says she")),
        3: slide(shape(atom(0xF9E, struct.pack("<I", 0))), shape(atom(0xFA8, b"box in one: \xe9")), notes=1256),
        4: slide(shape(chars("spoken in one")), kind=0x3F0),
        5: slide(shape(chars("Click to edit"), placeholder=1), shape(chars("on each slide")), kind=0x3F8),
    }


def test_slides_are_pages_in_their_order_with_what_belongs_to_them() -> None:
    assert read(powerpoint(show())) == [
        "general footer\non each slide",
        Page("outline one\nbox in one: é\nspoken in one"),
        Page("outline two\nnot placed\nAda\nsays she"),
    ]


def test_what_earlier_edits_left_is_not_told() -> None:
    older = [slide(shape(chars("as it was")))]
    assert "as it was" not in str(read(powerpoint(show(), older=older)))


def test_without_the_list_of_objects_all_are_read() -> None:
    main = holder(0x3E8) + slide(shape(chars("one"))) + slide(shape(chars("two")))
    assert read(packed_up({("PowerPoint Document",): main})) == [Page("one"), Page("two")]


@pytest.mark.parametrize(
    ("written", "shown"), [("one\x0btwo\rthree", "one\ntwo\nthree"), ("op\xadtional no\xa0break", "optional no break")]
)
def test_what_characters_stand_for(written: str, shown: str) -> None:
    assert read(powerpoint({1: holder(0x3E8), 2: slide(shape(chars(written)))})) == [Page(shown)]


def test_letters_of_pictures_and_what_they_show() -> None:
    said = [(0x80C0, "drawn letters\0"), (0x8381, "a red barn\0")]
    content = b"".join(struct.pack("<HI", number, 2 * len(text)) for number, text in said)
    content += b"".join(text.encode("utf-16-le") for _, text in said)
    pictures = holder(0xF004, atom(0xF00B, content, instance=2))
    assert read(powerpoint({1: holder(0x3E8), 2: slide(pictures)})) == [Page("drawn letters\na red barn")]


def test_files_in_it() -> None:
    inside = word(body="inside\r")
    objects = {
        1: holder(0x3E8),
        2: atom(0x1011, inside),
        3: atom(0x1011, struct.pack("<I", len(inside)) + zlib.compress(inside), instance=1),
    }
    found = [each for each in read(powerpoint(objects)) if isinstance(each, Inner)]
    assert found == [Inner("object 1.doc", inside), Inner("object 2.doc", inside)]


def test_encrypted_and_older() -> None:
    user = struct.pack("<HHIIII", 0, 0xFF6, 20, 20, 0xF3D1C4DF, 0)
    for streams, reason in (
        ({("PowerPoint Document",): holder(0x3E8), ("Current User",): user}, "encrypted"),
        ({("PP40",): b"x"}, "unsupported"),
        ({("PowerPoint Document",): atom(0xFA8, b"x")}, "damaged"),
    ):
        with pytest.raises(Unreadable) as raised:
            read(packed_up(streams))  # type: ignore[arg-type]
        assert raised.value.reason == reason


def test_records_within_each_other_are_bounded() -> None:
    nested = chars("deep")
    for _ in range(1000):
        nested = holder(0xF003, nested)
    assert read(powerpoint({1: holder(0x3E8), 2: slide(nested, shape(chars("after")))})) == [Page("after")]
