"""Textual formats: mails, structured text, and files whose first line says what they are.

Each format is recognized by the beginning of the text. That is enough for all of them but a mail whose header does not end
there: its header is read further.
Source: RFC 5322 and 4155 (mails), RFC 8259 (JSON), W3C WebVTT, XML 1.0.
"""

from __future__ import annotations

import codecs
import json
import re

from app.contents.window import Window

PLAIN = "text/plain"
MAIL, MAILBOX, APPLE_MAIL = "message/rfc822", "application/mbox", "message/x-emlx"
JSON, JSON_LINES, NOTEBOOK = "application/json", "application/x-ndjson", "application/x-ipynb+json"
HTML, XHTML, SVG, XML = "text/html", "application/xhtml+xml", "image/svg+xml", "text/xml"

#: Bytes of a mail's header, and of the end of a notebook, that are read.
MOST_HEADER = 256 * 1024
_END = 4096
#: Lines of a header that are read, and how many of them may not be header fields, as broken programs write them.
_MOST_LINES = 2000
_ODD_LINES = 2

_BOMS = (
    *((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")),
    *((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
)
_FIELD = re.compile(r"([!-9;-~]{1,77}):")
_POSTMARK = re.compile(r">?From \S.{0,300}\d\d:\d\d.{0,40}\d{4}")
# Fields of which a header must have some: a mail says who sent it, or which way it came, and one thing more.
_FROM = {"from", "sender", "return-path", "received", "delivered-to", "x-sender", "message-id"}
_MORE = {*_FROM, "to", "cc", "bcc", "subject", "date", "reply-to", "mime-version", "x-mailer", "content-type"}
_SHAPE = {"content-type", "content-transfer-encoding"}
#: Fields that only mail programs write: no note begins with one by chance.
_TRACES = {"received", "message-id"}
_CUE = re.compile(r"\d{1,9}[ \t]{0,9}\r?\n[ \t]{0,9}\d{1,3}:\d\d:\d\d[,.]\d{1,3}[ \t]{1,9}-->")
_CELLS = re.compile(r'"cell_type"\s{0,9}:')
_NOTEBOOK_END = re.compile(rb'"nbformat"\s{0,9}:\s{0,9}\d')
_ELEMENT = re.compile(r"<(?:([\w.-]{1,60}):)?([\w.-]{1,60})(?=[\s/>])([^<>]{0,2000})")
_FIRSTS = (
    ("BEGIN:VCARD", "text/vcard"),
    ("BEGIN:VCALENDAR", "text/calendar"),
    ("WEBVTT", "text/vtt"),
    ("{\\rtf", "text/rtf"),
)


def decoded(head: bytes) -> str:
    """The beginning of a file as text: by its byte order mark, as UTF-16 where every other byte is zero, otherwise byte by
    byte."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "replace")
    even, odd = head[:400:2].count(0), head[1:400:2].count(0)
    if len(head) > 3 and max(even, odd) > 0.4 * len(head[:400]) and min(even, odd) == 0:
        return head.decode("utf-16-be" if even else "utf-16-le", "replace")
    return head.decode("latin-1")


def is_wide(head: bytes) -> bool:
    """Whether this is text in UTF-16 or UTF-32."""
    text = decoded(head)
    return len(head) >= 4 and 2 * len(text) <= len(head) + 1 and "\0" not in text[:200] and "�" not in text[:200]


def mail(window: Window, head: bytes, note: bool) -> str | None:
    """The type of a mail or a mailbox; None for anything else. `note`: the file is named as a text, so it is a mail
    only when programs have written its header. Raises TooMuch, and the errors of reading."""
    text = decoded(head)
    number, newline, rest = text.partition("\n")
    if newline and len(number) < 12 and number.strip().isascii() and number.strip().isdigit():
        return APPLE_MAIL if _is_header(rest, note) else None
    text = text.lstrip("\ufeff\r\n")
    if _POSTMARK.match(text):
        # When a note begins with the word, no header follows.
        rest = text.partition("\n")[2]
        names, _ = _names(rest)
        return MAILBOX if names and (not note or names & _TRACES) else None
    if not _FIELD.match(text):
        return None
    names, ended = _names(text)
    if names and not ended and not _enough(names, note) and window.size > len(head):
        text = decoded(head + window.read(len(head), MOST_HEADER - len(head)))
    return MAIL if _is_header(text, note) else None


def _is_header(text: str, note: bool) -> bool:
    return _enough(_names(text)[0], note)


def _enough(names: set[str], note: bool) -> bool:
    if note and not names & _TRACES:
        return False
    return bool(names & _FROM and len(names & _MORE) > 1) or ("mime-version" in names and bool(names & _SHAPE))


def _names(text: str) -> tuple[set[str], bool]:
    """The names of a header's fields, in lower case, and whether the header ends here; no names when it is not a
    header."""
    names: set[str] = set()
    odd = 0
    for line in text.split("\n", _MOST_LINES)[:_MOST_LINES]:
        field = _FIELD.match(line)
        if field:
            names.add(field[1].lower())
        elif not line.strip():
            return names, True
        elif not (names and line[0] in " \t"):
            odd += 1
            if not names or odd > _ODD_LINES:
                return set(), True
    return names, False


def structured(window: Window, head: bytes) -> str | None:
    """The type of a text whose beginning shows it; None otherwise. Raises TooMuch, and the errors of reading."""
    text = decoded(head).lstrip("\ufeff")
    begin = text.lstrip()
    if begin[:1] in ("{", "["):
        found = _json(begin)
        if found == JSON and (
            _CELLS.search(begin) or _NOTEBOOK_END.search(window.read(max(0, window.size - _END), _END))
        ):
            return NOTEBOOK if begin[0] == "{" else JSON
        if found:
            return found
    first = next((found for mark, found in _FIRSTS if begin[: len(mark)].upper() == mark.upper()), None)
    return first or ("application/x-subrip" if _CUE.match(begin) else None)


def _json(text: str) -> str | None:
    """JSON, JSON lines, or neither."""
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(text)
    except json.JSONDecodeError as error:
        # Valid up to where the beginning of the file ends, and more than a bracket.
        cut = error.msg.startswith("Unterminated string") or error.pos >= len(text) - 16
        return JSON if cut and len(text) > 1000 else None
    except RecursionError:
        return None
    rest = text[end:].lstrip(" \t\r")
    if not rest.strip():
        return JSON
    return JSON_LINES if rest[0] == "\n" and rest.lstrip()[:1] in ("{", "[") else None


def markup(head: bytes, named: bool) -> str | None:
    """The type of a file that begins as XML, by its outermost element; None for any other. `named`: whether its name
    says XML: otherwise an element alone is not enough."""
    text = decoded(head).lstrip("\ufeff \t\r\n")
    if not text.startswith("<"):
        return None
    declared = named or text.startswith("<?xml")
    at = 0
    while text.startswith(("<?", "<!"), at):
        close = "-->" if text.startswith("<!--", at) else "?>" if text.startswith("<?", at) else ">"
        if close == ">" and 0 <= text.find("[", at) < text.find(">", at):
            # A document type declaration with an internal subset.
            close = "]>" if "]>" in text else ">"
        at = text.find(close, at) + len(close)
        if at < len(close):
            return XML if declared else None
        while text[at : at + 1].isspace():
            at += 1
    root = _ELEMENT.match(text, at)
    if root is None:
        return XML if declared else None
    name = root[2].lower()
    if name == "svg":
        return SVG
    if name == "html":
        return XHTML if declared and "http://www.w3.org/1999/xhtml" in root[3] else HTML
    return XML if declared else None
