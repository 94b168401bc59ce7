"""A small document of each kind, with one known word: a machine that can read documents finds the word in each.

The process that reads documents reads these too: this module imports no library, and makes and loads only what the
current kind needs, because it is loaded for each document.
"""

from __future__ import annotations

import base64
import contextlib
import io
import struct
from collections.abc import Callable, Iterable

from app.extraction import thumbnail
from app.extraction.kinds import DRAWERS, PREVIEWS, Kind
from app.extraction.readers.compound_writer import packed_up
from app.extraction.readers.reader import Inner

#: The word in each of the documents.
WORD = "control"

# The word as a picture, 150 by 44 pixels.
_PICTURE = (
    "iBL{Q4GJ0x0000DNk~Le0001%0000i0RR910Iw^2TmS$7%t=H+RCwCuk}(c~KoCX$5()|vC~Xk*1Rj8d^)4O&P5_<Op1_-k(S+6;AjX0cjKz|yj0G$O"
    "cE)JoFJJzjnfweR4E50Ps{diP_p<fJZrLN}sZrR=+G?2&aDQ=XBycY7ospV}W3G~1Nb`_aL_|_UGbPJoCNMvm{X8DHu4Vu*48^2c$NR-3NJdpEgp3>+"
    "cJsc|{U&KU4`kdiJs$dWAj#Mj03d3W)v{@s0Epq0im?k1*8sM#XB4ZfpYH%27?0W#*pL4H2|UtDQ4iq=d;kCd07*qoM6N<$f&"
)

_PARAGRAPH = f'<sf:p xmlns:sf="http://developer.apple.com/namespaces/sf">{WORD}</sf:p>'


# The word in an archive of RAR 5, not compressed.
_RAR = (
    "Qeko-8V3OY#Tqj*0|5X4n^II(5d#Js1RMZix1kIG00dG&Qd4qaa&s>*E-^ALGYV~Ca%*LBEpuaNWo=<SF$!IK#h*F?10x3p2Ot0d002uY+wA}V"
    "1z|39cyuBH0G>9C5=dHYEs?*``8I+9jdDdbX?yqhPz0cseLON#ZDVh4baHQO8L~Px0|fv8"
)

# The word in an archive of 7-Zip, not compressed.
_SEVENZIP = (
    "H+sCUCma9-$?)RB2LJ#700000P5=M^00000z1VJCV{dMBa&K$_1O@;B2?qcN3jqKD0RRjK00;^JODx;%000F65g7nu0B-<p0CWIy0B-<n04@M@0C)g&"
    "0000K3IPD%&tS)SfZYKV1_1ydfPjGj00"
)


