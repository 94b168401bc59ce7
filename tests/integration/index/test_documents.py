"""Group commit on a real Elasticsearch: few bulks for many writers, each searchable on return."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.coordination.local.bulk_lock import BulkLock
from app.errors import IndexMoved, IndexUnavailable, StorageFull
from app.ids import new_uuid
from app.index import mappings
from app.index.admission import Gate
from app.index.connection import Connection
from app.index.documents import REMOVAL_VERSION, Documents, Write
from app.index.generations import Generations
from app.settings import Settings
from tests.integration.index.conftest import CountedConnection
from tests.support.app import delete_index, unique_index


@pytest.fixture
def alias(connection: CountedConnection, elasticsearch_url: str) -> Iterator[str]:
    name = unique_index()
    mappings.ensure(connection.client, name, mappings.load(mappings.MAPPINGS / "coco_attachment.json"), new_uuid())
    yield name
    delete_index(elasticsearch_url, name)


@pytest.fixture
def bulk_lock(tmp_path: Path) -> BulkLock:
    return BulkLock(tmp_path / ".bulk.lock")


def found(connection: Connection, alias: str) -> set[str]:
    answer = connection.client.search(index=alias, size=1000, source=False)
    return {hit["_id"] for hit in answer["hits"]["hits"]}


def source(number: int) -> dict[str, Any]:
    return {"id": f"d{number}", "size": number}


def test_many_writers_share_bulks(connection: CountedConnection, alias: str, bulk_lock: BulkLock) -> None:
    documents = Documents(connection, alias, 30, bulk_lock)
    missed: list[int] = []
    begin = threading.Barrier(24)

    def work(writer: int) -> None:
        begin.wait()
        for number in range(writer * 10, writer * 10 + 10):
            documents.write([Write(f"d{number}", 1, source(number))], alias)
            if connection.client.count(index=alias, query={"term": {"id": f"d{number}"}})["count"] != 1:
                missed.append(number)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed == []
    assert connection.operations == 2 * 240
    assert connection.bulks < 120
    assert len(found(connection, alias)) == 240


def test_who_waits_for_another_process_goes_on_gathering(
    connection: CountedConnection, alias: str, bulk_lock: BulkLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.coordination.local.bulk_lock.LEAST_PATIENCE", 60.0)
    monkeypatch.setattr("app.coordination.local.bulk_lock.PATIENCE", 60.0)
    documents = Documents(connection, alias, 30, bulk_lock)
    others = BulkLock(tmp_path / ".bulk.lock")

    def work(number: int) -> None:
        documents.write([Write(f"d{number}", 1, source(number))], alias)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    with others.held():
        for thread in threads:
            thread.start()
        while len(documents._queue) < len(threads):
            time.sleep(0.01)
        assert connection.bulks == 0
    for thread in threads:
        thread.join()
    assert connection.bulks == 1
    assert len(found(connection, alias)) == len(threads)


def test_a_bulk_waits_for_what_is_announced(
    connection: CountedConnection, alias: str, bulk_lock: BulkLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.index.documents.MOST_GATHERING", 60.0)
    documents = Documents(connection, alias, 30, bulk_lock)
    documents.write([Write("d0", 1, source(0))], alias)
    documents._took = 60.0
    leader = threading.Thread(target=documents.write, args=([Write("d1", 1, source(1))], alias))
    with documents.announced():
        leader.start()
        while not documents._leading:
            time.sleep(0.01)
        time.sleep(0.3)
        assert connection.bulks == 1
        with pytest.raises(StorageFull), documents.announced():
            # One that fails on its way is not waited for.
            raise StorageFull()
        assert connection.bulks == 1
    leader.join(60)
    assert connection.bulks == 2
    assert found(connection, alias) == {"d0", "d1"}


def test_what_is_announced_and_does_not_come_is_not_waited_for(
    connection: CountedConnection, alias: str, bulk_lock: BulkLock
) -> None:
    documents = Documents(connection, alias, 30, bulk_lock)
    with documents.announced():
        # At first nothing is known of how long a bulk takes; later there is a most that it counts for.
        for number, took in enumerate((0.0, 60.0)):
            documents._took = took
            documents.write([Write(f"d{number}", 1, source(number))], alias)
    assert found(connection, alias) == {"d0", "d1"}


@pytest.mark.parametrize(("more", "bulks"), [(0, 1), (-1, 2)], ids=["at the limit", "past it"])
def test_a_bulk_is_bounded_by_its_bytes(
    more: int,
    bulks: int,
    connection: CountedConnection,
    alias: str,
    bulk_lock: BulkLock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.coordination.local.bulk_lock.LEAST_PATIENCE", 60.0)
    monkeypatch.setattr("app.coordination.local.bulk_lock.PATIENCE", 60.0)
    documents = Documents(connection, alias, 30, bulk_lock)

    def work(number: int) -> None:
        documents.write([Write(f"d{number}", 1, source(number))], alias)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    with BulkLock(tmp_path / ".bulk.lock").held():
        for thread in threads:
            thread.start()
        while len(documents._queue) < len(threads):
            time.sleep(0.01)
        size = sum(each.size for each in documents._queue)
        monkeypatch.setattr("app.index.documents.MAX_BULK_BYTES", size + more)
    for thread in threads:
        thread.join()
    assert connection.bulks == bulks
    assert len(found(connection, alias)) == len(threads)


def test_a_write_larger_than_a_bulk_goes_alone(
    connection: CountedConnection, alias: str, bulk_lock: BulkLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.index.documents.MAX_BULK_BYTES", 10)
    Documents(connection, alias, 30, bulk_lock).write([Write("a", 1, source(1)), Write("b", 1, source(2))], alias)
    assert connection.bulks == 1
    assert found(connection, alias) == {"a", "b"}


def test_a_process_that_stands_still_in_the_lane_stops_nobody(
    connection: CountedConnection, alias: str, bulk_lock: BulkLock, tmp_path: Path
) -> None:
    documents = Documents(connection, alias, 30, bulk_lock)
    with BulkLock(tmp_path / ".bulk.lock").held():
        documents.write([Write("d1", 1, source(1))], alias)
    assert found(connection, alias) == {"d1"}


@pytest.mark.parametrize("file", ["missing/bulk_lock", "."])
def test_a_lane_that_is_not_to_be_had_is_free(file: str, tmp_path: Path) -> None:
    for _ in range(2):
        with BulkLock(tmp_path / file).held():
            pass


def test_versions(connection: CountedConnection, alias: str, bulk_lock: BulkLock) -> None:
    documents = Documents(connection, alias, 30, bulk_lock)
    documents.write([Write("d1", 10, source(1))], alias)
    documents.write([Write("d1", 10, source(1))], alias)
    documents.write([Write("d1", 11, None), Write("absent", 11, None)], alias)
    assert found(connection, alias) == set()
    # A write that comes after the delete it lost against has no effect.
    with pytest.raises(Exception, match="refused"):
        documents.write([Write("d1", 10, source(1))], alias)
    assert found(connection, alias) == set()


@pytest.mark.parametrize("written", [source(1), None], ids=["a document", "a removal"])
def test_a_lost_index_is_not_made_by_a_write(
    connection: CountedConnection,
    alias: str,
    bulk_lock: BulkLock,
    elasticsearch_url: str,
    written: dict[str, Any] | None,
) -> None:
    """Elasticsearch alone would make an index by that name for a removal, whatever alias the request demands."""
    documents = Documents(connection, alias, 30, bulk_lock)
    delete_index(elasticsearch_url, alias)
    with pytest.raises(IndexMoved):
        documents.write([Write("d1", 1, written)], alias)
    assert requests.get(f"{elasticsearch_url}/{alias}", timeout=60).status_code == 404


def test_a_document_is_not_written_past_an_exchange(
    connection: CountedConnection, alias: str, bulk_lock: BulkLock
) -> None:
    """What is still on its way to a generation that was replaced reaches neither it nor the one in its place."""
    definition = mappings.load(mappings.MAPPINGS / "coco_attachment.json")
    present = mappings.current(connection.client, alias)
    assert present is not None
    assert present.target is not None
    documents = Documents(connection, alias, 30, bulk_lock)
    documents.write([Write("d1", 1, source(1))], present.target)
    generations = Generations(connection, alias, definition, present.meta["store_id"])
    name = generations.create({"kind": "test"})
    generations.swap(name)
    for _ in range(2):
        with pytest.raises(IndexMoved):
            documents.write([Write("d2", 1, source(2))], present.target)
        # Not after the way back either: the old one has forgotten by then what was removed.
        generations.swap(present.name)
    connection.client.indices.refresh(index=f"{alias}-*")
    assert found(connection, f"{alias}-*") == {"d1"}
    documents.write([Write("d1", REMOVAL_VERSION, None)], present.target)
    assert found(connection, alias) == set()


def test_a_read_only_index_refuses_for_now(
    connection: CountedConnection, alias: str, bulk_lock: BulkLock, elasticsearch_url: str
) -> None:
    documents = Documents(connection, alias, 30, bulk_lock)
    blocks = f"{elasticsearch_url}/{alias}/_settings"
    requests.put(blocks, json={"index.blocks.read_only_allow_delete": True}, timeout=60).raise_for_status()
    with pytest.raises(IndexUnavailable):
        documents.write([Write("d1", 1, source(1))], alias)
    requests.put(blocks, json={"index.blocks.read_only_allow_delete": None}, timeout=60).raise_for_status()
    documents.write([Write("d1", 1, source(1))], alias)
    assert found(connection, alias) == {"d1"}


def test_one_document_that_is_refused_leaves_the_others(
    connection: CountedConnection, alias: str, bulk_lock: BulkLock
) -> None:
    documents = Documents(connection, alias, 30, bulk_lock)
    with pytest.raises(Exception, match="Elasticsearch"):
        documents.write([Write("good", 1, source(1)), Write("bad", 1, {"size": "no number"})], alias)
    assert found(connection, alias) == {"good"}
    with pytest.raises(Exception, match="Elasticsearch refused"):
        documents.write([Write("bad", 1, {"unknown_field": 1})], alias)


def test_nobody_there(bulk_lock: BulkLock) -> None:
    connection = Connection(Settings(elasticsearch_url="http://127.0.0.1:1"))
    with pytest.raises(IndexUnavailable):
        Documents(connection, "nothing", 2, bulk_lock).write([Write("d1", 1, source(1))], "nothing")
    connection.close()


def test_of_two_equal_writes_only_the_one_that_gives_up_goes(
    connection: CountedConnection, alias: str, bulk_lock: BulkLock
) -> None:
    """Two removals of one document are equal; the one that runs out of time must not take the other out of the queue."""
    documents = Documents(connection, alias, 60, bulk_lock)
    removal = [Write("d", REMOVAL_VERSION, None)]
    lead, ends = threading.Event(), {}

    def leading() -> None:
        with documents._turn:
            documents._leading = True
        lead.wait()
        with documents._turn:
            documents._leading = False
            documents._turn.notify_all()

    def remove(name: str, seconds: float) -> None:
        try:
            with Gate(60, 4).passage(seconds):
                documents.write(removal, alias)
            ends[name] = "done"
        except Exception as error:
            ends[name] = type(error).__name__

    leader = threading.Thread(target=leading)
    leader.start()
    writers = [threading.Thread(target=remove, args=each) for each in (("patient", 60.0), ("hasty", 1.0))]
    for each in writers:
        each.start()
        time.sleep(0.1)
    writers[1].join()
    lead.set()
    for each in (*writers, leader):
        each.join()
    assert ends == {"patient": "done", "hasty": "IndexUnavailable"}
    assert connection.bulks == 1


def test_the_lead_is_passed_on_whatever_happens(connection: CountedConnection, alias: str, bulk_lock: BulkLock) -> None:
    """A leader that is interrupted, as by the end of its process, leaves a queue in which others get through."""
    documents = Documents(connection, alias, 5, bulk_lock)

    class Interrupting(Write):
        @property
        def source(self) -> Any:
            raise SystemExit

    interrupting = Interrupting.__new__(Interrupting)
    object.__setattr__(interrupting, "id", "d0")
    object.__setattr__(interrupting, "version", 1)
    with pytest.raises(SystemExit):
        documents.write([interrupting], alias)
    documents.write([Write("d1", 1, source(1))], alias)
    assert found(connection, alias) == {"d1"}
