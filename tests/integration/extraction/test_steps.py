"""The steps between a text and its document, one by one, on a real index: what was interrupted goes on, late writes lose."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from app.errors import IndexRejected, IndexUnavailable
from app.extraction import lanes, reading
from app.extraction.record import Extraction
from app.ids import new_xid
from app.index.attachments import LARGE
from app.index.documents import Write
from app.index.source import source_of
from app.model.attachment import Attachment, now
from app.opening import open_store
from app.services import outcomes
from app.services.extracting import Extractor
from app.services.indexing import document_of
from app.services.store import Store
from app.services.uploads import Draft
from app.settings import Settings
from app.storage.contract import Artefact
from tests.integration.extraction.documents import picture
from tests.support.app import delete_index, unique_index
from tests.support.artefacts import data_of, path_of
from tests.support.breaking import Fault, Proxy


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
    with contextlib.closing(store.index):
        yield store
    delete_index(elasticsearch_url, settings.index)


@pytest.fixture
def worker(store: Store, tmp_path: Path) -> Extractor:
    return Extractor(store, Settings(data=tmp_path / "data", embeddings="off"))


def upload(store: Store, content: bytes = b"heliotrope", name: str = "a.txt") -> Attachment:
    draft = Draft(new_xid(), name, store.uploads.stage([content], 1 << 20), "default", "test", "coco", "s")
    try:
        return store.uploads.upload([draft])[0]
    finally:
        draft.staged.discard()


def found(store: Store, word: str) -> int:
    url = f"{store.index.connection.client.transport.node_pool.all()[0].base_url}/{store.index.alias}/_count"
    return int(requests.post(url, json={"query": {"match": {"content_words": word}}}, timeout=30).json()["count"])


def test_work_that_ended_before_the_index_is_not_read_again(store: Store, worker: Extractor) -> None:
    attachment = upload(store)
    text = store.storage.stage_text()
    text.file.write(b"quokka")
    digest = hashlib.sha256(b"quokka").hexdigest()
    store.storage.keep_text(attachment.id, Extraction(now(), 1, size=6, sha256=digest).to_record(), text)
    text.close()
    assert store.steps.extraction_state(attachment)[0] == "pending"
    assert worker.work() == 1
    # The text that was there, not the one that another reading would have given.
    assert (found(store, "quokka"), found(store, "heliotrope")) == (1, 0)
    assert store.steps.extraction_state(attachment)[0] == "completed"


def test_a_late_write_of_the_upload_does_not_take_the_text_away(store: Store, worker: Extractor) -> None:
    attachment = upload(store)
    assert worker.work() == 1
    with pytest.raises(IndexRejected):
        store.index.put([attachment])
    assert found(store, "heliotrope") == 1


def test_a_late_extraction_does_not_bring_a_deleted_attachment_back(store: Store, worker: Extractor) -> None:
    attachment = upload(store)
    assert worker.work() == 1
    late = document_of(store.storage, attachment)
    store.deletion.delete(attachment.id, "default")
    with pytest.raises(IndexRejected):
        store.index.put_documents([late])
    assert found(store, "heliotrope") == 0


def test_a_delete_during_the_last_step_leaves_nothing(
    store: Store, worker: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    attachment = upload(store)
    keep = store.storage.keep_text

    def overtaken(*arguments: object) -> None:
        store.deletion.delete(attachment.id, "default")
        keep(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store.storage, "keep_text", overtaken)
    assert worker.work() == 1
    assert [path for path in (data_of(store) / "attachments").rglob("*") if path.is_file()] == []
    assert (found(store, "heliotrope"), store.queue.count()) == (0, 0)


def test_what_was_cut_off_by_the_end_of_the_server_is_no_failure_ten_times(store: Store, worker: Extractor) -> None:
    for interruptions, reason in ((outcomes.INTERRUPTIONS - 1, None), (outcomes.INTERRUPTIONS, "interrupted")):
        attachment = upload(store)
        entry = store.queue.take(attachment.id)
        assert entry is not None
        with contextlib.closing(entry):
            entry.begun = interruptions
            entry.save()
        assert worker.work() == 1
        known = store.records.extraction(attachment.id)
        assert known is not None
        assert known.reason == reason


def test_a_damaged_outcome_hides_the_text_and_not_the_attachment(store: Store, worker: Extractor) -> None:
    attachment = upload(store)
    assert worker.work() == 1
    path_of(data_of(store), attachment.id, Artefact.OUTCOME).write_text("{")
    document = document_of(store.storage, attachment)
    assert document.source == source_of(attachment)
    store.index.put_documents([replace(document, version=document.version + 10**15)])
    assert found(store, "heliotrope") == 0


def test_a_clock_that_is_put_back_does_not_keep_a_new_text_out(
    store: Store, worker: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of an extraction is the document's version: extracted again, it has to be later all the same."""
    attachment = upload(store)
    assert worker.work() == 1
    path_of(data_of(store), attachment.id).write_bytes(b"quokka quo")
    store.queue.add(attachment.id, again=True)
    monkeypatch.setattr(outcomes, "now", lambda: now() - timedelta(days=1))
    assert worker.work() == 1
    assert (found(store, "quokka"), found(store, "heliotrope")) == (1, 0)


