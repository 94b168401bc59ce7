"""The life of an attachment, step by step, for a process that is killed in the middle of it:

python -m tests.contracts.life FOLDER ID STEPS [URL ENDPOINT KEY SECRET]
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from app.storage.bucket import Where
from app.storage.contract import Storage
from app.storage.filesystem import Filesystem
from app.storage.objects import Objects

BYTES, TEXT = b"bytes" * 1000, b"text" * 1000
STORE_ID = "the store of the tests"
RECORD, OUTCOME = {"name": "a"}, {"size": len(TEXT)}
#: What is there after each step: bytes, record, text, outcome.
STEPS = {
    "staged": (False, False, False, False),
    "kept": (True, False, False, False),
    "committed": (True, True, False, False),
    "text staged": (True, True, False, False),
    "text kept": (True, True, True, True),
    "text staged again": (True, True, True, True),
    "text removed": (True, True, False, False),
    "removed": (False, False, False, False),
}


def life(storage: Storage, attachment_id: str) -> Iterator[str]:
    """Each step when it was done. Nothing is let go of: that is for whoever lives on."""
    staged = storage.stage([BYTES[:1000], BYTES[1000:]], len(BYTES))
    yield "staged"
    staged.keep(attachment_id)
    yield "kept"
    storage.commit(attachment_id, RECORD)
    yield "committed"
    text = storage.stage_text()
    text.file.write(TEXT)
    yield "text staged"
    storage.keep_text(attachment_id, OUTCOME, text)
    yield "text kept"
    another = storage.stage_text()
    another.file.write(b"another")
    yield "text staged again"
    storage.remove_text(attachment_id)
    yield "text removed"
    storage.remove(attachment_id)
    yield "removed"


def killed() -> NoReturn:
    """The end of this process, which nothing in it hears of."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def main() -> None:
    storage: Storage
    if sys.argv[4:]:
        url, endpoint, access_key, secret_key = sys.argv[4:]
        where = Where(url, 20.0, endpoint=endpoint, access_key=access_key, secret_key=secret_key)
        storage = Objects(where, Path(sys.argv[1]), STORE_ID)
    else:
        storage = Filesystem(Path(sys.argv[1]))
    steps = life(storage, sys.argv[2])
    for _ in range(int(sys.argv[3])):
        next(steps)

    def broken() -> Iterator[bytes]:
        yield b"x" * 1000
        killed()

    # In the middle of an upload of somebody else.
    storage.stage(broken(), 10000)


if __name__ == "__main__":
    main()
