"""The pages of a document that are pictures: a process of its own recognizes the text of each, which is added to that
page in the text of the document.

Each page has a process of its own, like a document: a page that takes too long, or that crashes the program that draws
it, loses only its own text, and what was recognized by the end of the time is kept.

Rejected: passing on the pages as pictures (a scanner's have megabytes each, and drawing all of them takes the time in
which some could have been recognized), and one process for all of them (its text would have to be divided into pages).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

from app.extraction import sandbox
from app.extraction.kinds import Kind, Way
from app.extraction.parts import Part
from app.extraction.recognition_data import recognition_installed
from app.extraction.record import Reason
from app.extraction.sandbox import LEAST_SECONDS, Limits, Verdict, memory_file

#: The separator of pages, as in the text of any document.
_BETWEEN = b"\n\n"
NOT_INSTALLED = "its pages are pictures, and recognition of text is not installed"


def recognize(
    verdict: Verdict,
    way: Way,
    document: BinaryIO,
    output: BinaryIO,
    began: int,
    limits: Limits,
    stopping: Callable[[], bool],
    end: float,
) -> Verdict:
    """Insert the text that is recognized on the `pictures` of `document` into its text, which is in `output` from
    `began` on. `end`: by the monotonic clock. A text from which something was left out counts as cut. Raises Stopped,
    OSError."""
    output.seek(began)
    text = output.read()
    places = [each.at for each in verdict.parts] + [len(text)]
    written, found_parts, whole = text[: places[0]], list[Part](), not verdict.cut
    reason: Reason | None = None
    installed = recognition_installed()
    # By language, bytes of the text in it.
    languages = Counter({verdict.language: len(text)} if verdict.language else {})
    for part, stop in zip(verdict.parts, places[1:], strict=True):
        content, own = b"", text[part.at : stop]
        if part.page in verdict.pictures:
            seconds = end - time.monotonic()
            left = limits.text - len(written) - (len(text) - part.at) - 3 * len(_BETWEEN)
            if not installed or seconds < LEAST_SECONDS or left <= 0:
                whole, reason = False, reason or ("timeout" if installed and left > 0 else None)
            else:
                found, content = _page(part.page, way, document, replace(limits, seconds=seconds, text=left), stopping)
                if found.reason == "environment":
                    return found
                if found.reason in ("timeout", "memory", "crashed"):
                    reason = reason or found.reason
                whole = whole and not found.cut and found.reason in (None, "damaged")
                if found.language:
                    languages[found.language] += len(content)
        if content:
            # The last pages begin where the text ends, because its trailing blanks were removed.
            written += _BETWEEN if written and not written.endswith(b"\n") else b""
            own = own.rstrip() + (b"\n" if own.strip() else b"") + content + _BETWEEN
        found_parts.append(part._replace(at=len(written)))
        written += own
    written = written.rstrip()
    if not written and verdict.pictures and not installed:
        return Verdict("empty", NOT_INSTALLED)
    if not written and reason is not None:
        return Verdict(reason, "before any text of its pages was recognized")
    output.seek(began)
    output.truncate()
    output.write(written)
    output.flush()
    kept = tuple(each._replace(at=min(each.at, len(written))) for each in found_parts)
    language = max(languages, key=languages.__getitem__, default=None)
    characters = len(written.decode()) if whole else None
    return replace(verdict, cut=not whole, characters=characters, parts=kept, pictures=(), language=language)


def _page(
    number: int, way: Way, document: BinaryIO, limits: Limits, stopping: Callable[[], bool]
) -> tuple[Verdict, bytes]:
    with memory_file("page") as found:
        # All processes share one open file, and each would begin at the position where the one before stopped.
        os.lseek(document.fileno(), 0, os.SEEK_SET)
        kind: Kind = "scan" if way.kind == "pdf" else way.kind
        verdict = sandbox.run(Way(kind, way.media_type, number), document, found, limits, stopping)
        return verdict, os.pread(found.fileno(), limits.text, 0)