def test_a_failure_in_the_future_is_tried_again_at_once(store: Store) -> None:
    """As it was before the clock was put back: the next try does not wait until then."""
    attachment = upload(store)
    entry = store.queue.take(attachment.id)
    assert entry is not None
    with contextlib.closing(entry):
        entry.tried = 1
        entry.save()
        assert lanes._too_soon(entry, time.time())
        later = time.time() + 86_400
        os.utime(data_of(store) / "extraction" / entry.id, (later, later))
        assert not lanes._too_soon(entry, time.time())


def test_an_entry_is_worked_on_by_one(store: Store) -> None:
    attachment = upload(store)
    first = store.queue.take(attachment.id)
    assert first is not None
    assert store.queue.take(attachment.id) is None
    first.close()
    second = store.queue.take(attachment.id)
    assert second is not None
    second.done()
    assert store.queue.take(attachment.id) is None


def test_the_records_are_looked_through_once_a_boot_and_condition(store: Store) -> None:
    for condition, readers, due in (
        *(("a", "1", "failed"), ("a", "1", None), ("b", "1", "missing"), ("b", "1", None)),
        *(("b", "2", "failed"), ("b", "2", None), ("c", "1", "failed")),
    ):
        with store.queue.scan(condition, readers) as wanted:
            assert wanted == due
    store.queue.forget_scan()
    with store.queue.scan("c", "1") as wanted:
        assert wanted == "missing"
    with pytest.raises(RuntimeError), store.queue.scan("d", "2"):
        raise RuntimeError
    with store.queue.scan("d", "2") as wanted:
        assert wanted == "failed"


def test_what_lost_its_entry_is_found_by_its_missing_outcome(store: Store, worker: Extractor) -> None:
    lost, done, binary = upload(store), upload(store), upload(store, bytes(range(256)), "a.bin")
    entry = store.queue.take(lost.id)
    assert entry is not None
    entry.done()
    assert worker.work() == 1
    assert store.records.extraction(done.id) is not None
    assert store.records.extraction(binary.id) is None
    assert store.steps.queue_missing() == 1
    assert list(store.queue.ids()) == [lost.id]


def test_other_readers_read_what_the_ones_before_made_nothing_of(store: Store, worker: Extractor) -> None:
    """What failed, what was called completed without a text, and what was not looked at; and nothing else."""
    kept = {
        "damaged": Extraction(now(), 1, "damaged"),
        "unreadable": Extraction(now(), 1, "unreadable"),
        "blank": Extraction(now(), 1),
        "large": Extraction(now(), 1, "too-large"),
        "read": Extraction(now(), 1, size=6, sha256=hashlib.sha256(b"quokka").hexdigest()),
    }
    ids = {}
    for name, known in kept.items():
        ids[name] = upload(store, f"heliotrope {name}".encode()).id
        entry = store.queue.take(ids[name])
        assert entry is not None
        entry.done()
        text = store.storage.stage_text()
        text.file.write(b"quokka"[: known.size])
        store.storage.keep_text(ids[name], known.to_record(), text)
        text.close()
    assert store.steps.queue_missing() == 0
    assert store.steps.queue_missing(failed=True) == 3
    assert set(store.queue.ids()) == {ids["damaged"], ids["unreadable"], ids["blank"]}
    assert store.steps.extraction_state(attachment_of(store, ids["blank"]))[0] == "pending"
    assert worker.work() == 3
    ended = {name: store.records.extraction(each) for name, each in ids.items()}
    assert {name: each and each.reason for name, each in ended.items()} == {
        **dict.fromkeys(("damaged", "unreadable", "blank", "read")),
        "large": "too-large",
    }
    assert found(store, "heliotrope") == 3


