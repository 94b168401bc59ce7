"""PDFs that no library of the tests writes, made of their objects."""

from __future__ import annotations

from collections.abc import Iterable

FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def stream(content: bytes, described: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (described, len(content), content)


def form(content: bytes, font: int = 4) -> bytes:
    """What an annotation looks like: a piece of a page, whose font is that object."""
    return stream(content, b"/Type/XObject/Subtype/Form/BBox[0 0 300 50]/Resources<</Font<</F %d 0 R>>>>" % font)


def made(objects: Iterable[bytes], trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1; the first one is its catalog."""
    content, places = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj%sendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    end = b"trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF" % (len(places) + 1, trailer, len(content))
    return content + head + table + end


def page(drawn: bytes, annotations: Iterable[bytes] = (), *, catalog: bytes = b"", more: Iterable[bytes] = ()) -> bytes:
    """One page. The font is object 4, `more` begin at 6; an annotation is told as a dictionary, or as `6 0 R`."""
    return made(
        [
            b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 5 0 R/Resources<</Font<</F 4 0 R>>>>"
            b"/Annots[%s]>>" % b" ".join(annotations),
            FONT,
            stream(drawn),
            *more,
        ]
    )


def shown(*lines: bytes) -> bytes:
    """Lines of text, one below the other."""
    return b"".join(
        b"BT /F 12 Tf 50 %d Td (%s) Tj ET\n" % (750 - 20 * number, line) for number, line in enumerate(lines)
    )
