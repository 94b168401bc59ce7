"""What a document may unfold to is bounded: bytes, parts, elements within each other, entities."""

from __future__ import annotations

import io
import zipfile

import pytest

from app.extraction.readers import lines, markup, office, opendocument, package
from app.extraction.readers.package import Broken, Package
from app.extraction.readers.reader import Options, Unreadable
from app.extraction.readers.story import NAMES
from tests.support.packages import element, odf, relations, word
from tests.support.packages import package as zipped
from tests.unit.extraction.test_embedded import ole
from tests.unit.extraction.test_office import paragraph, run

for each in (office, opendocument):
    each.load(Options(1 << 20, 0))


def test_names_are_compared_without_case_and_kind_of_slash() -> None:
    parts = Package(zipped({"Word\\Document.XML": "x", "/a/b.xml": "y"}))
    assert "word/document.xml" in parts
    assert b"".join(parts.pieces("/A/B.xml")) == b"y"
    assert "c" not in parts


def test_what_is_unpacked_is_bounded_over_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MOST_BYTES", 3 << 20)
    parts = Package(zipped({name: bytes(2 << 20) for name in "ab"}))
    assert sum(map(len, parts.pieces("a"))) == 2 << 20
    pieces = parts.pieces("b")
    assert len(next(pieces)) == 1 << 20
    with pytest.raises(Unreadable) as raised:
        next(pieces)
    assert raised.value.reason == "unsupported"


def test_a_part_is_unpacked_no_further_than_asked() -> None:
    parts = Package(zipped({"a": bytes(20 << 20)}))
    assert sum(map(len, parts.pieces("a", 1))) <= package.PIECE


def test_the_number_of_parts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MOST_PARTS", 2)
    Package(zipped({"a": "", "b": ""}))
    with pytest.raises(Unreadable) as raised:
        Package(zipped({"a": "", "b": "", "c": ""}))
    assert raised.value.reason == "unsupported"


def test_what_is_encrypted() -> None:
    for content, reason in (
        (ole({"EncryptedPackage": b"x", "EncryptionInfo": b"y"}), "encrypted"),
        (ole({"WordDocument": b"x"}), "damaged"),
        (ole({"EncryptedPackage": b"x"})[:100], "damaged"),
    ):
        with pytest.raises(Unreadable) as raised:
            Package(content)
        assert raised.value.reason == reason
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", "x")
    marked = bytearray(buffer.getvalue())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        marked[marked.index(mark) + place] |= 1
    with pytest.raises(Unreadable) as raised:
        list(Package(bytes(marked)).pieces("a"))
    assert raised.value.reason == "encrypted"


def test_only_what_such_documents_are_compressed_with() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", "x" * 1000)
    with pytest.raises(Broken):
        list(Package(buffer.getvalue()).pieces("a"))


def test_elements_within_elements_are_bounded() -> None:
    deep = markup.MOST_DEPTH + 10
    assert list(office.read(word(paragraph(run("before")) + "<w:x>" * deep + run("in") + "</w:x>" * deep), "")) == [
        "before"
    ]
    with pytest.raises(Unreadable):
        list(opendocument.read(odf("<office:x>" * 200_000), ""))


@pytest.mark.parametrize("inside", ["lol", "&a;&a;&a;&a;&a;&a;&a;&a;"])
def test_entities_are_not_for_such_documents(inside: str) -> None:
    content = f'<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "{inside}">]><x>&b;</x>'
    with pytest.raises(Broken, match="entity"):
        list(markup.read([content.encode()], office.First(""), NAMES))
    with pytest.raises(Unreadable):
        list(opendocument.read(content.encode(), ""))


def test_a_file_outside_is_not_asked_for() -> None:
    content = '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'
    first = office.First("")
    assert list(markup.read([content.encode()], first, NAMES)) == []
    assert first.name == "x"


def test_a_part_in_an_encoding_that_is_not_known_is_broken() -> None:
    with pytest.raises(Broken):
        list(markup.read([b'<?xml version="1.0" encoding="x-nobody"?><x/>'], office.First(""), NAMES))


def test_as_many_names_as_one_likes_take_no_memory() -> None:
    names = markup.Names({"urn:a": "a"})
    assert (names["urn:a b"], names["b"], names["urn:c b"]) == ("a:b", "b", "?:b")
    for number in range(20_000):
        names[f"x{number}"]
    assert len(names) <= 10_000


def test_boxes_in_boxes_are_bounded() -> None:
    given = paragraph(run("before")) + "<w:txbxContent>" * 200 + run("in") + "</w:txbxContent>" * 200
    assert list(office.read(word(given), "")) == ["before"]


def test_documents_that_refer_in_circles_end() -> None:
    given = word(
        paragraph(run("once")),
        {
            "word/h.xml": element("w:hdr", paragraph(run("above"))),
            "word/_rels/h.xml.rels": relations(("1", "header", "h.xml"), ("2", "footer", "document.xml")),
        },
        (("1", "header", "h.xml"), ("2", "header", "h.xml"), ("3", "footer", "document.xml")),
    )
    assert list(office.read(given, "")) == ["once", "above"]


def test_a_line_without_end_is_given_too() -> None:
    made = lines.Lines()
    made.add("x" * (lines.MOST_LINE - 1))
    assert made.taken(last=False) == ""
    made.add("yz")
    assert len(made.taken(last=False)) == lines.MOST_LINE + 1
    made.apart("\t")
    made.add("behind")
    assert made.taken(last=True).strip() == "behind"
