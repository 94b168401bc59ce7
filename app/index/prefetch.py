"""Turns writes into the lines of bulks, while the bulk before them is sent.

Making the documents of a rebuild (reading records, deriving fields, writing them as JSON) takes about as much processor
time as Elasticsearch takes to index them. One thread makes the next bulk's bytes while the caller sends one and waits,
so the longer of the two counts and not their sum. The caller then hardly needs Python's global lock: when it wrote the
JSON itself and read long answers, the two threads waited for each other's lock, and Elasticsearch for both
(docs/performance.md).

Rejected: the client's `parallel_bulk`, which has threads of its own but does not send again what was refused as too
much (429); and a separate process that reads, which would have to exchange with this one all that it knows about the
folders.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor

from app.index.documents import Write

#: Writes in one bulk, and the bytes from which on a bulk is full: texts can be long, up to three portions are in memory
#: at once, and Elasticsearch needs twenty times the size of each in its own memory while it indexes.
PORTION = 1000
PORTION_BYTES = 2 * 1024 * 1024
#: Writes in the first bulk: until it is sent, Elasticsearch has nothing to do.
FIRST = 100

#: What `Write.lines` makes.
Lines = tuple[bytes, bytes | None]


def ahead(writes: Iterable[Write]) -> Generator[list[Lines], None, None]:
    """`writes` as lines of bulks, in their order and in portions. Another thread iterates over them, one portion ahead.
    An error of the iteration is raised after all writes before it were yielded. No portion is empty.

    If it is closed early, it returns once the current portion has been made; `writes` is not closed.
    """
    remaining = iter(writes)

    def portion(most: int = PORTION) -> tuple[list[Lines], Exception | None]:
        made: list[Lines] = []
        size = 0
        try:
            for write in remaining:
                action, source = lines = write.lines()
                made.append(lines)
                size += len(action) + len(source or b"")
                if len(made) == most or size > PORTION_BYTES:
                    break
        except Exception as error:
            return made, error
        return made, None

    with ThreadPoolExecutor(1, "writes-ahead") as thread:
        following = thread.submit(portion, FIRST)
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
