"""How fast `scripts/store rebuild` makes an index, beside what Elasticsearch's own client can do with ready documents.

    bash -c '. scripts/environment test && ELASTICSEARCH_URL=... "$PYTHON" benchmarks/rebuild.py'      [--records N ...]

For each number of records both sides run one after the other, in turns, and the faster run of each counts:

    rebuild   Rebuild: every record read from disk, checked, its document made, written and put behind the alias
    bulk      elasticsearch.helpers.streaming_bulk with the documents ready in memory, into an equal empty index

Prints documents a second for both, and their ratio. The store is one that nobody has changed for an hour: a folder whose
time lies within two seconds of its reading is read a second time, which here would be all that were just filled.

It makes and removes indices of its own only.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1])]

from elasticsearch import Elasticsearch  # noqa: E402
from elasticsearch.helpers import streaming_bulk  # noqa: E402

from app.coordination.contract import ChangeLock  # noqa: E402
from app.coordination.local import Local  # noqa: E402
from app.coordination.local.data_folder import open_data_folder  # noqa: E402
from app.index import mappings  # noqa: E402
from app.index.connection import Connection  # noqa: E402
from app.index.generations import Generations  # noqa: E402
from app.index.prefetch import PORTION  # noqa: E402
from app.index.source import source_of  # noqa: E402
from app.model.attachment import Attachment  # noqa: E402
from app.settings import Settings  # noqa: E402
from app.storage.contract import Artefact, Storage  # noqa: E402
from app.storage.filesystem import Filesystem  # noqa: E402
from app.upkeep.rebuild import Rebuild  # noqa: E402
from tests.support.artefacts import path_of  # noqa: E402
from tests.support.seed import seed  # noqa: E402

ROUNDS = 3


def bulk(client: Elasticsearch, index: str, definition: dict[str, Any], documents: list[dict[str, Any]]) -> float:
    """Seconds to write `documents` to the new index `index` and to make them searchable."""
    client.indices.create(index=index, **definition)
    began = time.perf_counter()
    written = sum(ok for ok, _ in streaming_bulk(client, documents, chunk_size=PORTION, index=index))
    client.indices.refresh(index=index)
    took = time.perf_counter() - began
    assert written == client.count(index=index)["count"] == len(documents)
    client.indices.delete(index=index)
    return took


def rebuild(storage: Storage, generations: Generations, change_lock: ChangeLock, count: int) -> float:
    """Seconds of a whole rebuild, the exchange included."""
    began = time.perf_counter()
    name = Rebuild(storage, generations, change_lock).run()
    took = time.perf_counter() - began
    assert generations.count(name) == count
    for each in generations.old():
        generations.remove(each)
    return took


def age(storage: Storage, data: Path, seconds: float = 3600.0) -> None:
    """Make the records and folders look as if nothing had changed for `seconds`."""
    moment = time.time() - seconds
    for each in storage.ids():
        os.utime(path_of(data, each, Artefact.RECORD), (moment, moment))
    for folder in (data / "attachments").iterdir():
        os.utime(folder, (moment, moment))


def compare(records: int) -> None:
    """Run both sides on a new store of `records` attachments and print one line."""
    alias = f"benchmark_{secrets.token_hex(6)}"
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(Settings.from_environ(os.environ), data=Path(folder), index=alias)
        connection = Connection(settings)
        client = connection.client.options(request_timeout=120)
        definition = mappings.load(mappings.MAPPINGS / "coco_attachment.json")
        generations = Generations(connection, alias, definition, open_data_folder(settings.data))
        storage = Filesystem(settings.data)
        seed(settings.data, records)
        age(storage, settings.data)
        found = (storage.record(each) for each in storage.ids())
        sources = [source_of(Attachment.from_record(record)) for record in found if record is not None]
        documents = [{"_id": each["id"], "_source": each} for each in sources]
        took: dict[str, list[float]] = {"rebuild": [], "bulk": []}
        try:
            for _ in range(ROUNDS):
                took["rebuild"].append(rebuild(storage, generations, Local(settings.data).change_lock, records))
                took["bulk"].append(bulk(client, f"{alias}-bulk", definition, documents))
        finally:
            for index in client.indices.get(index=f"{alias}-*", filter_path="*.aliases").body:
                client.indices.delete(index=index)
            connection.close()
    rates = {name: records / min(each) for name, each in took.items()}
    ratio = rates["rebuild"] / rates["bulk"]
    print(
        f"{records} records: rebuild {rates['rebuild']:.0f}/s, bulk {rates['bulk']:.0f}/s, ratio {ratio:.2f}",
        f"(seconds: rebuild {', '.join(f'{each:.2f}' for each in took['rebuild'])};",
        f"bulk {', '.join(f'{each:.2f}' for each in took['bulk'])})",
        flush=True,
    )


def change_lock(times: int = 10_000) -> None:
    """Print what one change pays for holding the change lock."""
    with tempfile.TemporaryDirectory() as folder:
        lock = Local(Path(folder)).change_lock
        began = time.perf_counter()
        for _ in range(times):
            lock.shared().close()
        print(f"change lock: {(time.perf_counter() - began) / times * 1e6:.1f} microseconds a change", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure scripts/store rebuild against ready documents in bulk.")
    parser.add_argument("--records", type=int, nargs="+", default=[10_000, 50_000])
    arguments = parser.parse_args()
    change_lock()
    for each in arguments.records:
        compare(each)


if __name__ == "__main__":
    main()
