"""Settling: every state that a killed upload or delete leaves becomes all of it or none of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.coordination.local import Local
from app.errors import IndexUnavailable, NotFound, StorageFailed
from app.files import sync_folder
from app.ids import new_xid
from app.opening import open_store
from app.services.store import Store
from app.services.uploads import Draft
from app.settings import Settings
from app.storage.contract import Artefact
from app.storage.filesystem import Filesystem
from tests.support.app import delete_index, unique_index
from tests.support.artefacts import data_of, path_of

TENANT = "default"


@pytest.fixture
def store(tmp_path: Path, elasticsearch_url: str) -> Iterator[Store]:
    settings = Settings(
        data=tmp_path / "data",
        index=unique_index(),
        elasticsearch_url=elasticsearch_url,
        elasticsearch_timeout=30.0,
        disk_reserve=0,
        embeddings="off",
    )
    store = open_store(settings)
    yield store
    store.index.close()
    delete_index(elasticsearch_url, settings.index)


def draft(store: Store, content: bytes = b"content") -> Draft:
    return Draft(new_xid(), "a.txt", store.uploads.stage([content], 100), TENANT, "owner", "coco")


def uploaded(store: Store) -> str:
    one = draft(store)
    store.uploads.upload([one])
    one.staged.discard()
    return one.id


def found(store: Store) -> set[str]:
    answer = store.index.connection.client.search(index=store.index.alias, source=False, size=100)
    return {hit["_id"] for hit in answer["hits"]["hits"]}


def files(store: Store) -> list[str]:
    folders = [data_of(store) / name for name in ("attachments", "incoming", "journal")]
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return sorted(path.name for path in found if path.suffix != ".spare")


def journal(store: Store, kind: str, *ids: str) -> None:
    """An entry whose worker is gone."""
    store.journal.begin("upload" if kind == "upload" else "delete", list(ids), durable=False).close()


def forget_document(store: Store, attachment_id: str) -> None:
    store.index.connection.client.delete(index=store.index.alias, id=attachment_id, refresh=True)


def test_nothing_to_settle(store: Store) -> None:
    kept = uploaded(store)
    assert store.settling.settle() == 0
    assert found(store) == {kept}


def test_an_upload_with_all_its_records_is_finished(store: Store) -> None:
    one, two = uploaded(store), new_xid()
    staged = store.uploads.stage([b"content"], 100)
    staged.keep(two)
    staged.discard()
    record = store.records.find(one, TENANT).to_record()
    store.storage.commit(two, {**record, "id": two})
    journal(store, "upload", one, two)
    assert store.settling.settle() == 1
    assert found(store) == {one, two}
    assert store.records.find(two, TENANT).name == "a.txt"
    assert store.settling.settle() == 0


def test_an_upload_without_one_of_its_records_is_undone(store: Store) -> None:
    kept, one = uploaded(store), uploaded(store)
    half = draft(store)
    half.staged.keep(half.id)
    half.staged.discard()
    journal(store, "upload", one, half.id)
    assert store.settling.settle() == 1
    assert found(store) == {kept}
    assert files(store) == [f"{kept}.bytes", f"{kept}.json"]
    with pytest.raises(NotFound):
        store.records.find(one, TENANT)


def test_an_upload_that_never_began_is_forgotten(store: Store) -> None:
    uploaded(store)
    journal(store, "upload", new_xid())
    before = files(store)
    assert store.settling.settle() == 1
    assert len(files(store)) == len(before) - 1


@pytest.mark.parametrize("step", ["before", "after the document", "after the record", "after everything"])
def test_a_delete_is_always_finished(store: Store, step: str) -> None:
    kept, gone = uploaded(store), uploaded(store)
    if step != "before":
        forget_document(store, gone)
    if step == "after the record":
        path_of(data_of(store), gone, Artefact.RECORD).unlink()
    if step == "after everything":
        store.storage.remove(gone)
    journal(store, "delete", gone)
    assert store.settling.settle() == 1
    assert found(store) == {kept}
    assert files(store) == [f"{kept}.bytes", f"{kept}.json"]


def test_one_that_cannot_be_decided_keeps_no_other_from_it(store: Store) -> None:
    damaged, gone = uploaded(store), uploaded(store)
    path_of(data_of(store), damaged, Artefact.RECORD).write_text("{")
    journal(store, "upload", damaged)
    journal(store, "delete", gone)
    assert store.settling.settle() == 1
    assert gone not in found(store)
    with pytest.raises(StorageFailed):
        store.records.find(damaged, TENANT)
    assert len([name for name in files(store) if name.endswith(".upload")]) == 1


def test_without_elasticsearch_everything_waits(store: Store, tmp_path: Path) -> None:
    kept = uploaded(store)
    journal(store, "delete", kept)
    settings = Settings(
        data=tmp_path / "data", index=store.index.alias, elasticsearch_url="http://127.0.0.1:1", disk_reserve=0
    )
    alone = Store(settings, Filesystem(settings.data), Local(settings.data), "unknown", store.embeddings)
    with pytest.raises(IndexUnavailable):
        alone.settling.settle()
    opened = alone.downloads.open(kept, TENANT)
    assert opened.content is not None
    assert opened.content.read(0, 100) == b"content"
    opened.close()
    one = draft(alone)
    with pytest.raises(IndexUnavailable):
        alone.uploads.upload([one])
    one.staged.discard()
    assert len(files(store)) == 3
    alone.index.close()
    assert store.settling.settle() == 1
    assert files(store) == []


def test_a_damaged_record_keeps_nothing_else_from_being_settled(store: Store) -> None:
    damaged, whole = uploaded(store), uploaded(store)
    path_of(data_of(store), damaged, Artefact.RECORD).write_text('{"id": 1}')
    # By the entries' random names the damaged one comes first half of the times; of ten, some are behind it.
    for attachment_id in (damaged, *[whole] * 10):
        journal(store, "upload", attachment_id)
    assert store.settling.settle() == 10
    assert found(store) == {damaged, whole}
    assert store.settling.undecided() == 1


def test_the_entry_of_a_finished_upload_of_several_files_is_gone_for_good(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back after a power cut it would say, once one of the files is deleted, that the other is half an upload."""
    journal(store, "upload", uploaded(store), uploaded(store))
    gone: list[bool] = []

    def sync(folder: Path) -> None:
        gone.append(folder == data_of(store) / "journal" and store.journal.count() == 0)
        sync_folder(folder)

    monkeypatch.setattr("app.coordination.local.journal.sync_folder", sync)
    assert store.settling.settle() == 1
    assert gone[-1:] == [True]


def test_an_entry_that_a_power_cut_brings_back(store: Store) -> None:
    """The entry of a finished upload of several files lies in the journal again, as if its removal had never reached
    the disk, while nothing was deleted since: it is decided once more and changes nothing.

    That it can't come back later than that, when one of the files is deleted, is a matter of fsync:
    tests/faults/test_durable_order.py.
    """
    drafts = [draft(store, content) for content in (b"a", b"b")]
    store.uploads.upload(drafts)
    for each in drafts:
        each.staged.discard()
    ids = [each.id for each in drafts]
    before = files(store)
    journal(store, "upload", *ids)
    store.settling.settle()
    assert found(store) == set(ids)
    assert files(store) == before
