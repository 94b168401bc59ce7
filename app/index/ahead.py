"""Writes in portions, each for one bulk, made while the one before is sent.

Making the documents of a rebuild (reading records, deriving fields) takes about as long as Elasticsearch takes to index
them. One thread makes the next bulk's while the caller sends one and waits, so that the longer of the two counts and not
their sum.

Rejected: the client's `parallel_bulk`, which has threads of its own, but does not send again what was refused as too much
(429); and a process that reads, to which every document would be handed over in bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from app.index.documents import Write

#: Writes that are made while those before them are sent, and the letters in them at which there are enough: texts can be
#: long, and up to three such portions are in memory at once.
PORTION = 1000
PORTION_LETTERS = 8 * 1024 * 1024


def ahead(writes: Iterable[Write]) -> Iterator[list[Write]]:
    """`writes`, in their order and in portions, taken from there by another thread and one portion early. Raises what
    taking one raises, after all those before it. None of the portions is empty.

    Closed early, it returns when the portion that is being made has been made; `writes` is not closed.
    """
    remaining = iter(writes)

    def portion() -> tuple[list[Write], Exception | None]:
        made: list[Write] = []
        letters = 0
        try:
            for write in remaining:
                made.append(write)
                letters += _letters(write)
                if len(made) == PORTION or letters > PORTION_LETTERS:
                    break
        except Exception as error:
            return made, error
        return made, None

    with ThreadPoolExecutor(1, "writes-ahead") as thread:
        following = thread.submit(portion)
        while True:
            made, failure = following.result()
            if made and failure is None:
                following = thread.submit(portion)
            if made:
                yield made
            if failure is not None:
                raise failure
            if not made:
                return


def _letters(write: Write) -> int:
    return sum(len(each) for each in (write.source or {}).values() if isinstance(each, str))
