"""What changes between a finding and its repair: it is looked at again right before, and what is in order stays."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.commands.common import generations_of
from app.errors import NotFound
from app.ids import new_xid
from app.opening import open_store
from app.services.store import Store
from app.services.uploads import Draft
from app.settings import Settings
from app.storage.contract import Artefact
from app.upkeep.repair import Repair
from app.upkeep.verify import Checker, Finding
from tests.support.app import delete_index, unique_index
from tests.support.artefacts import data_of, path_of

GRACE = 60.0
TENANT = "default"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, elasticsearch_url: str) -> Iterator[tuple[Store, Checker]]:
    settings = Settings(
        data=tmp_path_factory.mktemp("repair"),
        index=unique_index(),
        elasticsearch_url=elasticsearch_url,
        elasticsearch_timeout=30.0,
        disk_reserve=0,
        embeddings="off",
    )
    store = open_store(settings)
    generations = generations_of(store, settings)
    store.index.prepare()
    yield store, Checker(store.storage, store.coordination, store.queue, generations, grace=GRACE)
    store.index.close()
    delete_index(elasticsearch_url, settings.index)


def uploaded(store: Store) -> str:
    staged = store.uploads.stage([b"content"], 100)
    one = Draft(new_xid(), "a.txt", staged, TENANT, "owner", "coco")
    store.uploads.upload([one])
    staged.discard()
    return one.id


def aged(path: Path) -> Path:
    os.utime(path, (time.time() - 2 * GRACE,) * 2)
    return path


def aged_text(store: Store, attachment_id: str) -> Path:
    path = path_of(data_of(store), attachment_id, Artefact.TEXT)
    path.touch()
    return aged(path)


def found(checker: Checker, code: str) -> Finding:
    (finding,) = [each for each in checker.run() if each.code == code]
    return finding


def repaired(opened: tuple[Store, Checker], finding: Finding) -> bool:
    store, checker = opened
    return Repair(store, checker, grace=GRACE).repair(finding)


def test_bytes_whose_record_is_back(opened: tuple[Store, Checker]) -> None:
    store, checker = opened
    attachment_id = uploaded(store)
    attachment = store.records.find(attachment_id, TENANT)
    store.index.connection.client.delete(index=store.index.alias, id=attachment_id, refresh=True)
    path_of(data_of(store), attachment_id, Artefact.RECORD).unlink()
    aged(path_of(data_of(store), attachment_id))
    finding = found(checker, "bytes-without-record")
    store.storage.commit(attachment_id, attachment.to_record())
    repaired(opened, finding)
    assert path_of(data_of(store), attachment_id).read_bytes() == b"content"
    store.deletion.delete(attachment_id, TENANT)


def test_bytes_of_an_upload_under_way(opened: tuple[Store, Checker]) -> None:
    store, checker = opened
    attachment_id = new_xid()
    staged = store.uploads.stage([b"content"], 100)
    staged.keep(attachment_id)
    path = aged(path_of(data_of(store), attachment_id))
    staged.discard()
    finding = found(checker, "bytes-without-record")
    entry = store.journal.begin("upload", [attachment_id], durable=False)
    assert not repaired(opened, finding)
    assert path.exists()
    entry.settled()
    assert repaired(opened, finding)
    assert not path.exists()


def test_a_document_whose_record_is_back(opened: tuple[Store, Checker]) -> None:
    store, checker = opened
    attachment_id = uploaded(store)
    record = store.records.find(attachment_id, TENANT).to_record()
    store.storage.remove(attachment_id)
    # What is left of an attachment is found in its folder, and its document only once.
    text = aged_text(store, attachment_id)
    finding = found(checker, "document-without-record")
    text.unlink()
    store.storage.commit(attachment_id, record)
    repaired(opened, finding)
    answer = store.index.connection.client.search(index=store.index.alias, query={"ids": {"values": [attachment_id]}})
    assert [hit["_id"] for hit in answer["hits"]["hits"]] == [attachment_id]
    store.deletion.delete(attachment_id, TENANT)


def test_a_record_that_is_deleted_meanwhile(opened: tuple[Store, Checker]) -> None:
    store, checker = opened
    attachment_id = uploaded(store)
    store.index.connection.client.delete(index=store.index.alias, id=attachment_id, refresh=True)
    finding = found(checker, "record-without-document")
    store.deletion.delete(attachment_id, TENANT)
    repaired(opened, finding)
    assert list(checker.run()) == []
    with pytest.raises(NotFound):
        store.records.find(attachment_id, TENANT)


def test_a_temporary_file_that_somebody_holds_by_now(opened: tuple[Store, Checker]) -> None:
    store, checker = opened
    left = data_of(store) / "incoming" / ("0" * 32)
    left.touch()
    aged(left)
    finding = found(checker, "stale-temporary")
    with left.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not repaired(opened, finding)
        assert left.exists()
    os.utime(left)
    assert not repaired(opened, finding), "nor one that is young again"
    assert left.exists()
    aged(left)
    assert repaired(opened, finding)
    assert not left.exists()
