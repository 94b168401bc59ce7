"""Mails: one (RFC 5322, also as Apple Mail stores it), or a mailbox of many (mbox).

A mail gives the headers that a person sees, then its texts in their order. A text that exists in plain and in HTML is
given once (`mailtext.merged`). Forwarded mails are read in place; every other file is passed on. A signature does not
count as a file, and an external file (message/external-body) is not included.

The library parses by the older of its policies: the newer one reads headers by a grammar, which takes quadratic time, raises
errors of its own on broken headers, and decodes each encoded word alone, although programs often cut East Asian text within
a character. The number and depth of parts are bounded here: the library takes time for each line by the depth, and its only
bound is Python's recursion limit.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from email.feedparser import BytesFeedParser
from email.message import Message
from email.policy import Compat32
from typing import Any

from app.extraction.readers import encoding, mailtext
from app.extraction.readers.reader import Inner, Omitted, Options, Page, Piece, Unreadable

#: The most parts of one mail, and their deepest nesting. Later and deeper parts are left out.
MOST_PARTS = 5000
MOST_DEPTH = 50
#: The most parameters of a Content-Type or the like, which take quadratic time, and the most characters of it.
_MOST_PARAMETERS = 100
_MOST_SAID = 8192
_PIECE = 64 * 1024

#: Headers that are shown: who, when and what, and comments and keywords (RFC 5322, 3.6.5).
_SEEN = ("From", "To", "Cc", "Bcc", "Date", "Subject", "Comments", "Keywords")
#: How many of each are shown when it occurs several times.
_MOST_SEEN = 10
_NO_FILES = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
_NO_FILES |= {"application/applefile", "application/pgp-encrypted"}
_MARKUP = {"text/html", "application/xhtml+xml", "text/enriched", "text/richtext"}
_MAILS = {"message/rfc822", "message/global", "message/news", "message/partial"}

_APPLE = re.compile(rb"\s*\d+[ \t]*\r?\n(?=[!-9;-~]+:)")
#: The beginning of a mail in a mailbox: after an empty line, and followed by a header.
_BEGIN = re.compile(rb"From [^\n]*\n(?=[!-9;-~]+[ \t]*:|>From )")
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_BOUNDARY = re.compile(rb"^--(\S[^\r\n]{0,199})\r?\n(?=content-)", re.IGNORECASE | re.MULTILINE)


_REHEARSAL = b"""From a Mon Jan  1 10:00:00 2024
Subject: =?utf-8?q?w=C3=B6rter?= =?iso-2022-jp?b?GyRCRnxLXBsoQg==?= and more
To: \xfcber <a@example.org>
Content-Type: multipart/mixed; boundary=A

--A
Content-Type: multipart/alternative; boundary=B

--B
Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes
Content-Transfer-Encoding: quoted-printable

w=C3=B6rter
--B
Content-Type: text/html; charset=x-unknown
Content-Transfer-Encoding: base64

PHA+d/ZydGVyPC9wPg==
--B--
--A
Content-Type: message/delivery-status

Status: 5.1.1

--A
Content-Type: application/octet-stream
Content-Transfer-Encoding: x-uuencode
Content-Disposition: attachment; filename*0*=utf-8''w%C3%B6rter; filename*1=.txt

