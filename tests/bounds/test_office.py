"""Office documents that are large or of nothing but one oddity."""

from __future__ import annotations

import contextlib
import struct
import time

import pytest

from app.extraction.readers import office
from app.extraction.readers.package import Broken, Package
from app.extraction.readers.reader import Unreadable
from tests.support.packages import package as zipped
from tests.support.packages import word
from tests.unit.extraction.test_office import paragraph, run


def test_a_part_that_is_damaged_is_given_up_to_there() -> None:
    content = bytearray(zipped({"a": b"".join(struct.pack("<I", n * 2654435761 % 2**32) for n in range(1 << 20))}))
    content[3 << 20] ^= 0xFF
    pieces = Package(bytes(content)).pieces("a")
    assert next(pieces)
    with pytest.raises(Broken):
        list(pieces)


def test_a_long_text_is_given_piece_by_piece_at_the_ends_of_lines() -> None:
    """However long a document is, what is held of it is little."""
    texts = [f"number {each}" for each in range(50_000)]
    content = word("".join(paragraph(run(each)) for each in texts))
    pieces = [str(each) for each in office.read(content, "")]
    assert "\n".join(pieces) == "\n".join(texts)
    assert max(map(len, pieces)) < 400_000


def test_odd_documents_take_no_time() -> None:
    """What looks like something, as often as there is room for it: no work by its square."""
    began = time.monotonic()
    for body in (
        "<w:r><w:instrText>" + "HYPERLINK " * 300_000 + "</w:instrText></w:r>",
        "<w:r><w:txbxContent>" * 4_000,
        paragraph('<w:hyperlink r:id="1"/>' + run("x")) * 30_000,
        "<w:p>" * 9_000,
        '<w:sym w:char="F04A"/>' * 200_000,
    ):
        with contextlib.suppress(Unreadable):
            list(office.read(word(body, related=(("1", "hyperlink", "https://a.example"),)), ""))
    assert time.monotonic() - began < 60