def attachment_of(store: Store, attachment_id: str) -> Attachment:
    attachment = store.records.attachment(attachment_id)
    assert attachment is not None
    return attachment


def source(store: Store, attachment_id: str) -> dict[str, Any]:
    base = store.index.connection.client.transport.node_pool.all()[0].base_url
    answer = requests.get(f"{base}/{store.index.alias}/_source/{attachment_id}", timeout=30)
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [(bytes(range(256)), "a.bin", "unsupported"), (b"", "a.txt", "empty"), (b"", "a.pdf", "empty")],
)
def test_what_nobody_reads_has_failed_at_once(store: Store, content: bytes, name: str, reason: str) -> None:
    attachment = upload(store, content, name)
    assert list(store.queue.ids()) == []
    assert store.records.extraction(attachment.id) is None
    state, known = store.steps.extraction_state(attachment)
    assert (state, known and known.reason) == ("failed", reason)
    told = source(store, attachment.id)
    assert told["extraction"] == {"state": "failed", "size": 0, "cut": False, "reason": reason}
    # From the files alone, as a rebuild makes it.
    again = document_of(store.storage, attachment_of(store, attachment.id)).source
    assert again is not None
    assert told == {key: value for key, value in again.items() if key in told}


@pytest.mark.parametrize("content", [b" \n\t\r\n ", "\u00a0\u2003\n\ufeff".encode(), b"\x00\x01\x02   "])
def test_a_blank_text_is_none(store: Store, worker: Extractor, content: bytes) -> None:
    attachment = upload(store, content)
    assert worker.work() == 1
    state, known = store.steps.extraction_state(attachment)
    assert (state, known and known.reason, known and known.attempts) == ("failed", "empty", 1)
    assert source(store, attachment.id)["extraction"]["reason"] == "empty"
    assert not path_of(data_of(store), attachment.id, Artefact.TEXT).exists()


def test_pictures_are_read_as_soon_as_recognition_is_there(store: Store) -> None:
    store.steps.recognition = False
    attachment = upload(store, picture(), "a.png")
    state, known = store.steps.extraction_state(attachment)
    assert (state, known and known.reason) == ("failed", "unsupported")
    assert store.queue.peek(attachment.id).left == ("thumbnail",)
    store.steps.recognition = True
    assert store.steps.extraction_state(attachment)[0] == "pending"
    assert store.steps.queue_missing() == 1
    assert list(store.queue.ids()) == [attachment.id]
    assert store.queue.peek(attachment.id).left == ("thumbnail", "recognition")


def test_what_earlier_versions_stored_of_it_says_the_same(store: Store) -> None:
    """Their records do not say that nobody reads it; and where nothing is read, nothing is said."""
    attachment = replace(upload(store, bytes(range(256)), "a.bin"), unread=None)
    store.storage.commit(attachment.id, attachment.to_record())
    assert "unread" not in (store.storage.record(attachment.id) or {})
    state, known = store.steps.extraction_state(attachment_of(store, attachment.id))
    assert (state, known and known.reason) == ("failed", "unsupported")
    store.steps.extracts = False
    assert store.steps.extraction_state(attachment_of(store, attachment.id)) == ("completed", None)
    off = upload(store, bytes(range(256)), "a.bin")
    assert (store.steps.extraction_state(off)[0], off.unread) == ("completed", None)


