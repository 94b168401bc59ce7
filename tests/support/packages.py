"""Office files made by hand, of the parts that a test is about."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

ECMA = "http://schemas.openxmlformats.org"
RELATION = f"{ECMA}/officeDocument/2006/relationships"
_MICROSOFT = "http://schemas.microsoft.com/office"
_NAMESPACES = {
    "w": f"{ECMA}/wordprocessingml/2006/main",
    "x": f"{ECMA}/spreadsheetml/2006/main",
    "p": f"{ECMA}/presentationml/2006/main",
    "a": f"{ECMA}/drawingml/2006/main",
    "c": f"{ECMA}/drawingml/2006/chart",
    "wp": f"{ECMA}/drawingml/2006/wordprocessingDrawing",
    "xdr": f"{ECMA}/drawingml/2006/spreadsheetDrawing",
    "m": f"{ECMA}/officeDocument/2006/math",
    "r": RELATION,
    "mc": f"{ECMA}/markup-compatibility/2006",
    "v": "urn:schemas-microsoft-com:vml",
    "cx": f"{_MICROSOFT}/drawing/2014/chartex",
    "p188": f"{_MICROSOFT}/powerpoint/2018/8/main",
    "xtc": f"{_MICROSOFT}/spreadsheetml/2018/threadedcomments",
    "wps": f"{_MICROSOFT}/word/2010/wordprocessingShape",
}
NAMESPACES = " ".join(f'xmlns:{name}="{each}"' for name, each in _NAMESPACES.items())
_ODF_PARTS = {"office": "office", "text": "text", "table": "table", "draw": "drawing", "style": "style", "form": "form"}
_ODF_PARTS |= {"presentation": "presentation", "meta": "meta", "svg": "svg-compatible", "manifest": "manifest"}
ODF_NAMESPACES = " ".join(
    [f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{path}:1.0"' for name, path in _ODF_PARTS.items()]
    + ['xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"']
    + ['xmlns:math="http://www.w3.org/1998/Math/MathML"']
)


def package(parts: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def parts_of(content: bytes) -> dict[str, str | bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def relations(*each: tuple[str, str, str]) -> str:
    """Part of relationships: id, kind, and where it leads, outside if that is an address."""
    outside = 'TargetMode="External"'
    found = "".join(
        f'<Relationship Id="{identity}" Type="{RELATION}/{kind}" Target="{target}" {outside if ":" in target else ""}/>'
        for identity, kind, target in each
    )
    return f'<Relationships xmlns="{ECMA}/package/2006/relationships">{found}</Relationships>'


def element(name: str, content: str, attributes: str = "") -> str:
    """The outermost element of a part."""
    return f'<?xml version="1.0" encoding="UTF-8"?><{name} {NAMESPACES} {attributes}>{content}</{name}>'


def word(
    body: str,
    parts: Mapping[str, str | bytes] | None = None,
    related: tuple[tuple[str, str, str], ...] = (),
) -> bytes:
    """A document with this body, more parts, and what it refers to."""
    return package(
        {
            "_rels/.rels": relations(("a", "officeDocument", "word/document.xml")),
            "word/_rels/document.xml.rels": relations(*related),
            "word/document.xml": element("w:document", f"<w:body>{body}</w:body>"),
            **(parts or {}),
        }
    )


def odf(content: str, parts: Mapping[str, str | bytes] | None = None) -> bytes:
    """A document with this in its body."""
    body = f"<office:document-content {ODF_NAMESPACES}><office:body>{content}</office:body></office:document-content>"
    return package({"content.xml": body, **(parts or {})})
