"""100,000 attachments with equal sort keys, walked with `search_after` while uploads go on: each id exactly once.

bash -c '. scripts/environment test && "$PYTHON" -m benchmarks.paging [COUNT]'
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk

from app.ids import new_xid
from app.index.source import source_of
from app.model.attachment import Attachment, now
from benchmarks.parts import server_for_run
from tests.support.app import Server


def walk(server: Server, sort: str, *, size: int, token: str | None = None) -> Iterator[str]:
    """The ids of all hits, page by page.

    A page that is not full is the last one: whoever waits for an empty one waits for as long as others upload.
    """
    after = ""
    while True:
        hits = server.hits(f"sort={sort}&size={size}&_source=id{after}", token=token)
        yield from (hit["_id"] for hit in hits)
        if len(hits) < size:
            return
        after = f"&search_after={quote(json.dumps(hits[-1]['sort']))}"


def main(count: int) -> None:
    with server_for_run() as server:
        server.upload(("first.txt", b"x"))
        moment = now()
        client = Elasticsearch(server.elasticsearch_url, request_timeout=120)
        made = [
            Attachment(new_xid(), moment, moment, f"{n}.txt", 1, "0" * 64, "text/plain", "default", "all", "coco")
            for n in range(count)
        ]
        actions = ({"_index": server.index, "_id": each.id, "_source": source_of(each)} for each in made)
        began = time.monotonic()
        bulk(client, actions, chunk_size=5_000)
        client.indices.refresh(index=server.index)
        print(f"{count} documents written in {time.monotonic() - began:.1f} s", flush=True)
        stop, uploaded = threading.Event(), 0

        def uploads() -> None:
            nonlocal uploaded
            while not stop.is_set():
                server.upload(("later.txt", b"x"))
                uploaded += 1

        thread = threading.Thread(target=uploads)
        thread.start()
        began = time.monotonic()
        met = list(walk(server, "created", size=1000))
        seconds = time.monotonic() - began
        stop.set()
        thread.join()
        missed = len({each.id for each in made} - set(met))
        print(
            f"{len(met)} hits in {seconds:.1f} s while {uploaded} files were uploaded: "
            f"{missed} of {count} missed, {len(met) - len(set(met))} met twice"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