def _pdf(stream: bytes, resource: bytes, described: bytes) -> bytes:
    """A PDF of one page with one resource that its stream uses."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</%s<</F 5 0 R>>>>>>" % resource,
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        described,
    ]
    content, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj%sendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(content))
    return content + head + table + end


def _written() -> bytes:
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    return _pdf(f"BT /F 20 Tf 20 100 Td ({WORD}) Tj ET".encode(), b"Font", font)


def _scanned() -> bytes:
    """The picture on a page: a PNG and a PDF compress its lines in the same way."""
    picture, place, packed = base64.b85decode(_PICTURE), 8, b""
    while place < len(picture):
        size, name = struct.unpack_from(">I4s", picture, place)
        chunk = picture[place + 8 : place + 8 + size]
        if name == b"IHDR":
            width, height, bits, colours = struct.unpack_from(">IIBB", chunk)
        elif name == b"IDAT":
            packed += chunk
        place += size + 12
    described = (
        f"<</Type/XObject/Subtype/Image/Width {width}/Height {height}/ColorSpace/DeviceGray/BitsPerComponent {bits}"
        f"/Filter/FlateDecode/DecodeParms<</Predictor 15/Colors 1/BitsPerComponent {bits}/Columns {width}>>"
        f"/Length {len(packed)}>>stream\n"
    )
    assert colours == 0
    stream = f"q {width} 0 0 {height} 50 80 cm /F Do Q".encode()
    return _pdf(stream, b"XObject", described.encode() + packed + b"\nendstream")


def _package(files: dict[str, str | bytes]) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _word() -> bytes:
    name = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = f'<w:document xmlns:w="{name}"><w:body><w:p><w:r><w:t>{WORD}</w:t></w:r></w:p></w:body></w:document>'
    return _package({"word/document.xml": body})


def _presentation() -> bytes:
    return _package(
        {"content.xml": f'<d xmlns:t="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><t:p>{WORD}</t:p></d>'}
    )


def _tnef() -> bytes:
    """One attribute, its body ([MS-OXTNEF] 2.1.1), and an empty one after it."""
    body = WORD.encode() + b"\0"
    attribute = struct.pack("<BII", 1, 0x0002800C, len(body)) + body + struct.pack("<H", sum(body) & 0xFFFF)
    return struct.pack("<IH", 0x223E9F78, 1) + attribute


def _signed() -> bytes:
    """Content in a signature's form without a signature (RFC 5652, 5.1)."""

    def element(tag: int, *inside: bytes) -> bytes:
        content = b"".join(inside)
        return bytes((tag, len(content))) + content

    data, signed = (bytes.fromhex(each) for each in ("06092a864886f70d010701", "06092a864886f70d010702"))
    inside = element(0x30, data, element(0xA0, element(0x04, WORD.encode())))
    return element(0x30, signed, element(0xA0, element(0x30, b"\2\1\1", element(0x31), inside, element(0x31))))


def found(kind: Kind, text: str, files: Iterable[Inner]) -> bool:
    """Whether the word is in the text, or in the files that were found inside; for a kind that draws, whether there are
    thumbnails."""
    if kind in DRAWERS:
        with contextlib.suppress(ValueError):
            return bool(thumbnail.drawn(files))
        return False
    return WORD in text.lower() or any(WORD.encode() in each.content for each in files)


def _old_word() -> bytes:
    """A header, the text, and a table with one piece."""
    size, place = len(WORD), 1024
    main = bytearray(place) + WORD.encode()
    struct.pack_into("<HHxxxxxxH", main, 0, 0xA5EC, 0xC1, 0x200)
    struct.pack_into("<I", main, 76, size)
    table = struct.pack("<BIIIHIH", 2, 16, 0, size, 0, 2 * place | 1 << 30, 0)
    struct.pack_into("<II", main, 418, 0, len(table))
    return packed_up({("WordDocument",): bytes(main), ("1Table",): table})


def _excel() -> bytes:
    """The workbook, and a sheet with one cell."""

    def record(kind: int, content: bytes) -> bytes:
        return struct.pack("<HH", kind, len(content)) + content

    book, sheet = (record(0x809, struct.pack("<HHHHII", 0x600, form, 0, 0, 0, 0)) for form in (5, 16))
    end = record(0x0A, b"")
    cell = record(0x204, struct.pack("<HHHHB", 0, 0, 0, len(WORD), 0) + WORD.encode())
    listed = struct.pack("<IBBBBc", len(book) + 13 + len(end), 0, 0, 1, 0, b"S")
    return packed_up({("Workbook",): book + record(0x85, listed) + end + sheet + cell + end})


def _powerpoint() -> bytes:
    """A document, and a slide with one text."""

    def record(kind: int, content: bytes, version: int = 0xF) -> bytes:
        return struct.pack("<HHI", version, kind, len(content)) + content

    slide = record(0x3EE, record(0xF00D, record(0xFA8, WORD.encode(), 0)))
    return packed_up({("PowerPoint Document",): record(0x3E8, b"") + slide})


