from __future__ import annotations

import io
import struct

import olefile
import pytest

from app.extraction.readers import compound
from app.extraction.readers.compound_writer import packed_up
from app.extraction.readers.reader import Inner, Omitted, Unreadable
from tests.support.old_office import properties, word

OFFICE = b"PK\x03\x04 as an office file begins"


@pytest.fixture(autouse=True)
def _loaded() -> None:
    compound.load()


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 4095, 4096, 4097, 66_000, 8_000_000])
def test_what_is_written_is_read(size: int) -> None:
    """Another reader than one's own reads it, without a complaint. The largest has more sectors than its head lists."""
    content = bytes(each % 251 for each in range(1000)) * (size // 1000 + 1)
    streams = {("a",): content[:size], ("b", "c"): b"small", ("b", "d", "e"): content[: size // 2]}
    made = packed_up(streams)
    with olefile.OleFileIO(io.BytesIO(made), raise_defects=olefile.DEFECT_INCORRECT) as opened:
        assert {tuple(each) for each in opened.listdir()} == set(streams)
        for path, wanted in streams.items():
            assert opened.openstream(list(path)).read() == wanted


def test_many_names_are_found() -> None:
    streams: dict[tuple[str, ...], bytes] = {(f"name {each}",): b"%d" % each for each in range(500)}
    opened = compound.Compound(packed_up(streams))
    assert all(opened.stream(*path) == content for path, content in streams.items())


def test_what_is_said_of_a_document() -> None:
    said = properties(1251, title="Отчёт", author="Кто-то", keywords="слова")
    assert list(compound.Compound(packed_up({("\x05SummaryInformation",): said})).properties()) == [
        "Отчёт",
        "Кто-то",
        "слова",
    ]


def test_a_set_that_says_it_has_many_is_no_work() -> None:
    said = struct.pack("<HHI16xI16xI", 0xFFFE, 0, 0, 1, 48) + struct.pack("<II", 0, 0xFFFFFFFF)
    said += struct.pack("<II", 2, 16) + struct.pack("<II", 0x1000 | 0x1E, 0xFFFFFFFF)
    assert list(compound.Compound(packed_up({("\x05SummaryInformation",): said})).properties()) == []


def dropped(label: str, content: bytes, name: str) -> bytes:
    """As Windows' packager writes it."""
    path = b"C:\\Temp\\x\0"
    inner = (
        struct.pack("<H", 2) + label.encode("cp1252", "replace") + b"\0" + path + struct.pack("<HHI", 0, 3, len(path))
    )
    inner += path + struct.pack("<I", len(content)) + content
    for each in (path[:-1].decode(), name, path[:-1].decode()):
        inner += struct.pack("<I", len(each)) + each.encode("utf-16-le")
    return struct.pack("<I", len(inner)) + inner


@pytest.mark.parametrize(
    ("streams", "wanted"),
    [
        ({("Package",): OFFICE}, Inner("_1", OFFICE)),
        ({("\x01Ole10Native",): dropped("C:\\a\\list.txt", b"words", "")}, Inner("list.txt", b"words")),
        ({("\x01Ole10Native",): dropped("?.txt", b"words", "список.txt")}, Inner("список.txt", b"words")),
        ({("CONTENTS",): b"%PDF-1.4"}, Inner("_1", b"%PDF-1.4")),
        ({("unknown",): b"to anybody"}, None),
        ({("\x01Ole10Native",): b"\xff" * 40}, None),
    ],
)
def test_objects(streams: dict[tuple[str, ...], bytes], wanted: Inner | None) -> None:
    pool = {("ObjectPool", "_1", *path): content for path, content in streams.items()}
    opened = compound.Compound(packed_up({("WordDocument",): b"x", **pool}))
    assert list(opened.objects("ObjectPool")) == ([] if wanted is None else [wanted])


def test_more_than_is_looked_at_is_said() -> None:
    streams: dict[tuple[str, ...], bytes] = {
        ("ObjectPool", f"_{each}", "Package"): OFFICE for each in range(compound.MOST_OBJECTS + 1)
    }
    found = list(compound.Compound(packed_up(streams)).objects("ObjectPool"))
    assert found.count(Omitted()) == 1
    assert len(found) == compound.MOST_OBJECTS + 1


def test_a_document_in_a_document_is_a_file_of_its_own() -> None:
    inside = word(body="inside\r")
    opened = compound.Compound(inside)
    streams = {("MBD1", *path): opened.stream(*path) or b"" for path in opened.names}
    (found,) = compound.Compound(packed_up({("Workbook",): b"x", **streams})).objects("MBD")
    assert isinstance(found, Inner)
    assert found.name == "MBD1.doc"
    assert compound.Compound(found.content).stream("WordDocument") == opened.stream("WordDocument")


@pytest.mark.parametrize("stream", ["\x01Ole10Native", "Package"])
def test_a_compound_file_in_an_object_is_not_the_object(stream: str) -> None:
    inside = word(body="inside\r")
    packed = dropped("letter.doc", inside, "") if stream == "\x01Ole10Native" else inside
    found = compound.of_content("object 1", packed_up({(stream,): packed, ("\x01CompObj",): b"x"}))
    assert found == Inner("letter.doc" if packed is not inside else "object 1", inside)
    # One that is no object, but was stored as one.
    assert compound.of_content("object 1", inside) == Inner("object 1.doc", inside)


@pytest.mark.parametrize("content", [b"", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", word(body="x")[:700]])
def test_what_is_broken_is_damaged(content: bytes) -> None:
    with pytest.raises(Unreadable) as raised:
        compound.Compound(content).stream("WordDocument")
    assert raised.value.reason == "damaged"


def test_what_is_encrypted_as_a_whole() -> None:
    with pytest.raises(Unreadable) as raised:
        compound.Compound(packed_up({("EncryptedPackage",): b"x", ("EncryptionInfo",): b"x"}))
    assert raised.value.reason == "encrypted"
