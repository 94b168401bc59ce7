"""Mails that Outlook packs for other programs (winmail.dat; [MS-OXTNEF])."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

from app.extraction.readers import mailtext, mapi
from app.extraction.readers.reader import Inner, Options, Piece, Unreadable

_SENDER, _SENDER_ADDRESS, _SUBJECT, _NAME, _ADDRESS = 0x0C1A, 0x0C1F, 0x0037, 0x3001, 0x3003
_CODEPAGES = (0x3FDE, 0x3FFD)
_LONG_NAME = 0x3707
#: The subject without its prefix, as the mail around it has the full subject.
_TOPIC = 0x0070


def load(options: Options) -> None:
    import tnefparse

    mailtext.load()
    # Its messages about broken files go nowhere.
    logging.getLogger(tnefparse.__name__).setLevel(logging.CRITICAL + 1)


def read(content: bytes, media_type: str) -> Iterator[Piece]:
    import tnefparse

    try:
        opened = tnefparse.TNEF(content, do_checksum=False)
        yield from list(_message(opened))
    except MemoryError:
        raise
    except Exception as error:  # The library checks little, so broken files cause errors of every kind.
        raise Unreadable(f"{type(error).__name__}: {error}") from None


def _message(opened: Any) -> Iterator[Piece]:
    said = _Said(opened)
    yield "\n".join(_head(opened, said))
    yield ""
    markup = opened.htmlbody or b""
    if isinstance(markup, str):
        markup = markup.encode(errors="replace")
    html = (
        mailtext.html_text_of(markup, "utf-8" if isinstance(opened.htmlbody, str) else said.charset) if markup else ""
    )
    yield from mapi.texts(said.decoded(opened.body), html, _bytes(opened._rtfbody))
    for each in opened.attachments:
        if hasattr(each, "embed"):
            yield ""
            yield from _message(each.embed)
        else:
            yield Inner(_file_name(each, said), _bytes(each.data))


class _Said:
    """The properties of the mail."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self._properties = {each.name: each for each in opened.mapiprops}
        found = (self._value(each) for each in _CODEPAGES)
        self.charset = next((mapi.charset(each) for each in found if isinstance(each, int)), None) or opened.codepage

    def _value(self, name: int) -> Any:
        found = self._properties.get(name)
        return None if found is None else found.data

    def text(self, name: int) -> str:
        return self.decoded(self._value(name))

    def decoded(self, value: Any) -> str:
        if isinstance(value, bytes):
            return mailtext.text_of(value.rstrip(b"\0"), self.charset)
        return value.strip("\0") if isinstance(value, str) else ""


def _head(opened: Any, said: _Said) -> Iterator[str]:
    named = {each.name: each.data for each in opened.msgprops}
    sender = (said.text(_SENDER), said.text(_SENDER_ADDRESS))
    if not any(sender) and isinstance(named.get(opened.ATTFROM), tuple):
        sender = (said.decoded(named[opened.ATTFROM][0]), said.decoded(named[opened.ATTFROM][2]))
    if any(sender):
        yield f"From: {_person(*sender)}"
    recipients = named.get(opened.ATTRECIPTABLE)
    for each in recipients if isinstance(recipients, list) else ():
        person = {one.name: said.decoded(one.data) for one in each if one.name in (_NAME, _ADDRESS)}
        if shown := _person(person.get(_NAME, ""), person.get(_ADDRESS, "")):
            yield f"To: {shown}"
    if (date := named.get(opened.ATTDATESENT)) is not None:
        yield f"Date: {date}"
    if subject := said.text(_SUBJECT) or said.decoded(named.get(opened.ATTSUBJECT)) or said.text(_TOPIC):
        yield f"Subject: {subject}"


def _person(name: str, address: str) -> str:
    """A person; an Exchange address (`/O=...`), which nobody sees, is left out."""
    address = "" if address.upper().startswith("/O=") else address
    return f"{name} <{address}>" if name and address and name != address else name or address


def _file_name(file: Any, said: _Said) -> str:
    long = next((each.data for each in file.mapi_attrs if each.name == _LONG_NAME), None)
    return re.split(r"[/\\]", said.decoded(long) or said.decoded(file._name))[-1].strip()


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else b""