begin 644 a
#:&D*
`
end
--A--
"""


class _Enough(Exception):
    """The mail has more parts than are read."""


class _Policy(Compat32):
    def header_fetch_parse(self, name: str, value: str) -> str:
        if name[:8].lower() == "content-":
            value = ";".join(value[:_MOST_SAID].split(";", _MOST_PARAMETERS)[:_MOST_PARAMETERS])
        return mailtext.repaired(value)


_POLICY = _Policy()


def load(options: Options) -> None:
    mailtext.load(options.size)
    # A part with this encoding.
    import quopri  # noqa: F401
    import uu  # noqa: F401


def rehearsals() -> list[tuple[str, bytes]]:
    """A mail in each encoding."""
    return [("", _REHEARSAL)]


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    if found := encoding.wide(content[: encoding.SAMPLE]) or (content[:2] in (b"\xff\xfe", b"\xfe\xff") and "utf-16"):
        content = content.decode(found, errors="replace").lstrip("\ufeff").encode(errors="replace")
    content = content.removeprefix(b"\xef\xbb\xbf")
    if apple := _APPLE.match(content):
        size = int(apple[0])
        content = content[apple.end() : apple.end() + size]
    if not content.startswith(b"From "):
        yield from _whole(content, paged=False)
        return
    begins = [each.span() for each in _BEGIN.finditer(content) if _behind_blank(content, each.start())] or [(0, 0)]
    for (_, begin), (end, _) in zip(begins, [*begins[1:], (len(content), 0)], strict=True):
        yield from _whole(_QUOTED.sub(rb"\1", content[begin:end]), paged=len(begins) > 1)


def _behind_blank(content: bytes, place: int) -> bool:
    return place == 0 or content[place - 2 : place] == b"\n\n" or content[place - 3 : place] == b"\n\r\n"


def _whole(content: bytes, *, paged: bool) -> Iterator[Piece]:
    """One mail, as far as it can be read. `paged`: whether it is a page of a mailbox, with its subject as the title. Raises
    Unreadable when nothing of it can be read and it is alone."""
    pieces: list[Piece] = []
    title = ""
    try:
        mail, whole = _parsed(content)
        title = mailtext.shown(mail.get("Subject", "")) if paged else ""
        pieces += [] if whole else [Omitted()]
        for piece in _mail(mail, titled=bool(title)):
            pieces.append(piece)
    except MemoryError:
        raise
    except Exception as error:  # The library promises to raise nothing, and raises errors of many kinds.
        if not pieces and not paged:
            raise error if isinstance(error, Unreadable) else Unreadable(f"{type(error).__name__}: {error}") from None
        pieces.append(Omitted())
    if paged:
        yield Page("\n".join(each for each in pieces if isinstance(each, str)), title)
    yield from (each for each in pieces if not (paged and isinstance(each, str)))


def _parsed(content: bytes) -> tuple[Message, bool]:
    """The mail within the bounds, and whether that is all of it."""
    made: list[Message] = []

    def one(**more: Any) -> Message:
        if len(made) >= MOST_PARTS:
            raise _Enough
        made.append(Message(**more))
        return made[-1]

    parser = BytesFeedParser(one, policy=_POLICY)
    # It creates one instance to find out its signature.
    made.clear()
    frames, limit = _frames(), sys.getrecursionlimit()
    # Each level of nesting is a nested call.
    sys.setrecursionlimit(min(limit, frames + MOST_DEPTH + 60))
    try:
        for place in range(0, len(content), _PIECE):
            parser.feed(content[place : place + _PIECE])
        parser.close()
        return made[0], True
    except (_Enough, RecursionError):
        return made[0], False
    finally:
        sys.setrecursionlimit(limit)


def _frames() -> int:
    frame, count = sys._getframe(), 0
    while frame := frame.f_back:  # type: ignore[assignment]
        count += 1
    return count


def _mail(mail: Message, *, titled: bool = False) -> Iterator[Piece]:
    """The pieces of a mail. `titled`: whether the subject is the title already. Raises Unreadable when it has no header."""
    if not mail.keys():
        raise Unreadable("no mail: there are no headers")
    yield "\n".join(_head(mail, titled=titled))
    yield ""
    yield from _pieces(mail)


def _head(mail: Message, *, titled: bool = False) -> Iterator[str]:
    for name in _SEEN:
        for value in mail.get_all(name, [])[titled and name == "Subject" : _MOST_SEEN]:
            if seen := mailtext.shown(value):
                yield f"{name}: {seen}"


def _pieces(part: Message) -> Iterator[Piece]:
    """The pieces of a part, in reading order."""
    kind, inside = _type(part), _inside(part)
    if kind.startswith("multipart/") and inside is None:
        yield from _with_another_boundary(_content(part))
    elif kind == "multipart/alternative":
        yield from _alternatives(part)
    elif kind == "message/external-body" or kind == "multipart/encrypted":
        return
    elif kind in _MAILS and inside is not None:
        yield from _forwarded(part, inside)
    elif kind.startswith("message/") and inside is not None:
        # A report: who got it and who did not.
        for each in inside:
            yield "\n".join(f"{name}: {mailtext.shown(value)}" for name, value in each.items())
    elif inside is not None:
        for each in inside:
            yield from _pieces(each)
    elif kind not in _NO_FILES:
        plain, markup = _texts(part, kind)
        if plain is None:
            yield _file(part, kind)
        elif plain or markup:
            yield plain or markup or ""


def _with_another_boundary(content: bytes) -> Iterator[Piece]:
    """Parts whose boundary differs from the declared one."""
    if found := _BOUNDARY.search(content):
        head = b'Content-Type: multipart/mixed; boundary="%b"\n\n' % found[1].rstrip()
        whole, _ = _parsed(head + content[found.start() :])
        if _inside(whole) is not None:
            yield from _pieces(whole)
            return
    yield mailtext.text_of(content, None)


def _alternatives(part: Message) -> Iterator[Piece]:
    """The same text in several forms, given once, and the files that belong to them."""
    plain: list[str] = []
    markup: list[str] = []
    others: list[Piece] = []

    def sort(each: Message, within: bool = False) -> None:
        kind, inside = _type(each), _inside(each)
        if kind.startswith("multipart/") and kind != "multipart/encrypted" and inside is not None:
            for more in inside:
                sort(more, True)
            return
        first, second = (None, None) if inside is not None else _texts(each, kind, within)
        if first is None:
            others.extend(_pieces(each))
        plain.append(first or "")
        markup.append(second or "")

    for each in _inside(part) or ():
        sort(each)
    yield mailtext.merged("\n".join(filter(None, plain)), "\n".join(filter(None, markup)))
    yield from others


def _texts(part: Message, kind: str, named: bool = True) -> tuple[str | None, str | None]:
    """The plain text of the part, and the text of its HTML; None when it is a file. `named`: whether a part with a name is a
    file."""
    disposition = part.get_content_disposition()
    if disposition == "attachment" or (named and _name(part)):
        return None, None
    if kind == "text/rfc822-headers":
        return "\n".join(_head(_parsed(_content(part))[0])), ""
    if kind in _MARKUP:
        return "", mailtext.html_text_of(_content(part), _charset(part))
    if kind != "text/plain":
        return None, None
    text = mailtext.text_of(_content(part), _charset(part))
    if str(part.get_param("delsp", "")).lower() == "yes":
        # RFC 3676: the blank at the end of a line is not part of the text.
        text = text.replace(" \r\n", "").replace(" \n", "")
    return text, ""


def _forwarded(part: Message, mails: list[Message]) -> Iterator[Piece]:
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() in ("base64", "quoted-printable"):
        # Forbidden but common: the library has not decoded it.
        inner = mails[0]
        inner["Content-Transfer-Encoding"] = part["Content-Transfer-Encoding"]
        yield Inner(_name(part) or "message.eml", _content(inner), "message/rfc822")
        return
    for each in mails:
        yield ""
        with contextlib.suppress(Unreadable):
            yield from _mail(each)


def _file(part: Message, kind: str) -> Inner:
    content = _content(part)
    charset = _charset(part)
    if charset and kind.startswith("text/") and kind not in ("text/html", "text/xml"):
        # The mail names the charset, which the file itself can't.
        content = mailtext.text_of(content, charset).encode(errors="replace")
    return Inner(_name(part), content, kind)


def _inside(part: Message) -> list[Any] | None:
    """The parts within it. (For a text the library would return a decoded form, by any codec that the mail names.)"""
    found = part.get_payload() if part.is_multipart() else None
    return found if isinstance(found, list) else None


def _type(part: Message) -> str:
    return part.get_content_type()


def _charset(part: Message) -> str | None:
    found = part.get_param("charset")
    # With its own charset and language (RFC 2231), or as it is.
    return found[2] if isinstance(found, tuple) else found


def _name(part: Message) -> str:
    """The name of the file, without a folder; '' when it has none."""
    try:
        found = part.get_filename("")
    except (ValueError, LookupError):
        # Surrogates, which are not characters.
        return ""
    return re.split(r"[/\\]", mailtext.shown(found))[-1].strip()


def _content(part: Message) -> bytes:
    """The decoded bytes of the part, up to where its encoding is broken."""
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""
