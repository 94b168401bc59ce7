"""Zip archives: their members show whether one is an office file, a book or an archive, in whatever order they are.

The list at the end of the archive is read within bounds, in a loop of its own, and of the members only the one or two
that show the type of the whole. Rejected: zipfile, which makes an object of each entry before it answers: six seconds
and 800 MB for a million entries. Source: APPNOTE.TXT 4.3; ECMA-376 part 2; OpenDocument 1.3 part 2; EPUB 3.3, 4.2.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Collection, Iterator
from typing import NamedTuple

from app.contents.window import TooMuch, Window

SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
ARCHIVE = "application/zip"

#: Bytes and entries of the list that are read, and bytes of a member.
MOST_LIST = 1024 * 1024
MOST_ENTRIES = 10_000
MOST_MEMBER = 1024 * 1024
_PACKED = 256 * 1024
_PIECE = 64 * 1024
_END, _END_SIZE, _COMMENT = b"PK\x05\x06", 22, 65535
#: Ends of an archive that are tried: something that looks like one may be part of the real one's comment.
_ENDS = 8

_OFFICE = "application/vnd.openxmlformats-officedocument"
_MS = "application/vnd.ms"
_ODF = "application/vnd.oasis.opendocument"
WORD, EXCEL = f"{_OFFICE}.wordprocessingml.document", f"{_OFFICE}.spreadsheetml.sheet"
SLIDES = f"{_OFFICE}.presentationml.presentation"
EPUB = "application/epub+zip"
# By the type of the main part, in lower case: the registered type of the package.
_MAIN = {
    f"{WORD}.main+xml": WORD,
    f"{_OFFICE}.wordprocessingml.template.main+xml": f"{_OFFICE}.wordprocessingml.template",
    f"{_MS}-word.document.macroenabled.main+xml": f"{_MS}-word.document.macroEnabled.12",
    f"{_MS}-word.template.macroenabledtemplate.main+xml": f"{_MS}-word.template.macroEnabled.12",
    f"{EXCEL}.main+xml": EXCEL,
    f"{_OFFICE}.spreadsheetml.template.main+xml": f"{_OFFICE}.spreadsheetml.template",
    f"{_MS}-excel.sheet.macroenabled.main+xml": f"{_MS}-excel.sheet.macroEnabled.12",
    f"{_MS}-excel.template.macroenabled.main+xml": f"{_MS}-excel.template.macroEnabled.12",
    f"{_MS}-excel.sheet.binary.macroenabled.main": f"{_MS}-excel.sheet.binary.macroEnabled.12",
    f"{_MS}-excel.addin.macroenabled.main+xml": f"{_MS}-excel.addin.macroEnabled.12",
    f"{SLIDES}.main+xml": SLIDES,
    f"{_OFFICE}.presentationml.slideshow.main+xml": f"{_OFFICE}.presentationml.slideshow",
    f"{_OFFICE}.presentationml.template.main+xml": f"{_OFFICE}.presentationml.template",
    f"{_MS}-powerpoint.presentation.macroenabled.main+xml": f"{_MS}-powerpoint.presentation.macroEnabled.12",
    f"{_MS}-powerpoint.slideshow.macroenabled.main+xml": f"{_MS}-powerpoint.slideshow.macroEnabled.12",
    f"{_MS}-powerpoint.template.macroenabled.main+xml": f"{_MS}-powerpoint.template.macroEnabled.12",
    f"{_MS}-powerpoint.addin.macroenabled.main+xml": f"{_MS}-powerpoint.addin.macroEnabled.12",
    **{
        f"{_MS}-visio.{form}{macros}.main+xml": "application/vnd.visio"
        for form in ("drawing", "template", "stencil")
        for macros in ("", ".macroenabled")
    },
    f"{_MS}-package.xps-fixeddocumentsequence+xml": f"{_MS}-xpsdocument",
    f"{_MS}-package.3dmanufacturing-3dmodel+xml": "model/3mf",
}
# Types that a package may name in a member called `mimetype`, or in its manifest.
_CLAIMS = {
    EPUB,
    *(
        f"{_ODF}.{form}{template}"
        for form in ("text", "spreadsheet", "presentation", "graphics", "chart", "image", "formula")
        for template in ("", "-template")
    ),
    *(f"{_ODF}.{form}" for form in ("text-master", "text-web", "database", "base")),
    *(
        f"application/vnd.sun.xml.{form}"
        for each in ("writer", "calc", "impress", "draw", "math")
        for form in (each, f"{each}.template")
    ),
    "application/vnd.sun.xml.writer.global",
    "application/hwp+zip",
    "application/vnd.etsi.asic-e+zip",
    "application/vnd.etsi.asic-s+zip",
    "image/openraster",
}
_IWORK = {f"application/vnd.apple.{each}" for each in ("pages", "numbers", "keynote")}
# By a member, where nothing else shows the type; the first member that exists decides.
_MEMBERS = {
    "word/document.xml": WORD,
    "xl/workbook.xml": EXCEL,
    "xl/workbook.bin": f"{_MS}-excel.sheet.binary.macroEnabled.12",
    "ppt/presentation.xml": SLIDES,
    "index.apxl": "application/vnd.apple.keynote",
    "index.apxl.gz": "application/vnd.apple.keynote",
    "AndroidManifest.xml": "application/vnd.android.package-archive",
    "META-INF/MANIFEST.MF": "application/java-archive",
    "doc.kml": "application/vnd.google-earth.kmz",
}
_TYPES, _CLAIM, _MANIFEST, _CONTAINER = (
    "[Content_Types].xml",
    "mimetype",
    "META-INF/manifest.xml",
    "META-INF/container.xml",
)
_INDEX, _DOCUMENT = "index.xml", "Index/Document.iwa"
_WANTED = {each.encode() for each in (_TYPES, _CLAIM, _MANIFEST, _CONTAINER, _INDEX, _DOCUMENT, "Index.zip", *_MEMBERS)}
_SLIDES = (b"Index/Slide", b"Index/MasterSlide", b"Index/TemplateSlide")
_CONTENT_TYPE = re.compile(rb"""ContentType\s*=\s*["']([^"'<>]{1,200})["']""")
_ROOT_ENTRY = re.compile(rb"<[\w:]{0,20}file-entry\s[^<>]{0,500}>")
_FULL_PATH = re.compile(rb"""full-path\s*=\s*["']/["']""")
_MEDIA_TYPE = re.compile(rb"""media-type\s*=\s*["']([^"'<>]{1,200})["']""")


class _Member(NamedTuple):
    method: int
    packed: int
    offset: int


class _Broken(Exception):
    """The list is missing, or can't be followed."""


def media_type(window: Window, head: bytes, equals: str | None) -> str:
    """The type of the archive; ARCHIVE when it is nothing else. `equals`: the type that its name claims, which decides where
    the content leaves it open. Raises the errors of reading."""
    try:
        return _of(_Archive(window), equals)
    except (_Broken, TooMuch):
        # It was cut off, or sent while it was still being written: the beginning may be enough.
        return _told_by(_first_names(head), equals) or ARCHIVE


def holds(window: Window, names: Collection[bytes]) -> bool:
    """Whether the archive has a member with one of these names, which are in lower case; True where that can't be
    determined. Raises the errors of reading."""
    try:
        return _Archive(window).holds(names)
    except (_Broken, TooMuch):
        return True


def _of(archive: _Archive, equals: str | None) -> str:
    claimed = archive.text(_CLAIM).strip().decode("ascii", "replace")
    if claimed in _CLAIMS:
        return claimed
    types = {each.decode("ascii", "replace").lower() for each in _CONTENT_TYPE.findall(archive.text(_TYPES))}
    found = next((whole for main, whole in _MAIN.items() if main in types), None)
    return found or _by_manifest(archive.text(_MANIFEST)) or _by_members(archive, equals) or ARCHIVE


def _by_manifest(manifest: bytes) -> str | None:
    """The type that the manifest of an OpenDocument file names."""
    for entry in _ROOT_ENTRY.findall(manifest):
        said = _MEDIA_TYPE.search(entry)
        if said and _FULL_PATH.search(entry):
            found: str = said[1].decode("ascii", "replace")
            return found if found in _CLAIMS else None
    return None


def _by_members(archive: _Archive, equals: str | None) -> str | None:
    if _CONTAINER in archive.members and archive.books:
        return EPUB
    if _INDEX in archive.members:
        index = archive.text(_INDEX, 4096)
        for mark, found in (
            (b"<sl:document", "pages"),
            (b"<ls:document", "numbers"),
            (b"<key:presentation", "keynote"),
        ):
            if mark in index:
                return f"application/vnd.apple.{found}"
    return _told_by(archive.members, equals, archive.slides)


def _told_by(names: dict[str, _Member] | dict[str, None], equals: str | None, slides: bool = False) -> str | None:
    if _DOCUMENT in names or "Index.zip" in names:
        # Only one of the three programs has slides; between the others the name decides.
        found = "application/vnd.apple.keynote" if slides else equals
        return found if found in _IWORK else "application/vnd.apple.pages" if _DOCUMENT in names else None
    return next((found for name, found in _MEMBERS.items() if name in names), None)


def _first_names(head: bytes) -> dict[str, None]:
    """The names of the members that begin in `head`."""
    names: dict[str, None] = {}
    at = 0
    while (at := head.find(b"PK\x03\x04", at)) >= 0 and at + 30 <= len(head):
        (length,) = struct.unpack_from("<H", head, at + 26)
        names[head[at + 30 : at + 30 + min(length, 200)].decode("utf-8", "replace")] = None
        at += 30
    return names


def _ends(tail: bytes) -> list[int]:
    """Where the archive may end, the likeliest first: an end whose comment reaches the end of the file, then the last
    one."""
    found: list[int] = []
    at = len(tail) - _END_SIZE + len(_END)
    while len(found) < _ENDS and (at := tail.rfind(_END, 0, at)) >= 0:
        found.append(at)
    return sorted(found, key=lambda at: at + _END_SIZE + struct.unpack_from("<H", tail, at + 20)[0] != len(tail))


class _Archive:
    """The list of one archive. `books`, `slides`: whether there is a member with such a name."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._place = self._list()
        self.members: dict[str, _Member] = {}
        self.books = self.slides = False
        for name, member in self._entries(*self._place):
            if name in _WANTED:
                self.members.setdefault(name.decode(), member)
            elif name.endswith(b".opf"):
                self.books = True
            elif name.startswith(_SLIDES):
                self.slides = True

    def holds(self, names: Collection[bytes]) -> bool:
        return any(name.lower() in names for name, _ in self._entries(*self._place))

    def text(self, name: str, most: int = MOST_MEMBER) -> bytes:
        """The beginning of a member, at most `most` bytes, read as UTF-8; empty when it can't be unpacked or is missing."""
        member = self.members.get(name)
        if member is None:
            return b""
        head = self._window.read(member.offset, 30)
        if len(head) < 30 or not head.startswith(b"PK\x03\x04"):
            return b""
        (flags,), (length, extra) = struct.unpack_from("<H", head, 6), struct.unpack_from("<HH", head, 26)
        packed = self._window.read(member.offset + 30 + length + extra, min(member.packed, _PACKED))
        if flags & 1 or member.method not in (0, 8):
            return b""
        try:
            found = packed[:most] if member.method == 0 else zlib.decompressobj(-15).decompress(packed, most)
        except zlib.error:
            return b""
        if found.startswith((b"\xff\xfe", b"\xfe\xff")):
            return found.decode("utf-16", "replace").encode()
        return found

    def _list(self) -> tuple[int, int]:
        """Where the list begins, and its length; sets `_shift` to the number of bytes before the archive."""
        window = self._window
        begin = max(0, window.size - _END_SIZE - _COMMENT)
        tail = window.read(max(begin, window.size - _END_SIZE), _END_SIZE)
        if not (tail.startswith(_END) and tail.endswith(b"\0\0")):
            tail = window.read(begin, _END_SIZE + _COMMENT)
        for at in _ends(tail):
            size, start = struct.unpack_from("<II", tail, at + 12)
            end = window.size - len(tail) + at
            if 0xFFFFFFFF in (size, start) or struct.unpack_from("<H", tail, at + 10)[0] == 0xFFFF:
                size, start, end = self._large(size, start, end)
            self._shift = end - size - start
            if self._shift >= 0 and (not size or window.read(start + self._shift, 4) == b"PK\x01\x02"):
                return start + self._shift, size
        raise _Broken

    def _large(self, size: int, start: int, end: int) -> tuple[int, int, int]:
        """The same for an archive in the 64-bit form (ZIP64), if it has that."""
        locator = self._window.read(end - 20, 20) if end >= 20 else b""
        if locator.startswith(b"PK\x06\x07"):
            (place,) = struct.unpack_from("<Q", locator, 8)
            # It ends where its locator begins, whatever is before the archive.
            for each in (place, end - 20 - 56):
                record = self._window.read(each, 56) if 0 <= each < self._window.size else b""
                if len(record) == 56 and record.startswith(b"PK\x06\x06"):
                    size, start = struct.unpack_from("<QQ", record, 40)
                    return size, start, each
        return size, start, end

    def _entries(self, start: int, size: int) -> Iterator[tuple[bytes, _Member]]:
        content, at, end = b"", 0, start + min(size, MOST_LIST)
        for _ in range(MOST_ENTRIES):
            if len(content) - at < 46 + 3 * 65535 and start < end:
                piece = self._window.read(start, min(_PIECE * 4, end - start))
                content, at, start = content[at:] + piece, 0, (start + len(piece) if piece else end)
            if len(content) - at < 46 or content[at : at + 4] != b"PK\x01\x02":
                return
            method, _, _, packed, _, name, extra, comment = struct.unpack_from("<HIIIIHHH", content, at + 10)
            size, (offset,) = struct.unpack_from("<I", content, at + 24)[0], struct.unpack_from("<I", content, at + 42)
            at += 46 + name
            if offset == 0xFFFFFFFF:
                offset = _large_offset(content[at : at + extra], (size, packed).count(0xFFFFFFFF))
            yield content[at - name : at], _Member(method, packed, offset + self._shift)
            at += extra + comment


def _large_offset(extra: bytes, before: int) -> int:
    """Where a member begins, in the 64-bit form, after `before` other numbers in its field."""
    at = 0
    while at + 4 <= len(extra):
        form, length = struct.unpack_from("<HH", extra, at)
        if form == 1 and (before + 1) * 8 <= min(length, len(extra) - at - 4):
            return int.from_bytes(extra[at + 4 + before * 8 : at + 12 + before * 8], "little")
        at += 4 + length
    return 0xFFFFFFFF