def _book() -> bytes:
    container = "urn:oasis:names:tc:opendocument:xmlns:container"
    contents = '<p xmlns="http://www.idpf.org/2007/opf"><item id="a" href="a.htm"/><itemref idref="a"/></p>'
    root = f'<c xmlns="{container}"><rootfile full-path="c.opf"/></c>'
    return _package({"META-INF/container.xml": root, "c.opf": contents, "a.htm": f"<p>{WORD}</p>"})


def _drawing() -> bytes:
    visio, office = "http://schemas.microsoft.com/office/visio/2012/main", "http://schemas.openxmlformats.org/"
    links = f'<r xmlns="{office}package/2006/relationships"><Relationship Id="a" Target="page1.xml"/></r>'
    page = f'<Page Name=""><Rel o:id="a" xmlns:o="{office}officeDocument/2006/relationships"/></Page>'
    pages, text = (f'<{name} xmlns="{visio}">{within}</{name}>' for name, within in (("Pages", page), ("Text", WORD)))
    folder = "visio/pages"
    return _package(
        {f"{folder}/pages.xml": pages, f"{folder}/_rels/pages.xml.rels": links, f"{folder}/page1.xml": text}
    )


#: By kind (app/extraction/kinds.py): the media type, and the function that makes the document.
_SAMPLES: dict[Kind, tuple[str, Callable[[], bytes]]] = {
    "text": ("text/plain", lambda: WORD.encode()),
    "html": ("text/html", lambda: f"<p>{WORD}</p>".encode()),
    "xml": ("application/xml", lambda: f"<a b='{WORD}'><c>&lt;b&gt;x&lt;/b&gt;</c></a>".encode()),
    "json": ("application/json", lambda: f'{{"a": "{WORD}\\n"}}'.encode()),
    "properties": ("text/x-java-properties", lambda: f"a={WORD}\\\n b".encode()),
    "folded": ("text/calendar", lambda: f"NOTE:{WORD[:3]}\n {WORD[3:]}".encode()),
    "document": ("application/rtf", lambda: rf"{{\rtf1\ansi {WORD}}}".encode()),
    "pdf": ("application/pdf", _written),
    "office": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", _word),
    "opendocument": ("application/vnd.oasis.opendocument.presentation", _presentation),
    "doc": ("application/msword", _old_word),
    "xls": ("application/vnd.ms-excel", _excel),
    "ppt": ("application/vnd.ms-powerpoint", _powerpoint),
    "rtf": ("application/rtf", lambda: rf"{{\rtf1\ansi {WORD}}}".encode()),
    "epub": ("application/epub+zip", _book),
    "iwork": ("application/vnd.apple.pages", lambda: _package({"index.xml": _PARAGRAPH})),
    "visio": ("application/vnd.visio", _drawing),
    "image": ("image/png", lambda: base64.b85decode(_PICTURE)),
    "mail": ("message/rfc822", lambda: f"Subject: a mail\n\n{WORD}\n".encode()),
    "msg": ("application/vnd.ms-outlook", lambda: packed_up({("__substg1.0_1000001F",): WORD.encode("utf-16-le")})),
    "tnef": ("application/vnd.ms-tnef", _tnef),
    "signed": ("application/pkcs7-mime", _signed),
    "archive": ("application/zip", lambda: _package({f"{WORD}.txt": WORD})),
    "sevenzip": ("application/x-7z-compressed", lambda: base64.b85decode(_SEVENZIP)),
    "rar": ("application/vnd.rar", lambda: base64.b85decode(_RAR)),
    "scan": ("application/pdf", _scanned),
    "thumbnail_image": ("image/png", lambda: base64.b85decode(_PICTURE)),
    "thumbnail_pdf": ("application/pdf", _written),
    "thumbnail_package": (
        "application/vnd.oasis.opendocument.presentation",
        lambda: _package({PREVIEWS[0]: base64.b85decode(_PICTURE)}),
    ),
}


def sample(kind: Kind) -> tuple[str, bytes]:
    """The media type, and the document."""
    media_type, made = _SAMPLES[kind]
    return media_type, made()
