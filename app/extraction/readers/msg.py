"""Outlook's mails, contacts and appointments: a file of streams, one for each property ([MS-OXMSG])."""

from __future__ import annotations

import io
import logging
import re
import struct
from collections.abc import Iterator
from typing import Any

from app.extraction import inner
from app.extraction.readers import mailtext, mapi
from app.extraction.readers.reader import Inner, Omitted, Options, Piece, Unreadable

#: The deepest nesting of mails, and the most recipients and files of one that are read.
MOST_DEPTH = 20
MOST_RECIPIENTS = 1000

_SUBJECT, _CLASS, _BODY, _RTF, _HTML = 0x0037, 0x001A, 0x1000, 0x1009, 0x1013
_SENT, _DELIVERED, _CODEPAGE, _INTERNET_CODEPAGE = 0x0039, 0x0E06, 0x3FFD, 0x3FDE
_SENDER, _SENDER_ADDRESSES = (0x0C1A, 0x0042), (0x5D01, 0x5D02, 0x0C1F, 0x0065)
_NAME, _ADDRESSES, _ROLE = 0x3001, (0x39FE, 0x3003), 0x0C15
_SHOWN_TO = ((1, "To", 0x0E04), (2, "Cc", 0x0E03), (3, "Bcc", 0x0E02))
_FILE_NAMES, _DATA, _MEDIA_TYPE = (0x3707, 0x3704, 0x3001), 0x3701, 0x370E
#: Properties of a contact: names, company, telephones, addresses.
_CONTACT = range(0x3A00, 0x3A60)


def load(options: Options) -> None:
    import olefile

    mailtext.load()
    # Its messages about broken files go nowhere.
    olefile.olefile.log.setLevel(logging.CRITICAL + 1)


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(content)) as opened:
            file = _File(opened)
            if not file.storages(()) and not file.streams(()):
                raise Unreadable("no message")
            yield from _message(file, (), 32, 1)
            if file.full:
                yield Omitted()
    except (
        OSError,
        ValueError,
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        struct.error,
    ) as error:
        # The library's own error is an OSError; a broken directory causes the others.
        raise Unreadable(f"{type(error).__name__}: {error}") from None


