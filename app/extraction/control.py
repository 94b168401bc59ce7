"""Whether this machine can read documents at all: a small known document of each kind is read like any other.

A library that is missing, a disk without space or a folder without permission makes every document fail, and each of them
looks as if it were damaged. So when a document could not be read, a known one is read in the same way: when that fails too,
the machine is the reason, and the document is tried again when the machine is mended.

Rejected: distinguishing the two by the messages of libraries. Each library has its own, and the next version has
others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

from app.extraction import sandbox
from app.extraction.kinds import Kind, Way
from app.extraction.samples import found, sample
from app.extraction.sandbox import Limits, memory_file

#: Seconds for which an answer is valid, so that of many documents that fail at once only one leads to a check.
HOLDS = 15.0
#: The least time limit in seconds for one of these documents, whatever the limit for others: the machine may be busy.
SECONDS = 60.0

#: By kind: how it is read, and the document. One document of a kind represents all that the same library reads.
DOCUMENTS: dict[Kind, tuple[Way, bytes]] = {
    kind: (Way(kind, media_type), content) for kind in get_args(Kind) for media_type, content in [sample(kind)]
}


def read(kind: Kind, limits: Limits, stopping: Callable[[], bool] = lambda: False) -> str | None:
    """What keeps this machine from reading the document of this kind within `limits`; None when the word in it was
    found. Raises Stopped."""
    way, content = DOCUMENTS[kind]
    try:
        # In memory: a full disk does not prevent reading.
        with memory_file("control") as document, memory_file("text") as output:
            document.write(content)
            document.seek(0)
            verdict = sandbox.run(way, document, output, limits, stopping)
            output.seek(0)
            if verdict.reason is None and found(kind, output.read().decode(errors="replace"), verdict.files):
                return None
    except OSError as error:
        return str(error)
    return f"{verdict.reason}: {verdict.detail}" if verdict.reason else "what it has in it was not found"


class Controls:
    """The answers of `read`, remembered for `HOLDS` seconds. For any number of threads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = replace(limits, seconds=max(SECONDS, limits.seconds))
        self._known: dict[Kind, tuple[float, str | None]] = {}
        self._locks = {kind: threading.Lock() for kind in DOCUMENTS}

    def failing(self, kind: Kind, stopping: Callable[[], bool] = lambda: False) -> str | None:
        """What keeps this machine from reading documents of this kind; None when it reads them. Raises Stopped."""
        with self._locks[kind]:
            at, known = self._known.get(kind, (-HOLDS, None))
            if time.monotonic() - at > HOLDS:
                known = read(kind, self._limits, stopping)
                self._known[kind] = (time.monotonic(), known)
            return known
