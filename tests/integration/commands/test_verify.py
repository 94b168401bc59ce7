"""Seeded faults are found under their own code and exact place, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from app.ids import new_xid
from app.storage.contract import Artefact, name_of
from app.upkeep.repair import ACTIONS
from app.upkeep.verify import CODES
from tests.integration.commands.doors import door, findings
from tests.support.app import ROOT, Server, ServerFactory
from tests.support.artefacts import path_of
from tests.support.browsers import post_token, sign_in
from tests.support.ports import reserved_port
from tests.support.texts import keep_thumbnail

OLD = 7200.0
#: How often the store is checked while uploads and deletes go on; more in a long run.
TIMES = int(os.environ.get("TIMES") or 2)


def document(server: Server, attachment_id: str, method: str = "GET", **options: object) -> requests.Response:
    url = f"{server.elasticsearch_url}/{server.index}/_doc/{attachment_id}?refresh=true"
    return requests.request(method, url, timeout=60, **options)  # type: ignore[arg-type]


def aged(path: Path) -> Path:
    moment = time.time() - OLD
    os.utime(path, (moment, moment))
    return path


class Seeds:
    """Each makes one fault of the attachment `id` and returns the place where it must be found."""

    def __init__(self, server: Server, attachment_id: str) -> None:
        self.server, self.id = server, attachment_id
        self.bytes, self.record = (
            path_of(server.data, attachment_id, each) for each in (Artefact.BYTES, Artefact.RECORD)
        )

    def place(self, path: Path) -> str:
        return str(path.relative_to(self.server.data))

    def missing_bytes(self) -> str:
        self.bytes.unlink()
        return self.place(self.bytes)

    def truncated_bytes(self) -> str:
        os.truncate(self.bytes, 3)
        return self.place(self.bytes)

    def overlong_bytes(self) -> str:
        with self.bytes.open("ab") as file:
            file.write(b"more")
        return self.place(self.bytes)

    def wrong_digest(self) -> str:
        content = bytearray(self.bytes.read_bytes())
        content[2] ^= 1
        self.bytes.write_bytes(content)
        return self.place(self.bytes)

    def damaged_record(self) -> str:
        self.record.write_bytes(self.record.read_bytes()[:20])
        return self.place(self.record)

    def missing_record(self) -> str:
        self.record.unlink()
        return self.place(self.record)

    def record_without_document(self) -> str:
        document(self.server, self.id, "DELETE")
        return self.place(self.record)

    def document_without_record(self) -> str:
        self.record.unlink()
        self.bytes.unlink()
        return self.id

    def differing_document(self) -> str:
        source = document(self.server, self.id).json()["_source"]
        assert document(self.server, self.id, "PUT", json={**source, "name": "other"}).ok
        return self.id

    def bytes_without_record(self) -> str:
        document(self.server, self.id, "DELETE")
        self.record.unlink()
        return self.place(aged(self.bytes))

    def stale_temporary(self) -> str:
        path = self.server.data / "incoming" / secrets.token_hex(16)
        path.write_bytes(b"half")
        return self.place(aged(path))

    def undecided_entry(self) -> str:
        path = self.server.data / "journal" / f"{secrets.token_hex(16)}.delete"
        path.write_text(json.dumps({"ids": [self.id]}))
        return self.place(path)

    def text_without_record(self) -> str:
        stranger = new_xid()
        folder = self.server.data / "attachments" / hashlib.sha256(stranger.encode()).hexdigest()[:3]
        path = folder / f"{stranger}.text"
        path.write_text("nobody's")
        return self.place(aged(path))

    def damaged_thumbnail(self) -> str:
        keep_thumbnail(self.server.data, self.id)
        path = self.record.with_suffix(".thumbnail")
        path.write_bytes(path.read_bytes() + b"more")
        return self.place(path)

    def thumbnail_without_record(self) -> str:
        stranger = new_xid()
        keep_thumbnail(self.server.data, stranger)
        return self.place(aged(path_of(self.server.data, stranger, Artefact.THUMBNAIL)))

    def damaged_passages(self) -> str:
        path = self.record.with_suffix(".passages")
        path.write_bytes(b"{}\n")
        return self.place(path)

    def passages_without_record(self) -> str:
        path = path_of(self.server.data, new_xid(), Artefact.PASSAGES)
        path.write_bytes(b"{}\n")
        return self.place(aged(path))

    def unknown_file(self) -> str:
        path = self.record.with_name("notes.txt")
        path.write_text("mine")
        return self.place(path)

    def unreadable(self) -> str:
        self.bytes.unlink()
        self.bytes.mkdir()
        return self.place(self.bytes)

    def seed(self, code: str) -> tuple[str, str]:
        """Make the fault of this code; the finding that it must be."""
        make: Callable[[], str] = getattr(self, code.replace("-", "_"))
        return code, make()


REMOVED_FILES = (
    "bytes-without-record",
    "stale-temporary",
    "text-without-record",
    "thumbnail-without-record",
    "passages-without-record",
    # Where nothing is extracted nothing is drawn and nothing given vectors: there they go, too.
    "damaged-thumbnail",
    "damaged-passages",
)


def test_every_fault_is_found_at_its_place_and_repaired_where_it_can_be(start_server: ServerFactory) -> None:
    server = start_server()
    # A damaged text is found and repaired in tests/integration/extraction: its repair is another extraction; outdated
    # passages in tests/integration/embeddings, as they need a model.
    codes = [code for code in CODES if code not in ("missing-index", "damaged-text", "outdated-passages")]
    ids = dict(zip(codes, server.upload(*((f"{code}.txt", b"some content") for code in codes)), strict=True))
    (sound,) = server.upload(("sound.txt", b"some content"))
    for litter in (".DS_Store", "Thumbs.db", "attachments/desktop.ini", "incoming/.DS_Store"):
        (server.data / litter).write_text("litter")
    assert server.stop() == 0
    assert findings(server, "--read-data") == (0, [])

    # What can be repaired: shown, left alone without a yes, then gone.
    expected = sorted(Seeds(server, ids[code]).seed(code) for code in codes if code in ACTIONS)
    before = set(server.stored_files())
    assert findings(server, "--repair", "--read-data") == (1, expected)
    assert set(server.stored_files()) == before
    assert findings(server, "--repair", "--yes", "--read-data") == (0, expected)
    assert findings(server, "--read-data") == (0, [])
    removed = {place for code, place in expected if code in REMOVED_FILES}
    undecided = {each for each in before if ids["undecided-entry"] in each or each.startswith("journal/")}
    assert before - set(server.stored_files()) == removed | undecided
    renamed = document(server, ids["differing-document"]).json()
    assert renamed["_source"]["name"] == "differing-document.txt"

    # Damage, and what is only a person's to decide: found and never touched.
    expected = sorted(Seeds(server, ids[code]).seed(code) for code in codes if code not in ACTIONS)
    before = set(server.stored_files())
    assert findings(server, "--repair", "--yes", "--read-data") == (1, expected)
    assert findings(server) == (1, [each for each in expected if each[0] != "wrong-digest"])
    assert set(server.stored_files()) == before
    assert document(server, sound).json()["found"]


#: What stands for many names in docs/format.md.
PLACEHOLDERS = {
    "<fff>": "[0-9a-f]{3}",
    "<id>": "[0-9a-v-]+",
    "<32 hex>": "[0-9a-f]{32}",
    "<64 hex>": "[0-9a-f]{64}",
    "<43 characters>": "[A-Za-z0-9_-]{43}",
    "<n>": "[0-9]+",
    "<kind>": "[a-z_]+",
    "<tenant>": "[a-z0-9._-]+",
}


def documented() -> dict[str, re.Pattern[str]]:
    """The names in the table of docs/format.md, as what they stand for."""
    cells = re.findall(r"^\| (`.+?) \|", (ROOT / "docs" / "format.md").read_text(), re.MULTILINE)
    found = {}
    for name in re.findall("`([^`]+)`", " ".join(cells)):
        pattern = re.escape(name)
        for each, meaning in PLACEHOLDERS.items():
            pattern = pattern.replace(re.escape(each), meaning)
        found[name] = re.compile(pattern)
    return found


def written(data: Path) -> dict[str, int]:
    """Every file of a data folder and every folder that is not empty, with its mode."""
    paths = [path for path in data.rglob("*") if path.is_file() or any(path.iterdir())]
    return {str(path.relative_to(data)): path.stat().st_mode & 0o777 for path in paths}


def test_what_the_store_writes_is_documented_and_known_and_nothing_else_is(start_server: ServerFactory) -> None:
    server = start_server(EXTRACTION="on")
    server.upload(("one.txt", b"some content"))
    server.upload(("two.pdf", b"%PDF-1.4\n"))
    deadline = time.monotonic() + 120
    while findings(server) != (0, []) or not list(server.data.glob("attachments/*/*.thumbnail")):
        assert time.monotonic() < deadline
    sign_in(server.url, server.token)
    assert post_token(server.url, "wrong").status_code == 401
    assert server.post("/coco_attachment/_pit?keep_alive=1m", headers={"Authorization": f"Bearer {server.token}"}).ok
    assert door(server, "index", "migrate", "coco_attachment", "--force").returncode == 0
    names = documented()
    found = written(server.data)
    assert [name for name, pattern in names.items() if not any(map(pattern.fullmatch, found))] == [
        # Where there are embeddings, as what follows of them and of passages.
        "attachments/<fff>/<id>.passages",
        # Those that are there for a moment, or with an embedded node.
        "extraction/<id>",
        # Of pictures, where there are some and text is recognized in them.
        "extraction/.slot-pictures-<n>",
        "extraction/.slot-embeddings-0",
        "extraction/.turns-pictures",
        "extraction/.slot-passages-0",
        "extraction/.turns-passages",
        # There while something is wrong with the machine.
        "extraction/.unfit-<kind>",
        "incoming/<32 hex>",
        "journal/<32 hex>.upload",
        "journal/<32 hex>.delete",
        "journal/<32 hex>.change",
        "journal/<32 hex>.new",
        # With an object store.
        "objects/changed/<fff>",
        "objects/removed/<id>",
        "objects/uploading/<id>.<artefact>",
        "objects/bound/<16 hex>",
        # With a copy of it.
        "objects/copy/",
        "elasticsearch/url",
        "elasticsearch/",
    ]
    modes = {"tokens.json": 0o600, "sign-in-attempts": 0o600}
    for name, mode in found.items():
        path = server.data / name
        if path.is_dir():
            assert mode == 0o750, name
        else:
            assert any(pattern.fullmatch(name) for pattern in names.values()), name
            assert mode == (0o600 if path.parent.name == "sign-ins" else modes.get(name, 0o640)), name
    server.stop()
    (server.data / "elasticsearch").mkdir()
    (server.data / "elasticsearch" / "url").write_text("http://127.0.0.1:9200")
    assert findings(server) == (0, [])

    strange = ["notes", "attachments/zzz", "incoming/x", "journal/x", "extraction/.other", "sign-ins/x", "points/UP"]
    strange += ["points/default/short"]
    for each in strange:
        (server.data / each).write_text("mine")
    # As earlier versions left them when they were killed.
    left = [".tokens.json.17.new", f"sign-ins/.{'0' * 64}.17.new", f"points/.{'x' * 43}.new", f"incoming/{'0' * 32}"]
    for each in left:
        (server.data / each).write_text("half")
        aged(server.data / each)
    young = server.data / "points" / f".{'y' * 43}.new"
    young.write_text("half")
    expected = [("unknown-file", each) for each in strange] + [("stale-temporary", each) for each in left]
    assert findings(server) == (1, sorted(expected))
    assert findings(server, "--repair", "--yes") == (1, sorted(expected))
    assert [each for each in left if (server.data / each).exists()] == []
    assert young.exists()
    assert findings(server) == (1, sorted(("unknown-file", each) for each in strange))


def test_a_missing_index_is_one_finding_and_rebuild_ends_it(start_server: ServerFactory) -> None:
    server = start_server()
    server.upload(("one.txt", b"content one"))
    server.stop()
    requests.delete(f"{server.elasticsearch_url}/{server.index}-000001", timeout=60)
    assert findings(server, "--repair", "--yes") == (1, [("missing-index", None)])
    assert door(server, "store", "rebuild").returncode == 0
    assert findings(server) == (0, [])


def test_subsets_cover_everything_once(start_server: ServerFactory) -> None:
    server = start_server()
    ids = server.upload(*((f"{number}.txt", b"x") for number in range(12)))
    server.stop()
    for each in ids:
        path_of(server.data, each).unlink()
    found = [place for part in (1, 2, 3) for _, place in findings(server, "--subset", f"{part}/3")[1]]
    assert Counter(found) == Counter(name_of(each, Artefact.BYTES) for each in ids)


def test_what_is_young_or_held_is_not_removed(start_server: ServerFactory) -> None:
    server = start_server()
    (attachment,) = server.upload(("one.txt", b"content"))
    server.stop()
    seeds = Seeds(server, attachment)
    place = seeds.bytes_without_record()
    os.utime(seeds.bytes)
    assert findings(server, "--repair", "--yes") == (1, [("bytes-without-record", place)])
    assert seeds.bytes.exists()


def test_no_false_alarm_while_uploads_and_deletes_go_on(start_server: ServerFactory) -> None:
    server = start_server()
    stop = threading.Event()
    done: list[int] = []
    failed: list[object] = []

    def work() -> None:
        count = 0
        try:
            while not stop.is_set():
                ids = server.upload(("a.txt", b"a"), ("b.txt", b"b"))
                answer = server.delete(f"/attachment/{ids[0]}")
                assert answer.status_code == 200
                count += 1
        except BaseException as error:
            failed.append(error)
        done.append(count)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    try:
        results = [findings(server) for _ in range(TIMES)]
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert failed == []
    # Each of them went round more than once.
    assert sum(done) > 4
    assert results == [(0, [])] * TIMES


@pytest.mark.parametrize("options", [("--subset", "0/2"), ("--subset", "3/2"), ("--yes",), ("--nonsense",)])
def test_usage_is_exit_2(server: Server, options: tuple[str, ...]) -> None:
    assert door(server, "store", "verify", *options).returncode == 2


def test_what_can_not_be_checked_is_exit_3(server: Server, tmp_path: Path) -> None:
    assert door(server, "store", "verify", "--data", str(tmp_path)).returncode == 3
    assert list(tmp_path.iterdir()) == []
    assert door(server, "store", "verify", ELASTICSEARCH_URL="http://127.0.0.1:9").returncode == 3


def test_index_of_another_store_is_refused(start_server: ServerFactory) -> None:
    first = start_server()
    first.upload(("one.txt", b"x"))
    second = start_server(start=False, INDEX=first.index)
    with pytest.raises(RuntimeError, match=r"ended with 3\n(.*\n)*.*belongs to another store"):
        second.start()
    with reserved_port() as port:
        for words in (
            ("serve", "--port", str(port)),
            ("store", "verify", "--repair", "--yes"),
            ("store", "rebuild", "--remove-old"),
        ):
            result = door(second, *words)
            assert result.returncode == 3
            assert "belongs to another store" in result.stdout + result.stderr
    assert len(first.hits()) == 1


def test_chats_of_another_store_are_refused(start_server: ServerFactory) -> None:
    """An index of one's own for attachments, and another's for chats: nothing is started, nothing is touched."""
    first = start_server()
    made = first.post("/api/v2/chats", json={}, headers={"Coder-Session-Token": first.token})
    assert made.status_code == 201, made.text
    second = start_server(start=False, CHAT_INDEX=f"{first.index}_chat")
    with pytest.raises(RuntimeError, match=r"ended with 3\n(.*\n)*.*belongs to another store"):
        second.start()
    listed = first.get("/api/v2/chats", headers={"Coder-Session-Token": first.token}).json()
    assert [each["id"] for each in listed] == [made.json()["id"]]
