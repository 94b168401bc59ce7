"""Signatures that carry the signed content (CMS, RFC 5652: `.p7m`; S/MIME for mails).

Only the outer structure is parsed: no maintained library does that without being a cryptography library.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from app.extraction.readers.reader import Inner, Options, Piece, Unreadable

_SIGNED = bytes.fromhex("2a864886f70d010702")
#: Enveloped, encrypted, authenticated and enveloped.
_ENCRYPTED = {bytes.fromhex(each) for each in ("2a864886f70d010703", "2a864886f70d010706", "2a864886f70d0109100117")}
_SEQUENCE, _OBJECT, _CONTENT, _OCTETS, _OCTETS_IN_PIECES, _SET, _NUMBER = 0x30, 0x06, 0xA0, 0x04, 0x24, 0x31, 0x02
#: The deepest nesting of elements.
_MOST_DEPTH = 30
_ARMOR = re.compile(rb"\s*(?:-----BEGIN [A-Z0-9 ]+-----)?([A-Za-z0-9+/=\s]+)(?:-----END [A-Z0-9 ]+-----)?\s*")
_HEADER = re.compile(rb"[!-9;-~]+:[ \t]")


class _Element(NamedTuple):
    """`begin` and `end` of its content; `next`: where the following element begins."""

    tag: int
    begin: int
    end: int
    next: int


def load(options: Options) -> None:
    pass


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    if content[:1] != b"\x30":
        if _HEADER.match(content):
            # A clear-signed mail that is only named like this.
            yield Inner("signed.eml", content, "message/rfc822")
            return
        if (armored := _ARMOR.fullmatch(content)) is None:
            raise Unreadable("no signed content")
        try:
            content = binascii.a2b_base64(armored[1])
        except binascii.Error as error:
            raise Unreadable(str(error)) from None
    found = _signed(content)
    if found:
        # The signed content of a mail begins with the headers of a part.
        yield Inner("signed.eml" if _HEADER.match(found) else "", found)


def _signed(content: bytes) -> bytes:
    """The signed content; b'' when it is not included."""
    outer = _element(content, 0, len(content), 0)
    form, wrapped, *_ = _inside(content, outer, _SEQUENCE)
    name = content[form.begin : form.end]
    if name in _ENCRYPTED:
        raise Unreadable("it is encrypted", "encrypted")
    if form.tag != _OBJECT or name != _SIGNED:
        raise Unreadable("signed in a form that is not known", "unsupported")
    data, *_ = _inside(content, wrapped, _CONTENT)
    for each in _inside(content, data, _SEQUENCE):
        if each.tag == _SEQUENCE:
            for part in _inside(content, each, _SEQUENCE):
                if part.tag == _CONTENT:
                    return b"".join(_octets(content, part, 0))
            return b""
    raise Unreadable("signed, and nothing says what")


def _octets(content: bytes, element: _Element, depth: int) -> Iterator[bytes]:
    if element.tag == _OCTETS:
        yield content[element.begin : element.end]
    elif element.tag in (_CONTENT, _OCTETS_IN_PIECES) and depth < _MOST_DEPTH:
        for each in _elements(content, element):
            yield from _octets(content, each, depth + 1)


def _inside(content: bytes, element: _Element, tag: int) -> list[_Element]:
    """Its elements: at least two, or one in a wrapper. Raises Unreadable when its tag differs or there are fewer."""
    found = list(_elements(content, element)) if element.tag == tag else []
    if len(found) < (1 if tag == _CONTENT else 2) and not (tag == _SEQUENCE and len(found) == 1):
        raise Unreadable("no signed content")
    return found if len(found) > 1 else [*found, *found]


def _elements(content: bytes, element: _Element) -> Iterator[_Element]:
    place = element.begin
    while place < element.end:
        found = _element(content, place, element.end, 0)
        yield found
        place = found.next


def _element(content: bytes, place: int, end: int, depth: int) -> _Element:
    """ITU-T X.690, 8.1. Raises Unreadable."""
    if place + 2 > end or depth > _MOST_DEPTH:
        raise Unreadable("no signed content, or it is broken")
    tag, length, begin = content[place], content[place + 1], place + 2
    if length == 0x80:
        # Without a length: it ends at two zero bytes in the place of an element.
        each = begin
        while content[each : each + 2] != b"\0\0":
            each = _element(content, each, end, depth + 1).next
        return _Element(tag, begin, each, each + 2)
    if length > 0x80:
        begin += length - 0x80
        length = int.from_bytes(content[place + 2 : begin], "big") if length <= 0x88 else end
    if begin + length > end:
        raise Unreadable("signed content that is cut off")
    return _Element(tag, begin, begin + length, begin + length)
