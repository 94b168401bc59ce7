"""Calendars, cards and directories: folded lines, and values with escapes, in Base64 or quoted-printable.

Sources: RFC 5545 (iCalendar), RFC 6350 and 2426 (vCard), vCard 2.1 and vCalendar 1.0 of versit, RFC 2849 (LDIF).
"""

from __future__ import annotations

import binascii
import codecs
import quopri
import re
from collections.abc import Iterator

from app.extraction.readers import encoding, inlined, text
from app.extraction.readers.reader import Options, Piece

most_read = text.most_read

#: The older formats fold at a blank, and keep it.
_OLDER = re.compile(r"^VERSION:(?:2\.1|1\.0)\s*$", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(r"\r?\n([ \t])")
_LINE = re.compile(r"^(?P<name>[\w.-]+)(?P<more>(?:;(?:[^:;\"\n]|\"[^\"\n]*\")*)*)(?P<mark>::?)(?P<value>.*)$")
_QUOTED = re.compile(r";(?:ENCODING=)?QUOTED-PRINTABLE\b", re.IGNORECASE)
_BASE64 = re.compile(r";ENCODING=(?:BASE64|B)\b|;BASE64\b", re.IGNORECASE)
_CHARSET = re.compile(r";CHARSET=\"?([\w.:-]+)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\([nN,;:\\\"])")


def load(options: Options) -> None:
    encoding.load(most_read(options))
    # The charset of quoted-printable values is known when they are read.
    for name in ("cp1252", "iso8859_1", "iso8859_15"):
        codecs.lookup(name)


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    yield inlined.without_data("\n".join(_lines(encoding.decoded(content).replace("\r\n", "\n"))))


def _lines(whole: str) -> Iterator[str]:
    lines = _FOLD.sub(r"\1" if _OLDER.search(whole) else "", whole).split("\n")
    place = 0
    while place < len(lines):
        line = lines[place]
        place += 1
        found = _LINE.match(line)
        if found is None:
            yield line
            continue
        value = [found["value"]]
        if quoted := bool(_QUOTED.search(found["more"])):
            while value[-1].endswith("=") and place < len(lines):
                value[-1] = value[-1][:-1]
                value.append(lines[place].lstrip(" \t"))
                place += 1
        shown = _value("".join(value), found["more"], quoted=quoted, base64=found["mark"] == "::")
        # Separated: a colon between letters does not separate words.
        yield f"{found['name']}{found['more']}{found['mark']} {shown.lstrip()}"


def _value(written: str, more: str, *, quoted: bool, base64: bool) -> str:
    if base64:
        return _in_base64(written)
    if _BASE64.search(more):
        return ""
    if quoted:
        charset = _CHARSET.search(more)
        written = _text(quopri.decodestring(written.encode(errors="replace")), charset[1] if charset else "")
    return _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], written)


def _text(content: bytes, charset: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        try:
            return content.decode(charset or "cp1252", errors="replace")
        except (LookupError, OSError):
            return content.decode("cp1252", errors="replace")


def _in_base64(written: str) -> str:
    """A value of LDIF that is not in ASCII, or not text at all."""
    try:
        return binascii.a2b_base64(written.strip()).decode()
    except (binascii.Error, ValueError):
        return ""
