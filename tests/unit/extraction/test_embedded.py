"""Files that are put into office files: which there are, and what they are called."""

from __future__ import annotations

import io
import struct

import pytest

from app.extraction.readers import embedded, office
from app.extraction.readers.reader import Inner, Options
from tests.support.packages import word

office.load(Options(1 << 20, 0))

_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def ole(streams: dict[str, bytes]) -> bytes:
    """An OLE file of a table of sectors, a directory and these streams, all of which are long enough for sectors."""
    entries = [("Root Entry", 5, _END, 0)]
    sectors: list[bytes] = [b"", b"".ljust(512, b"\0")]
    table = [_FAT]
    directory = -(-(len(streams) + 1) // 4)
    table += [*range(2, directory + 1), _END]
    sectors = [b""] * (directory + 1)
    for name, content in streams.items():
        content = content.ljust(4096, b"\0")
        entries.append((name, 2, len(sectors), len(content)))
        count = -(-len(content) // 512)
        table += [*range(len(sectors) + 1, len(sectors) + count), _END]
        sectors += [content[512 * each : 512 * each + 512].ljust(512, b"\0") for each in range(count)]
    assert len(table) <= 128
    sectors[0] = struct.pack("<128I", *table, *[_FREE] * (128 - len(table)))
    said = b""
    for place, (name, kind, begins, size) in enumerate(entries):
        written = name.encode("utf-16-le") + b"\0\0"
        following = place + 1 if 0 < place < len(entries) - 1 else _FREE
        below = 1 if place == 0 and streams else _FREE
        said += struct.pack(
            "<64sHBBIII36xIII", written, len(written), kind, 1, _FREE, following, below, begins, size, 0
        )
    said = said.ljust(512 * directory, b"\0")
    sectors[1 : directory + 1] = [said[512 * each : 512 * each + 512] for each in range(directory)]
    head = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII",
        bytes.fromhex("d0cf11e0a1b11ae1"),
        62,
        3,
        0xFFFE,
        9,
        6,
        0,
        1,
        1,
        0,
        4096,
        _END,
        0,
        _END,
        0,
    )
    return head + struct.pack("<109I", 0, *[_FREE] * 108) + b"".join(sectors)


def packaged(label: bytes, content: bytes, name: str = "") -> bytes:
    said = (
        b"\x02\0"
        + label
        + b"\0C:\\"
        + label
        + b"\0"
        + struct.pack("<HHI", 0, 3, 4)
        + b"C:\\\0"
        + struct.pack("<I", len(content))
        + content
    )
    if name:
        for each in (f"C:\\Temp\\{name}", name, name):
            said += struct.pack("<I", len(each)) + each.encode("utf-16-le")
    return struct.pack("<I", len(said)) + said


ZIP, PDF = b"PK\x03\x04".ljust(4096, b"."), b"%PDF-1.4".ljust(4096, b".")
CASES = [
    ("a file", "word/embeddings/plan.xlsx", b"PK\x03\x04...", ("plan.xlsx", b"PK\x03\x04...")),
    ("by its kind", "word/embeddings/___Microsoft_Excel_Sheet1.xlsx", ZIP, ("Microsoft Excel Sheet1.xlsx", ZIP)),
    ("dropped", "o1.bin", ole({"\x01Ole10Native": packaged(b"letter.txt", b"hello")}), ("letter.txt", b"hello")),
    (
        "dropped, with a name that the machine's encoding does not have",
        "o1.bin", ole({"\x01Ole10Native": packaged(b"?.txt", b"hello", "Größe 大.txt")}), ("Größe 大.txt", b"hello"),
    ),
    ("dropped from a folder", "o1.bin", ole({"\x01Ole10Native": packaged(b"C:\\x\\a.txt", b"hello")}), ("a.txt", b"hello")),
    ("OOXML", "o1.bin", ole({"Package": ZIP}), ("o1", ZIP)),
    ("OpenDocument", "o1.bin", ole({"EmbeddedOdf": ZIP}), ("o1", ZIP)),
    ("PDF", "o1.bin", ole({"CONTENTS": PDF}), ("o1", PDF)),
    ("something of a program", "o1.bin", ole({"CONTENTS": b"\x02\0D"}), None),
    ("nothing that is known", "o1.bin", ole({"Equation Native": b"x"}), None),
    ("dropped, and broken", "o1.bin", ole({"\x01Ole10Native": b"\xff" * 5000}), None),
    ("broken", "o1.bin", ole({"Package": b"PK\x03\x04"})[:600], None),
]  # fmt: skip
CASES += [
    (name, "o1.bin", ole({name: b"x"}), (f"o1{extension}", ole({name: b"x"})))
    for name, extension in (
        ("WordDocument", ".doc"), ("Workbook", ".xls"), ("Book", ".xls"), ("PowerPoint Document", ".ppt"),
        ("__properties_version1.0", ".msg"), ("VisioDocument", ".vsd"), ("EncryptedPackage", ".bin"),
    )
]  # fmt: skip


@pytest.mark.parametrize(("part", "content", "wanted"), [each[1:] for each in CASES], ids=[each[0] for each in CASES])
def test_which_file_it_is(part: str, content: bytes, wanted: tuple[str, bytes] | None) -> None:
    assert list(embedded.files(part, content)) == ([Inner(*wanted)] if wanted else [])


def test_files_in_a_document_each_once() -> None:
    given = word(
        "<w:p/>",
        {"word/embeddings/a.docx": b"PK one", "word/b.html": "<p>two</p>", "word/media/c.png": b"picture",
         "word/d.bin": ole({"Package": ZIP})},
        (("1", "package", "embeddings/a.docx"), ("2", "package", "embeddings/a.docx"), ("3", "aFChunk", "/word/b.html"),
         ("4", "oleObject", "missing.bin"), ("7", "oleObject", "d.bin"), ("5", "image", "media/c.png"), ("6", "package", "https://a.example/x.docx")),
    )  # fmt: skip
    assert list(office.read(given, "")) == [Inner("a.docx", b"PK one"), Inner("b.html", b"<p>two</p>"), Inner("d", ZIP)]


def test_a_document_in_a_document() -> None:
    import docx

    made = docx.Document()
    made.add_paragraph("inner words")
    buffer = io.BytesIO()
    made.save(buffer)
    given = word("<w:p/>", {"word/a.docx": buffer.getvalue()}, (("1", "package", "a.docx"),))
    (found,) = office.read(given, "")
    assert isinstance(found, Inner)
    assert "inner words" in list(office.read(found.content, ""))
