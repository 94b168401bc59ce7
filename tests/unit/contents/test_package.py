"""Archives: what is inside decides, in whichever order it lies there; what is made to be slow to read is given up."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib

import pytest

from app.contents import package
from app.contents.window import Held, Window
from tests.support.packed import archive, content_types
from tests.unit.test_mediatype import told

OFFICE, MS = "application/vnd.openxmlformats-officedocument", "application/vnd.ms"
WORD = f"{OFFICE}.wordprocessingml.document"
MAIN = f"{WORD}.main+xml"
ODT = "application/vnd.oasis.opendocument.text"


@pytest.mark.parametrize(
    ("main", "found"),
    [
        (MAIN, WORD),
        (f"{OFFICE}.wordprocessingml.template.main+xml", f"{OFFICE}.wordprocessingml.template"),
        (f"{MS}-word.document.macroEnabled.main+xml", f"{MS}-word.document.macroEnabled.12"),
        (f"{MS}-word.template.macroEnabledTemplate.main+xml", f"{MS}-word.template.macroEnabled.12"),
        (f"{OFFICE}.spreadsheetml.sheet.main+xml", f"{OFFICE}.spreadsheetml.sheet"),
        (f"{OFFICE}.spreadsheetml.template.main+xml", f"{OFFICE}.spreadsheetml.template"),
        (f"{MS}-excel.sheet.macroEnabled.main+xml", f"{MS}-excel.sheet.macroEnabled.12"),
        (f"{MS}-excel.sheet.binary.macroEnabled.main", f"{MS}-excel.sheet.binary.macroEnabled.12"),
        (f"{OFFICE}.presentationml.presentation.main+xml", f"{OFFICE}.presentationml.presentation"),
        (f"{OFFICE}.presentationml.slideshow.main+xml", f"{OFFICE}.presentationml.slideshow"),
        (f"{OFFICE}.presentationml.template.main+xml", f"{OFFICE}.presentationml.template"),
        (f"{MS}-powerpoint.presentation.macroEnabled.main+xml", f"{MS}-powerpoint.presentation.macroEnabled.12"),
        (f"{MS}-powerpoint.slideshow.macroEnabled.main+xml", f"{MS}-powerpoint.slideshow.macroEnabled.12"),
        (f"{MS}-visio.drawing.main+xml", "application/vnd.visio"),
    ],
)
@pytest.mark.parametrize("default", [False, True])
def test_the_main_part_decides(main: str, found: str, default: bool) -> None:
    members = {"docProps/app.xml": "x" * 30_000, "x": "x", "[Content_Types].xml": content_types(main, default=default)}
    assert told(archive(members, stored=True), "x.zip") == found
    assert told(archive(dict(reversed(members.items()))), "x") == found


def test_types_in_utf_16() -> None:
    assert told(archive({"[Content_Types].xml": content_types(MAIN).encode("utf-16")})) == WORD


@pytest.mark.parametrize(
    ("members", "name", "found"),
    [
        ({"a": "b", "mimetype": ODT}, "x", ODT),
        ({"mimetype": f"{ODT}-template\n"}, "x", f"{ODT}-template"),
        ({"META-INF/manifest.xml": f'<m:file-entry m:media-type="{ODT}" m:full-path="/"/>'}, "x", ODT),
        ({"META-INF/container.xml": "<container/>", "OPS/a.opf": "<package/>"}, "x", "application/epub+zip"),
        ({"word/document.xml": "<w/>"}, "x", WORD),
        ({"index.apxl": "<key/>"}, "x", "application/vnd.apple.keynote"),
        ({"index.xml": '<?xml version="1.0"?><ls:document xmlns:ls="x">'}, "x", "application/vnd.apple.numbers"),
        ({"index.xml": '<?xml version="1.0"?><sl:document xmlns:sl="x">'}, "x", "application/vnd.apple.pages"),
        ({"Index/Document.iwa": "x", "Index/Slide-2.iwa": "x"}, "a.pages", "application/vnd.apple.keynote"),
        ({"Index/Document.iwa": "x"}, "a.numbers", "application/vnd.apple.numbers"),
        ({"META-INF/MANIFEST.MF": "x", "A.class": "x"}, "x", "application/java-archive"),
        (
            {"classes.dex": "x", "META-INF/MANIFEST.MF": "x", "AndroidManifest.xml": "x"},
            "x",
            "application/vnd.android.package-archive",
        ),
        # A name is no content: there is nothing of a letter in it, and a claim that is none is not believed.
        ({"a.txt": "x"}, "a.docx", "application/zip"),
        ({"mimetype": "text/html"}, "x.html", "application/zip"),
        ({"templates/word/document.xml": "x"}, "x", "application/zip"),
        ({}, "x", "application/zip"),
    ],
)
def test_members_decide(members: dict[str, str], name: str, found: str) -> None:
    assert told(archive(members), name) == found


def test_forms_of_archives() -> None:
    """Without lengths before the data, with numbers of 64 bits, with a comment, behind something else."""
    types = content_types(MAIN)

    class Pipe(io.RawIOBase):
        content = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes, /) -> int:  # type: ignore[override]
            self.content += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as packed:
        with packed.open("[Content_Types].xml", "w", force_zip64=True) as member:
            member.write(types.encode())
        packed.comment = b"PK\x05\x06 said by somebody, twice: PK\x05\x06" + bytes(100)
    assert told(pipe.content) == WORD
    whole = archive({"[Content_Types].xml": types})
    assert told(large(whole)) == WORD
    assert told(whole[:40] + whole[40:].replace(b"PK\x05\x06", b"PK\x05\x07")) == "application/zip"


def large(content: bytes) -> bytes:
    """The archive with the numbers at its end in the form of 64 bits, as some programs write all of them."""
    end = content.rfind(b"PK\x05\x06")
    count, size, start = struct.unpack_from("<HII", content, end + 10)
    name, more = struct.unpack_from("<HH", content, start + 28)
    entry = bytearray(content[start : start + 46 + name])
    packed, unpacked, offset = (*struct.unpack_from("<II", entry, 20), struct.unpack_from("<I", entry, 42)[0])
    extra = struct.pack("<HHQQQ", 1, 24, unpacked, packed, offset)
    struct.pack_into("<II", entry, 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", entry, 30, len(extra))
    struct.pack_into("<I", entry, 42, 0xFFFFFFFF)
    listed = bytes(entry) + extra
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(listed), start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start + len(listed), 1)
    last = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert (more, count) == (0, 1)
    return content[:start] + listed + record + locator + last


def test_a_letter_that_was_cut_off_is_one() -> None:
    members = {"[Content_Types].xml": content_types(MAIN), "word/document.xml": "x" * 100}
    assert told(archive(members)[:-60]) == WORD


def entries(count: int, size: int | None = None, start: int = 0) -> bytes:
    """An archive of nothing but a list."""
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    listed = entry * count
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(listed) if size is None else size, start, 0)
    return b"PK\x03\x04" + listed + end


def test_a_huge_member_is_not_unpacked() -> None:
    """The type may stand in its beginning, behind which nobody looks."""
    packer = zlib.compressobj(1, wbits=-15)
    body = packer.compress(content_types(MAIN)[:-8].encode())
    for _ in range(64):
        body += packer.compress(b" " * (1 << 20))
    body += packer.flush()
    name = b"[Content_Types].xml"
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, len(body), 1 << 30, len(name), 0)
    listed = struct.pack(
        "<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, 0, len(body), 1 << 30, len(name), *[0] * 6
    )
    start = len(local) + len(name) + len(body)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(listed) + len(name), start, 0)
    content = local + name + body + listed + name + end
    tracemalloc.start()
    try:
        assert told(content) == WORD
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_whether_a_member_is_there_is_read_off_the_list() -> None:
    content = archive({"a": "b", "DocProps/Thumbnail.jpeg": "x", "c": "d"})

    def holds(*names: bytes, size: int = len(content)) -> bool:
        return package.holds(Window(Held(content[:size])), names)

    assert holds(b"docprops/thumbnail.jpeg")
    assert holds(b"z", b"a")
    assert not holds(b"z", b"thumbnail.jpeg", b"docprops")
    # Where there is no list that could be read, nobody can say.
    assert holds(b"z", size=40)


def test_a_list_that_is_endless_is_looked_at_within_bounds() -> None:
    content = archive({f"{number}": "" for number in range(package.MOST_ENTRIES + 1)} | {"late": "x"})
    assert not package.holds(Window(Held(content)), [b"late"])