class _File:
    """The streams of the file, by storage. `full`: whether there was more than is read."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self._left = 2 * inner.MOST_BYTES
        self.full = False
        self._inside: dict[tuple[str, ...], list[str]] = {}
        for entry in opened.listdir(streams=True, storages=True):
            self._inside.setdefault(tuple(entry[:-1]), []).append(entry[-1])

    def storages(self, place: tuple[str, ...], prefix: str = "__") -> list[tuple[str, ...]]:
        names = (each for each in self._inside.get(place, ()) if each.lower().startswith(prefix))
        return [(*place, each) for each in names if (*place, each) in self._inside]

    def streams(self, place: tuple[str, ...]) -> dict[str, str]:
        """The streams of the properties in a storage, by the eight digits of property and type."""
        found = (re.fullmatch(r"__substg1\.0_([0-9A-Fa-f]{8})", each) for each in self._inside.get(place, ()))
        return {each[1].upper(): each[0] for each in found if each}

    def content(self, place: tuple[str, ...], name: str) -> bytes:
        """The content of a stream; b'' when it is broken or exceeds the bound."""
        try:
            size = self._opened.get_size([*place, name])
            if size > self._left:
                self.full = True
                return b""
            self._left -= size
            found = self._opened.openstream([*place, name]).read()
        except (OSError, ValueError, IndexError, TypeError, AttributeError):
            return b""
        return found if isinstance(found, bytes) else b""


class _Properties:
    """The properties of one storage. `head`: bytes before them."""

    def __init__(self, file: _File, place: tuple[str, ...], head: int, charset: str | None = None) -> None:
        self._file, self._place = file, place
        self._streams = file.streams(place)
        fixed = file.content(place, "__properties_version1.0")[head:]
        whole = fixed[: len(fixed) // 16 * 16]
        self._fixed = {number: value for _, number, _, value in struct.iter_unpack("<HHIQ", whole)}
        self.charset = mapi.charset(self.number(_CODEPAGE)) or mapi.charset(self.number(_INTERNET_CODEPAGE)) or charset

    def number(self, name: int) -> int:
        """The lower 32 bits of a property, 0 when it is missing."""
        return int(self._fixed.get(name, 0)) & 0xFFFFFFFF

    def time(self, name: int) -> str:
        return mapi.shown_time(self._fixed[name]) if self._fixed.get(name) else ""

    def binary(self, name: int) -> bytes:
        return self._content(name, "0102")

    def text(self, *names: int) -> str:
        """The first of these properties that exists."""
        for name in names:
            if found := self._content(name, "001F"):
                return found.decode("utf-16-le", errors="replace").strip("\0")
            if found := self._content(name, "001E"):
                return mailtext.text_of(found.rstrip(b"\0"), self.charset)
        return ""

    def markup(self) -> str:
        if found := self.binary(_HTML):
            return mailtext.html_text_of(found, mapi.charset(self.number(_INTERNET_CODEPAGE)))
        return mailtext.html_text_of(self.text(_HTML).encode(errors="replace"), "utf-8")

    def _content(self, name: int, form: str) -> bytes:
        stream = self._streams.get(f"{name:04X}{form}")
        return self._file.content(self._place, stream) if stream else b""


def _message(file: _File, place: tuple[str, ...], head: int, depth: int) -> Iterator[Piece]:
    said = _Properties(file, place, head)
    yield "\n".join(_head(file, place, said))
    yield ""
    if said.text(_CLASS).lower().startswith("ipm.contact"):
        yield "\n".join(dict.fromkeys(filter(None, map(said.text, _CONTACT))))
    yield from mapi.texts(said.text(_BODY), said.markup(), said.binary(_RTF))
    for each in file.storages(place, "__attach_version1.0_"):
        yield from _attached(file, each, said.charset, depth)


def _attached(file: _File, place: tuple[str, ...], charset: str | None, depth: int) -> Iterator[Piece]:
    said = _Properties(file, place, 8, charset)
    name = re.split(r"[/\\]", said.text(*_FILE_NAMES))[-1].strip()
    inside = (*place, f"__substg1.0_{_DATA:04X}000D")
    if file.streams(inside) and depth < MOST_DEPTH:
        yield ""
        yield from _message(file, inside, 24, depth + 1)
    elif content := said.binary(_DATA):
        yield Inner(name, content, said.text(_MEDIA_TYPE))
    elif name:
        # An object of another program, or a file somewhere else.
        yield name


def _head(file: _File, place: tuple[str, ...], said: _Properties) -> Iterator[str]:
    """The header lines of a mail."""
    if sender := _person(said, *_SENDER, addresses=_SENDER_ADDRESSES):
        yield f"From: {sender}"
    people: dict[int, list[str]] = {}
    for each in file.storages(place, "__recip_version1.0_")[:MOST_RECIPIENTS]:
        person = _Properties(file, each, 8, said.charset)
        people.setdefault(person.number(_ROLE), []).append(_person(person, _NAME, addresses=_ADDRESSES))
    for role, label, shown in _SHOWN_TO:
        if found := ", ".join(filter(None, people.get(role, ()))) or said.text(shown):
            yield f"{label}: {found}"
    if date := said.time(_SENT) or said.time(_DELIVERED):
        yield f"Date: {date}"
    if subject := said.text(_SUBJECT):
        yield f"Subject: {subject}"


def _person(said: _Properties, *names: int, addresses: tuple[int, ...]) -> str:
    """Name and address; an Exchange address (`/O=...`), which nobody sees, is left out."""
    name = said.text(*names).strip()
    found = (said.text(each).strip() for each in addresses)
    address = next((each for each in found if each and not each.upper().startswith("/O=")), "")
    return f"{name} <{address}>" if name and address and address.strip("'") != name.strip("'") else name or address
