"""Passages of texts come after the words and delay nothing, are kept beside the bytes, and go with the attachment."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.errors import IndexRejected, StorageFailed
from app.ids import new_xid
from app.index import mappings
from app.index.generations import Generations
from app.model.attachment import Attachment
from app.opening import open_store
from app.passages.keeping import decoded
from app.services.extracting import Extractor
from app.services.indexing import document_of
from app.services.passages import label
from app.services.store import Store
from app.services.uploads import Draft
from app.settings import Settings
from app.storage.contract import Artefact, name_of
from app.upkeep.administration import Administration
from app.upkeep.rebuild import Rebuild
from app.upkeep.repair import Repair
from app.upkeep.verify import Checker
from tests.support.app import delete_index, unique_index
from tests.support.models import MODEL, PATIENCE, Kept, await_that, cut_model, kept

TEXT = "The boiler in the cellar has to be bled twice a year. " * 30


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with kept(tmp_path_factory.mktemp("model") / "data") as made:
        yield made


@contextlib.contextmanager
def opened(
    data: Path, elasticsearch_url: str, index: str | None = None, **settings: Any
) -> Iterator[tuple[Store, Extractor]]:
    """A store with that index, which stays; with one of its own, which does not, where it is None."""
    wanted = Settings(
        data=data,
        index=index or unique_index(),
        elasticsearch_url=elasticsearch_url,
        elasticsearch_timeout=30.0,
        disk_reserve=0,
        embeddings_timeout=PATIENCE,
        embeddings_query_timeout=PATIENCE,
        **{"embeddings": "off", **settings},
    )
    store = open_store(wanted)
    with contextlib.closing(store.index):
        yield store, Extractor(store, wanted)
    if index is None:
        delete_index(elasticsearch_url, wanted.index)


@pytest.fixture
def store(model: Kept, elasticsearch_url: str) -> Iterator[tuple[Store, Extractor]]:
    """One with the model, which is kept beside it."""
    with opened(model.settings.data, elasticsearch_url, embeddings="builtin") as made:
        yield made
        for each in list(made[0].storage.ids()):
            made[0].deletion.delete(each, "default")


def upload(store: Store, content: bytes = TEXT.encode(), name: str = "a.txt") -> Attachment:
    draft = Draft(new_xid(), name, store.uploads.stage([content], 1 << 20), "default", "test", "coco", "s")
    try:
        return store.uploads.upload([draft])[0]
    finally:
        draft.staged.discard()


def asked(store: Store, path: str, body: dict[str, Any]) -> Any:
    url = f"{store.index.connection.client.transport.node_pool.all()[0].base_url}/{store.index.alias}/{path}"
    return requests.post(url, json=body, timeout=30).json()


def vectors(store: Store) -> int:
    """How many passages the index has."""
    body = {"size": 0, "aggs": {"all": {"nested": {"path": "passages"}}}}
    return int(asked(store, "_search", body)["aggregations"]["all"]["doc_count"])


def found(store: Store) -> int:
    return int(asked(store, "_count", {"query": {"match": {"content_words": "boiler"}}})["count"])


def administration(store: Store, dimensions: int | None = None) -> Administration:
    connection, lock = store.index.connection, store.coordination.change_lock
    definition = mappings.load(mappings.MAPPINGS / "coco_attachment.json")
    return Administration(store.index.alias, definition, store.id, connection, store.storage, lock, True, dimensions)


def checker(store: Store) -> Checker:
    found, model = administration(store).generations, store.embeddings.model()
    return Checker(store.storage, store.coordination, store.queue, found, grace=60.0, read_data=True, model=model)


def checker_without_model(store: Store) -> Checker:
    return Checker(store.storage, store.coordination, store.queue, administration(store).generations, grace=60.0)


def test_a_text_is_found_before_it_has_passages_and_then_has_them(store: tuple[Store, Extractor]) -> None:
    stored, worker = store
    attachment = upload(stored)
    assert stored.queue.peek(attachment.id).left == ("text", "passages")
    assert worker.work() == 1
    assert (found(stored), stored.queue.count()) == (1, 0)
    content = stored.storage.read(attachment.id, Artefact.PASSAGES)
    assert content is not None
    made = decoded(content)
    known = stored.records.extraction(attachment.id)
    assert known is not None
    assert (made.model, made.dimensions, made.text, made.more) == (MODEL, 512, known.sha256, False)
    assert len(made.places) == vectors(stored) > 1
    source = asked(stored, "_search", {"query": {"ids": {"values": [attachment.id]}}})["hits"]["hits"][0]["_source"]
    assert source["passages_model"] == label(made.model, made.version)
    assert "passages" not in source
    stored.deletion.delete(attachment.id, "default")
    assert stored.storage.read(attachment.id, Artefact.PASSAGES) is None
    assert vectors(stored) == 0


def test_a_late_write_of_the_text_does_not_take_the_passages_away(
    store: tuple[Store, Extractor], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, worker = store
    upload(stored)
    put = stored.index.put_documents
    late: list[Any] = []

    def remembered(documents: Any) -> None:
        documents = list(documents)
        late.extend(documents)
        put(documents)

    monkeypatch.setattr(stored.index, "put_documents", remembered)
    assert worker.work() == 1
    first, second = late
    assert (first.version + 1, "passages" in first.source) == (second.version, False)
    with pytest.raises(IndexRejected):
        put([first])
    assert vectors(stored) > 1


def test_without_a_model_a_text_is_found_by_its_words_and_has_passages_later(
    elasticsearch_url: str, tmp_path: Path
) -> None:
    with opened(tmp_path / "data", elasticsearch_url, embeddings="builtin") as (stored, worker):
        attachment = upload(stored)
        assert worker.work() == 0
        assert (found(stored), vectors(stored)) == (1, 0)
        assert stored.steps.extraction_state(attachment)[0] == "completed"
        entry = stored.queue.peek(attachment.id)
        assert (entry.left, entry.unfit) == (("passages",), 1)
        # Not at once again.
        worker.work()
        assert stored.queue.peek(attachment.id).unfit == 1


def test_where_embeddings_are_off_nothing_is_made(elasticsearch_url: str, tmp_path: Path) -> None:
    with opened(tmp_path / "data", elasticsearch_url) as (stored, worker):
        attachment = upload(stored)
        assert stored.queue.peek(attachment.id).left == ("text",)
        assert worker.work() == 1
        assert (found(stored), vectors(stored), stored.queue.count()) == (1, 0, 0)
        assert stored.storage.read(attachment.id, Artefact.PASSAGES) is None


def test_passages_of_another_text_or_cut_otherwise_are_made_again_and_others_are_not(
    store: tuple[Store, Extractor], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, worker = store
    attachment = upload(stored)
    assert worker.work() == 1
    asked_for: list[int] = []
    embed = stored.embeddings.passages

    def counted(texts: list[str], tenant: str) -> Any:
        asked_for.append(len(texts))
        return embed(texts, tenant)

    monkeypatch.setattr(stored.embeddings, "passages", counted)
    stored.queue.add(attachment.id, left=("passages",))
    assert worker.work() == 1
    assert asked_for == []
    content = stored.storage.read(attachment.id, Artefact.PASSAGES)
    assert content is not None
    other = decoded(content)
    stored.storage.keep_passages(attachment.id, type(other)(**{**vars(other), "model": "another"}).encoded())
    stored.queue.add(attachment.id, left=("passages",))
    assert worker.work() == 1
    assert sum(asked_for) == len(other.places)
    assert stored.storage.read(attachment.id, Artefact.PASSAGES) == content
    # Those of another text are none.
    stored.storage.keep_passages(attachment.id, type(other)(**{**vars(other), "text": "0" * 64}).encoded())
    assert "passages" not in (document_of(stored.storage, attachment).source or {})
    stored.storage.keep_passages(attachment.id, b"damaged")
    document = document_of(stored.storage, attachment)
    assert document.source is not None
    assert "content_words" in document.source
    assert "passages" not in document.source


def test_all_that_has_no_passages_is_queued_when_embeddings_come(store: tuple[Store, Extractor]) -> None:
    stored, worker = store
    attachment, blank = upload(stored), upload(stored, b"\0", "a.bin")
    assert worker.work() >= 1
    model = stored.embeddings.model()
    mine = (model.name, model.version, model.dimensions)
    assert stored.steps.queue_missing(by=mine) == 0
    for other in (("another", "", None), ("another", "", 512), (*mine[:2], 256)):
        assert stored.steps.queue_missing(by=other) == 1
        assert worker.work() == 1
    stored.storage.remove_passages(attachment.id)
    assert stored.steps.queue_missing(by=(*mine[:2], None)) == 1
    assert stored.queue.peek(attachment.id).left == ("passages",)
    assert not stored.queue.has(blank.id)
    assert worker.work() == 1


def test_a_delete_while_passages_are_kept_leaves_nothing(
    store: tuple[Store, Extractor], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, worker = store
    attachment = upload(stored)
    keep = stored.storage.keep_passages

    def overtaken(*arguments: Any) -> None:
        stored.deletion.delete(attachment.id, "default")
        keep(*arguments)

    monkeypatch.setattr(stored.storage, "keep_passages", overtaken)
    assert worker.work() == 1
    for each in Artefact:
        assert stored.storage.size(attachment.id, each) is None
    assert (found(stored), vectors(stored), stored.queue.count()) == (0, 0, 0)


def test_where_they_can_not_be_kept_they_are_tried_again(
    store: tuple[Store, Extractor], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, worker = store
    attachment = upload(stored)

    def broken(*arguments: Any) -> None:
        raise StorageFailed

    with monkeypatch.context() as patched:
        patched.setattr(stored.storage, "keep_passages", broken)
        assert worker.work() == 0
    assert (found(stored), vectors(stored), stored.queue.peek(attachment.id).unfit) == (1, 0, 1)
    deadline = time.monotonic() + PATIENCE
    while stored.queue.has(attachment.id):
        assert time.monotonic() < deadline
        worker.work()
        time.sleep(0.2)
    assert vectors(stored) > 1


def test_a_migration_and_a_rebuild_take_them_from_their_files_and_ask_no_model(
    store: tuple[Store, Extractor], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, worker = store
    upload(stored)
    assert worker.work() == 1
    count = vectors(stored)
    assert count > 1
    monkeypatch.setattr(stored.embeddings, "passages", None)
    index = administration(stored)
    assert index.migrate(False, force=True)["done"]
    assert (found(stored), vectors(stored)) == (1, count)
    Rebuild(stored.storage, index.generations, stored.coordination.change_lock).run()
    assert (found(stored), vectors(stored)) == (1, count)
    assert [each.code for each in checker(stored).run()] == []


def test_an_index_of_an_older_version_goes_without_until_it_is_migrated(
    store: tuple[Store, Extractor], tmp_path: Path
) -> None:
    stored, worker = store
    index = administration(stored)
    older = json.loads(json.dumps(index.definition))
    older["mappings"]["_meta"]["mapping_version"] = 3
    older["mappings"]["_source"]["excludes"].remove("passages")
    for name in ("passages", "passages_model"):
        del older["mappings"]["properties"][name]
    mappings.ensure(stored.index.connection.client, stored.index.alias, older, stored.id)
    upload(stored)
    assert worker.work() == 1
    assert (found(stored), stored.queue.count()) == (1, 0)
    assert [each.code for each in checker(stored).run()] == []
    assert index.update(dry=False)["refused"] != []
    assert index.migrate(dry=False)["done"]
    assert (found(stored), vectors(stored) > 1) == (1, True)
    assert [each.code for each in checker(stored).run()] == []


@pytest.fixture
def half(model: Kept) -> Iterator[dict[str, Any]]:
    """The settings of another model, whose vectors have half as many numbers."""
    with cut_model(model, 256) as url:
        yield {"embeddings": url, "embeddings_model": "half"}


def test_another_model_is_a_migration(
    store: tuple[Store, Extractor], model: Kept, elasticsearch_url: str, half: dict[str, Any]
) -> None:
    stored, worker = store
    first, second = upload(stored), upload(stored, b"Penicillin is given for ten days.", "b.txt")
    assert worker.work() == 2
    assert stored.index.other_vectors(512) is None
    with opened(model.settings.data, elasticsearch_url, stored.index.alias, **half) as (other, later):
        later._scan()
        assert sorted(other.queue.ids()) == sorted([first.id, second.id])
        later._scan()
        assert other.queue.count() == 2
        assert later.work() == 2
        # The index can't have them; the words are found, and the files are ready for the next one.
        assert (found(other), vectors(other)) == (1, 0)
        content = other.storage.read(first.id, Artefact.PASSAGES)
        assert content is not None
        assert (decoded(content).model, decoded(content).dimensions) == ("half", 256)
        assert other.index.other_vectors(256) == 512
        assert [each.code for each in checker(other).run()] == []
        index = administration(other, 256)
        status = index.status()
        assert (status["needs"], [each["field"] for each in status["differences"]]) == (
            "migration",
            ["passages.vector"],
        )
        assert "512" in status["warnings"][0]
        # Without knowing the model nothing of it is changed, and nothing is lacking.
        assert administration(other).status()["needs"] == "nothing"
        assert index.update(dry=False)["refused"] != []
        assert index.migrate(dry=False)["done"]
        assert (index.status()["needs"], index.status()["warnings"]) == ("nothing", [])
        assert (found(other), vectors(other)) == (1, len(decoded(content).places) + 1)
        await_that(lambda: other.index.other_vectors(256) is None)
        assert [each.code for each in checker(other).run()] == []
        third = upload(other, TEXT.encode(), "c.txt")
        assert later.work() == 1
        assert vectors(other) == 2 * len(decoded(content).places) + 1
        # Who still has the first model, and the first index in mind, spoils nothing.
        stored.queue.add(third.id, left=("passages",))
        assert worker.work() == 1
        assert vectors(other) == len(decoded(content).places) + 1
        assert found(other) == 2
        # And back again, with whatever files there are by now.
        assert administration(stored, 512).rollback(dry=False)["done"]
        assert vectors(other) == len(decoded(content).places)
        for each in (first, second):
            stored.queue.add(each.id, left=("passages",))
        assert worker.work() == 2
        assert vectors(stored) == 2 * len(decoded(content).places) + 1
        assert [each.code for each in checker(stored).run()] == []


def test_a_rebuild_has_the_vectors_of_the_model(
    store: tuple[Store, Extractor], model: Kept, elasticsearch_url: str, half: dict[str, Any]
) -> None:
    stored, worker = store
    upload(stored)
    assert worker.work() == 1
    count = vectors(stored)
    with opened(model.settings.data, elasticsearch_url, stored.index.alias, **half) as (other, later):
        upload(other, TEXT.encode(), "b.txt")
        assert later.work() == 1
    # One file has vectors of each model. Without knowing which, the first one that is read decides.
    for wanted in (512, 256, None):
        definition = mappings.with_dimensions(administration(stored).definition, wanted)
        generations = Generations(stored.index.connection, stored.index.alias, definition, stored.id)
        Rebuild(stored.storage, generations, stored.coordination.change_lock).run()
        assert (found(stored), vectors(stored)) == (2, count)
        assert generations.dimensions(generations.current() or "") in ((wanted,) if wanted else (512, 256))


def test_what_is_outdated_is_found_and_made_anew(store: tuple[Store, Extractor]) -> None:
    stored, worker = store
    attachment, blank = upload(stored), upload(stored, b" ", "blank.txt")
    assert worker.work() >= 1
    content = stored.storage.read(attachment.id, Artefact.PASSAGES)
    assert content is not None
    kept = decoded(content)
    check = checker(stored)
    assert [each.code for each in check.run()] == []
    for change in ({"model": "another"}, {"version": "another"}, {"cutter": kept.cutter + 1}, {"text": "0" * 64}, None):
        if change is None:
            stored.storage.remove_passages(attachment.id)
        else:
            stored.storage.keep_passages(attachment.id, type(kept)(**{**vars(kept), **change}).encoded())
        (finding,) = [each for each in check.run() if each.code == "outdated-passages"]
        assert (finding.id, finding.path) == (attachment.id, name_of(attachment.id, Artefact.PASSAGES))
        # Who makes no vectors lacks none.
        assert "outdated-passages" not in [each.code for each in checker_without_model(stored).run()]
        assert Repair(stored, check, grace=0.0).repair(finding)
        assert stored.queue.peek(attachment.id).left == ("passages",)
        assert [each.code for each in check.run()] == []
        assert worker.work() == 1
        assert stored.storage.read(attachment.id, Artefact.PASSAGES) == content
    assert not stored.queue.has(blank.id)


def test_what_waits_for_a_model_when_there_is_none_any_more_is_let_go(elasticsearch_url: str, tmp_path: Path) -> None:
    data, index = tmp_path / "data", unique_index()
    with opened(data, elasticsearch_url, index, embeddings="builtin") as (stored, worker):
        attachment, unread = upload(stored), upload(stored, TEXT.encode(), "b.txt")
        assert worker.work() == 0
        stored.queue.add(unread.id, left=("text", "passages"), again=True)
        assert {each: stored.queue.peek(each).left for each in stored.queue.ids()} == {
            attachment.id: ("passages",),
            unread.id: ("text", "passages"),
        }
    with opened(data, elasticsearch_url, index) as (stored, worker):
        worker._scan()
        assert list(stored.queue.ids()) == [unread.id]
        assert stored.queue.peek(unread.id).left == ("text",)
        # One that another process had in its hands meanwhile.
        stored.queue.add(attachment.id, left=("text", "passages"), again=True)
        assert worker.work() == 2
        assert stored.queue.count() == 0
    with opened(data, elasticsearch_url, index, embeddings="builtin") as (stored, worker):
        worker._scan()
        assert {each: stored.queue.peek(each).left for each in stored.queue.ids()} == {
            attachment.id: ("passages",),
            unread.id: ("passages",),
        }
    delete_index(elasticsearch_url, index)


def test_damaged_passages_are_found_and_made_again(store: tuple[Store, Extractor]) -> None:
    stored, worker = store
    attachment = upload(stored)
    assert worker.work() == 1
    whole = stored.storage.read(attachment.id, Artefact.PASSAGES)
    assert whole is not None
    stored.storage.keep_passages(attachment.id, whole[:-1])
    check = checker(stored)
    (damaged,) = [each for each in check.run() if each.code == "damaged-passages"]
    assert Repair(stored, check, grace=0.0).repair(damaged)
    assert stored.storage.read(attachment.id, Artefact.PASSAGES) is None
    assert worker.work() == 1
    assert stored.storage.read(attachment.id, Artefact.PASSAGES) == whole
    assert [each.code for each in check.run()] == []