def test_a_record_that_changes_while_its_file_is_read(
    store: Store, worker: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read by the old type is not kept, nor does it bring the old type back into the index."""
    attachment = upload(store)
    read = reading.read

    def overtaken(*arguments: Any, **options: Any) -> Any:
        verdict = read(*arguments, **options)
        monkeypatch.setattr(reading, "read", read)
        assert len(store.changes.retype({attachment.id: "text/x-other"})) == 1
        return verdict

    monkeypatch.setattr(reading, "read", overtaken)
    assert worker.work() == 0 or store.records.extraction(attachment.id) is not None
    worker.work()
    assert source(store, attachment.id)["media_type"] == "text/x-other"
    assert found(store, "heliotrope") == 1
    known = store.records.extraction(attachment.id)
    assert known is not None
    assert known.at > attachment_of(store, attachment.id).updated
    assert list(store.queue.ids()) == []


def test_a_change_that_was_interrupted_is_finished(store: Store, worker: Extractor) -> None:
    attachment = upload(store)
    assert worker.work() == 1
    gone = upload(store)
    put = store.index.put_documents

    def unreachable(documents: Any) -> None:
        raise IndexUnavailable()

    store.index.put_documents = unreachable  # type: ignore[method-assign]
    with pytest.raises(IndexUnavailable):
        store.changes.retype({attachment.id: "text/x-other", gone.id: "text/x-other", new_xid(): "text/plain"})
    store.index.put_documents = put  # type: ignore[method-assign]
    assert attachment_of(store, attachment.id).media_type == "text/x-other"
    assert source(store, attachment.id)["media_type"] == "text/plain"
    assert store.settling.undecided() == 1
    store.deletion.delete(gone.id, "default")
    assert store.settling.settle() == 1
    assert (store.settling.undecided(), source(store, attachment.id)["media_type"]) == (0, "text/x-other")
    assert store.records.attachment(gone.id) is None
    assert "error" in source(store, gone.id) or not source(store, gone.id)
    assert attachment.id in set(store.queue.ids())


def test_what_is_about_to_be_deleted_is_not_changed(store: Store) -> None:
    attachment = upload(store)
    with contextlib.closing(store.journal.begin("delete", [attachment.id], durable=True)):
        pass
    assert store.changes.retype({attachment.id: "text/x-other"}) == []
    assert store.settling.settle() == 1
    assert store.storage.record(attachment.id) is None


#: Seconds: what a busy machine needs for an upload, too.
LIMIT = 4.0


@pytest.fixture
def proxied(tmp_path: Path, elasticsearch_url: str) -> Iterator[tuple[Store, Proxy]]:
    """A store that gives Elasticsearch `LIMIT` seconds for a request, and what is between the two."""
    with Proxy(elasticsearch_url) as proxy:
        settings = Settings(
            data=tmp_path / "data",
            index=unique_index(),
            elasticsearch_url=proxy.url,
            elasticsearch_timeout=LIMIT,
            disk_reserve=0,
            embeddings="off",
        )
        store = open_store(settings)
        with contextlib.closing(store.index):
            yield store, proxy
        delete_index(elasticsearch_url, settings.index)


def test_a_large_text_that_is_indexed_for_long_is_in_nobodys_way(proxied: tuple[Store, Proxy], tmp_path: Path) -> None:
    """For longer than a request may take, its bulk is kept back; uploads and searches go on, and it comes to its end."""
    store, proxy = proxied
    attachment = upload(store, b"heliotrope " + b"some more words " * (LARGE // 16))
    fault = proxy.fault = Fault("_bulk", hold_until=threading.Event(), times=1)
    assert fault.hold_until is not None
    done: list[int] = []
    worker = Extractor(store, Settings(data=tmp_path / "data", embeddings="off"))
    thread = threading.Thread(target=lambda: done.append(worker.work()))
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not fault.hit:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(LIMIT + 0.5)
        second = upload(store, b"x", name="meanwhile.bin")
        body = {"query": {"ids": {"values": [second.id, attachment.id]}}}
        assert len(json.loads(store.index.search(body))["hits"]["hits"]) == 2
    finally:
        fault.hold_until.set()
        thread.join()
    assert done == [1]
    assert (found(store, "heliotrope"), store.steps.extraction_state(attachment)[0]) == (1, "completed")


def test_documents_with_texts_are_written_as_they_are_made(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many that one call writes, only as many as fit into one bulk are in memory at once."""
    made: list[int] = []
    written: list[tuple[int, int]] = []
    write = store.index._write

    def noted(writes: Sequence[Write], *arguments: Any, **options: Any) -> None:
        written.append((len(made), len(writes)))
        write(writes, *arguments, **options)

    def documents() -> Iterator[Write]:
        for number, letters in enumerate((LARGE + 1, 1, LARGE, 1, 1)):
            made.append(number)
            yield Write(f"d{number}", 1, {"id": f"d{number}", "content_words": "x" * (letters - len("d0"))})

    monkeypatch.setattr(store.index, "_write", noted)
    store.index.put_documents(documents())
    assert written == [(1, 1), (3, 2), (5, 2)]
