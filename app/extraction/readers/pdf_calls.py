"""The calls of the PDF library that have no wrapper, with Python values as results.

A string takes two calls: one for its length, one for the string.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from typing import Any

#: The most bytes of one string, and the most that are kept of it.
_MOST_STRING = 4 << 20
#: The most bookmarks of a document, and the most attachments.
MOST_BOOKMARKS = 10_000
MOST_ATTACHMENTS = 1000
_LEVELS = 32


def string(call: Callable[[Any, int], int]) -> str:
    """The UTF-16 string that `call(buffer, bytes)` writes; '' when there is none."""
    size = call(None, 0)
    # Two bytes are only its terminator.
    if not 2 < size <= _MOST_STRING:
        return ""
    buffer = ctypes.create_string_buffer(size)
    call(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    # Lines end as the program that wrote the document ends them.
    found = buffer.raw.decode("utf-16-le", errors="replace").split("\0", 1)[0]
    return found.replace("\r\n", "\n").replace("\r", "\n").strip()


def attachment(raw: Any, handle: Any) -> tuple[str, bytes] | None:
    """Name and content of a file in the document; None when it can't be read."""
    name = string(lambda buffer, size: raw.FPDFAttachment_GetName(handle, buffer, size))
    size = ctypes.c_ulong()
    if not raw.FPDFAttachment_GetFile(handle, None, 0, size):
        return None
    buffer = ctypes.create_string_buffer(max(1, size.value))
    if not raw.FPDFAttachment_GetFile(handle, buffer, size.value, size):
        return None
    return name.replace("\\", "/").rsplit("/", 1)[-1] or "attachment", buffer.raw[: size.value]


def attachments(raw: Any, document: Any) -> Iterator[tuple[str, bytes]]:
    """The files that are attached to the document."""
    for index in range(min(raw.FPDFDoc_GetAttachmentCount(document), MOST_ATTACHMENTS)):
        found = attachment(raw, raw.FPDFDoc_GetAttachment(document, index))
        if found is not None:
            yield found


def properties(raw: Any, document: Any) -> list[str]:
    """The properties that a viewer shows besides the pages."""
    keys = (b"Title", b"Subject", b"Author", b"Keywords")
    found = [string(lambda buffer, size, key=key: raw.FPDF_GetMetaText(document, key, buffer, size)) for key in keys]  # type: ignore[misc]
    return [each for each in dict.fromkeys(found) if each]


def bookmarks(raw: Any, document: Any) -> Iterator[tuple[int, str]]:
    """The outline, in its order: the index of the page that an entry leads to, or -1, and its title."""
    left = MOST_BOOKMARKS
    waiting = [raw.FPDFBookmark_GetFirstChild(document, None)]
    while waiting and left:
        entry = waiting.pop()
        if not entry:
            continue
        left -= 1
        title = string(lambda buffer, size, entry=entry: raw.FPDFBookmark_GetTitle(entry, buffer, size))  # type: ignore[misc]
        target = raw.FPDFBookmark_GetDest(document, entry)
        if not target and (action := raw.FPDFBookmark_GetAction(entry)):
            target = raw.FPDFAction_GetDest(document, action)
        if title:
            yield raw.FPDFDest_GetDestPageIndex(document, target) if target else -1, title
        # The children of an entry come before its next sibling.
        waiting.append(raw.FPDFBookmark_GetNextSibling(document, entry))
        if len(waiting) < _LEVELS:
            waiting.append(raw.FPDFBookmark_GetFirstChild(document, entry))


def packets(raw: Any, document: Any) -> Iterator[tuple[str, bytes]]:
    """The parts of a form in XFA: name and XML."""
    for index in range(max(0, raw.FPDF_GetXFAPacketCount(document))):
        name = ctypes.create_string_buffer(64)
        size = ctypes.c_ulong()
        if raw.FPDF_GetXFAPacketName(document, index, name, 64) > 64:
            continue
        if not raw.FPDF_GetXFAPacketContent(document, index, None, 0, size) or not 0 < size.value <= _MOST_STRING:
            continue
        buffer = ctypes.create_string_buffer(size.value)
        if raw.FPDF_GetXFAPacketContent(document, index, buffer, size.value, size):
            yield name.value.decode(errors="replace"), buffer.raw


@contextlib.contextmanager
def form_of(raw: Any, document: Any) -> Iterator[Any]:
    """The document's form, for reading its fields; nothing is run or calculated."""
    info = raw.FPDF_FORMFILLINFO(version=2)
    form = raw.FPDFDOC_InitFormFillEnvironment(document, info)
    try:
        yield form
    finally:
        raw.FPDFDOC_ExitFormFillEnvironment(form)
